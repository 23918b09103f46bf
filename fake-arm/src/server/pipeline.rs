//! The way of a request: form > signature > body > caller > [dispatch](super::dispatch) > ledger > answer.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use jiff::Timestamp;
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use uuid::Uuid;

use super::content::{self, Content};
use super::dispatch::{self, Dispatched, Incoming};
use super::head::Head;
use super::render::Rendered;
use super::respond::{Envelope, respond};
use super::sign_in::{self, Door};
use super::{authentication, cloud, graph};
use crate::arm::ArmError;
use crate::entra::{TokenClaims, VerifiedTokens};
use crate::events::LedgerEntry;
use crate::ledger::{Ledger, redacted};
use crate::world::World;

/// The ledger keeps bodies up to this size.
const LARGEST_KEPT_BODY: usize = 256 * 1024;

/// What the requests of one fake share.
pub(super) struct Shared {
    pub(super) world: Mutex<World>,
    pub(super) ledger: Ledger,
    pub(super) endpoint: String,
    pub(super) tokens: VerifiedTokens,
    pub(super) body_patience: Duration,
}

/// How often the lock of the world is tried before its turn is waited for: some ten microseconds. It is held for less by
/// nearly all requests, and a thread that is put to sleep and woken again takes longer than that.
const TRIES: usize = 500;

impl Shared {
    /// The world, when it is nobody else's turn.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        for _ in 0..TRIES {
            if let Some(world) = self.world.try_lock() {
                return world;
            }
            std::hint::spin_loop();
        }
        self.world.lock()
    }

    /// Does something to the world, then tells what came of it.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        // A change that panicked is its author's failure; the rest of the world goes on.
        let mut world = self.world();
        let result = change(&mut world);
        self.tell(&mut world);
        result
    }

    /// Tells what became of the world. What nobody hears is not put together.
    fn tell(&self, world: &mut World) {
        if self.ledger.is_heard() {
            self.ledger.tell(world.take_events());
        } else {
            world.forget_events();
        }
    }
}

/// When a request came.
pub(super) struct Arrival {
    at: Option<Timestamp>,
    started: Instant,
    kept_body: Option<Value>,
}

impl Arrival {
    /// A request comes now.
    pub(super) fn now() -> Self {
        Self { at: None, started: Instant::now(), kept_body: None }
    }

    /// When it came, by the world's clock: when it was first looked at under the lock.
    pub(super) fn at(&self, world: &World) -> Timestamp {
        self.at.unwrap_or_else(|| world.now())
    }
}

/// What the ledger is told of a request besides its head.
#[derive(Default)]
pub(super) struct Told {
    pub(super) operation: String,
    pub(super) resource_id: String,
    pub(super) principal: Option<Uuid>,
    pub(super) status: StatusCode,
    /// Code and message.
    pub(super) error: Option<(String, String)>,
    pub(super) unknown_route: bool,
}

impl Shared {
    /// Writes a request into the ledger, and tells what came of it.
    pub(super) fn note(&self, world: &mut World, head: &Head, arrival: Arrival, id: Uuid, told: Told) {
        let (error_code, error_message) = told.error.unzip();
        self.ledger.record(LedgerEntry {
            sequence: 0,
            at: arrival.at(world),
            latency: arrival.started.elapsed(),
            method: head.method.to_string(),
            path: head.path.clone(),
            query: head.query.clone(),
            operation: told.operation,
            resource_id: told.resource_id,
            principal: told.principal,
            user_agent: head.text(header::USER_AGENT).unwrap_or_default().to_owned(),
            status: told.status.as_u16(),
            error_code,
            error_message,
            request_body: arrival.kept_body,
            request_id: id,
            unknown_route: told.unknown_route,
        });
        self.tell(world);
    }
}

/// Serves the main endpoint: ARM, and beside it the identity platform and the cloud's metadata.
pub(super) async fn serve(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let arrival = Arrival::now();
    let (parts, body) = request.into_parts();
    let head = Head::of(parts, &shared.endpoint);
    // Also the body of a refused request is read: a connection goes on after it.
    let body = content::raw(body, shared.body_patience).await;
    match head.check() {
        Ok(()) => match Door::at(&head.path) {
            Some(door) => sign_in::serve(&shared, door, &head, body, arrival),
            None if graph::path_of(&head.path).is_some() => {
                graph::serve(&shared, graph::path_of(&head.path).unwrap_or_default(), &head, body, arrival)
            }
            None if head.path.eq_ignore_ascii_case("/metadata/endpoints") => cloud_metadata(&shared, &head, arrival),
            None => arm(&shared, &head, None, body, arrival),
        },
        Err(error) => arm(&shared, &head, Some(error), body, arrival),
    }
}

/// Serves ARM. `refused`: what is wrong with the head.
fn arm(
    shared: &Shared,
    head: &Head,
    refused: Option<ArmError>,
    body: Result<Bytes, ArmError>,
    mut arrival: Arrival,
) -> Response {
    let token = match refused {
        Some(error) => Err(error),
        None => authentication::signed_token(&shared.tokens, head),
    };
    let content = body.and_then(|bytes| Content::parse(&bytes));
    arrival.kept_body = match &content {
        Ok(content) if !content.value.is_null() && content.size <= LARGEST_KEPT_BODY => {
            Some(redacted(content.value.clone()))
        }
        _ => None,
    };

    // One lock from the look-up of the caller to the ledger: entries and events are in the order of what was done.
    let mut world = shared.world();
    let at = world.now();
    arrival.at = Some(at);
    let (principal, done) = ask(&mut world, &shared.endpoint, head, token, content.map(|c| c.value));
    let id = world.request_id();
    let told = Told {
        operation: done.operation,
        resource_id: done.resource_id,
        principal,
        status: done.result.as_ref().map_or_else(|e| e.status, |r| r.status),
        error: done.result.as_ref().err().map(|e| (e.code().to_owned(), e.message().to_owned())),
        unknown_route: done.result.as_ref().err().is_some_and(|e| e.unknown_route),
    };
    shared.note(&mut world, head, arrival, id, told);
    drop(world);
    respond(done.result, Envelope { head, id, at, headers: done.headers })
}

/// Serves `/metadata/endpoints`.
fn cloud_metadata(shared: &Shared, head: &Head, arrival: Arrival) -> Response {
    let version = url::form_urlencoded::parse(head.query.as_bytes())
        .find(|(name, _)| name.eq_ignore_ascii_case("api-version"))
        .map(|(_, version)| version.into_owned());
    let result = cloud::endpoints(&head.origin, version.as_deref());
    let result = result.map(|body| Rendered { body: Some(body), ..Rendered::default() });
    let mut world = shared.world();
    let (id, at) = (world.request_id(), world.now());
    let told = Told {
        status: result.as_ref().map_or_else(|e| e.status, |r| r.status),
        error: result.as_ref().err().map(|e| (e.code().to_owned(), e.message().to_owned())),
        ..Told::default()
    };
    shared.note(&mut world, head, arrival, id, told);
    drop(world);
    respond(result, Envelope { head, id, at, headers: Vec::new() })
}

/// Finds the caller, and does what he asks.
fn ask(
    world: &mut World,
    endpoint: &str,
    head: &Head,
    token: Result<Arc<TokenClaims>, ArmError>,
    body: Result<Value, ArmError>,
) -> (Option<Uuid>, Dispatched) {
    let caller = token.and_then(|claims| authentication::caller(world, endpoint, &head.origin, &claims));
    let refused = |error: ArmError| {
        let (operation, resource_id) = dispatch::describe(&head.method, &head.path);
        Dispatched { result: Err(error), operation, resource_id, headers: Vec::new() }
    };
    let caller = match caller {
        Ok(caller) => caller,
        Err(error) => return (None, refused(error)),
    };
    let incoming = Incoming {
        method: head.method.clone(),
        path: head.path.clone(),
        query: head.query.clone(),
        headers: head.headers.clone(),
        body,
        origin: head.origin.clone(),
        caller,
    };
    // A provider that panics fails its own request, by name, and nobody else's.
    let done = panic::catch_unwind(AssertUnwindSafe(|| dispatch::dispatch(world, incoming)));
    let done = done.unwrap_or_else(|_| {
        let (operation, _) = dispatch::describe(&head.method, &head.path);
        refused(provider_panicked(&operation))
    });
    (Some(caller), done)
}

fn provider_panicked(operation: &str) -> ArmError {
    let message = format!("fake-arm failed in '{operation}': its provider panicked; see the process's standard error.");
    ArmError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message).unknown_route()
}
