//! Load balancers: their frontends have addresses, their backend pools are what interfaces name.

use std::time::Duration;

use serde_json::{Value, json};

use super::api_versions::API_VERSIONS;
use super::{PUBLIC_ADDRESS, address_book, inline, links, reference};
use crate::arm::ArmError;
use crate::provider::{Answer, Handler, Link, Reply, Request, ResourceType};
use crate::world::{Resource, World};

/// The type of load balancers.
pub const LOAD_BALANCER: &str = "Microsoft.Network/loadBalancers";

/// Arrays whose items are shown with ids.
const ARRAYS: [&str; 7] = [
    "frontendIPConfigurations",
    "backendAddressPools",
    "loadBalancingRules",
    "probes",
    "inboundNatRules",
    "inboundNatPools",
    "outboundRules",
];

struct LoadBalancers;

inventory::submit! { ResourceType::new(LOAD_BALANCER, API_VERSIONS, &LoadBalancers).tracked() }

impl Handler for LoadBalancers {
    fn links(&self) -> &'static [Link] {
        links::LOAD_BALANCER
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let mut body = request.resource_body();
        let existing = world.resources().get(&request.id).and_then(|b| b.properties().get("resourceGuid").cloned());
        let guid = existing.unwrap_or_else(|| json!(world.uuid()));
        for array in ARRAYS {
            let dressed = inline::dress(&request.id, array, &request.properties()[array])?;
            body["properties"][array] = dressed;
        }
        give_addresses(world, request, &mut body["properties"]["frontendIPConfigurations"])?;
        body["properties"]["provisioningState"] = json!("Updating");
        body["properties"]["resourceGuid"] = guid;
        if body.get("sku").is_none() {
            body["sku"] = json!({ "name": "Basic", "tier": "Regional" });
        }
        let new = world.upsert(&request.id, LOAD_BALANCER, body);
        let duration = world.settings().duration("Microsoft.Network/loadBalancers/write", Duration::ZERO);
        Ok(Answer::put(new, &request.id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(found) = world.resources().get(&request.id).cloned() else { return Ok(Answer::no_content()) };
        let duration = world.settings().duration("Microsoft.Network/loadBalancers/delete", Duration::ZERO);
        Ok(Answer::accepted().after(duration, move |world| {
            LoadBalancers.remove(world, &found);
            Ok(())
        }))
    }

    fn remove(&self, world: &mut World, resource: &Resource) {
        address_book::release(world, resource.id.as_str());
        world.resources_mut().remove(&resource.id);
    }
}

/// A frontend in a subnet has an address of it; one with a public address names one that exists.
fn give_addresses(world: &mut World, request: &Request, frontends: &mut Value) -> Result<(), ArmError> {
    for frontend in frontends.as_array_mut().into_iter().flatten() {
        let holder = frontend["id"].as_str().unwrap_or_default().to_owned();
        if let Some(public) = reference::id_of(&frontend["properties"]["publicIPAddress"])? {
            reference::resolve(world, &public, PUBLIC_ADDRESS, &request.location(), &request.id)?;
        }
        if let Some(subnet) = reference::id_of(&frontend["properties"]["subnet"])? {
            let address = address_book::allocate(world, &subnet, &holder)?;
            frontend["properties"]["privateIPAddress"] = json!(address);
            frontend["properties"]["privateIPAllocationMethod"] = json!("Dynamic");
        }
    }
    Ok(())
}
