//! What a history does not see at present: while a watch is broken or begins anew, what happens is recorded late, and
//! "there is none" would be said of what has not been heard of yet.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::Hold;

/// How often a wait looks whether it is to go on.
const LOOK: Duration = Duration::from_millis(20);

/// The kinds that are not seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Kinds(Arc<(Mutex<Vec<&'static str>>, Condvar)>);

/// A kind is not seen while this lives, nor does time move on.
#[derive(Debug)]
pub(crate) struct Unseen {
    kinds: Kinds,
    kind: &'static str,
    _hold: Hold,
}

impl Kinds {
    pub(super) fn add(&self, kind: &'static str, hold: Hold) -> Unseen {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(kind);
        Unseen { kinds: self.clone(), kind, _hold: hold }
    }

    pub(super) fn wait(&self, patience: Duration, go_on: impl Fn() -> bool) -> Result<(), String> {
        let end = Instant::now() + patience;
        let mut kinds = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !kinds.is_empty() {
            if Instant::now() >= end || !go_on() {
                return Err(kinds.join(", "));
            }
            kinds = self.0.1.wait_timeout(kinds, LOOK).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }
}

impl Drop for Unseen {
    fn drop(&mut self) {
        let mut kinds = self.kinds.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(position) = kinds.iter().position(|kind| *kind == self.kind) {
            kinds.swap_remove(position);
        }
        drop(kinds);
        self.kinds.0.1.notify_all();
    }
}
