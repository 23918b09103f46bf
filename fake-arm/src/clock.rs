//! The time that fake-arm lives in. Token lifetimes, long-running operations and time stamps all ask the clock that
//! the owner gave, so that a lab can move it on.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

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

/// The machine's clock, ahead by as much as its owner moved it on.
#[derive(Debug, Default)]
pub struct MovableClock {
    ahead: AtomicI64,
}

impl MovableClock {
    /// A clock that is this much ahead of the machine's.
    pub fn ahead_by(ahead: Duration) -> Self {
        Self { ahead: AtomicI64::new(milliseconds(ahead)) }
    }

    /// Moves it on. There is no way back.
    pub fn advance(&self, by: Duration) {
        let by = milliseconds(by);
        // The closure never gives up, so there is no error.
        let _ = self.ahead.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |ahead| Some(ahead.saturating_add(by)));
    }

    /// How far it is ahead of the machine's clock.
    pub fn ahead(&self) -> Duration {
        Duration::from_millis(self.ahead.load(Ordering::SeqCst).unsigned_abs())
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead.load(Ordering::SeqCst));
        Timestamp::now().checked_add(ahead).unwrap_or(Timestamp::MAX)
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
