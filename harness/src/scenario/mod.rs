//! A scenario as a whole: it is given a lab, what it returns is judged, and only then the lab is taken down. `cargo test`
//! and `catnap run` come to the same verdict because both call [`run`], which [`catnap_macros::scenario`] writes.

mod invariant;
mod judge;
mod run;
#[cfg(test)]
mod tests;

pub use run::{Needs, run};
