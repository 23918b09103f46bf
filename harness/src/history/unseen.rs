//! What a history does not see at present: while a watch is broken or begins anew, or records are under way, what happens is
//! recorded late, and "there is none" would be said of what has not been heard of yet.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::clock::Hold;

/// How often a wait for records under way looks again.
const LOOK: Duration = Duration::from_millis(1);

/// What is not seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Kinds(Arc<(Mutex<Dark>, Condvar)>);

#[derive(Default)]
struct Dark {
    /// Kinds whose watch does not see.
    kinds: Vec<&'static str>,
    /// Whether records from elsewhere are still under way.
    behind: Vec<Box<dyn Fn() -> bool + Send + Sync>>,
}

impl fmt::Debug for Dark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dark").field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

impl Dark {
    /// What is not seen, in words; empty where everything is.
    fn names(&self) -> Vec<&'static str> {
        let behind = self.behind.iter().any(|behind| behind()).then_some("what Azure told");
        self.kinds.iter().copied().chain(behind).collect()
    }
}

/// A kind is not seen while this lives, nor does time move on.
#[derive(Debug)]
pub(crate) struct Unseen {
    kinds: Kinds,
    kind: &'static str,
    _hold: Hold,
}

impl Kinds {
    pub(super) fn add(&self, kind: &'static str, hold: Hold) -> Unseen {
        self.lock().kinds.push(kind);
        Unseen { kinds: self.clone(), kind, _hold: hold }
    }

    pub(super) fn behind_while(&self, behind: Box<dyn Fn() -> bool + Send + Sync>) {
        self.lock().behind.push(behind);
    }

    pub(super) fn wait(&self, patience: Duration, go_on: impl Fn() -> bool) -> Result<(), String> {
        let end = Instant::now() + patience;
        let mut dark = self.lock();
        loop {
            let names = dark.names();
            if names.is_empty() {
                return Ok(());
            }
            if Instant::now() >= end || !go_on() {
                return Err(names.join(", "));
            }
            self.0.1.wait_for(&mut dark, LOOK);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Dark> {
        self.0.0.lock()
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let mut dark = self.kinds.lock();
        if let Some(position) = dark.kinds.iter().position(|kind| *kind == self.kind) {
            dark.kinds.swap_remove(position);
        }
        drop(dark);
        self.kinds.0.1.notify_all();
    }
}
