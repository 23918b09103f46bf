//! The catnap command.
fn main() {}
