//! See `fake_arm::fuzzing::resource_id`.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fake_arm::fuzzing::resource_id(text));
