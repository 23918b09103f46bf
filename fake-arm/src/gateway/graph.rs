//! Microsoft Graph below `/graph/`, on the host that ARM is on, as a cloud of one machine must.

use bytes::Bytes;
use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::arrival::{Arrival, LedgerNote};
use super::authentication;
use super::head::Head;
use super::response::{Rendered, ResponseParts};
use super::shared::Shared;
use crate::entra::{GraphAnswer, graph_answer};
use crate::world::World;
use arm::ArmError;

/// What of a path is Graph's, behind the version.
pub(super) fn path_of(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/graph/")?.trim_start_matches('/');
    rest.strip_prefix("v1.0/").or_else(|| rest.strip_prefix("beta/"))
}

/// Serves Graph.
pub(super) fn serve(
    shared: &Shared,
    path: &str,
    head: &Head,
    body: Result<Bytes, ArmError>,
    arrival: Arrival,
) -> ResponseParts {
    let token = authentication::signed_token(&shared.tokens, &head.headers);
    let mut world = shared.world();
    let id = world.request_id();
    let at = arrival.at(&world);
    let caller = token.and_then(|claims| {
        let base = |origin: &str| format!("{origin}/graph");
        let audiences = [&base(&shared.endpoint), &base(&head.origin), "https://graph.microsoft.com"];
        claims.check(&audiences, world.now())?;
        Ok(claims.oid)
    });
    let answer = match &caller {
        Ok(caller) => ask(&world, *caller, path, head, body),
        Err(error) => GraphAnswer::error(error.status, error.code(), error.message()),
    };
    let text = |name: &str| answer.body["error"][name].as_str().unwrap_or_default().to_owned();
    let note = LedgerNote {
        principal: caller.ok(),
        status: answer.status,
        error: (!answer.status.is_success()).then(|| (text("code"), text("message"))),
        unknown_route: answer.unknown,
        ..LedgerNote::default()
    };
    shared.note(&mut world, head, arrival, id, note);
    drop(world);
    let rendered = Rendered { status: answer.status, body: Some(answer.body), ..Rendered::default() };
    ResponseParts { result: Ok(rendered), id, at, headers: Vec::new(), plain: None }
}

fn ask(world: &World, caller: Uuid, path: &str, head: &Head, body: Result<Bytes, ArmError>) -> GraphAnswer {
    let body = match body {
        Ok(bytes) if bytes.iter().all(u8::is_ascii_whitespace) => Value::Null,
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(body) => body,
            Err(error) => {
                let message = format!("Unable to read JSON request payload: {error}");
                return GraphAnswer::error(StatusCode::BAD_REQUEST, "BadRequest", message);
            }
        },
        Err(error) => return GraphAnswer::error(error.status, "BadRequest", error.message()),
    };
    let filter = url::form_urlencoded::parse(head.query.as_bytes())
        .find(|(name, _)| name.eq_ignore_ascii_case("$filter"))
        .map(|(_, filter)| filter.into_owned());
    graph_answer(world.principals(), caller, &head.method, path, filter.as_deref(), &body)
}
