//! The work of a long-running operation, as the world carries it out.

use std::time::Duration;

use futures::future::BoxFuture;
use uuid::Uuid;

use super::World;
use arm::ArmError;

/// The last step of a long-running operation. An error makes the operation `Failed` with that code and message.
pub type Outcome = Box<dyn FnOnce(&mut World) -> Result<(), ArmError> + Send + 'static>;

/// The first step of a long-running operation that goes on in steps; it is told the operation's id.
pub type FirstStep = Box<dyn FnOnce(&mut World, Uuid) + Send + 'static>;

/// How a long-running operation goes on.
pub enum LongRunning {
    /// It ends after this much of the world's time.
    After(Duration, Outcome),
    /// It ends when this work, done outside the lock, ends.
    Task(BoxFuture<'static, Outcome>),
    /// It ends when whoever is told its id here says so with [`World::conclude`]: work in steps under the lock.
    Driven(FirstStep),
}

impl std::fmt::Debug for LongRunning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::After(duration, _) => write!(f, "After({duration:?})"),
            Self::Task(_) => f.write_str("Task"),
            Self::Driven(_) => f.write_str("Driven"),
        }
    }
}
