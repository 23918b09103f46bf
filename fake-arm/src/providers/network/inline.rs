//! Children that live in an array of their parent's properties: security rules, routes, backend pools, frontends, IP
//! configurations. ARM shows each also at an id of its own.

use serde_json::{Map, Value, json};

use super::api_versions::API_VERSIONS;
use crate::provider::{Answer, Handler, Registry, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

/// Holds the parent's properties, as they would become, against its rules; may fill in what Azure does. The same that
/// the parent's own PUT does.
type Check = fn(&World, &ResourceId, &mut Map<String, Value>) -> Result<(), ArmError>;

/// One array of a parent.
pub(super) struct Inline {
    /// Name of the array in the parent's properties.
    array: &'static str,
    /// Items may be put and deleted on their own, where the parent with them passes this.
    writable: Option<Check>,
}

/// Gives each item of an array its id, type and provisioning state, as Azure shows them.
///
/// # Errors
/// `ResourceNameMissing` of an item without a name, `InvalidRequestFormat` of two with one name.
pub(super) fn with_defaults(parent: &ResourceId, array: &str, items: &Value) -> Result<Value, ArmError> {
    let mut out: Vec<Value> = Vec::new();
    for (index, item) in items.as_array().map_or(&[][..], Vec::as_slice).iter().enumerate() {
        let Some(name) = item["name"].as_str().filter(|n| !n.is_empty()) else {
            return Err(ArmError::bad_request(
                "ResourceNameMissing",
                format!("The name of item {index} of properties.{array} of resource {parent} is missing."),
            ));
        };
        if find(&out, name).is_some() {
            return Err(ArmError::bad_request(
                "InvalidRequestFormat",
                format!("Cannot parse the request. Resource {parent} has two items {name} in properties.{array}."),
            ));
        }
        let mut properties = item["properties"].as_object().cloned().unwrap_or_default();
        properties.insert("provisioningState".into(), json!("Succeeded"));
        let mut dressed = json!({
            "name": name,
            "id": parent.child(array, name),
            "type": format!("{}/{array}", parent.resource_type()),
            "properties": properties,
        });
        if let Some(zones) = item["zones"].as_array().filter(|zones| !zones.is_empty()) {
            dressed["zones"] = json!(zones);
        }
        out.push(dressed);
    }
    Ok(Value::Array(out))
}

/// A parent as it is shown, each item of these arrays with the parent's ETag.
pub(super) fn with_etags(resource: &Resource, arrays: &[&str]) -> Value {
    let mut shown = resource.json();
    let etag = shown["etag"].clone();
    for array in arrays {
        for item in shown["properties"][*array].as_array_mut().into_iter().flatten() {
            item["etag"] = etag.clone();
        }
    }
    shown
}

/// The item of this name, in any case.
pub(super) fn find<'v>(items: &'v [Value], name: &str) -> Option<&'v Value> {
    items.iter().find(|item| item["name"].as_str().is_some_and(|found| found.eq_ignore_ascii_case(name)))
}

/// The array of a parent holds an item with the name of `id`.
pub(super) fn exists(world: &World, id: &ResourceId, array: &str) -> bool {
    let parent = id.parent().and_then(|p| world.resources().get(&p));
    parent.and_then(|p| find(p.properties()[array].as_array()?, id.name())).is_some()
}

impl Inline {
    /// Items that are written with their parent.
    pub(super) const fn readable(array: &'static str) -> Self {
        Self { array, writable: None }
    }

    /// Items that may be put and deleted on their own.
    pub(super) const fn writable(array: &'static str, check: Check) -> Self {
        Self { array, writable: Some(check) }
    }

    fn missing(id: &ResourceId) -> ArmError {
        ArmError::not_found("NotFound", format!("Resource {id} not found."))
    }

    /// All items, as their parent shows them.
    fn items(&self, world: &World, parent: &ResourceId) -> Result<Vec<Value>, ArmError> {
        let parent = world.resources().require(parent)?;
        let handler = Registry::get().find(&parent.resource_type).map(|found| found.handler);
        let shown = handler.map_or_else(|| parent.json(), |handler| handler.show(world, parent));
        Ok(shown["properties"][self.array].as_array().cloned().unwrap_or_default())
    }

    /// Replaces or removes one item of the parent. `true`: there was one.
    fn change(&self, world: &mut World, id: &ResourceId, new: Option<Value>) -> Result<bool, ArmError> {
        let Some(check) = self.writable else {
            return Err(ArmError::new(
                http::StatusCode::METHOD_NOT_ALLOWED,
                "HttpMethodNotAllowed",
                format!("'{id}' is written with its parent."),
            ));
        };
        let parent_id = id.parent().ok_or_else(|| Self::missing(id))?;
        let parent = world.resources().require(&parent_id)?;
        let parent_id = parent.id.clone();
        let mut properties = parent.properties().as_object().cloned().unwrap_or_default();
        let mut items = properties.get(self.array).and_then(Value::as_array).cloned().unwrap_or_default();
        let place = items.iter().position(|i| i["name"].as_str().is_some_and(|n| n.eq_ignore_ascii_case(id.name())));
        match (place, new) {
            (Some(at), Some(new)) => items[at] = new,
            (Some(at), None) => {
                items.remove(at);
            }
            (None, Some(new)) => items.push(new),
            (None, None) => return Ok(false),
        }
        properties.insert(self.array.into(), with_defaults(&parent_id, self.array, &Value::Array(items))?);
        check(world, &parent_id, &mut properties)?;
        let mut body = world.resources().require(&parent_id)?.body.clone();
        body["properties"] = Value::Object(properties);
        let resource_type = world.resources().require(&parent_id)?.resource_type.clone();
        world.upsert(&parent_id, &resource_type, body);
        Ok(place.is_some())
    }
}

/// The registration of an array's items; their parent's file submits it.
pub(super) const fn children(name: &'static str, array: &'static Inline) -> ResourceType {
    ResourceType::new(name, API_VERSIONS, array).computed()
}

impl Handler for Inline {
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        let parent = request.id.parent().ok_or_else(|| Self::missing(&request.id))?;
        let items = self.items(world, &parent)?;
        find(&items, request.id.name()).cloned().map(Answer::json).ok_or_else(|| Self::missing(&request.id))
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        self.items(world, &request.id).map(Answer::list)
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
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
        Ok(if self.change(world, &request.id, None)? { Answer::ok() } else { Answer::no_content() })
    }
}
