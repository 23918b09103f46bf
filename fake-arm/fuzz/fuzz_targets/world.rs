//! See `fake_arm::fuzzing::world`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fake_arm::fuzzing::world(text));
