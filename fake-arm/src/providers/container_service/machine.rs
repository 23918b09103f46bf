//! `agentPools/machines`: the machines of a pool, by the names of their nodes.

use serde_json::{Value, json};

use super::agent_pool::cluster_of;
use super::scale_set::{Fleet, primary_address};
use crate::provider::{Answer, Handler, Reply, Request};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

/// The type of a pool's machines.
pub(super) const MACHINE: &str = "Microsoft.ContainerService/managedClusters/agentPools/machines";

pub(super) struct Machines;

impl Handler for Machines {
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        let pool = request.id.parent().unwrap_or_else(ResourceId::tenant);
        let fleet = fleet_of(world, &pool)?;
        let found = fleet.instances(world, pool.name()).into_iter().map(|instance| shown(world, &pool, instance));
        let found = found.into_iter().find(|machine| machine["name"] == request.id.name());
        found.map(Answer::json).ok_or_else(|| {
            let message =
                format!("The machine '{}' could not be found in agent pool '{}'.", request.id.name(), pool.name());
            ArmError::not_found("NotFound", message)
        })
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let fleet = fleet_of(world, &request.id)?;
        let found = fleet.instances(world, request.id.name());
        Ok(Answer::list(found.into_iter().map(|instance| shown(world, &request.id, instance)).collect()))
    }
}

fn fleet_of(world: &World, pool: &ResourceId) -> Result<Fleet, ArmError> {
    world.resources().require(pool)?;
    cluster_of(world, pool)?.fleet(world)
}

fn shown(world: &World, pool: &ResourceId, instance: &Resource) -> Value {
    let name = instance.properties()["osProfile"]["computerName"].as_str().unwrap_or_default();
    let address = primary_address(world, &instance.id).map(|(address, _)| address);
    let addresses: Vec<Value> = address.iter().map(|ip| json!({ "family": "IPv4", "ip": ip })).collect();
    let mut shown = json!({
        "id": pool.child("machines", name),
        "name": name,
        "type": MACHINE,
        "properties": {
            "network": { "ipAddresses": addresses },
            "resourceId": instance.id,
            "provisioningState": "Succeeded",
        },
    });
    if let Some(zones) = instance.body.get("zones") {
        shown["zones"] = zones.clone();
    }
    shown
}
