//! What is to happen later, in the order of its time. The server's timer task looks when the first of it is due.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::World;

/// Something done to the world under its lock.
pub type Change = Box<dyn FnOnce(&mut World) + Send + 'static>;

/// Changes with the time at which they are due. Those of one moment happen in the order in which they were added.
#[derive(Default)]
pub(crate) struct TimerQueue {
    entries: BTreeMap<(Timestamp, u64), Change>,
    added: u64,
}

impl TimerQueue {
    pub(crate) fn add(&mut self, due: Timestamp, change: Change) {
        self.added += 1;
        self.entries.insert((due, self.added), change);
    }

    /// When the first of them is due.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.entries.keys().next().map(|(due, _)| *due)
    }

    /// Takes out the first that is due at `now`.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Option<Change> {
        let entry = self.entries.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}

impl std::fmt::Debug for TimerQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.entries.keys()).finish()
    }
}
