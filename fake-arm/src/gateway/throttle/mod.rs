//! Throttling: token buckets for each principal and subscription as Azure Resource Manager keeps them, and those of the
//! compute provider. All of them are refilled by the world's clock.

mod compute;
mod meter;
mod stage;

pub(super) use stage::{Asked, admit};
