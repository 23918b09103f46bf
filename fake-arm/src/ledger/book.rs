//! The ledger.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::events::{ArmEvent, LedgerEntry};

/// All requests so far, and the stream of events from now on. Cheap to clone; clones show the same ledger.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    entries: Vec<Arc<LedgerEntry>>,
    listeners: Vec<UnboundedSender<ArmEvent>>,
}

impl Ledger {
    /// All entries so far, in the order in which they were answered.
    pub fn entries(&self) -> Vec<Arc<LedgerEntry>> {
        self.lock().entries.clone()
    }

    /// Entries whose route nothing serves: gaps of the fake.
    pub fn unknown_routes(&self) -> Vec<Arc<LedgerEntry>> {
        self.lock().entries.iter().filter(|e| e.unknown_route).cloned().collect()
    }

    /// Every event from now on, in order, none lost.
    pub fn subscribe(&self) -> UnboundedReceiver<ArmEvent> {
        let (sender, receiver) = unbounded_channel();
        self.lock().listeners.push(sender);
        receiver
    }

    /// Writes an entry, numbers it, and tells of it.
    pub(crate) fn record(&self, mut entry: LedgerEntry) {
        let mut inner = self.lock();
        entry.sequence = inner.entries.len() as u64 + 1;
        let entry = Arc::new(entry);
        inner.entries.push(Arc::clone(&entry));
        inner.tell(&ArmEvent::Request(entry));
    }

    /// Tells of events that are not requests.
    pub(crate) fn tell(&self, events: Vec<ArmEvent>) {
        let mut inner = self.lock();
        for event in &events {
            inner.tell(event);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing under this lock can leave it half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn tell(&mut self, event: &ArmEvent) {
        self.listeners.retain(|listener| listener.send(event.clone()).is_ok());
    }
}
