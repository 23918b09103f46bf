//! What a borrower and a pool say to each other: a line of JSON each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// In which time a lab wants to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TimeWish {
    /// The machine's.
    Real,
    /// One that can be moved on, not before the machine's.
    Movable,
    /// One that can be moved on and begins at a date.
    MovableFrom(Timestamp),
}

/// What a borrower asks for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "camelCase")]
pub(super) enum Ask<S> {
    /// A time to live in: the first word.
    Enter {
        /// Who it is, for those who read why a cluster was thrown away.
        who: String,
        wish: TimeWish,
    },
    /// A cluster.
    Lend { shape: S },
    /// The end of what serves the requests of a cluster that was lent.
    Halt { number: u64 },
    /// Nothing: a cluster comes back, with what was done to it that no emptying mends.
    Return { number: u64, damage: Option<String> },
}

/// An ask with the number that its answer will bear.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Call<S> {
    pub(super) call: u64,
    #[serde(flatten)]
    pub(super) ask: Ask<S>,
}

/// What a pool says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "word", rename_all = "camelCase")]
pub(super) enum Word<P> {
    /// The borrower is in a time: where its page is, `None` for the machine's.
    Entered { call: u64, page: Option<String> },
    /// A cluster is the borrower's.
    Lent { call: u64, number: u64, place: P },
    /// It is done.
    Done { call: u64 },
    /// It cannot be had.
    Refused { call: u64, why: String },
    /// A cluster that was lent has ended by itself.
    Died { number: u64, how: String },
}
