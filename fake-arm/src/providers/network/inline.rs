//! Children that live in an array of their parent's properties: security rules, backend pools, frontends, IP
//! configurations. ARM shows each also at an id of its own.

use serde_json::{Value, json};

use super::api_versions::API_VERSIONS;
use crate::arm::{ArmError, ResourceId};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::World;

/// One array of a parent.
pub(super) struct Inline {
    /// Name of the array in the parent's properties.
    array: &'static str,
    /// Items may be put and deleted on their own.
    writable: bool,
}

/// Gives each item of an array its id, type and provisioning state, as Azure shows them.
///
/// # Errors
/// `MissingJsonReferenceId`-like refusal of an item without a name.
pub(super) fn dress(parent: &ResourceId, array: &str, items: &Value) -> Result<Value, ArmError> {
    let empty = Vec::new();
    let mut out: Vec<Value> = Vec::new();
    for (index, item) in items.as_array().unwrap_or(&empty).iter().enumerate() {
        let Some(name) = item["name"].as_str().filter(|n| !n.is_empty()) else {
            return Err(ArmError::bad_request(
                "ResourceNameMissing",
                format!("The name of item {index} of properties.{array} of resource {parent} is missing."),
            ));
        };
        if out.iter().any(|o| o["name"].as_str().is_some_and(|n| n.eq_ignore_ascii_case(name))) {
            return Err(ArmError::bad_request(
                "InvalidRequestFormat",
                format!("Cannot parse the request. Resource {parent} has two items {name} in properties.{array}."),
            ));
        }
        let mut properties = item["properties"].as_object().cloned().unwrap_or_default();
        properties.insert("provisioningState".into(), json!("Succeeded"));
        out.push(json!({
            "name": name,
            "id": parent.child(array, name),
            "type": format!("{}/{array}", parent.resource_type()),
            "properties": properties,
        }));
    }
    Ok(Value::Array(out))
}

fn item<'v>(properties: &'v Value, array: &str, name: &str) -> Option<&'v Value> {
    properties[array].as_array()?.iter().find(|i| i["name"].as_str().is_some_and(|n| n.eq_ignore_ascii_case(name)))
}

/// The array of a parent holds an item with the name of `id`.
pub(super) fn exists(world: &World, id: &ResourceId, array: &str) -> bool {
    let parent = id.parent().and_then(|p| world.resources().get(&p));
    parent.is_some_and(|p| item(p.properties(), array, id.name()).is_some())
}

impl Inline {
    const fn readable(array: &'static str) -> Self {
        Self { array, writable: false }
    }

    const fn writable(array: &'static str) -> Self {
        Self { array, writable: true }
    }

    fn missing(id: &ResourceId) -> ArmError {
        ArmError::not_found("NotFound", format!("Resource {id} not found."))
    }

    /// Replaces or removes one item of the parent.
    fn change(&self, world: &mut World, id: &ResourceId, new: Option<Value>) -> Result<bool, ArmError> {
        let parent_id = id.parent().ok_or_else(|| Self::missing(id))?;
        let etag = world.uuid();
        let parent = world.resources_mut().require_mut(&parent_id)?;
        let mut items = parent.properties()[self.array].as_array().cloned().unwrap_or_default();
        let before = items.len();
        items.retain(|i| !i["name"].as_str().is_some_and(|n| n.eq_ignore_ascii_case(id.name())));
        let existed = items.len() < before;
        items.extend(new);
        let dressed = dress(&parent.id.clone(), self.array, &Value::Array(items))?;
        parent.properties_mut().insert(self.array.into(), dressed);
        parent.etag = etag;
        Ok(existed)
    }
}

impl Handler for Inline {
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        let parent = request.id.parent().ok_or_else(|| Self::missing(&request.id))?;
        let parent = world.resources().require(&parent)?;
        let found = item(parent.properties(), self.array, request.id.name());
        found.cloned().map(Answer::json).ok_or_else(|| Self::missing(&request.id))
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let parent = world.resources().require(&request.id)?;
        Ok(Answer::list(parent.properties()[self.array].as_array().cloned().unwrap_or_default()))
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        if !self.writable {
            return Err(ArmError::new(
                http::StatusCode::METHOD_NOT_ALLOWED,
                "HttpMethodNotAllowed",
                format!("'{}' is written with its parent.", request.id),
            ));
        }
        let mut new = request.resource_body();
        new["name"] = json!(request.id.name());
        let existed = self.change(world, &request.id, Some(new))?;
        let mut answer = self.get(world, request)?;
        if !existed {
            answer.status = http::StatusCode::CREATED;
        }
        Ok(answer)
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        if !self.writable {
            return Err(ArmError::new(
                http::StatusCode::METHOD_NOT_ALLOWED,
                "HttpMethodNotAllowed",
                format!("'{}' is deleted with its parent.", request.id),
            ));
        }
        Ok(if self.change(world, &request.id, None)? { Answer::ok() } else { Answer::no_content() })
    }
}

inventory::submit! {
    ResourceType::new("Microsoft.Network/networkSecurityGroups/securityRules", API_VERSIONS, &Inline::writable("securityRules")).computed()
}
inventory::submit! {
    ResourceType::new("Microsoft.Network/networkSecurityGroups/defaultSecurityRules", API_VERSIONS, &Inline::readable("defaultSecurityRules")).computed()
}
inventory::submit! {
    ResourceType::new("Microsoft.Network/loadBalancers/backendAddressPools", API_VERSIONS, &Inline::writable("backendAddressPools")).computed()
}
inventory::submit! {
    ResourceType::new("Microsoft.Network/loadBalancers/frontendIPConfigurations", API_VERSIONS, &Inline::readable("frontendIPConfigurations")).computed()
}
inventory::submit! {
    ResourceType::new("Microsoft.Network/networkInterfaces/ipConfigurations", API_VERSIONS, &Inline::readable("ipConfigurations")).computed()
}
