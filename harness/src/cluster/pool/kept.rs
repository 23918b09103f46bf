//! What a pool has to know of the clusters that it keeps.

use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use serde::Serialize;
use serde::de::DeserializeOwned;

use child_clock::TimePage;

/// The time that a cluster lives in: a page that can be moved on, or `None` for the machine's.
pub type SharedTime = Option<Arc<TimePage>>;

/// A cluster that can be kept when a lab has ended, and be lent to another one.
#[async_trait]
pub trait Kept: Debug + Send + Sync + 'static {
    /// What it was made with and cannot be changed afterwards: who asks for the same may have it.
    type Shape: Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What whoever borrows it is told of it.
    type Place: Clone + Debug + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Where it is.
    fn place(&self) -> Self::Place;

    /// Whether it still runs.
    fn is_alive(&self) -> bool;

    /// Returns, with how it happened, when it has ended without having been asked to.
    async fn died(&self) -> String;

    /// Ends what serves its requests and leaves what it stores, so that the borrower can put something else in its place.
    async fn halt(&self);

    /// Removes all that was not there when it was fresh.
    ///
    /// # Errors
    /// What differs afterwards from what a fresh one holds: it must not be lent again then.
    async fn empty(&self) -> Result<(), String>;

    /// Nobody has it from here on: it may stop to work.
    fn rest(&self);

    /// Somebody is about to have it.
    fn resume(&self);

    /// Ends it for good.
    async fn throw_away(&self);
}

/// Makes clusters for a pool.
#[async_trait]
pub trait Maker: Debug + Send + Sync + 'static {
    /// What it makes.
    type Made: Kept;

    /// Makes the cluster of this number, which no other of this maker has, in a time.
    ///
    /// # Errors
    /// Why it cannot be made, with the remedy.
    async fn make(
        &self,
        number: u64,
        shape: <Self::Made as Kept>::Shape,
        time: SharedTime,
    ) -> Result<Self::Made, String>;
}
