//! Resource groups.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::API_VERSIONS;
use super::listing::filtered;
use crate::provider::{Answer, Handler, Outcome, Polling, Registry, Reply, Request, ResourceType, internal_delete};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

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
        let groups = filtered(world.resources().within(&request.id, GROUP), request)?;
        Ok(Answer::resources(groups.into_iter().map(|group| group.id.clone()).collect()))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let group = world.resources_mut().require_mut(&request.id)?;
        group.set_provisioning_state("Deleting");
        let id = group.id.clone();
        let (brought_down, work) = bring_down(world, &id);
        if work.is_empty() {
            let duration = world.settings().duration(&format!("{GROUP}/delete"), Duration::from_millis(300));
            let answer = Answer::accepted().after(duration, move |world| empty_and_remove(world, &id));
            return Ok(answer.polled_by(Polling::Location));
        }
        let answer = Answer::accepted().when(async move {
            let mut outcome = Ok(());
            for work in work {
                outcome = outcome.and(work.await);
            }
            Box::new(move |world: &mut World| {
                if let Err(error) = outcome {
                    return Err(blocked(world, &id, vec![(brought_down, error)]));
                }
                for id in brought_down {
                    remove_resource(world, &id);
                }
                empty_and_remove(world, &id)
            }) as Outcome
        });
        Ok(answer.polled_by(Polling::Location))
    }
}

/// Starts to bring down what stands behind the members of a group outside the world: their ids, and the work.
fn bring_down(
    world: &mut World,
    group: &ResourceId,
) -> (Vec<ResourceId>, Vec<BoxFuture<'static, Result<(), ArmError>>>) {
    let mut found = (Vec::new(), Vec::new());
    for id in world.resources().below(group) {
        let Some(resource) = world.resources().get(&id).cloned() else { continue };
        let handler = Registry::get().find(&resource.resource_type).map(|found| found.handler);
        if let Some(work) = handler.and_then(|handler| handler.before_removal(world, &resource)) {
            found.0.push(id);
            found.1.push(work);
        }
    }
    found
}

/// Deletes the members of a group as their providers do, again and again as long as one that goes lets another go, and
/// then the group.
///
/// # Errors
/// `ResourceGroupDeletionBlocked` where something outside the group uses a member.
fn empty_and_remove(world: &mut World, group: &ResourceId) -> Result<(), ArmError> {
    loop {
        let mut refusals = Vec::new();
        let mut progress = false;
        for id in world.resources().below(group) {
            // Deleting one may have taken others with it.
            let Some(resource_type) = world.resources().get(&id).map(|found| found.resource_type.clone()) else {
                continue;
            };
            match internal_delete(world, &id, &resource_type) {
                Err(error) if is_in_use(&error) => refusals.push((vec![id], error)),
                // Azure tries for hours; what only has to wait here goes at once.
                Ok(()) | Err(_) => {
                    remove_resource(world, &id);
                    progress = true;
                }
            }
        }
        if refusals.is_empty() {
            break;
        }
        if !progress {
            return Err(blocked(world, group, refusals));
        }
    }
    world.resources_mut().remove(group);
    Ok(())
}

fn is_in_use(error: &ArmError) -> bool {
    error.code().contains("InUse")
}

/// The deletion of a group is given up; what was deleted so far is gone.
fn blocked(world: &mut World, group: &ResourceId, refusals: Vec<(Vec<ResourceId>, ArmError)>) -> ArmError {
    if let Some(group) = world.resources_mut().get_mut(group) {
        group.set_provisioning_state("Succeeded");
    }
    let names: Vec<String> = refusals
        .iter()
        .flat_map(|(ids, _)| ids)
        .map(|id| id.as_str().rsplit_once("/providers/").map_or(id.as_str(), |(_, rest)| rest).to_owned())
        .collect();
    let tracking = world.uuid();
    let mut error = ArmError::conflict(
        "ResourceGroupDeletionBlocked",
        format!(
            "Deletion of resource group '{}' failed as resources with identifiers '{}' could not be deleted. The \
             provisioning state of the resource group will be rolled back. The tracking Id is '{tracking}'. Please check \
             audit logs for more details.",
            group.name(),
            names.join(",")
        ),
    );
    error.error.details = refusals.into_iter().map(|(_, refusal)| *refusal.error).collect();
    error
}

/// Takes a group and everything in it away, whatever uses it.
pub(crate) fn remove_group(world: &mut World, group: &ResourceId) {
    for id in world.resources().below(group) {
        remove_resource(world, &id);
    }
    world.resources_mut().remove(group);
}

/// Takes a resource away without asking what uses it; nothing where another has taken it along.
fn remove_resource(world: &mut World, id: &ResourceId) {
    let Some(resource) = world.resources().get(id).cloned() else { return };
    match Registry::get().find(&resource.resource_type) {
        Some(resource_type) => resource_type.handler.remove(world, &resource),
        None => {
            world.resources_mut().remove(id);
        }
    }
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
    use crate::gateway::TestFake;
    use serde_json::json;

    const RG: &str = "/resourceGroups/Rg?api-version=2021-04-01";

    #[test]
    fn lives_and_dies() {
        let mut fake = TestFake::new();
        let missing = fake.get(RG);
        assert_eq!((missing.status, missing.code()), (404, "ResourceGroupNotFound"));
        assert_eq!(missing.message(), "Resource group 'Rg' could not be found.");
        let made = fake.put(RG, json!({"location": "East US", "tags": {"a": "b"}})).expect(201);
        assert_eq!(made["location"], "eastus");
        assert_eq!(made["properties"]["provisioningState"], "Succeeded");
        fake.put(RG, json!({"location": "eastus"})).expect(200);
        assert_eq!(fake.put(RG, json!({"location": "westus3"})).code(), "InvalidResourceGroupLocation");
        assert_eq!(fake.get("/resourcegroups/RG?api-version=2021-04-01").expect(200)["name"], "Rg");
        assert_eq!(fake.get("/resourceGroups?api-version=2021-04-01").expect(200)["value"][0]["name"], "Rg");

        let gone = fake.delete(RG);
        assert_eq!(gone.status, 202);
        let result = gone.header("location").unwrap().replace("https://127.0.0.1:1", "");
        assert_eq!(fake.get(&result).status, 202);
        assert_eq!(fake.get(RG).expect(200)["properties"]["provisioningState"], "Deleting");
        assert_eq!(fake.put(RG, json!({"location": "eastus"})).code(), "ResourceGroupBeingDeleted");
        fake.settle();
        assert_eq!(fake.get(&result).status, 204);
        assert_eq!(fake.get(RG).status, 404);
    }

    #[test]
    fn members_go_in_the_order_in_which_they_let_each_other_go() {
        let mut fake = TestFake::with_group();
        let network = "/resourceGroups/rg/providers/Microsoft.Network";
        let vnet = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"name": "a", "properties": {"addressPrefix": "10.0.1.0/24"}}]}});
        let made = fake.put(&format!("{network}/virtualNetworks/v?api-version=2022-01-01"), vnet).expect(201);
        let subnet = made["properties"]["subnets"][0]["id"].clone();
        let nic = json!({"location": "eastus", "properties": {"ipConfigurations": [{"name": "ip", "properties": {"subnet": {"id": subnet}}}]}});
        fake.put(&format!("{network}/networkInterfaces/n?api-version=2022-01-01"), nic).expect(201);
        fake.settle();
        fake.delete("/resourceGroups/rg?api-version=2021-04-01").expect(202);
        fake.settle();
        assert_eq!(fake.get("/resourceGroups/rg?api-version=2021-04-01").status, 404);
        let left = fake.world.resources().iter().filter(|left| left.id.resource_group() == Some("rg"));
        assert_eq!(left.count(), 0);
    }

    #[test]
    fn a_member_that_is_used_elsewhere_keeps_its_group() {
        let mut fake = TestFake::with_group();
        fake.put("/resourceGroups/other?api-version=2021-04-01", json!({"location": "eastus"})).expect(201);
        let vnet = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
            "subnets": [{"name": "a", "properties": {"addressPrefix": "10.0.1.0/24"}}]}});
        let path = "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v?api-version=2022-01-01";
        let made = fake.put(path, vnet).expect(201);
        let subnet = made["properties"]["subnets"][0]["id"].clone();
        let nic = json!({"location": "eastus", "properties": {"ipConfigurations": [{"name": "ip", "properties": {"subnet": {"id": subnet}}}]}});
        let nic_path = "/resourceGroups/other/providers/Microsoft.Network/networkInterfaces/n?api-version=2022-01-01";
        fake.put(nic_path, nic).expect(201);
        fake.settle();
        let deleting = fake.delete("/resourceGroups/rg?api-version=2021-04-01");
        let result = deleting.header("location").unwrap().replace("https://127.0.0.1:1", "");
        fake.settle();
        let outcome = fake.get(&result);
        assert_eq!((outcome.status, outcome.code()), (409, "ResourceGroupDeletionBlocked"));
        let message = outcome.message();
        assert!(message.starts_with("Deletion of resource group 'rg' failed as resources with identifiers 'Microsoft.Network/virtualNetworks/v"), "{message}");
        assert_eq!(outcome.body["error"]["details"][0]["code"], "InUseSubnetCannotBeDeleted");
        let group = fake.get("/resourceGroups/rg?api-version=2021-04-01").expect(200);
        assert_eq!(group["properties"]["provisioningState"], "Succeeded");
        fake.delete(nic_path).expect(200);
        fake.settle();
        fake.delete("/resourceGroups/rg?api-version=2021-04-01").expect(202);
        fake.settle();
        assert_eq!(fake.get("/resourceGroups/rg?api-version=2021-04-01").status, 404);
    }

    #[test]
    fn patch_replaces_tags() {
        let mut fake = TestFake::with_group();
        let patched = fake.patch("/resourceGroups/rg?api-version=2021-04-01", json!({"tags": {"x": "y"}})).expect(200);
        assert_eq!(patched["tags"], json!({"x": "y"}));
    }
}
