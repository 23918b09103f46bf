//! The machines of agent pools: instances of scale sets in the node resource group, each with an address of its subnet.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde_json::json;

use super::draft::{Draft, Pool};
use super::node_resource_group::NodeResourceGroup;
use crate::arm::{ArmError, ResourceId};
use crate::catalog::Catalog;
use crate::events::{AgentPoolMembership, VirtualMachine, VmEvent};
use crate::providers::network;
use crate::world::World;

const SCALE_SET: &str = "Microsoft.Compute/virtualMachineScaleSets";
const INSTANCE: &str = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines";
const INTERFACE: &str = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces";

/// Makes the scale set of each pool with its instances and their network interfaces. The machines returned are not
/// running yet: they start once the cluster is there for them to join.
///
/// # Errors
/// An unknown size, a subnet that does not exist or is full (`InsufficientSubnetSize`).
pub(super) fn create(
    world: &mut World,
    cluster: &ResourceId,
    draft: &Draft,
    group: &NodeResourceGroup,
    default_subnet: &ResourceId,
) -> Result<Vec<Arc<VirtualMachine>>, ArmError> {
    let mut machines = Vec::new();
    for pool in &draft.pools {
        let subnet = match &pool.subnet {
            Some(id) => ResourceId::parse(id).map_err(|error| {
                ArmError::bad_request("InvalidParameter", error.to_string()).target("agentPoolProfile.vnetSubnetID")
            })?,
            None => default_subnet.clone(),
        };
        let free = network::capacity_left(world, &subnet);
        if free < u64::from(pool.count) {
            return Err(ArmError::bad_request(
                "InsufficientSubnetSize",
                format!("Pre-allocated IPs {} exceeds IPs available in Subnet {free}", pool.count),
            )
            .target("agentPoolProfile.count"));
        }
        let scale_set = group.id.resource(SCALE_SET, &format!("aks-{}-{}-vmss", pool.name, group.digits));
        let body = json!({
            "location": draft.location,
            "sku": { "name": pool.size, "tier": "Standard", "capacity": pool.count },
            "tags": { "aks-managed-poolName": pool.name },
            "properties": { "provisioningState": "Succeeded", "orchestrationMode": "Uniform" },
        });
        world.upsert(&scale_set, SCALE_SET, body);
        for index in 0..pool.count {
            machines.push(instance(world, cluster, draft, pool, &scale_set, &subnet, index)?);
        }
    }
    Ok(machines)
}

/// Tells that the machines start.
pub(super) fn start(world: &mut World, machines: Vec<Arc<VirtualMachine>>) {
    for machine in machines {
        world.emit(VmEvent::Started(machine));
    }
}

/// Gives back the addresses of all instances in a node resource group and tells that they are gone.
pub(super) fn stop(world: &mut World, group: &ResourceId) {
    let instances: Vec<_> = world.resources().within(group, INSTANCE).map(|instance| instance.id.clone()).collect();
    for id in instances {
        network::release(world, id.as_str());
        world.emit(VmEvent::Deleted { id: id.to_string() });
    }
}

fn instance(
    world: &mut World,
    cluster: &ResourceId,
    draft: &Draft,
    pool: &Pool,
    scale_set: &ResourceId,
    subnet: &ResourceId,
    index: u32,
) -> Result<Arc<VirtualMachine>, ArmError> {
    let size = Catalog::builtin().size(&draft.location, &pool.size).ok_or_else(|| {
        ArmError::bad_request(
            "VMSizeNotSupported",
            format!(
                "The VM size of {} is not allowed in your subscription in location '{}'.",
                pool.size, draft.location
            ),
        )
        .target("agentPoolProfile.vmSize")
    })?;
    // Instance names end in six digits of base 36, as scale sets count.
    let name = format!("{}{:0>6}", scale_set.name(), base36(index));
    let id = scale_set.child("virtualMachines", &index.to_string());
    let interface = id.child("networkInterfaces", scale_set.name());
    let configuration = interface.child("ipConfigurations", "ipconfig1");
    let address: Ipv4Addr = network::allocate(world, subnet, configuration.as_str())?;
    world.upsert(
        &id,
        INSTANCE,
        json!({
            "location": draft.location,
            "instanceId": index.to_string(),
            "sku": { "name": pool.size, "tier": "Standard" },
            "properties": { "provisioningState": "Succeeded", "osProfile": { "computerName": name } },
        }),
    );
    world.upsert(
        &interface,
        INTERFACE,
        json!({
            "properties": {
                "provisioningState": "Succeeded",
                "primary": true,
                "virtualMachine": { "id": id },
                "ipConfigurations": [{
                    "name": "ipconfig1",
                    "id": configuration,
                    "properties": {
                        "primary": true,
                        "privateIPAddress": address,
                        "privateIPAllocationMethod": "Dynamic",
                        "subnet": { "id": subnet },
                    },
                }],
            },
        }),
    );
    Ok(Arc::new(VirtualMachine {
        id: id.to_string(),
        name: name.clone(),
        computer_name: name,
        location: draft.location.clone(),
        zone: None,
        size: size.name.clone(),
        vcpus: size.vcpus,
        memory_gib: size.memory_gib,
        architecture: size.architecture.clone(),
        gpus: size.gpus,
        os_disk_gb: 128,
        priority: "Regular".into(),
        custom_data: None,
        private_ip: Some(IpAddr::V4(address)),
        subnet_id: Some(subnet.to_string()),
        image: None,
        tags: BTreeMap::new(),
        agent_pool: Some(AgentPoolMembership {
            cluster_id: cluster.to_string(),
            pool: pool.name.clone(),
            mode: pool.mode.clone(),
            labels: pool.labels.clone(),
            taints: pool.taints.clone(),
            max_pods: pool.max_pods,
        }),
    }))
}

fn base36(mut number: u32) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from_digit(number % 36, 36).expect("below 36"));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_counted_in_base_36() {
        assert_eq!(base36(0), "0");
        assert_eq!(base36(35), "z");
        assert_eq!(base36(36), "10");
    }
}
