//! What an answer leaves to be done: it is started, and the caller is told how to follow it.

use http::StatusCode;
use uuid::Uuid;

use crate::provider::{Answer, Polling, Request};
use crate::world::World;
use arm::{ArmError, OperationStatus};

/// Starts the long-running operation of an answer, where there is one, and adds the headers that tell how to follow it.
///
/// # Errors
/// That of an operation which took no time and failed.
pub(super) fn begin(world: &mut World, request: &Request, answer: &mut Answer) -> Result<(), ArmError> {
    let Some(work) = answer.long_running.take() else { return Ok(()) };
    // Before an operation without duration takes the resource, and with it the location, away.
    let location = world.resources().get(&request.id).map(|r| r.location().to_owned()).unwrap_or_default();
    let id = world.begin(&request.id, work);
    match world.operation(id).map(|o| o.status.clone()) {
        Some(OperationStatus::Failed(error)) => return Err(error),
        Some(OperationStatus::InProgress) => {
            let url = |kind| operation_url(world, request, &location, id, kind);
            if answer.polling == Polling::AsyncOperation {
                answer.headers.push(("Azure-AsyncOperation".into(), url("operations")));
            }
            if answer.polling != Polling::ProvisioningState && answer.status == StatusCode::ACCEPTED {
                answer.headers.push(("Location".into(), url("operationResults")));
            }
            answer.headers.extend(poll_headers(world));
        }
        // What was accepted is done already.
        _ if answer.status == StatusCode::ACCEPTED => answer.status = StatusCode::OK,
        _ => {}
    }
    Ok(())
}

/// Tells the caller when to look again.
pub(super) fn poll_headers(world: &World) -> Vec<(String, String)> {
    let interval = world.settings().poll_interval;
    let seconds = interval.as_millis().div_ceil(1000).max(1);
    vec![("Retry-After".into(), seconds.to_string()), ("Retry-After-Ms".into(), interval.as_millis().to_string())]
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
