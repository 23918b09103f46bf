//! The admin API of a stand-alone fake: seed a world, take and put back snapshots, read the ledger, move the time. Plain
//! HTTP on a port of its own and without a password, so it answers only those who name a loopback host and are no web
//! page.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, header};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::saved::{Saved, save};
use crate::causes::with_causes;
use crate::clock::{Clock as _, MovableClock};
use crate::gateway::Shared;
use crate::provider;
use crate::seed::{self, WorldDocument};
use crate::transport::{Authority, raw_up_to};
use arm::ArmError;

/// Entries of one ledger answer.
const LEDGER_PAGE: usize = 1000;
/// Snapshots are larger than ARM's bodies, and come from next door.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the API works on.
pub(super) struct Admin {
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Option<Arc<MovableClock>>,
    pub(super) authority: Authority,
}

type AdminResult = Result<Value, ArmError>;

/// Serves the API.
pub(super) async fn serve(State(admin): State<Arc<Admin>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = raw_up_to(body, PATIENCE, 512 * 1024 * 1024).await;
    let query: BTreeMap<String, String> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    let outcome = check_caller(&parts.headers)
        .and(body)
        .and_then(|body| admin.answer(&parts.method, parts.uri.path(), &query, &body));
    let (status, body) = match outcome {
        Ok(body) => (StatusCode::OK, body),
        Err(error) => (error.status, error.body()),
    };
    let mut response = Response::new(Body::from(format!("{body:#}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

/// A web page that a browser shows must not reach the API, under whatever name.
fn check_caller(headers: &HeaderMap) -> Result<(), ArmError> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.chars().all(|c| c.is_ascii_digit())).map_or(host, |p| p.0);
    let local = matches!(name, "localhost" | "127.0.0.1" | "[::1]");
    if local && !headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    Err(ArmError::forbidden("Forbidden", "The admin API answers local programs only, under a loopback host name."))
}

impl Admin {
    fn answer(&self, method: &Method, path: &str, query: &BTreeMap<String, String>, body: &Bytes) -> AdminResult {
        match (method.as_str(), path.trim_end_matches('/')) {
            ("GET", "") => Ok(self.overview()),
            ("POST", "/seed") => self.seed(body),
            ("GET", "/snapshot") => self.snapshot(),
            ("PUT", "/snapshot") => self.restore(body),
            ("GET", "/ledger") => self.ledger(query),
            ("GET", "/identity") => self.identity(query),
            ("GET", "/clock") => Ok(self.time()),
            ("POST", "/clock") => self.advance(body),
            (_, "/faults") => Err(ArmError::new(
                StatusCode::NOT_IMPLEMENTED,
                "NotYet",
                "Faults cannot be injected yet: this version of fake-arm has none.",
            )),
            _ => Err(ArmError::not_found(
                "NotFound",
                format!("Nothing is at {method} {path}. GET / tells what there is."),
            )),
        }
    }

    fn overview(&self) -> Value {
        let (tenant, subscription, resources) =
            self.shared.with(|world| (world.tenant(), world.subscription(), world.resources().iter().count()));
        json!({
            "endpoint": self.shared.endpoint,
            "tenant": tenant,
            "subscription": subscription,
            "resources": resources,
            "now": self.now(),
            "api": {
                "POST /seed": "add principals, issuers, settings and resources: a world in YAML or JSON",
                "GET /snapshot": "everything, as --state keeps it",
                "PUT /snapshot": "put a snapshot back",
                "GET /ledger?after=N": "what was asked and answered, from entry N on",
                "GET /identity?client_id=ID": "the header that makes a process this identity",
                "GET /clock": "the time",
                "POST /clock": "move it on: {\"advance\": \"15m\"}",
            },
        })
    }

    fn now(&self) -> String {
        self.shared.with(|world| world.now()).to_string()
    }

    fn seed(&self, body: &Bytes) -> AdminResult {
        let invalid = |message: String| ArmError::bad_request("InvalidWorld", message);
        let text = std::str::from_utf8(body).map_err(|error| invalid(error.to_string()))?;
        let document = WorldDocument::parse(text).map_err(|error| invalid(error.to_string()))?;
        let summary =
            self.shared.with(|world| seed::apply(world, document)).map_err(|error| invalid(with_causes(&error)))?;
        Ok(json!({ "principals": summary.principals, "resources": summary.resources }))
    }

    fn snapshot(&self) -> AdminResult {
        let saved = save(&self.shared, &self.authority, self.clock.as_deref());
        serde_json::to_value(saved)
            .map_err(|error| ArmError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", error.to_string()))
    }

    fn restore(&self, body: &Bytes) -> AdminResult {
        let invalid = |message: String| ArmError::bad_request("InvalidSnapshot", message);
        let saved: Saved = serde_json::from_slice(body).map_err(|error| invalid(error.to_string()))?;
        let ahead = saved.clock_ahead();
        let issuer =
            self.shared.with(|world| world.restore(saved.world, provider::remove).map(|()| Arc::clone(world.issuer())));
        self.shared.tokens.replace(issuer.map_err(|error| invalid(with_causes(&error)))?);
        if let Some(clock) = &self.clock {
            // Time does not go back: a fake that is further on stays there.
            clock.advance(ahead.saturating_sub(clock.ahead()));
        }
        Ok(self.overview())
    }

    fn ledger(&self, query: &BTreeMap<String, String>) -> AdminResult {
        let after: u64 = match query.get("after") {
            None => 0,
            Some(text) => text.parse().map_err(|_| {
                ArmError::bad_request("InvalidParameter", format!("'after' must be a number, not '{text}'."))
            })?,
        };
        let entries = self.shared.ledger.entries();
        let later: Vec<_> = entries.iter().filter(|entry| entry.sequence > after).take(LEDGER_PAGE).collect();
        let last = later.last().map_or(after, |entry| entry.sequence);
        Ok(json!({ "entries": later, "last": last }))
    }

    fn identity(&self, query: &BTreeMap<String, String>) -> AdminResult {
        let asked = query.get("client_id").map(String::as_str).unwrap_or_default();
        let header = self.shared.with(|world| {
            let known = uuid::Uuid::parse_str(asked).ok().and_then(|id| world.principals().by_client(id))?.object_id;
            Some(world.identity_secret(known))
        });
        let header =
            header.ok_or_else(|| ArmError::not_found("NotFound", format!("Nobody has the client id '{asked}'.")))?;
        Ok(json!({ "IDENTITY_HEADER": header }))
    }

    fn time(&self) -> Value {
        json!({ "now": self.now(), "movable": self.clock.is_some() })
    }

    fn advance(&self, body: &Bytes) -> AdminResult {
        let Some(clock) = &self.clock else {
            return Err(ArmError::conflict("ClockNotMovable", "The clock of this fake belongs to somebody else."));
        };
        let asked: Value = serde_json::from_slice(body).unwrap_or_default();
        let advance = asked["advance"].as_str().and_then(|text| text.parse::<SignedDuration>().ok());
        let advance = advance.and_then(|by| Duration::try_from(by).ok()).ok_or_else(|| {
            ArmError::bad_request(
                "InvalidDuration",
                "The body must be {\"advance\": \"15m\"}: a duration such as 90s, 15m, 2h or PT15M that is not negative.",
            )
        })?;
        clock.advance(advance);
        self.shared.with(|world| world.catch_up());
        tracing::info!(now = %clock.now(), "time was moved on");
        Ok(self.time())
    }
}
