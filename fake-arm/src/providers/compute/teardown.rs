//! The end of a machine: extensions, interfaces and disk go with it or are let go, and its owner hears of it.

use serde_json::{Value, json};

use super::custom_data::CustomData;
use super::{disk, network_interface};
use crate::arm::ResourceId;
use crate::events::VmEvent;
use crate::providers::network;
use crate::world::World;

/// Takes a machine away, and with it what its `deleteOption`s say.
pub(super) fn take_down(world: &mut World, vm: &ResourceId) {
    for child in world.resources().below(vm) {
        world.resources_mut().remove(&child);
    }
    let Some(resource) = world.resources_mut().remove(vm) else { return };
    world.state::<CustomData>().forget(vm);
    for (nic, goes) in network_interface::named(&resource.body).unwrap_or_default() {
        if goes {
            network::delete_interface(world, &nic);
        } else {
            network::detach(world, &nic);
        }
    }
    let os_disk = &resource.body["properties"]["storageProfile"]["osDisk"];
    let disk_id = os_disk.pointer("/managedDisk/id").and_then(Value::as_str).and_then(|id| ResourceId::parse(id).ok());
    if let Some(id) = disk_id {
        if os_disk["deleteOption"] == json!("Delete") {
            world.resources_mut().remove(&id);
        } else {
            disk::detach(world, &id);
        }
    }
    world.emit(VmEvent::Deleted { id: resource.id.to_string() });
}
