//! The way of a request: form > signature > body > caller > [dispatch](super::dispatch) > ledger > answer.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{Request, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::authentication;
use super::content::Content;
use super::dispatch::{self, Dispatched, Incoming};
use super::head::Head;
use super::render::Rendered;
use super::respond::{Envelope, respond};
use crate::arm::ArmError;
use crate::entra::{self, TokenClaims, VerifiedTokens};
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

impl Shared {
    /// Does something to the world, then tells what came of it.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        // A change that panicked is its author's failure; the rest of the world goes on.
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut world);
        self.ledger.tell(world.take_events());
        result
    }
}

/// What of a request the ledger wants.
struct Arrival {
    at: Timestamp,
    started: Instant,
    kept_body: Option<Value>,
}

impl Arrival {
    fn entry(
        self,
        head: &Head,
        operation: String,
        resource_id: String,
        principal: Option<Uuid>,
        status: StatusCode,
    ) -> LedgerEntry {
        LedgerEntry {
            sequence: 0,
            at: self.at,
            latency: self.started.elapsed(),
            method: head.method.to_string(),
            path: head.path.clone(),
            query: head.query.clone(),
            operation,
            resource_id,
            principal,
            user_agent: head.text(header::USER_AGENT).unwrap_or_default().to_owned(),
            status: status.as_u16(),
            error_code: None,
            error_message: None,
            request_body: self.kept_body,
            request_id: Uuid::nil(),
            unknown_route: false,
        }
    }
}

/// Serves the ARM endpoint.
pub(super) async fn arm(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let head = Head::of(parts, &shared.endpoint);
    let token = head.check().and_then(|()| authentication::signed_token(&shared.tokens, &head));
    // Also the body of a refused request is read: a connection goes on after it.
    let content = Content::read(body, shared.body_patience).await;
    let kept_body = match &content {
        Ok(content) if !content.value.is_null() && content.size <= LARGEST_KEPT_BODY => {
            Some(redacted(content.value.clone()))
        }
        _ => None,
    };

    // One lock from the look-up of the caller to the ledger: entries and events are in the order of what was done.
    let mut world = shared.world.lock().unwrap_or_else(PoisonError::into_inner);
    let at = world.now();
    let (caller, done) = serve(&mut world, &shared.endpoint, &head, token, content.map(|c| c.value));
    let request_id = world.request_id();
    let status = done.result.as_ref().map_or_else(|e| e.status, |r| r.status);
    let arrival = Arrival { at, started, kept_body };
    let mut entry = arrival.entry(&head, done.operation, done.resource_id, caller, status);
    entry.request_id = request_id;
    if let Err(error) = &done.result {
        entry.error_code = Some(error.code().to_owned());
        entry.error_message = Some(error.message().to_owned());
        entry.unknown_route = error.unknown_route;
    }
    shared.ledger.record(entry);
    shared.ledger.tell(world.take_events());
    drop(world);
    respond(done.result, Envelope { head: &head, id: request_id, at, headers: done.headers })
}

/// Finds the caller, and does what he asks.
fn serve(
    world: &mut World,
    endpoint: &str,
    head: &Head,
    token: Result<TokenClaims, ArmError>,
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

/// Serves the managed-identity endpoint.
pub(super) async fn managed_identity(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let started = Instant::now();
    let (parts, _) = request.into_parts();
    let head = Head::of(parts, &shared.endpoint);
    let parameters: BTreeMap<String, String> = url::form_urlencoded::parse(head.query.as_bytes())
        .map(|(k, v)| (k.to_ascii_lowercase(), v.into_owned()))
        .collect();
    let mut world = shared.world.lock().unwrap_or_else(PoisonError::into_inner);
    let known = head.path == "/msi/token" && head.method == http::Method::GET;
    let answer = if known {
        entra::answer(&world, head.text("x-identity-header"), &parameters)
    } else {
        entra::TokenAnswer::unknown(&head.path)
    };
    let at = world.now();
    let request_id = world.request_id();
    let arrival = Arrival { at, started, kept_body: None };
    let mut entry = arrival.entry(&head, String::new(), String::new(), answer.principal, answer.status);
    entry.request_id = request_id;
    entry.unknown_route = !known;
    if !answer.status.is_success() {
        entry.error_code = Some("ManagedIdentityError".to_owned());
        entry.error_message = answer.body["message"].as_str().map(str::to_owned);
    }
    shared.ledger.record(entry);
    drop(world);
    let rendered = Rendered { status: answer.status, headers: Vec::new(), body: Some(answer.body) };
    respond(Ok(rendered), Envelope { head: &head, id: request_id, at, headers: Vec::new() })
}
