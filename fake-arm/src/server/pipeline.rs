//! The way of a request: authenticate > provider > ledger.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, Method, Request, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::dispatch::{self, Incoming};
use super::render::Rendered;
use crate::arm::ArmError;
use crate::entra;
use crate::events::LedgerEntry;
use crate::ledger::{Ledger, redacted};
use crate::world::World;

/// ARM refuses bodies above 4 MiB.
const LARGEST_BODY: usize = 4 * 1024 * 1024;
/// The ledger keeps bodies up to this size.
const LARGEST_KEPT_BODY: usize = 256 * 1024;

/// What the requests of one fake share.
pub(super) struct Shared {
    pub(super) world: Mutex<World>,
    pub(super) ledger: Ledger,
    pub(super) endpoint: String,
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
    method: Method,
    path: String,
    query: String,
    user_agent: String,
    kept_body: Option<Value>,
}

impl Arrival {
    fn entry(self, operation: String, resource_id: String, principal: Option<Uuid>, status: StatusCode) -> LedgerEntry {
        LedgerEntry {
            sequence: 0,
            at: self.at,
            latency: self.started.elapsed(),
            method: self.method.to_string(),
            path: self.path,
            query: self.query,
            operation,
            resource_id,
            principal,
            user_agent: self.user_agent,
            status: status.as_u16(),
            error_code: None,
            error_message: None,
            request_body: self.kept_body,
            request_id: Uuid::nil(),
            unknown_route: false,
        }
    }
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|v| v.to_str().ok())
}

/// Serves the ARM endpoint.
pub(super) async fn arm(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let authority = parts.uri.authority().map(ToString::to_string);
    let authority = authority.or_else(|| text(&parts.headers, header::HOST).map(str::to_owned));
    let origin = authority.map_or_else(|| shared.endpoint.clone(), |a| format!("https://{a}"));
    let body = read(body).await;
    let kept_body = match &body {
        Ok((value, size)) if !value.is_null() && *size <= LARGEST_KEPT_BODY => Some(redacted(value.clone())),
        _ => None,
    };
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let head = parts.method == Method::HEAD;

    // One lock from the look-up of the caller to the ledger: entries and events are in the order of what was done.
    let mut world = shared.world.lock().unwrap_or_else(PoisonError::into_inner);
    let arrival = Arrival {
        at: world.now(),
        started,
        method: parts.method.clone(),
        path: path.clone(),
        query: query.clone(),
        user_agent: text(&parts.headers, header::USER_AGENT).unwrap_or_default().to_owned(),
        kept_body,
    };
    let (described, described_id) = dispatch::describe(&parts.method, &path);
    let mut caller = None;
    let (result, operation, resource_id) = match authenticate(&world, &shared.endpoint, &origin, &parts.headers) {
        Err(error) => (Err(error), described, described_id),
        Ok(who) => {
            caller = Some(who);
            match body {
                Err(error) => (Err(error), described, described_id),
                Ok((body, _)) => {
                    let method = parts.method;
                    let headers = parts.headers.clone();
                    let incoming = Incoming { method, path, query, headers, body, origin, caller: who };
                    // A provider that panics fails its own request, by name, and nobody else's.
                    let served = panic::catch_unwind(AssertUnwindSafe(|| dispatch::dispatch(&mut world, incoming)));
                    match served {
                        Ok(done) => (done.result, done.operation, done.resource_id),
                        Err(_) => (Err(provider_panicked(&described)), described, described_id),
                    }
                }
            }
        }
    };
    let request_id = world.uuid();
    let status = result.as_ref().map_or_else(|e| e.status, |r| r.status);
    let mut entry = arrival.entry(operation, resource_id, caller, status);
    entry.request_id = request_id;
    if let Err(error) = &result {
        entry.error_code = Some(error.code().to_owned());
        entry.error_message = Some(error.message().to_owned());
        entry.unknown_route = error.unknown_route;
    }
    shared.ledger.record(entry);
    shared.ledger.tell(world.take_events());
    drop(world);
    respond(result, request_id, text(&parts.headers, "x-ms-correlation-request-id"), head)
}

/// Serves the managed-identity endpoint.
pub(super) async fn managed_identity(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let started = Instant::now();
    let (parts, _) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let parameters: BTreeMap<String, String> =
        url::form_urlencoded::parse(query.as_bytes()).map(|(k, v)| (k.to_ascii_lowercase(), v.into_owned())).collect();
    let mut world = shared.world.lock().unwrap_or_else(PoisonError::into_inner);
    let known = path == "/msi/token" && parts.method == Method::GET;
    let answer = if known {
        entra::answer(&world, text(&parts.headers, "x-identity-header"), &parameters)
    } else {
        entra::TokenAnswer::unknown(&path)
    };
    let arrival = Arrival {
        at: world.now(),
        started,
        method: parts.method,
        path,
        query,
        user_agent: text(&parts.headers, header::USER_AGENT).unwrap_or_default().to_owned(),
        kept_body: None,
    };
    let request_id = world.uuid();
    let mut entry = arrival.entry(String::new(), String::new(), answer.principal, answer.status);
    entry.request_id = request_id;
    entry.unknown_route = !known;
    if !answer.status.is_success() {
        entry.error_code = Some("ManagedIdentityError".to_owned());
        entry.error_message = answer.body["message"].as_str().map(str::to_owned);
    }
    shared.ledger.record(entry);
    drop(world);
    let rendered = Rendered { status: answer.status, headers: Vec::new(), body: Some(answer.body) };
    respond(Ok(rendered), request_id, None, false)
}

fn provider_panicked(operation: &str) -> ArmError {
    let message = format!("fake-arm failed in '{operation}': its provider panicked; see the process's standard error.");
    ArmError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", message).unknown_route()
}

/// Reads the body as JSON; null where there is none. With it, its size.
async fn read(body: Body) -> Result<(Value, usize), ArmError> {
    let bytes = axum::body::to_bytes(body, LARGEST_BODY).await.map_err(|_| {
        ArmError::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestContentTooLarge",
            format!("The request content size exceeds the maximum size of '{LARGEST_BODY}' bytes."),
        )
    })?;
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok((Value::Null, 0));
    }
    let value = serde_json::from_slice(&bytes).map_err(|error| {
        ArmError::bad_request(
            "InvalidRequestContent",
            format!("The request content was invalid and could not be deserialized: '{error}'."),
        )
    })?;
    Ok((value, bytes.len()))
}

/// Who asks.
fn authenticate(world: &World, endpoint: &str, origin: &str, headers: &HeaderMap) -> Result<Uuid, ArmError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(ArmError::unauthorized(
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        ));
    };
    let scheme = value.to_str().ok().and_then(|v| v.split_once(' '));
    let Some((_, token)) = scheme.filter(|(scheme, token)| scheme.eq_ignore_ascii_case("bearer") && !token.is_empty())
    else {
        return Err(ArmError::unauthorized(
            "AuthenticationFailedInvalidHeader",
            "Authentication failed. The 'Authorization' header is provided in an invalid format.",
        ));
    };
    let audiences = [
        endpoint.to_owned(),
        origin.to_owned(),
        "https://management.azure.com".to_owned(),
        "https://management.core.windows.net".to_owned(),
    ];
    let claims = world.issuer().verify(token.trim(), &audiences, world.now())?;
    match world.principals().get(claims.oid) {
        Some(principal) => Ok(principal.object_id),
        None => Err(ArmError::unauthorized(
            "InvalidAuthenticationToken",
            format!(
                "The access token is invalid: its object id '{}' is unknown in tenant '{}'.",
                claims.oid, claims.tid
            ),
        )),
    }
}

/// Writes the answer.
fn respond(result: Result<Rendered, ArmError>, id: Uuid, correlation: Option<&str>, head: bool) -> Response {
    let id = id.to_string();
    let mut response = Response::builder()
        .header("x-ms-request-id", &id)
        .header("x-ms-correlation-request-id", correlation.unwrap_or(&id))
        .header("strict-transport-security", "max-age=31536000; includeSubDomains")
        .header(header::CACHE_CONTROL, "no-cache");
    let (status, headers, body) = match result {
        Ok(rendered) => (rendered.status, rendered.headers, rendered.body),
        Err(error) => {
            response = response.header("x-ms-error-code", error.code());
            (error.status, error_headers(&error), Some(error.body()))
        }
    };
    response = response.status(status);
    for (name, value) in headers {
        response = response.header(name, value);
    }
    let body = match body.filter(|_| !head && status != StatusCode::NO_CONTENT) {
        Some(value) => {
            response = response.header(header::CONTENT_TYPE, "application/json; charset=utf-8");
            Body::from(value.to_string())
        }
        None => Body::empty(),
    };
    response.body(body).unwrap_or_else(|error| {
        tracing::error!(%error, "failed to write an answer: a provider set a header that HTTP does not allow");
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

fn error_headers(error: &ArmError) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    if error.status == StatusCode::UNAUTHORIZED {
        let challenge = format!(
            "Bearer authorization_uri=\"https://login.windows.net/\", error=\"invalid_token\", error_description=\"{}\"",
            error.message().replace('"', "'")
        );
        headers.push((header::WWW_AUTHENTICATE.to_string(), challenge));
    }
    if let Some(wait) = error.retry_after {
        headers.push((header::RETRY_AFTER.to_string(), Duration::as_secs(&wait).max(1).to_string()));
    }
    headers
}
