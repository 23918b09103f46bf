//! The tenant and its one subscription.

use serde_json::{Value, json};

use super::API_VERSIONS;
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::World;

struct Subscriptions;

inventory::submit! {
    ResourceType::new("Microsoft.Resources/subscriptions", API_VERSIONS, &Subscriptions).computed()
}

fn subscription(world: &World) -> Value {
    json!({
        "id": format!("/subscriptions/{}", world.subscription()),
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": world.subscription(),
        "tenantId": world.tenant(),
        "displayName": "fake-arm",
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    })
}

impl Handler for Subscriptions {
    fn get(&self, world: &mut World, _: &Request) -> Reply {
        Ok(Answer::json(subscription(world)))
    }

    fn list(&self, world: &mut World, _: &Request) -> Reply {
        Ok(Answer::list(vec![subscription(world)]))
    }
}

struct Tenants;

inventory::submit! { ResourceType::new("Microsoft.Resources/tenants", API_VERSIONS, &Tenants).computed() }

impl Handler for Tenants {
    fn list(&self, world: &mut World, _: &Request) -> Reply {
        let tenant = world.tenant();
        Ok(Answer::list(vec![json!({
            "id": format!("/tenants/{tenant}"),
            "tenantId": tenant,
            "displayName": "fake-arm",
            "tenantCategory": "Home",
        })]))
    }
}

#[cfg(test)]
mod tests {
    use crate::gateway::TestFake;
    use serde_json::json;

    #[test]
    fn the_subscription_is_there() {
        let mut fake = TestFake::new();
        let one = fake.get("?api-version=2022-12-01").expect(200);
        assert_eq!(one["subscriptionId"], TestFake::SUBSCRIPTION);
        assert_eq!(fake.get("/subscriptions?api-version=2022-12-01").expect(200)["value"][0], one);
        assert_eq!(fake.get("/tenants?api-version=2022-12-01").expect(200)["value"][0]["tenantId"], one["tenantId"]);
    }

    #[test]
    fn what_is_in_a_group_is_listed() {
        let mut fake = TestFake::with_group();
        let path = "/resourceGroups/rg/providers/Microsoft.Network/publicIPAddresses/p?api-version=2022-01-01";
        fake.put(path, json!({"location": "eastus"})).expect(201);
        for path in ["/resourceGroups/rg/resources?api-version=2021-04-01", "/resources?api-version=2021-04-01"] {
            let list = fake.get(path).expect(200);
            assert_eq!(list["value"].as_array().unwrap().len(), 1);
            assert_eq!(list["value"][0]["type"], "Microsoft.Network/publicIPAddresses");
        }
    }
}
