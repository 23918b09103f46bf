//! Resource groups.

use std::time::Duration;

use serde_json::{Value, json};

use super::API_VERSIONS;
use super::listing::filtered;
use crate::arm::{ArmError, ResourceId};
use crate::provider::{Answer, Handler, Polling, Registry, Reply, Request, ResourceType};
use crate::world::{Resource, World};

/// The type of resource groups in ids and operations.
pub const GROUP: &str = "Microsoft.Resources/subscriptions/resourceGroups";

struct ResourceGroups;

inventory::submit! { ResourceType::new(GROUP, API_VERSIONS, &ResourceGroups) }

impl Handler for ResourceGroups {
    fn show(&self, _: &World, resource: &Resource) -> Value {
        let mut shown = json!({
            "id": resource.id,
            "name": resource.name(),
            "type": "Microsoft.Resources/resourceGroups",
            "location": resource.location(),
        });
        for field in ["managedBy", "tags"] {
            if let Some(value) = resource.body.get(field) {
                shown[field] = value.clone();
            }
        }
        shown["properties"] = json!({ "provisioningState": resource.provisioning_state() });
        shown
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        check_name(request.id.name())?;
        let location = request.location();
        if location.is_empty() {
            return Err(ArmError::bad_request(
                "LocationRequired",
                "The location property is required for this definition.",
            ));
        }
        if let Some(found) = world.resources().get(&request.id) {
            if found.provisioning_state() == "Deleting" {
                return Err(being_deleted(found.name()));
            }
            if found.location() != location {
                return Err(ArmError::conflict(
                    "InvalidResourceGroupLocation",
                    format!(
                        "Invalid resource group location '{location}'. The Resource group already exists in location \
                         '{}'.",
                        found.location()
                    ),
                ));
            }
        }
        let mut body = request.resource_body();
        body["properties"] = json!({ "provisioningState": "Succeeded" });
        let new = world.upsert(&request.id, GROUP, body);
        Ok(Answer::put(new, &request.id))
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let world = &*world;
        let groups = filtered(world.resources().within(&request.id, GROUP), request)?;
        Ok(Answer::list(groups.into_iter().map(|group| self.show(world, group)).collect()))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let group = world.resources_mut().require_mut(&request.id)?;
        group.set_provisioning_state("Deleting");
        let id = group.id.clone();
        let duration = world.settings().duration(&format!("{GROUP}/delete"), Duration::from_millis(300));
        Ok(Answer::accepted()
            .after(duration, move |world| {
                remove_group(world, &id);
                Ok(())
            })
            .polled_by(Polling::Location))
    }
}

/// Takes a group and everything in it away.
pub(crate) fn remove_group(world: &mut World, group: &ResourceId) {
    for id in world.resources().below(group) {
        // Removing one may have taken others with it.
        let Some(resource) = world.resources().get(&id).cloned() else { continue };
        match Registry::get().find(&resource.resource_type) {
            Some(resource_type) => resource_type.handler.remove(world, &resource),
            None => {
                world.resources_mut().remove(&id);
            }
        }
    }
    world.resources_mut().remove(group);
}

fn being_deleted(name: &str) -> ArmError {
    ArmError::conflict(
        "ResourceGroupBeingDeleted",
        format!("The resource group '{name}' is in deprovisioning state and cannot perform this operation."),
    )
}

fn check_name(name: &str) -> Result<(), ArmError> {
    let letters = name.chars().all(|c| c.is_alphanumeric() || "._()-".contains(c));
    if letters && !name.ends_with('.') && name.chars().count() <= 90 {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "InvalidResourceGroup",
        format!(
            "The provided resource group name '{name}' is invalid. It can be up to 90 characters of letters, digits, \
             periods, underscores, hyphens and parentheses, and cannot end with a period."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use crate::server::bench::Bench;
    use serde_json::json;

    const RG: &str = "/resourceGroups/Rg?api-version=2021-04-01";

    #[test]
    fn lives_and_dies() {
        let mut bench = Bench::new();
        let missing = bench.get(RG);
        assert_eq!((missing.status, missing.code()), (404, "ResourceGroupNotFound"));
        assert_eq!(missing.message(), "Resource group 'Rg' could not be found.");
        let made = bench.put(RG, json!({"location": "East US", "tags": {"a": "b"}})).expect(201);
        assert_eq!(made["location"], "eastus");
        assert_eq!(made["properties"]["provisioningState"], "Succeeded");
        bench.put(RG, json!({"location": "eastus"})).expect(200);
        assert_eq!(bench.put(RG, json!({"location": "westus3"})).code(), "InvalidResourceGroupLocation");
        assert_eq!(bench.get("/resourcegroups/RG?api-version=2021-04-01").expect(200)["name"], "Rg");
        assert_eq!(bench.get("/resourceGroups?api-version=2021-04-01").expect(200)["value"][0]["name"], "Rg");

        let gone = bench.delete(RG);
        assert_eq!(gone.status, 202);
        let result = gone.header("location").unwrap().replace("https://127.0.0.1:1", "");
        assert_eq!(bench.get(&result).status, 202);
        assert_eq!(bench.get(RG).expect(200)["properties"]["provisioningState"], "Deleting");
        assert_eq!(bench.put(RG, json!({"location": "eastus"})).code(), "ResourceGroupBeingDeleted");
        bench.settle();
        assert_eq!(bench.get(&result).status, 204);
        assert_eq!(bench.get(RG).status, 404);
    }

    #[test]
    fn patch_replaces_tags() {
        let mut bench = Bench::with_group();
        let patched = bench.patch("/resourceGroups/rg?api-version=2021-04-01", json!({"tags": {"x": "y"}})).expect(200);
        assert_eq!(patched["tags"], json!({"x": "y"}));
    }
}
