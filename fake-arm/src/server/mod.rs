//! A running fake as its owner holds it: what it starts with, the handle, the state that it leaves, its admin API, and
//! the task that keeps the world's appointments. It is the one place that knows all the layers below.

mod admin;
mod builder;
mod fake_arm;
mod saved;
mod timer_task;

pub use builder::{Builder, StartError};
pub use fake_arm::FakeArm;
pub use saved::Saved;

pub use crate::transport::Authority;
