//! The command line.

pub mod components;
pub mod doctor;
