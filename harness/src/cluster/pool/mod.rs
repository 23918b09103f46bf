//! Clusters that are used again: a pool lends them by what they were made with, takes them back, has them emptied, and
//! lends them again only if that is proven. It knows nothing of how a cluster is made or emptied, and belongs to no target.
//!
//! A cluster lives in a time, which only moves on: a lab enters one and has it to itself, with the
//! clusters that live in it. Lab and pool speak through a socket, so that scenarios which are processes of their own share
//! the clusters of a run, and one that dies costs the others nothing.

mod borrower;
mod kept;
mod lender;
mod lending;
mod message;
mod service;
mod statistics;
#[cfg(test)]
mod tests;

pub use borrower::{Borrower, Loan};
pub use kept::{Kept, Maker, SharedTime};
pub(crate) use lender::OfThisProcess;
pub use lender::{Lender, Listening, RunLender, connect};
pub use message::TimeWish;
pub use statistics::{Statistics, ThrownAway};
