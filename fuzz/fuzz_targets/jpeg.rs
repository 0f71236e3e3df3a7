#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mmno_fuzz::jpeg::check(data));
