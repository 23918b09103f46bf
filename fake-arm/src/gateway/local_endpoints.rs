//! The endpoints that a process finds where it runs, over plain HTTP: the managed identity of App Service, and a
//! machine's metadata service.

use std::collections::BTreeMap;

use http::{Method, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use super::arrival::{Arrival, LedgerNote};
use super::head::Head;
use super::response::{Rendered, ResponseParts};
use super::shared::Shared;
use crate::entra::{self, MetadataAnswer, TokenAnswer};
use crate::world::World;

/// Serves the endpoints of a machine.
pub(crate) fn serve_machine(shared: &Shared, head: &Head, arrival: Arrival) -> ResponseParts {
    let query: BTreeMap<String, String> = url::form_urlencoded::parse(head.query.as_bytes())
        .map(|(k, v)| (k.to_ascii_lowercase(), v.into_owned()))
        .collect();
    let mut world = shared.world();
    let id = world.request_id();
    let answer = answer(&world, head, &query);
    let at = arrival.at(&world);
    let error = (!answer.status.is_success()).then(|| {
        let told = answer.body["message"].as_str().or_else(|| answer.body["error_description"].as_str());
        ("ManagedIdentityError".to_owned(), told.unwrap_or_default().to_owned())
    });
    let note = LedgerNote {
        principal: answer.principal,
        status: answer.status,
        error,
        unknown_route: answer.unknown,
        ..LedgerNote::default()
    };
    shared.note(&mut world, head, arrival, id, note);
    drop(world);
    let plain = answer.plain.then(|| answer.body.as_str().unwrap_or_default().to_owned());
    let rendered = Rendered { status: answer.status, body: Some(answer.body), ..Rendered::default() };
    ResponseParts { result: Ok(rendered), id, at, headers: Vec::new(), plain }
}

struct EndpointAnswer {
    status: StatusCode,
    body: Value,
    plain: bool,
    principal: Option<Uuid>,
    unknown: bool,
}

impl From<TokenAnswer> for EndpointAnswer {
    fn from(answer: TokenAnswer) -> Self {
        Self { status: answer.status, body: answer.body, plain: false, principal: answer.principal, unknown: false }
    }
}

impl From<MetadataAnswer> for EndpointAnswer {
    fn from(answer: MetadataAnswer) -> Self {
        Self {
            status: answer.status,
            body: answer.body,
            plain: answer.plain,
            principal: answer.principal,
            unknown: false,
        }
    }
}

fn answer(world: &World, head: &Head, query: &BTreeMap<String, String>) -> EndpointAnswer {
    let path = head.path.trim_end_matches('/');
    if head.method == Method::GET {
        if path == "/msi/token" {
            return entra::answer(world, head.text("x-identity-header"), query).into();
        }
        if let Some((who, service)) = metadata(path) {
            let marked = head.text("metadata").is_some_and(|value| value.eq_ignore_ascii_case("true"));
            if service == "identity/oauth2/token" {
                return entra::machine_token(world, who, marked, query).into();
            }
            if let Some(rest) = service.strip_prefix("instance") {
                return entra::instance(world, who, marked, rest, query).into();
            }
        }
    }
    EndpointAnswer { unknown: true, ..TokenAnswer::unknown(&head.path).into() }
}

/// Who asks, and what follows `/metadata/`.
fn metadata(path: &str) -> Option<(Option<&str>, &str)> {
    let path = path.strip_prefix('/')?;
    if let Some(service) = path.strip_prefix("metadata/") {
        return Some((None, service));
    }
    let (who, rest) = path.split_once('/')?;
    Some((Some(who), rest.strip_prefix("metadata/")?))
}
