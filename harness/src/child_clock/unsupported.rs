//! Systems on which clocks cannot be moved. Nothing here is reached: [`probe_clock`](super::probe_clock) says no first.

use std::path::Path;
use std::time::Duration;

use super::ClockError;

/// What a page would be found as.
pub(crate) const INHERITED: i32 = 9;

/// Which clocks of a process would be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MovedClocks;

impl MovedClocks {
    pub(crate) const ALL: Self = Self;
    pub(crate) const DATES: Self = Self;
}

/// A page that never moves.
#[derive(Debug)]
pub(crate) struct TimePage;

impl TimePage {
    pub(crate) fn new(_base: i64) -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn open(_path: &str) -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn path(&self) -> String {
        String::new()
    }

    pub(crate) fn moved(&self) -> Duration {
        Duration::ZERO
    }

    pub(crate) fn base(&self) -> i64 {
        0
    }

    pub(crate) fn advance(&self, _by: Duration) {}
}

/// Never at rest.
#[derive(Debug, Default)]
pub(crate) struct Activity;

impl Activity {
    pub(crate) fn is_at_rest(&mut self, _steady: &[i32], _ticking: &[i32], _threads: &[i32]) -> bool {
        false
    }
}

/// No number.
pub(crate) fn own_thread() -> i32 {
    0
}

/// Lets the child go on in the machine's time.
pub(crate) fn set_clock(
    _pid: i32,
    _program: &Path,
    _moved: MovedClocks,
    open: impl FnOnce(),
) -> Result<(), ClockError> {
    open();
    Ok(())
}

/// Wakes nobody.
pub(crate) fn wake(_pid: i32) {}
