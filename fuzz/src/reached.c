/* Tells the fuzzer what is reached in C: any compiler calls the function below at each edge (-fsanitize-coverage=trace-pc), and libFuzzer
 * looks at the counters of this section.
 */
#include <stdint.h>

#define COUNTERS (1 << 14)

__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

__attribute__((no_sanitize_coverage, no_sanitize_address)) void __wrap___sanitizer_cov_trace_pc(void)
{
    uintptr_t place = (uintptr_t)__builtin_return_address(0);
    uint8_t *counter = &counters[(place ^ place >> 14) & (COUNTERS - 1)];
    if (*counter < UINT8_MAX)
        ++*counter;
}
