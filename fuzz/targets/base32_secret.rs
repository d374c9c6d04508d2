#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| keyward_fuzz::base32_secret(data));
