//! The machines of agent pools: instances of scale sets in the node resource group, with addresses of their subnets.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use serde_json::{Value, json};

use super::pool::Pool;
use super::refusal::refused;
use super::site;
use crate::engine::NetworkProfile;
use crate::events::{AgentPoolMembership, VirtualMachine, VmEvent};
use crate::providers::network;
use crate::world::{KeptState, Resource, World};
use arm::{ArmError, ResourceId};

const SCALE_SET: &str = "Microsoft.Compute/virtualMachineScaleSets";
const INSTANCE: &str = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines";
const INTERFACE: &str = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces";

/// Numbers of instances that were given out, by scale set: a number is not used twice.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Counters(BTreeMap<ResourceId, u32>);

inventory::submit! { KeptState::of::<Counters>("Microsoft.ContainerService/instances") }

/// What the machines of one cluster's pools share.
#[derive(Debug, Clone)]
pub(super) struct Fleet {
    pub(super) cluster: ResourceId,
    /// The node resource group.
    pub(super) group: ResourceId,
    /// Eight digits that the names of a cluster's resources share.
    pub(super) digits: String,
    pub(super) location: String,
    pub(super) plugin: String,
    pub(super) plugin_mode: String,
    /// Where pools live that name no subnet.
    pub(super) default_subnet: ResourceId,
}

impl Fleet {
    pub(super) fn new(
        cluster: &ResourceId,
        group: &ResourceId,
        digits: &str,
        location: &str,
        network: &NetworkProfile,
        default_subnet: ResourceId,
    ) -> Self {
        Self {
            cluster: cluster.clone(),
            group: group.clone(),
            digits: digits.to_owned(),
            location: location.to_owned(),
            plugin: network.plugin.clone(),
            plugin_mode: network.plugin_mode.clone(),
            default_subnet,
        }
    }

    fn scale_set(&self, pool: &str) -> ResourceId {
        self.group.resource(SCALE_SET, &format!("aks-{pool}-{}-vmss", self.digits))
    }

    /// Instances of a pool, in the order of their making.
    pub(super) fn instances<'w>(&self, world: &'w World, pool: &str) -> Vec<&'w Resource> {
        let mut found: Vec<&Resource> = world.resources().within(&self.scale_set(pool), INSTANCE).collect();
        found.sort_by_key(|instance| instance.name().parse::<u32>().unwrap_or(u32::MAX));
        found
    }

    /// Brings a pool to its number of machines. Those that are returned are not running yet.
    ///
    /// # Errors
    /// `InsufficientSubnetSize` where the subnet has no room; nothing is changed then.
    pub(super) fn resize(&self, world: &mut World, pool: &Pool) -> Result<Vec<Arc<VirtualMachine>>, ArmError> {
        let present: Vec<ResourceId> = self.instances(world, &pool.name).iter().map(|i| i.id.clone()).collect();
        let wanted = pool.machines() as usize;
        self.check_room(world, pool, wanted.saturating_sub(present.len()))?;
        self.write_scale_set(world, pool);
        for id in present.iter().skip(wanted) {
            remove_instance(world, id);
        }
        let missing = wanted.saturating_sub(present.len());
        (0..missing).map(|_| self.add_instance(world, pool)).collect()
    }

    /// Takes a pool's machines and its scale set away.
    pub(super) fn remove(&self, world: &mut World, pool: &str) {
        let ids: Vec<ResourceId> = self.instances(world, pool).iter().map(|i| i.id.clone()).collect();
        for id in ids {
            remove_instance(world, &id);
        }
        let scale_set = self.scale_set(pool);
        world.resources_mut().remove(&scale_set);
        world.state::<Counters>().0.remove(&scale_set);
    }

    /// Starts the machines of a pool anew, from their image: what an upgrade does to each of them.
    pub(super) fn reimage(&self, world: &mut World, pool: &Pool) {
        let instances: Vec<Resource> = self.instances(world, &pool.name).into_iter().cloned().collect();
        for instance in instances {
            let Some(machine) = self.machine_of(world, pool, &instance) else { continue };
            world.emit(VmEvent::Deleted { id: instance.id.to_string() });
            world.emit(VmEvent::Started(Arc::new(machine)));
        }
    }

    fn check_room(&self, world: &World, pool: &Pool, more: usize) -> Result<(), ArmError> {
        let subnet = pool.subnet.as_ref().unwrap_or(&self.default_subnet);
        let each = site::addresses_of_a_node(&self.plugin, &self.plugin_mode, pool);
        let wanted = more as u64 * u64::from(each);
        let free = network::capacity_left(world, subnet);
        if more == 0 || wanted <= free {
            return Ok(());
        }
        Err(refused(
            "InsufficientSubnetSize",
            "agentPoolProfile.count",
            format!("Pre-allocated IPs {wanted} exceeds IPs available in Subnet {free}"),
        ))
    }

    fn write_scale_set(&self, world: &mut World, pool: &Pool) {
        let mut tags = pool.given.get("tags").cloned().unwrap_or(json!({}));
        tags["aks-managed-poolName"] = json!(pool.name);
        let body = json!({
            "location": self.location,
            "sku": { "name": pool.size, "tier": "Standard", "capacity": pool.machines() },
            "tags": tags,
            "properties": { "provisioningState": "Succeeded", "orchestrationMode": "Uniform" },
        });
        let id = self.scale_set(&pool.name);
        world.upsert(&id, SCALE_SET, body);
    }

    fn add_instance(&self, world: &mut World, pool: &Pool) -> Result<Arc<VirtualMachine>, ArmError> {
        let scale_set = self.scale_set(&pool.name);
        let next = world.state::<Counters>().0.entry(scale_set.clone()).or_default();
        let index = *next;
        *next += 1;
        let subnet = pool.subnet.clone().unwrap_or_else(|| self.default_subnet.clone());
        // Instance names end in six digits of base 36, as scale sets count.
        let name = format!("{}{:0>6}", scale_set.name(), base36(index));
        let id = scale_set.child("virtualMachines", &index.to_string());
        let interface = id.child("networkInterfaces", scale_set.name());
        let mut configurations = Vec::new();
        for n in 1..=site::addresses_of_a_node(&self.plugin, &self.plugin_mode, pool) {
            let configuration = interface.child("ipConfigurations", &format!("ipconfig{n}"));
            let address: Ipv4Addr = network::allocate(world, &subnet, configuration.as_str())?;
            configurations.push(json!({
                "name": configuration.name(),
                "id": configuration,
                "properties": {
                    "primary": n == 1,
                    "privateIPAddress": address,
                    "privateIPAllocationMethod": "Dynamic",
                    "subnet": { "id": subnet },
                },
            }));
        }
        let zone = (!pool.zones.is_empty()).then(|| pool.zones[index as usize % pool.zones.len()].clone());
        let mut body = json!({
            "location": self.location,
            "instanceId": index.to_string(),
            "sku": { "name": pool.size, "tier": "Standard" },
            "properties": { "provisioningState": "Succeeded", "osProfile": { "computerName": name } },
        });
        if let Some(zone) = zone {
            body["zones"] = json!([zone]);
        }
        world.upsert(&id, INSTANCE, body);
        let body = json!({
            "properties": {
                "provisioningState": "Succeeded",
                "primary": true,
                "virtualMachine": { "id": id },
                "ipConfigurations": configurations,
            },
        });
        world.upsert(&interface, INTERFACE, body);
        let instance = world.resources().require(&id)?.clone();
        self.machine_of(world, pool, &instance).map(Arc::new).ok_or_else(|| {
            refused("VMSizeNotSupported", "agentPoolProfile.vmSize", format!("The VM size {} is unknown.", pool.size))
        })
    }

    /// What a machine knows of itself when it starts.
    fn machine_of(&self, world: &World, pool: &Pool, instance: &Resource) -> Option<VirtualMachine> {
        let size = pool.vm_size(&self.location)?;
        let (address, subnet) = primary_address(world, &instance.id)?;
        let name = instance.properties()["osProfile"]["computerName"].as_str()?.to_owned();
        let mut labels = pool.labels.clone();
        if pool.windows {
            labels.insert("kubernetes.io/os".into(), "windows".into());
        }
        Some(VirtualMachine {
            id: instance.id.to_string(),
            name: name.clone(),
            computer_name: name,
            location: self.location.clone(),
            zone: instance.body["zones"][0].as_str().map(str::to_owned),
            size: size.name.clone(),
            vcpus: size.vcpus,
            memory_gib: size.memory_gib,
            architecture: size.architecture.clone(),
            gpus: size.gpus,
            os_disk_gb: 128,
            priority: if pool.spot { "Spot" } else { "Regular" }.into(),
            custom_data: None,
            private_ip: Some(IpAddr::V4(address)),
            subnet_id: Some(subnet),
            image: None,
            tags: BTreeMap::new(),
            agent_pool: Some(AgentPoolMembership {
                cluster_id: self.cluster.to_string(),
                pool: pool.name.clone(),
                mode: pool.mode.name().to_owned(),
                labels,
                taints: pool.node_taints(),
                max_pods: pool.max_pods,
            }),
        })
    }
}

/// Tells that the machines start.
pub(super) fn start(world: &mut World, machines: Vec<Arc<VirtualMachine>>) {
    for machine in machines {
        world.emit(VmEvent::Started(machine));
    }
}

/// Gives back the addresses of all instances in a node resource group and tells that they are gone.
pub(super) fn stop_all(world: &mut World, group: &ResourceId) {
    let instances: Vec<_> = world.resources().within(group, INSTANCE).map(|instance| instance.id.clone()).collect();
    for id in instances {
        remove_instance(world, &id);
    }
}

/// Address and subnet of an instance.
pub(super) fn primary_address(world: &World, instance: &ResourceId) -> Option<(Ipv4Addr, String)> {
    let interface = world.resources().within(instance, INTERFACE).next()?;
    let primary: &Value = &interface.properties()["ipConfigurations"][0]["properties"];
    let subnet = primary["subnet"]["id"].as_str()?.to_owned();
    Some((primary["privateIPAddress"].as_str()?.parse().ok()?, subnet))
}

/// Takes one instance away: its addresses are free, and whoever follows machines is told.
pub(super) fn remove_instance(world: &mut World, id: &ResourceId) {
    network::release(world, id.as_str());
    for below in world.resources().below(id) {
        world.resources_mut().remove(&below);
    }
    world.resources_mut().remove(id);
    world.emit(VmEvent::Deleted { id: id.to_string() });
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
