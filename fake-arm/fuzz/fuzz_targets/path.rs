//! See `fake_arm::fuzzing::path`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fake_arm::fuzzing::path(text));
