//! `If-Match` and `If-None-Match` of a change.

use http::StatusCode;

use crate::provider::Request;
use crate::world::World;
use arm::ArmError;

/// The resource is in the state that the caller expects.
///
/// # Errors
/// 412 `PreconditionFailed`.
pub(super) fn check(world: &World, request: &Request) -> Result<(), ArmError> {
    if !matches!(request.method.as_str(), "PUT" | "PATCH" | "DELETE") || request.resource_type.computed {
        return Ok(());
    }
    let header = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok());
    let (wanted, unwanted) = (header("if-match"), header("if-none-match"));
    if wanted.is_none() && unwanted.is_none() {
        return Ok(());
    }
    let found = world.resources().get(&request.id).map(|resource| resource.etag.to_string());
    let is = |tags: &str| found.as_deref().is_some_and(|etag| tags.split(',').any(|tag| matches(tag, etag)));
    if wanted.is_none_or(is) && !unwanted.is_some_and(is) {
        return Ok(());
    }
    Err(ArmError::new(
        StatusCode::PRECONDITION_FAILED,
        "PreconditionFailed",
        format!("The precondition given in one of the request headers evaluated to false for '{}'.", request.id),
    ))
}

/// `*`, or the same tag, weak or not, quoted or not.
fn matches(tag: &str, etag: &str) -> bool {
    let tag = tag.trim();
    let bare = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
    bare == "*" || bare.eq_ignore_ascii_case(etag)
}
