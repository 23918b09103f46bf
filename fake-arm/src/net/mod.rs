//! Addresses as Azure counts them: pure functions over prefixes, without a world.

mod range;

pub use range::{first_free, is_assignable, overlap, usable, usable_count};
