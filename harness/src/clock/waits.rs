//! Who waits for what in a lab's time.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// What the mover has to know of those who wait.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// Expectations and others for whose sake time may move on, by the thread that waits.
    asking: BTreeMap<u64, i32>,
    /// Moments at which somebody wants to be woken: time does not jump over them.
    moments: BTreeMap<u64, Timestamp>,
    next: u64,
}

impl Waits {
    pub(super) fn ask(&mut self, thread: i32) -> u64 {
        let number = self.number();
        self.asking.insert(number, thread);
        number
    }

    pub(super) fn satisfied(&mut self, number: u64) {
        self.asking.remove(&number);
    }

    pub(super) fn add(&mut self, moment: Timestamp) -> u64 {
        let number = self.number();
        self.moments.insert(number, moment);
        number
    }

    pub(super) fn over(&mut self, number: u64) {
        self.moments.remove(&number);
    }

    /// Whether anybody wants time to move on.
    pub(super) fn is_asked(&self) -> bool {
        !self.asking.is_empty()
    }

    /// The threads of those who ask.
    pub(super) fn threads(&self) -> impl Iterator<Item = i32> {
        self.asking.values().copied()
    }

    /// The next moment at which somebody wants to be woken.
    pub(super) fn next_moment(&self) -> Option<Timestamp> {
        self.moments.values().min().copied()
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}
