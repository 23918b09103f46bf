//! What a machine knows of itself when it boots, out of its resource and its interface.

use std::collections::BTreeMap;

use serde_json::Value;

use super::custom_data::CustomData;
use super::disk;
use super::spot::is_spot;
use super::vm_placement::Placement;
use crate::events::VirtualMachine;
use crate::providers::network;
use crate::world::World;
use arm::ResourceId;

/// The facts of a stored machine whose primary interface is `nic`.
pub(super) fn facts(world: &World, vm: &ResourceId, nic: Option<&ResourceId>, placement: Placement) -> VirtualMachine {
    let body = world.resources().get(vm).map(|vm| vm.body.clone()).unwrap_or_default();
    let properties = &body["properties"];
    let text = |pointer: &str| properties.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (private_ip, subnet_id) = nic.and_then(|nic| network::primary_address(world, nic)).unzip();
    let disk_gb = properties.pointer("/storageProfile/osDisk/diskSizeGB").and_then(Value::as_u64);
    let tags: BTreeMap<String, String> = body["tags"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
        .collect();
    VirtualMachine {
        id: vm.to_string(),
        name: vm.name().to_owned(),
        computer_name: text("/osProfile/computerName").unwrap_or_else(|| vm.name().to_owned()),
        location: placement.region.name.clone(),
        zone: body["zones"][0].as_str().map(str::to_owned),
        size: placement.size.name.clone(),
        vcpus: placement.size.vcpus_available,
        memory_gib: placement.size.memory_gib,
        architecture: placement.size.architecture.clone(),
        gpus: placement.size.gpus,
        os_disk_gb: disk_gb.and_then(|gb| gb.try_into().ok()).unwrap_or(disk::IMAGE_DISK_GB as u32),
        priority: if is_spot(&body) { "Spot" } else { "Regular" }.to_owned(),
        custom_data: world.peek::<CustomData>().and_then(|data| data.get(vm)).map(str::to_owned),
        private_ip,
        subnet_id: subnet_id.map(String::from),
        image: text("/storageProfile/imageReference/communityGalleryImageId")
            .or_else(|| text("/storageProfile/imageReference/sharedGalleryImageId"))
            .or_else(|| text("/storageProfile/imageReference/id")),
        tags,
        agent_pool: None,
    }
}
