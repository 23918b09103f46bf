//! See `fake_arm::fuzzing::kql`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fake_arm::fuzzing::kql(text));
