//! References from one resource to another.

use serde_json::Value;

use crate::arm::{ArmError, ResourceId};
use crate::world::{Resource, World};

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

/// Reads the id below `value` (`{"id": …}`); none where there is no reference.
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
