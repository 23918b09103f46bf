//! See `fake_arm::fuzzing::cidr`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fake_arm::fuzzing::cidr(text));
