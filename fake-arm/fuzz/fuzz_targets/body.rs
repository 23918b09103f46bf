//! See `fake_arm::fuzzing::body`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fake_arm::fuzzing::body(bytes));
