#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mmno_fast_fuzz::png(bytes));
