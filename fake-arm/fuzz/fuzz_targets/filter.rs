//! See `fake_arm::fuzzing::filter`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fake_arm::fuzzing::filter(text));
