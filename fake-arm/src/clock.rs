//! The time that fake-arm lives in. Token lifetimes, long-running operations and time stamps all ask the clock that
//! the owner gave, so that a lab can move it on.

use jiff::Timestamp;

/// A source of the present time. Implementations must never go back.
pub trait Clock: std::fmt::Debug + Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// The machine's own clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}
