//! A provider's answer as it goes over the wire.

use http::Method;

use super::paging::{self, Items};
use super::response::Rendered;
use crate::provider::{Answer, Body, Registry, Request, shown};
use crate::world::{Resource, World};
use arm::ArmError;

/// Turns an answer into what is sent.
///
/// # Errors
/// 400 for a link to a page that is not ours.
pub(super) fn render(world: &World, request: &Request, answer: Answer) -> Result<Rendered, ArmError> {
    let mut headers = answer.headers;
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
