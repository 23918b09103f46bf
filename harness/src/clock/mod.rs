//! The time that a lab lives in: read, waited in and, where the machine can, moved on while nothing happens.

mod lab_clock;
mod mover;
#[cfg(all(test, target_os = "linux"))]
mod real_programs_tests;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
mod waits;

pub use lab_clock::{ClockKind, LabClock, Waiting};
pub(crate) use lab_clock::{Hold, new_time};
pub(crate) use mover::ClockSubjects;
