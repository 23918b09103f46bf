//! The ledger.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::events::{ArmEvent, LedgerEntry};

/// All requests so far (the last ones where it was given a limit), and the stream of events from now on. Cheap to
/// clone; clones show the same ledger.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    entries: VecDeque<Arc<LedgerEntry>>,
    limit: usize,
    written: u64,
    told: u64,
    listeners: Vec<UnboundedSender<ArmEvent>>,
}

impl Default for Inner {
    fn default() -> Self {
        Self { entries: VecDeque::new(), limit: usize::MAX, written: 0, told: 0, listeners: Vec::new() }
    }
}

impl Ledger {
    /// One that keeps the last `limit` entries only.
    pub(crate) fn with_limit(limit: usize) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { limit, ..Inner::default() })) }
    }

    /// All entries so far, in the order in which they were answered.
    pub fn entries(&self) -> Vec<Arc<LedgerEntry>> {
        self.lock().entries.iter().cloned().collect()
    }

    /// Entries whose route nothing serves: gaps of the fake.
    pub fn unknown_routes(&self) -> Vec<Arc<LedgerEntry>> {
        self.lock().entries.iter().filter(|e| e.unknown_route).cloned().collect()
    }

    /// Every event from now on, in order and without gaps.
    pub fn subscribe(&self) -> UnboundedReceiver<ArmEvent> {
        let (sender, receiver) = unbounded_channel();
        self.lock().listeners.push(sender);
        receiver
    }

    /// As [`subscribe`](Self::subscribe), with the number of events that were [told](Self::told) before.
    pub fn subscribe_from(&self) -> (u64, UnboundedReceiver<ArmEvent>) {
        let (sender, receiver) = unbounded_channel();
        let mut inner = self.lock();
        inner.listeners.push(sender);
        (inner.told, receiver)
    }

    /// Number of events so far. A listener that counts what it received knows whether more are under way.
    pub fn told(&self) -> u64 {
        self.lock().told
    }

    /// Somebody listens.
    pub(crate) fn is_heard(&self) -> bool {
        !self.lock().listeners.is_empty()
    }

    /// Writes an entry, numbers it, and tells of it.
    pub(crate) fn record(&self, mut entry: LedgerEntry) {
        let mut inner = self.lock();
        inner.written += 1;
        entry.sequence = inner.written;
        let entry = Arc::new(entry);
        if inner.entries.len() >= inner.limit {
            inner.entries.pop_front();
        }
        inner.entries.push_back(Arc::clone(&entry));
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
        self.inner.lock()
    }
}

impl Inner {
    fn tell(&mut self, event: &ArmEvent) {
        self.told += 1;
        self.listeners.retain(|listener| listener.send(event.clone()).is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn entry() -> LedgerEntry {
        LedgerEntry {
            sequence: 0,
            at: jiff::Timestamp::UNIX_EPOCH,
            latency: std::time::Duration::ZERO,
            method: "GET".into(),
            path: "/".into(),
            query: String::new(),
            operation: String::new(),
            resource_id: String::new(),
            principal: None,
            user_agent: String::new(),
            status: 200,
            error_code: None,
            error_message: None,
            request_body: None,
            request_id: Uuid::nil(),
            unknown_route: false,
        }
    }

    #[test]
    fn a_limited_ledger_keeps_the_last_and_counts_all() {
        let ledger = Ledger::with_limit(2);
        (0..5).for_each(|_| ledger.record(entry()));
        let sequences: Vec<u64> = ledger.entries().iter().map(|e| e.sequence).collect();
        assert_eq!(sequences, [4, 5]);
        let all = Ledger::default();
        (0..5).for_each(|_| all.record(entry()));
        assert_eq!(all.entries().len(), 5);
    }
}
