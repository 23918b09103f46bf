//! The tenant, its one subscription, and the namespaces registered in it.

use serde_json::{Value, json};

use super::API_VERSIONS;
use crate::arm::ArmError;
use crate::provider::{Answer, Handler, Registry, Reply, Request, ResourceType};
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

struct Namespaces;

inventory::submit! {
    ResourceType::new("Microsoft.Resources/subscriptions/providers", API_VERSIONS, &Namespaces).computed()
}

fn namespace(request_scope: &str, name: &str) -> Option<Value> {
    let registry = Registry::get();
    let types: Vec<_> = registry.iter().filter(|t| t.namespace().eq_ignore_ascii_case(name)).collect();
    let shown = types.first()?.namespace();
    let resource_types: Vec<Value> = types
        .iter()
        .map(|t| json!({ "resourceType": t.path(), "locations": [], "apiVersions": t.api_versions }))
        .collect();
    Some(json!({
        "id": format!("{request_scope}/providers/{shown}"),
        "namespace": shown,
        "registrationPolicy": "RegistrationRequired",
        "registrationState": "Registered",
        "resourceTypes": resource_types,
    }))
}

impl Namespaces {
    fn one(request: &Request) -> Reply {
        let scope = request.id.parent().map(|p| p.to_string()).unwrap_or_default();
        namespace(&scope, request.id.name()).map(Answer::json).ok_or_else(|| {
            ArmError::not_found(
                "InvalidResourceNamespace",
                format!("The resource namespace '{}' is invalid.", request.id.name()),
            )
        })
    }
}

impl Handler for Namespaces {
    fn get(&self, _: &mut World, request: &Request) -> Reply {
        Self::one(request)
    }

    fn list(&self, _: &mut World, request: &Request) -> Reply {
        let mut names: Vec<&str> = Registry::get().iter().map(ResourceType::namespace).collect();
        names.dedup();
        Ok(Answer::list(names.iter().filter_map(|name| namespace(request.id.as_str(), name)).collect()))
    }

    fn action(&self, world: &mut World, request: &Request, action: &str) -> Option<Reply> {
        if action.eq_ignore_ascii_case("register") {
            crate::providers::features::propagate(world, request.id.name());
            return Some(Self::one(request));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use crate::server::bench::Bench;
    use serde_json::json;

    #[test]
    fn the_subscription_and_its_namespaces_are_there() {
        let mut bench = Bench::new();
        let one = bench.get("?api-version=2022-12-01").expect(200);
        assert_eq!(one["subscriptionId"], Bench::SUBSCRIPTION);
        assert_eq!(bench.get("/subscriptions?api-version=2022-12-01").expect(200)["value"][0], one);
        assert_eq!(bench.get("/tenants?api-version=2022-12-01").expect(200)["value"][0]["tenantId"], one["tenantId"]);
        let network = bench.get("/providers/microsoft.network?api-version=2019-05-01").expect(200);
        assert_eq!(
            (&network["namespace"], &network["registrationState"]),
            (&json!("Microsoft.Network"), &json!("Registered"))
        );
        let registered =
            bench.post("/providers/Microsoft.Network/register?api-version=2019-05-01", json!(null)).expect(200);
        assert_eq!(registered, network);
        let unknown = bench.get("/providers/Microsoft.Bananas?api-version=2019-05-01");
        assert_eq!((unknown.status, unknown.code()), (404, "InvalidResourceNamespace"));
        let all = bench.get("/providers?api-version=2019-05-01").expect(200);
        assert!(all["value"].as_array().unwrap().len() > 2);
    }

    #[test]
    fn what_is_in_a_group_is_listed() {
        let mut bench = Bench::with_group();
        let path = "/resourceGroups/rg/providers/Microsoft.Network/publicIPAddresses/p?api-version=2022-01-01";
        bench.put(path, json!({"location": "eastus"})).expect(201);
        for path in ["/resourceGroups/rg/resources?api-version=2021-04-01", "/resources?api-version=2021-04-01"] {
            let list = bench.get(path).expect(200);
            assert_eq!(list["value"].as_array().unwrap().len(), 1);
            assert_eq!(list["value"][0]["type"], "Microsoft.Network/publicIPAddresses");
        }
    }
}
