//! The end of a machine: extensions, interfaces and disks go with it or are let go, and its owner hears of it.

use serde_json::{Value, json};

use super::custom_data::CustomData;
use super::power::PowerState;
use super::{data_disk, disk, network_interface, power};
use crate::events::VmEvent;
use crate::providers::network;
use crate::world::World;
use arm::ResourceId;

/// Takes a machine away, and with it what its `deleteOption`s say. An interface that stays is reserved for a while where
/// the machine was deleted by force or never ran.
pub(super) fn take_down(world: &mut World, vm: &ResourceId, forced: bool) {
    for child in world.resources().below(vm) {
        world.resources_mut().remove(&child);
    }
    let Some(resource) = world.resources_mut().remove(vm) else { return };
    world.state::<CustomData>().forget(vm);
    let reserves = forced || power::state(world, vm) == PowerState::Unplaced;
    power::forget(world, vm);
    for (nic, goes) in network_interface::named(&resource.body).unwrap_or_default() {
        if goes {
            network::delete_interface(world, &nic);
        } else {
            network::detach(world, &nic);
            if reserves {
                network::reserve(world, &nic, &resource.id);
            }
        }
    }
    let os_disk = &resource.body["properties"]["storageProfile"]["osDisk"];
    for entry in std::iter::once(os_disk).chain(data_disk::entries(&resource.body)) {
        let Some(id) = data_disk::id_of(entry) else { continue };
        if is_deleted(entry) {
            world.resources_mut().remove(&id);
        } else {
            disk::detach(world, &id);
        }
    }
    world.emit(VmEvent::Deleted { id: resource.id.to_string() });
}

fn is_deleted(entry: &Value) -> bool {
    // An ephemeral disk has nowhere to stay.
    let option = entry["deleteOption"].as_str().unwrap_or_default();
    option.eq_ignore_ascii_case("Delete") || entry["diffDiskSettings"]["option"] == json!("Local")
}
