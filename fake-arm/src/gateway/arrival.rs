//! What is kept of a request while it is served, for its entry in the ledger.

use std::time::Instant;

use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::world::World;

/// When a request came.
pub(crate) struct Arrival {
    pub(super) at: Option<Timestamp>,
    pub(super) started: Instant,
    pub(super) kept_body: Option<Value>,
}

impl Arrival {
    /// A request comes now.
    pub(crate) fn now() -> Self {
        Self { at: None, started: Instant::now(), kept_body: None }
    }

    /// When it came, by the world's clock: when it was first looked at under the lock.
    pub(super) fn at(&self, world: &World) -> Timestamp {
        self.at.unwrap_or_else(|| world.now())
    }
}

/// What the ledger is told of a request besides its head.
#[derive(Default)]
pub(super) struct LedgerNote {
    pub(super) operation: String,
    pub(super) resource_id: String,
    pub(super) principal: Option<Uuid>,
    pub(super) status: StatusCode,
    /// Code and message.
    pub(super) error: Option<(String, String)>,
    pub(super) unknown_route: bool,
}
