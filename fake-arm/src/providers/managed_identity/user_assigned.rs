//! User-assigned identities.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::{Principal, PrincipalKind};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::ResourceId;

/// The type of user-assigned identities.
pub const USER_ASSIGNED_IDENTITY: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";

struct UserAssignedIdentities;

inventory::submit! {
    ResourceType::new(USER_ASSIGNED_IDENTITY, super::API_VERSIONS, &UserAssignedIdentities).tracked()
}

impl Handler for UserAssignedIdentities {
    fn show(&self, _: &World, resource: &Resource) -> Value {
        let mut shown = resource.json();
        // This provider sends no etag, and an empty object for no tags.
        shown.as_object_mut().map(|s| s.shift_remove("etag"));
        if shown.get("tags").is_none() {
            shown["tags"] = json!({});
        }
        shown
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let existing = world.resources().get(&request.id).map(|r| r.properties().clone());
        let mut body = request.resource_body();
        body["properties"] = match existing {
            Some(properties) => properties,
            None => {
                let principal = Principal {
                    object_id: world.uuid(),
                    client_id: world.uuid(),
                    kind: PrincipalKind::ManagedIdentity,
                    display_name: request.id.name().to_owned(),
                };
                let properties = json!({
                    "tenantId": world.tenant(),
                    "principalId": principal.object_id,
                    "clientId": principal.client_id,
                });
                world.add_principal(principal);
                properties
            }
        };
        let new = world.upsert(&request.id, USER_ASSIGNED_IDENTITY, body);
        Ok(Answer::put(new, &request.id))
    }

    fn remove(&self, world: &mut World, resource: &Resource) {
        if let Some(id) = resource.properties()["principalId"].as_str().and_then(|p| Uuid::parse_str(p).ok()) {
            world.remove_principal(id);
        }
        for child in world.resources().below(&resource.id) {
            world.resources_mut().remove(&child);
        }
        world.resources_mut().remove(&resource.id);
    }
}

/// The principal of an identity; `None` where there is no such identity.
pub fn principal_of(world: &World, identity: &ResourceId) -> Option<Principal> {
    let found = world.resources().get(identity).filter(|r| r.resource_type == USER_ASSIGNED_IDENTITY)?;
    let object_id = Uuid::parse_str(found.properties()["principalId"].as_str()?).ok()?;
    world.principals().get(object_id).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::TestFake;

    const PATH: &str =
        "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i?api-version=2023-01-31";

    #[test]
    fn an_identity_is_a_principal_as_long_as_it_lives() {
        let mut fake = TestFake::with_group();
        let made = fake.put(PATH, json!({"location": "eastus"})).expect(201);
        let again = fake.put(PATH, json!({"location": "eastus", "tags": {"a": "b"}})).expect(200);
        assert_eq!(made["properties"], again["properties"]);
        assert!(made.get("etag").is_none());
        let id = ResourceId::parse(made["id"].as_str().unwrap()).unwrap();
        let principal = principal_of(&fake.world, &id).unwrap();
        assert_eq!(json!(principal.object_id), made["properties"]["principalId"]);
        assert_eq!(json!(principal.client_id), made["properties"]["clientId"]);
        let list =
            "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities?api-version=2023-01-31";
        assert_eq!(fake.get(list).expect(200)["value"][0]["name"], "i");
        fake.delete(PATH).expect(200);
        fake.delete(PATH).expect(204);
        assert!(fake.world.principals().get(principal.object_id).is_none());
    }
}
