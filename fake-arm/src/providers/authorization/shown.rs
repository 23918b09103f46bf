//! How this provider shows its resources: properties first, then id, type and name, and no etag.

use serde_json::{Value, json};

use crate::world::Resource;

/// A stored resource. What stands beside `properties` in its body is for this room alone.
pub(super) fn shown(resource: &Resource) -> Value {
    json!({
        "properties": resource.properties(),
        "id": resource.id,
        "type": resource.resource_type,
        "name": resource.name(),
    })
}
