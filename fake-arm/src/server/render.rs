//! A provider's answer as it goes over the wire.

use http::{Method, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use super::paging::{self, Items};
use crate::arm::{ArmError, OperationStatus};
use crate::provider::{Answer, Body, Polling, Registry, Request};
use crate::world::{Resource, World};

/// Status, headers, body.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
    /// The body, where it is written already.
    pub(crate) text: Option<Vec<u8>>,
}

impl Rendered {
    /// The body as JSON, however it is kept.
    pub(crate) fn read(mut self) -> Self {
        if let Some(text) = self.text.take() {
            self.body = serde_json::from_slice(&text).ok();
        }
        self
    }
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
                let url = |kind| operation_url(world, request, &location, id, kind);
                if answer.polling == Polling::AsyncOperation {
                    headers.push(("Azure-AsyncOperation".into(), url("operations")));
                }
                if answer.polling != Polling::ProvisioningState && answer.status == StatusCode::ACCEPTED {
                    headers.push(("Location".into(), url("operationResults")));
                }
                headers.extend(poll_headers(world));
            }
            // What was accepted is done already.
            _ if answer.status == StatusCode::ACCEPTED => answer.status = StatusCode::OK,
            _ => {}
        }
    }
    if let Body::Resource(id) = &answer.body
        && request.method == Method::GET
        && let Some(resource) = world.resources().get(id)
        && let Some(text) = written(resource)
    {
        headers.push(("ETag".into(), resource.shown_etag()));
        return Ok(Rendered { status: answer.status, headers, text: Some(text), body: None });
    }
    let body = match answer.body {
        Body::Empty => None,
        Body::Json(value) => Some(value),
        Body::Resource(id) => world.resources().get(&id).map(|resource| shown(world, resource)),
        Body::List(items) => Some(paging::page(world, request, Items::Shown(items))?),
        Body::Resources(ids) => Some(paging::page(world, request, Items::Ids(ids))?),
    };
    if let Some(etag) = body.as_ref().and_then(|body| body["etag"].as_str()) {
        headers.push(("ETag".into(), etag.to_owned()));
    }
    Ok(Rendered { status: answer.status, headers, body, text: None })
}

/// A resource as text, where its handler shows it as it is stored.
fn written(resource: &Resource) -> Option<Vec<u8>> {
    let resource_type = Registry::get().find(&resource.resource_type)?;
    if resource_type.handler.shows_as_stored(resource) { resource.text() } else { None }
}

/// The URL of an operation's status or result.
pub(super) fn operation_url(world: &World, request: &Request, location: &str, id: Uuid, kind: &str) -> String {
    let location = if location.is_empty() { &world.settings().home_location } else { location };
    format!(
        "{}/subscriptions/{}/providers/{}/locations/{location}/{kind}/{id}?api-version={}",
        request.origin,
        world.subscription(),
        request.resource_type.namespace(),
        request.api_version
    )
}
