//! What was asked and answered: kept in order, and told to whoever listens.

mod book;
mod redaction;

pub use book::Ledger;
pub(crate) use redaction::redacted;
