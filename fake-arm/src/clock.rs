//! The time that fake-arm lives in. Token lifetimes, long-running operations and time stamps all ask the clock that
//! the owner gave, so that a lab can move it on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

/// A source of the present time. Implementations must never go back.
pub trait Clock: std::fmt::Debug + Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Ends when `moment` has come. The default waits in the machine's time, which is right for clocks that nobody
    /// moves; whoever owns one that is moved answers when it is moved there.
    fn until(&self, moment: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let left = Duration::try_from(moment.duration_since(self.now())).unwrap_or_default();
        Box::pin(tokio::time::sleep(left))
    }
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
    /// In milliseconds.
    ahead: Arc<AtomicI64>,
    moved: Arc<Notify>,
}

impl MovableClock {
    /// A clock that is this much ahead of the machine's.
    pub fn ahead_by(ahead: Duration) -> Self {
        let clock = Self::default();
        clock.advance(ahead);
        clock
    }

    /// Moves it on. There is no way back.
    pub fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        // The closure never gives up, so there is no error.
        let _ = self.ahead.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |ahead| Some(ahead.saturating_add(by)));
        self.moved.notify_waiters();
    }

    /// How far it is ahead of the machine's clock.
    pub fn ahead(&self) -> Duration {
        Duration::from_millis(self.ahead.load(Ordering::SeqCst).unsigned_abs())
    }
}

impl Clock for MovableClock {
    fn now(&self) -> Timestamp {
        moved_by(self.ahead.load(Ordering::SeqCst))
    }

    fn until(&self, moment: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let (ahead, moved) = (Arc::clone(&self.ahead), Arc::clone(&self.moved));
        Box::pin(async move {
            loop {
                let mut notified = std::pin::pin!(moved.notified());
                // Before the clock is looked at: a move in between is not missed.
                notified.as_mut().enable();
                let left = moment.duration_since(moved_by(ahead.load(Ordering::SeqCst)));
                let Ok(left) = Duration::try_from(left) else { return };
                if left.is_zero() {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    () = notified => {}
                }
            }
        })
    }
}

fn moved_by(ahead: i64) -> Timestamp {
    Timestamp::now().checked_add(SignedDuration::from_millis(ahead)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_moment_notices_that_the_clock_is_moved() {
        let clock = MovableClock::default();
        let later = clock.now() + SignedDuration::from_hours(5);
        let waiting = clock.until(later);
        let moving = async {
            tokio::task::yield_now().await;
            clock.advance(Duration::from_secs(6 * 3600));
        };
        let both = futures::future::join(waiting, moving);
        tokio::time::timeout(Duration::from_secs(60), both).await.expect("five hours have passed");
        assert_eq!(clock.ahead(), Duration::from_secs(6 * 3600));
    }
}
