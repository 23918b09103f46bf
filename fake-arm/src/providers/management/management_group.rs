//! Management groups.

use serde_json::{Value, json};

use super::{API_VERSIONS, PLACEMENT};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

/// The type of management groups.
pub const MANAGEMENT_GROUP: &str = "Microsoft.Management/managementGroups";

struct ManagementGroups;

// Computed, as the root group is there without being in the store.
inventory::submit! { ResourceType::new(MANAGEMENT_GROUP, API_VERSIONS, &ManagementGroups).computed() }

impl Handler for ManagementGroups {
    fn show(&self, _: &World, resource: &Resource) -> Value {
        json!({
            "id": resource.id,
            "type": MANAGEMENT_GROUP,
            "name": resource.name(),
            "properties": resource.properties(),
        })
    }

    fn get(&self, world: &mut World, request: &Request) -> Reply {
        if is_root(world, &request.id) && !world.resources().contains(&request.id) {
            return Ok(Answer::json(root(world)));
        }
        if !world.resources().contains(&request.id) {
            return Err(not_found(request.id.name()));
        }
        Ok(Answer::resource(&request.id))
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let id = &request.id;
        let given = request.properties()["details"]["parent"]["id"].as_str();
        let parent = match given {
            Some(text) => ResourceId::parse(text).ok().filter(|id| id.is_type(MANAGEMENT_GROUP)).ok_or_else(|| {
                ArmError::bad_request("InvalidParentId", format!("The parent id '{text}' is not a management group."))
            })?,
            None => root_id(world),
        };
        if !is_root(world, &parent) && !world.resources().contains(&parent) {
            return Err(not_found(parent.name()));
        }
        let mut above = Some(parent.clone());
        while let Some(group) = above {
            if group == *id {
                return Err(ArmError::bad_request(
                    "BadRequest",
                    format!("The management group '{}' cannot be put below itself.", id.name()),
                ));
            }
            above = parent_of(world, &group);
        }
        let name = request.properties()["displayName"].as_str().unwrap_or(id.name());
        let body = json!({ "properties": {
            "tenantId": world.tenant(),
            "displayName": name,
            "details": { "version": 1, "parent": { "id": parent, "name": parent.name() } },
        }});
        let new = world.upsert(id, MANAGEMENT_GROUP, body);
        Ok(Answer::put(new, id))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let id = &request.id;
        if !world.resources().contains(id) {
            return Ok(Answer::no_content());
        }
        let child = |r: &Resource| parent_of(world, &r.id).as_ref() == Some(id);
        let holds_groups = world.resources().of_type(MANAGEMENT_GROUP).any(child);
        if holds_groups || world.resources().within(id, PLACEMENT).next().is_some() {
            return Err(ArmError::bad_request(
                "BadRequest",
                format!("The management group '{}' has children and cannot be deleted.", id.name()),
            ));
        }
        for below in world.resources().below(id) {
            world.resources_mut().remove(&below);
        }
        world.resources_mut().remove(id);
        Ok(Answer::ok())
    }

    fn list(&self, world: &mut World, _: &Request) -> Reply {
        let mut shown = vec![root(world)];
        shown.extend(world.resources().of_type(MANAGEMENT_GROUP).map(|r| self.show(world, r)));
        Ok(Answer::list(shown))
    }
}

fn parent_of(world: &World, group: &ResourceId) -> Option<ResourceId> {
    let stored = world.resources().get(group)?;
    ResourceId::parse(stored.properties()["details"]["parent"]["id"].as_str()?).ok()
}

pub(super) fn root_id(world: &World) -> ResourceId {
    ResourceId::tenant().resource(MANAGEMENT_GROUP, &world.tenant().to_string())
}

pub(super) fn is_root(world: &World, id: &ResourceId) -> bool {
    *id == root_id(world)
}

fn root(world: &World) -> Value {
    json!({
        "id": root_id(world),
        "type": MANAGEMENT_GROUP,
        "name": world.tenant(),
        "properties": { "tenantId": world.tenant(), "displayName": "Tenant Root Group", "details": {} },
    })
}

pub(super) fn not_found(name: &str) -> ArmError {
    ArmError::not_found("NotFound", format!("The management group '{name}' cannot be found."))
}
