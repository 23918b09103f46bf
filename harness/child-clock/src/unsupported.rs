//! Systems on which clocks cannot be moved. Nothing here is reached: [`probe_clock`](super::probe_clock) says no first.

use std::path::Path;
use std::time::Duration;

use super::ClockError;

/// What a page would be found as.
pub const INHERITED: i32 = 9;

/// Which clocks of a process would be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MovedClocks;

impl MovedClocks {
    pub const ALL: Self = Self;
    pub const DATES: Self = Self;
}

/// A page that never moves.
#[derive(Debug)]
pub struct TimePage;

impl TimePage {
    pub fn new(_base: i64) -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub fn open(_path: &str) -> std::io::Result<Self> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    pub fn path(&self) -> String {
        String::new()
    }

    pub fn moved(&self) -> Duration {
        Duration::ZERO
    }

    pub fn base(&self) -> i64 {
        0
    }

    pub fn advance(&self, _by: Duration) {}
}

/// Never at rest.
#[derive(Debug, Default)]
pub struct Activity;

impl Activity {
    pub fn is_at_rest(&mut self, _steady: &[i32], _ticking: &[i32], _threads: &[i32]) -> bool {
        false
    }
}

/// No number.
pub fn own_thread() -> i32 {
    0
}

/// Lets the child go on in the machine's time.
pub fn set_clock(_pid: i32, _program: &Path, _moved: MovedClocks, open: impl FnOnce()) -> Result<(), ClockError> {
    open();
    Ok(())
}

/// Wakes nobody.
pub fn wake(_pid: i32) {}
