//! See `fake_arm::fuzzing::condition`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fake_arm::fuzzing::condition(text));
