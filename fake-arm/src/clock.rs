//! The time that fake-arm lives in. Token lifetimes, long-running operations and time stamps all ask the clock that
//! the owner gave, so that a lab can move it on.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

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
