//! Which management group the subscription is in.

use serde_json::{Value, json};
use uuid::Uuid;

use super::API_VERSIONS;
use super::management_group::{is_root, not_found};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::ArmError;

/// The type of a subscription's place in a management group.
pub const PLACEMENT: &str = "Microsoft.Management/managementGroups/subscriptions";

struct Placements;

inventory::submit! { ResourceType::new(PLACEMENT, API_VERSIONS, &Placements) }

impl Handler for Placements {
    fn show(&self, world: &World, resource: &Resource) -> Value {
        json!({
            "id": resource.id,
            "type": PLACEMENT,
            "name": resource.name(),
            "properties": {
                "tenant": world.tenant(),
                "displayName": "fake-arm",
                "state": "Active",
                "parent": { "id": resource.id.parent() },
            },
        })
    }

    /// Puts the subscription into the group, out of the one that it was in.
    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let Some(group) = request.id.parent() else { return Err(not_found("")) };
        if !is_root(world, &group) && !world.resources().contains(&group) {
            return Err(not_found(group.name()));
        }
        if Uuid::parse_str(request.id.name()) != Ok(world.subscription()) {
            return Err(ArmError::not_found(
                "SubscriptionNotFound",
                format!("The subscription '{}' could not be found.", request.id.name()),
            ));
        }
        let before: Vec<_> = world.resources().of_type(PLACEMENT).map(|r| r.id.clone()).collect();
        for id in before {
            world.resources_mut().remove(&id);
        }
        world.upsert(&request.id, PLACEMENT, json!({ "properties": {} }));
        Ok(Answer::put(false, &request.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Principal, PrincipalKind};
    use crate::gateway::TestFake;
    use crate::providers::authorization;
    use arm::ResourceId;
    use rbac::BuiltinRole;

    const API: &str = "?api-version=2021-04-01";

    #[test]
    fn a_role_in_a_management_group_holds_in_the_subscriptions_of_the_groups_below() {
        let mut fake = TestFake::with_group();
        let root = ResourceId::tenant();
        authorization::grant(&mut fake.world, TestFake::OWNER, BuiltinRole::Owner.id(), &root);
        let group = |name: &str| format!("/providers/Microsoft.Management/managementGroups/{name}");
        let below = |parent: &str| json!({"properties": {"details": {"parent": {"id": group(parent)}}}});
        fake.put(&format!("{}{API}", group("outer")), json!({"properties": {"displayName": "Outer"}})).expect(201);
        fake.put(&format!("{}{API}", group("inner")), below("outer")).expect(201);
        assert_eq!(fake.put(&format!("{}{API}", group("outer")), below("inner")).status, 400, "no circles");
        assert_eq!(fake.put(&format!("{}{API}", group("x")), below("none")).status, 404);
        let reader = Uuid::from_u128(0x99);
        fake.world.add_principal(Principal {
            object_id: reader,
            client_id: reader,
            kind: PrincipalKind::User,
            display_name: "reader".into(),
        });
        let scope = ResourceId::parse(&group("outer")).unwrap();
        authorization::grant(&mut fake.world, reader, BuiltinRole::Reader.id(), &scope);
        let look = |fake: &mut TestFake| {
            fake.caller = reader;
            let status = fake.get(&format!("/resourceGroups/rg{API}")).status;
            fake.caller = TestFake::OWNER;
            status
        };
        assert_eq!(look(&mut fake), 403);
        let place = |name: &str| format!("{}/subscriptions/{}{API}", group(name), TestFake::SUBSCRIPTION);
        fake.put(&place("inner"), Value::Null).expect(200);
        assert_eq!(look(&mut fake), 200);
        assert_eq!(fake.delete(&format!("{}{API}", group("inner"))).status, 400, "not with the subscription in it");
        let tenant = fake.world.tenant().to_string();
        fake.put(&place(&tenant), Value::Null).expect(200);
        assert_eq!(look(&mut fake), 403, "it moved out");
        fake.delete(&format!("{}{API}", group("inner"))).expect(200);
        let list = fake.get(&format!("/providers/Microsoft.Management/managementGroups{API}")).expect(200);
        let names: Vec<_> = list["value"].as_array().unwrap().iter().map(|g| g["name"].clone()).collect();
        assert_eq!(names, [json!(tenant), json!("outer")]);
    }
}
