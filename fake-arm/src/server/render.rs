//! A provider's answer as it goes over the wire.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::arm::{ArmError, OperationStatus};
use crate::provider::{Answer, Body, Registry, Request};
use crate::world::{Resource, World};

/// Status, headers, body.
#[derive(Debug)]
pub(crate) struct Rendered {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
}

/// A stored resource as its type's handler shows it.
pub(crate) fn shown(world: &World, resource: &Resource) -> Value {
    match Registry::get().find(&resource.resource_type) {
        Some(resource_type) => resource_type.handler.show(world, resource),
        None => resource.json(),
    }
}

/// Tells the caller when to look again.
pub(super) fn poll_headers(world: &World) -> Vec<(String, String)> {
    let interval = world.settings().poll_interval;
    let seconds = interval.as_millis().div_ceil(1000).max(1);
    vec![("Retry-After".into(), seconds.to_string()), ("Retry-After-Ms".into(), interval.as_millis().to_string())]
}

/// Turns an answer into what is sent, and starts what it left to do.
///
/// # Errors
/// That of an operation which took no time and failed.
pub(super) fn render(world: &mut World, request: &Request, mut answer: Answer) -> Result<Rendered, ArmError> {
    let mut headers = std::mem::take(&mut answer.headers);
    if let Some(work) = answer.long_running.take() {
        // Before an operation without duration takes the resource, and with it the location, away.
        let location = world.resources().get(&request.id).map(|r| r.location().to_owned()).unwrap_or_default();
        let id = world.begin(&request.id, work);
        match world.operation(id).map(|o| o.status.clone()) {
            Some(OperationStatus::Failed(error)) => return Err(error),
            Some(OperationStatus::InProgress) => {
                headers
                    .push(("Azure-AsyncOperation".into(), operation_url(world, request, &location, id, "operations")));
                if answer.status == StatusCode::ACCEPTED {
                    headers.push(("Location".into(), operation_url(world, request, &location, id, "operationResults")));
                }
                headers.extend(poll_headers(world));
            }
            // What was accepted is done already.
            _ if answer.status == StatusCode::ACCEPTED => answer.status = StatusCode::OK,
            _ => {}
        }
    }
    let body = match answer.body {
        Body::Empty => None,
        Body::Json(value) => Some(value),
        Body::Resource(id) => world.resources().get(&id).map(|resource| shown(world, resource)),
        Body::List(items) => Some(page(world, request, items)),
    };
    Ok(Rendered { status: answer.status, headers, body })
}

/// The URL of an operation's status or result.
fn operation_url(world: &World, request: &Request, location: &str, id: Uuid, kind: &str) -> String {
    let location = if location.is_empty() { &world.settings().home_location } else { location };
    format!(
        "{}/subscriptions/{}/providers/{}/locations/{location}/{kind}/{id}?api-version={}",
        request.origin,
        world.subscription(),
        request.resource_type.namespace(),
        request.api_version
    )
}

/// One page of a list, with a link to the next.
fn page(world: &World, request: &Request, items: Vec<Value>) -> Value {
    let size = world.settings().page_size.max(1);
    let start: usize = request.query.get("$skiptoken").and_then(|t| t.parse().ok()).unwrap_or(0);
    let total = items.len();
    let items: Vec<Value> = items.into_iter().skip(start).take(size).collect();
    let mut body = json!({ "value": items });
    if start + size < total {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in request.query.iter().filter(|(key, _)| *key != "$skiptoken") {
            query.append_pair(key, value);
        }
        query.append_pair("$skiptoken", &(start + size).to_string());
        let path = collection_path(request);
        body["nextLink"] = json!(format!("{}{path}?{}", request.origin, query.finish()));
    }
    body
}

/// The path of the list that was asked for.
fn collection_path(request: &Request) -> String {
    let kind = request.resource_type.name.rsplit('/').next().unwrap_or_default();
    let scope = if request.id.is_tenant() { "" } else { request.id.as_str() };
    let nested =
        request.resource_type.path().contains('/') || request.resource_type.namespace() == "Microsoft.Resources";
    if nested {
        format!("{scope}/{kind}")
    } else {
        format!("{scope}/providers/{}/{kind}", request.resource_type.namespace())
    }
}
