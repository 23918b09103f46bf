//! Application security groups: names that security rules use for interfaces.

use serde_json::json;

use super::api_versions::API_VERSIONS;
use super::types::{APPLICATION_GROUP, INTERFACE};
use super::{reference, stored_interface};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::World;
use arm::{ArmError, ResourceId};

struct ApplicationGroups;

inventory::submit! { ResourceType::new(APPLICATION_GROUP, API_VERSIONS, &ApplicationGroups).tracked() }

impl Handler for ApplicationGroups {
    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let existing = world.resources().get(&request.id).and_then(|g| g.properties().get("resourceGuid").cloned());
        let guid = existing.unwrap_or_else(|| json!(world.uuid()));
        let mut body = request.resource_body();
        body["properties"] = json!({ "provisioningState": "Succeeded", "resourceGuid": guid });
        let new = world.upsert(&request.id, APPLICATION_GROUP, body);
        Ok(Answer::put(new, &request.id))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        if let Some(user) = members(world, &request.id).first() {
            return Err(ArmError::bad_request(
                "InUseApplicationSecurityGroupCannotBeDeleted",
                format!(
                    "Application security group {} cannot be deleted because it is in use by the following resources: {user}.",
                    request.id
                ),
            ));
        }
        match world.resources_mut().remove(&request.id) {
            Some(_) => Ok(Answer::ok()),
            None => Ok(Answer::no_content()),
        }
    }
}

/// The IP configurations that are in a group.
fn members(world: &World, group: &ResourceId) -> Vec<String> {
    let all = world.resources().of_type(INTERFACE).flat_map(stored_interface::configurations);
    let inside = all.filter(|configuration| {
        let groups = reference::list(&configuration["properties"]["applicationSecurityGroups"]);
        groups.iter().any(|named| reference::is_to(named, group))
    });
    inside.filter_map(|configuration| configuration["id"].as_str().map(str::to_owned)).collect()
}
