//! Azure Resource Manager's own requests: signature > body > caller > [dispatch](super::dispatch) > ledger.

use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::arrival::{Arrival, LedgerNote};
use super::authentication;
use super::content::Content;
use super::dispatch::{self, Dispatched, Incoming};
use super::head::Head;
use super::response::ResponseParts;
use super::shared::Shared;
use crate::directory::TokenClaims;
use crate::ledger::redacted;
use crate::world::World;
use arm::ArmError;

/// The ledger keeps bodies up to this size.
const LARGEST_KEPT_BODY: usize = 256 * 1024;

/// Serves ARM. `refused`: what is wrong with the head.
pub(super) fn serve(
    shared: &Shared,
    head: &Head,
    refused: Option<ArmError>,
    body: Result<Bytes, ArmError>,
    mut arrival: Arrival,
) -> ResponseParts {
    let token = match refused {
        Some(error) => Err(error),
        None => authentication::signed_token(&shared.tokens, &head.headers),
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
    let note = LedgerNote {
        operation: done.operation,
        resource_id: done.resource_id,
        principal,
        status: done.result.as_ref().map_or_else(|e| e.status, |r| r.status),
        error: done.result.as_ref().err().map(|e| (e.code().to_owned(), e.message().to_owned())),
        unknown_route: done.result.as_ref().err().is_some_and(|e| e.unknown_route),
    };
    shared.note(&mut world, head, arrival, id, note);
    drop(world);
    ResponseParts { result: done.result, id, at, headers: done.headers, plain: None }
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
