//! What the requests of one fake share: its world behind a lock, its ledger, and what is told of both.

use std::time::Duration;

use http::header;
use parking_lot::{Mutex, MutexGuard};
use uuid::Uuid;

use super::arrival::{Arrival, LedgerNote};
use super::events::take_events;
use super::head::Head;
use super::verified_tokens::VerifiedTokens;
use crate::events::LedgerEntry;
use crate::ledger::Ledger;
use crate::world::World;

/// What the requests of one fake share.
pub(crate) struct Shared {
    pub(crate) world: Mutex<World>,
    pub(crate) ledger: Ledger,
    pub(crate) endpoint: String,
    pub(crate) tokens: VerifiedTokens,
    pub(crate) body_patience: Duration,
}

/// How often the lock of the world is tried before its turn is waited for: some ten microseconds. It is held for less by
/// nearly all requests, and a thread that is put to sleep and woken again takes longer than that.
const TRIES: usize = 500;

impl Shared {
    /// The world, when it is nobody else's turn.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        for _ in 0..TRIES {
            if let Some(world) = self.world.try_lock() {
                return world;
            }
            std::hint::spin_loop();
        }
        self.world.lock()
    }

    /// Does something to the world, then tells what came of it.
    pub(crate) fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        // A change that panicked is its author's failure; the rest of the world goes on.
        let mut world = self.world();
        let result = change(&mut world);
        self.tell(&mut world);
        result
    }

    /// Tells the listeners what became of the world. Without listeners the events are not even made.
    fn tell(&self, world: &mut World) {
        if self.ledger.is_heard() {
            self.ledger.tell(take_events(world));
        } else {
            world.forget_events();
        }
    }
}

impl Shared {
    /// Writes a request into the ledger, and tells what came of it.
    pub(super) fn note(&self, world: &mut World, head: &Head, arrival: Arrival, id: Uuid, note: LedgerNote) {
        let (error_code, error_message) = note.error.unzip();
        self.ledger.record(LedgerEntry {
            sequence: 0,
            at: arrival.at(world),
            latency: arrival.started.elapsed(),
            method: head.method.to_string(),
            path: head.path.clone(),
            query: head.query.clone(),
            operation: note.operation,
            resource_id: note.resource_id,
            principal: note.principal,
            user_agent: head.text(header::USER_AGENT).unwrap_or_default().to_owned(),
            status: note.status.as_u16(),
            error_code,
            error_message,
            request_body: arrival.kept_body,
            request_id: id,
            unknown_route: note.unknown_route,
        });
        self.tell(world);
    }
}
