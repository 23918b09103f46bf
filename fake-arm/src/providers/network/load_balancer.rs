//! Load balancers: their frontends have addresses, their backend pools are what interfaces name.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::api_versions::API_VERSIONS;
use super::inline::{Inline, children};
use super::reference::{self, list};
use super::types::{INTERFACE, LOAD_BALANCER};
use super::{addresses, backend_pool, frontend, inline, links, load_balancing_rule, sku, stored_interface};
use crate::provider::{Answer, Handler, Link, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

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
inventory::submit! {
    children("Microsoft.Network/loadBalancers/backendAddressPools", &Inline::writable("backendAddressPools", check_pools))
}
inventory::submit! {
    children("Microsoft.Network/loadBalancers/inboundNatRules", &Inline::writable("inboundNatRules", check))
}
inventory::submit! {
    children("Microsoft.Network/loadBalancers/frontendIPConfigurations", &Inline::readable("frontendIPConfigurations"))
}
inventory::submit! {
    children("Microsoft.Network/loadBalancers/loadBalancingRules", &Inline::readable("loadBalancingRules"))
}
inventory::submit! { children("Microsoft.Network/loadBalancers/outboundRules", &Inline::readable("outboundRules")) }
inventory::submit! { children("Microsoft.Network/loadBalancers/probes", &Inline::readable("probes")) }

impl Handler for LoadBalancers {
    fn links(&self) -> &'static [Link] {
        links::LOAD_BALANCER
    }

    fn show(&self, world: &World, resource: &Resource) -> Value {
        let mut shown = inline::with_etags(resource, &ARRAYS);
        backend_pool::show_members(world, &mut shown);
        load_balancing_rule::show_uses(&mut shown);
        shown
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let id = &request.id;
        let mut body = request.resource_body();
        let existing = world.resources().get(id).map(|b| b.body.clone());
        let sku = sku::read(&body, "loadBalancers", &["Basic", "Standard", "Gateway"])?;
        sku::check_unchanged(existing.as_ref(), sku, id)?;
        let guid = existing.map(|e| e["properties"]["resourceGuid"].clone());
        let guid = guid.unwrap_or_else(|| json!(world.uuid()));
        for array in ARRAYS {
            let dressed = inline::with_defaults(id, array, &request.properties()[array])?;
            body["properties"][array] = dressed;
        }
        body["sku"] = sku::shown(&body, sku);
        body["properties"]["provisioningState"] = json!("Updating");
        body["properties"]["resourceGuid"] = guid;
        backend_pool::check_removed(world, id, &body["properties"]["backendAddressPools"])?;
        frontend::check(world, request, sku, &body["properties"]["frontendIPConfigurations"])?;
        let properties = body["properties"].as_object_mut().expect("resource_body makes properties");
        check_as(sku, id, properties)?;
        frontend::give_addresses(world, id, properties)?;
        let new = world.upsert(id, LOAD_BALANCER, body);
        let duration = world.settings().duration("Microsoft.Network/loadBalancers/write", Duration::ZERO);
        Ok(Answer::put(new, id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(found) = world.resources().get(&request.id).cloned() else { return Ok(Answer::no_content()) };
        check_no_scale_set(world, &found)?;
        let duration = world.settings().duration("Microsoft.Network/loadBalancers/delete", Duration::ZERO);
        Ok(Answer::accepted().after(duration, move |world| {
            leave_pools(world, &found.id);
            LoadBalancers.remove(world, &found);
            Ok(())
        }))
    }

    fn remove(&self, world: &mut World, resource: &Resource) {
        addresses::release(world, resource.id.as_str());
        world.resources_mut().remove(&resource.id);
    }
}

/// Holds the rules of a stored load balancer, as they would become, against Azure's.
fn check(world: &World, id: &ResourceId, properties: &mut Map<String, Value>) -> Result<(), ArmError> {
    let sku = world.resources().get(id).and_then(|b| b.body["sku"]["name"].as_str()).unwrap_or("Basic");
    check_as(sku, id, properties)
}

/// A pool put or deleted on its own.
fn check_pools(world: &World, balancer: &ResourceId, properties: &mut Map<String, Value>) -> Result<(), ArmError> {
    backend_pool::check_removed(world, balancer, properties.get("backendAddressPools").unwrap_or(&Value::Null))?;
    check(world, balancer, properties)
}

fn check_as(sku: &str, id: &ResourceId, properties: &mut Map<String, Value>) -> Result<(), ArmError> {
    // Who uses what is computed; a body that was read from here and is sent back says it again.
    for array in ["frontendIPConfigurations", "backendAddressPools", "probes"] {
        for item in properties.get_mut(array).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(item) = item["properties"].as_object_mut() else { continue };
            for computed in ["backendIPConfigurations", "loadBalancingRules", "outboundRules", "inboundNatRules"] {
                item.remove(computed);
            }
        }
    }
    load_balancing_rule::check(sku, id, properties)
}

/// A scale set must leave the pools before the load balancer goes; interfaces of machines leave with it.
fn check_no_scale_set(world: &World, balancer: &Resource) -> Result<(), ArmError> {
    for pool in list(&balancer.properties()["backendAddressPools"]) {
        let pool = balancer.id.child("backendAddressPools", pool["name"].as_str().unwrap_or_default());
        let members = backend_pool::members(world, &pool);
        let mut sets = members.iter().filter_map(|member| member.split_once("/virtualMachines/"));
        if let Some((set, _)) = sets.find(|(set, _)| set.contains("/virtualMachineScaleSets/")) {
            return Err(ArmError::bad_request(
                "LoadBalancerInUseByVirtualMachineScaleSet",
                format!(
                    "Cannot delete load balancer {} since its child resources {} are in use by virtual machine scale set \
                     {set}.",
                    balancer.id,
                    pool.name()
                ),
            ));
        }
    }
    Ok(())
}

/// Takes the references to a load balancer's pools out of the interfaces that have them.
fn leave_pools(world: &mut World, balancer: &ResourceId) {
    let field = "loadBalancerBackendAddressPools";
    let inside = |pool: &Value| reference::id_of(pool).ok().flatten().is_some_and(|id| id.is_within(balancer));
    let joined = |nic: &&Resource| {
        stored_interface::configurations(nic).iter().any(|c| list(&c["properties"][field]).iter().any(inside))
    };
    let all: Vec<ResourceId> = world.resources().of_type(INTERFACE).filter(joined).map(|n| n.id.clone()).collect();
    for nic in all {
        let Some(found) = world.resources_mut().get_mut(&nic) else { continue };
        let configurations = found.properties_mut().get_mut("ipConfigurations").and_then(Value::as_array_mut);
        for configuration in configurations.into_iter().flatten() {
            if let Some(pools) = configuration["properties"][field].as_array_mut() {
                pools.retain(|pool| !inside(pool));
            }
        }
    }
}
