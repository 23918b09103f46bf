//! A lab in which nobody is, for tests of its time.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::Household;

/// By how much time was moved, and in how many moves.
pub(super) type Told = Arc<Mutex<Vec<(Duration, u32)>>>;

/// A lab without processes and threads of its own.
pub(super) struct Nobody {
    /// What was told of moves.
    pub(super) told: Told,
    signs_of_life_every: Duration,
    longest_silence: Duration,
}

impl Nobody {
    /// A lab in which a sign of life is due this often, and none may be older than `longest_silence`.
    pub(super) fn alive_every(signs_of_life_every: Duration, longest_silence: Duration) -> Self {
        Self { told: Told::default(), signs_of_life_every, longest_silence }
    }
}

impl Household for Nobody {
    fn moved(&self) -> Vec<i32> {
        Vec::new()
    }

    fn real(&self) -> Vec<i32> {
        Vec::new()
    }

    fn threads(&self) -> Vec<i32> {
        Vec::new()
    }

    fn longest_silence(&self) -> Duration {
        self.longest_silence
    }

    fn signs_of_life_every(&self) -> Duration {
        self.signs_of_life_every
    }

    fn wake(&self) {}

    fn went_by(&self, moved: Duration, moves: u32) {
        self.told.lock().push((moved, moves));
    }
}
