//! Backend pools: what interfaces join, and who is in them.

use serde_json::{Value, json};

use super::reference::{self, list, missing_reference};
use super::types::{INTERFACE, LOAD_BALANCER};
use super::{inline, stored_interface};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

/// Interfaces of scale sets are resources of the compute provider.
const SCALE_SET_INTERFACE: &str = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces";

/// The pool that an interface names: of a load balancer in its region. The load balancer.
pub(super) fn resolve<'w>(
    world: &'w World,
    pool: &Value,
    location: &str,
    nic: &ResourceId,
) -> Result<Option<&'w Resource>, ArmError> {
    let Some(id) = reference::id_of(pool)? else { return Ok(None) };
    let missing = || missing_reference(id.as_str(), nic.as_str());
    let balancer = id.parent().filter(|parent| parent.is_type(LOAD_BALANCER)).ok_or_else(missing)?;
    let found = reference::resolve(world, &balancer, LOAD_BALANCER, location, nic).map_err(|_| missing())?;
    if !inline::exists(world, &id, "backendAddressPools") {
        return Err(missing());
    }
    Ok(Some(found))
}

/// The load balancers and public addresses of one interface are all Basic or all Standard.
pub(super) fn check_same_sku(world: &World, configurations: &[Value]) -> Result<(), ArmError> {
    let mut first: Option<(bool, ResourceId)> = None;
    for properties in configurations.iter().map(|c| &c["properties"]) {
        let pools = list(&properties["loadBalancerBackendAddressPools"]).iter();
        let balancers = pools.filter_map(|pool| reference::id_of(pool).ok()??.parent());
        let public = reference::id_of(&properties["publicIPAddress"])?;
        for id in balancers.chain(public) {
            let Some(found) = world.resources().get(&id) else { continue };
            let basic = found.body["sku"]["name"] == "Basic";
            match &first {
                None => first = Some((basic, id)),
                Some((other, first)) if *other != basic => {
                    return Err(ArmError::bad_request(
                        "DifferentSkuLoadBalancersAndPublicIPAddressNotAllowed",
                        format!(
                            "Different basic sku and standard sku load balancer or public Ip resources in availability \
                             set is not allowed {first} and {id}."
                        ),
                    ));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

/// IP configurations that are in a pool.
pub(super) fn members(world: &World, pool: &ResourceId) -> Vec<String> {
    let kinds = [INTERFACE, SCALE_SET_INTERFACE].into_iter();
    let all = kinds.flat_map(|kind| world.resources().of_type(kind)).flat_map(stored_interface::configurations);
    let inside = all.filter(|configuration| {
        let pools = list(&configuration["properties"]["loadBalancerBackendAddressPools"]);
        pools.iter().any(|named| reference::is_to(named, pool))
    });
    inside.filter_map(|configuration| configuration["id"].as_str().map(str::to_owned)).collect()
}

/// Fills in who is in a load balancer's pools.
pub(super) fn show_members(world: &World, shown: &mut Value) {
    for pool in shown["properties"]["backendAddressPools"].as_array_mut().into_iter().flatten() {
        let Some(id) = pool["id"].as_str().and_then(|id| ResourceId::parse(id).ok()) else { continue };
        let members = members(world, &id);
        if !members.is_empty() {
            pool["properties"]["backendIPConfigurations"] = members.iter().map(|id| json!({ "id": id })).collect();
        }
    }
}

/// Pools that go must be empty.
pub(super) fn check_removed(world: &World, balancer: &ResourceId, pools: &Value) -> Result<(), ArmError> {
    let Some(old) = world.resources().get(balancer) else { return Ok(()) };
    for pool in list(&old.properties()["backendAddressPools"]) {
        let name = pool["name"].as_str().unwrap_or_default();
        if inline::find(list(pools), name).is_some() {
            continue;
        }
        let id = balancer.child("backendAddressPools", name);
        if let Some(user) = members(world, &id).first() {
            return Err(ArmError::bad_request(
                "InUseBackendAddressPoolCannotBeDeleted",
                format!(
                    "Cannot remove backend address pool {name} from load balancer {balancer} since it is in use by {user}."
                ),
            ));
        }
    }
    Ok(())
}
