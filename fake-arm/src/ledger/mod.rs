//! What was asked and answered: kept in order, and told to whoever listens.

mod book;
mod footprint;
mod redaction;

pub use book::Ledger;
pub use footprint::{Footprint, RequestFacts, UsedRight};
pub(crate) use redaction::redacted;
