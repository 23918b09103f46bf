//! References from one resource to another, and values that cannot be read.

use serde_json::Value;

use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

/// The resource that `text` names does not exist, or is in another region.
pub(super) fn missing_reference(text: &str, from: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidResourceReference",
        format!(
            "Resource {text} referenced by resource {from} was not found. Please make sure that the referenced resource \
             exists, and that both resources are in the same region."
        ),
    )
}

/// A value that is not one of those that Azure knows, as the network provider's reader of JSON refuses it.
pub(super) fn unreadable(property: &str, value: &str, known: &str) -> ArmError {
    ArmError::bad_request("InvalidRequestFormat", "Cannot parse the request.").detail(
        "InvalidJson",
        format!("Error converting value \"{value}\" of property '{property}'. The values are: {known}."),
    )
}

/// Reads one of a closed set, in any case; the first is what is taken where nothing is said. The value in Azure's case.
pub(super) fn one_of(properties: &Value, property: &str, known: &[&'static str]) -> Result<&'static str, ArmError> {
    let Some(text) = properties[property].as_str() else { return Ok(known[0]) };
    let found = known.iter().find(|name| name.eq_ignore_ascii_case(text));
    found.copied().ok_or_else(|| unreadable(property, text, &known.join(", ")))
}

/// The items of an array; empty where the value is not an array.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Reads the id below `value` (`{"id": …}`); `None` where there is no reference.
pub(super) fn id_of(value: &Value) -> Result<Option<ResourceId>, ArmError> {
    let Some(text) = value["id"].as_str() else { return Ok(None) };
    ResourceId::parse(text).map(Some).map_err(|_| {
        ArmError::bad_request(
            "LinkedInvalidPropertyId",
            format!(
                "Property id '{text}' at path '' is invalid. Expect fully qualified resource Id that start with \
                 '/subscriptions/{{subscriptionId}}' or '/providers/{{resourceProviderNamespace}}/'."
            ),
        )
    })
}

/// `value` is a reference (`{"id": …}`) to this resource.
pub(super) fn is_to(value: &Value, id: &ResourceId) -> bool {
    value["id"].as_str().is_some_and(|text| text.eq_ignore_ascii_case(id.as_str()))
}

/// The resource that a reference names, of the given type and in the given region.
pub(super) fn resolve<'w>(
    world: &'w World,
    id: &ResourceId,
    resource_type: &str,
    location: &str,
    from: &ResourceId,
) -> Result<&'w Resource, ArmError> {
    let found = world.resources().get(id).filter(|r| r.resource_type == resource_type);
    found.filter(|r| r.location() == location).ok_or_else(|| missing_reference(id.as_str(), from.as_str()))
}

/// The resources of a type whose property refers to this resource.
pub(super) fn users(world: &World, id: &ResourceId, resource_type: &str, property: &str) -> Vec<ResourceId> {
    let users = world.resources().of_type(resource_type);
    users.filter(|user| is_to(&user.properties()[property], id)).map(|user| user.id.clone()).collect()
}

/// Ids as references, for an array that shows who uses a resource.
pub(super) fn shown(ids: &[ResourceId]) -> Value {
    ids.iter().map(|id| serde_json::json!({ "id": id })).collect()
}
