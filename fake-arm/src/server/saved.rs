//! A fake that stopped, as it goes on later: its world, the authority that its clients trust, and how far its clock was
//! ahead.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::MovableClock;
use crate::gateway::Shared;
use crate::transport::Authority;
use crate::world::Snapshot;

/// What a file keeps of a fake.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Saved {
    /// Who signs the endpoint's certificates.
    pub authority: Authority,
    /// How far the clock was ahead of the machine's, in milliseconds.
    pub clock_ahead_ms: u64,
    /// Everything else.
    pub world: Snapshot,
}

impl Saved {
    /// How far the clock was ahead of the machine's.
    pub fn clock_ahead(&self) -> Duration {
        Duration::from_millis(self.clock_ahead_ms)
    }
}

/// What is kept of a fake.
pub(super) fn save(shared: &Shared, authority: &Authority, clock: Option<&MovableClock>) -> Saved {
    let ahead = clock.map_or(Duration::ZERO, MovableClock::ahead);
    Saved {
        authority: authority.clone(),
        clock_ahead_ms: u64::try_from(ahead.as_millis()).unwrap_or(u64::MAX),
        world: shared.with(|world| world.snapshot()),
    }
}
