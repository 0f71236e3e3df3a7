#![no_main]

libfuzzer_sys::fuzz_target!(
    // The WebP reader's panics are caught where it is called. One that gets here is still one too many.
    init: drop(std::panic::take_hook()),
    |data: &[u8]| mmno_fuzz::picture::check(data)
);
