//! What the compute provider does with interfaces.

use std::net::IpAddr;

use serde_json::json;

use super::types::INTERFACE;
use super::{interface, interface_reservation, stored_interface};
use crate::world::World;
use arm::{ArmError, ResourceId};

/// Gives an interface to a machine, as its primary one or another. One that the machine has already stays.
///
/// # Errors
/// `NotFound`, where there is no such interface, as the compute provider words it; `NicInUse`, where another machine
/// has it; `NicReservedForAnotherVm`, where another has just left it.
pub fn attach(world: &mut World, nic: &ResourceId, machine: &ResourceId, primary: bool) -> Result<(), ArmError> {
    interface_reservation::check(world, nic, Some(machine))?;
    interface_reservation::forget(world, nic);
    let etag = world.uuid();
    let Some(found) = world.resources_mut().get_mut(nic).filter(|r| r.resource_type == INTERFACE) else {
        return Err(ArmError::bad_request("NotFound", format!("Resource {nic} not found.")));
    };
    match found.properties()["virtualMachine"]["id"].as_str() {
        Some(other) if !other.eq_ignore_ascii_case(machine.as_str()) => {
            let other = other.to_owned();
            Err(interface::in_use(&found.id, &other))
        }
        _ => {
            found.properties_mut().insert("virtualMachine".into(), json!({ "id": machine }));
            found.properties_mut().insert("primary".into(), json!(primary));
            found.etag = etag;
            Ok(())
        }
    }
}

/// Takes an interface from its machine. Without a machine, or without the interface, nothing happens.
pub fn detach(world: &mut World, nic: &ResourceId) {
    if let Some(found) = world.resources_mut().get_mut(nic) {
        found.properties_mut().remove("virtualMachine");
        found.properties_mut().remove("primary");
    }
}

/// Deletes an interface with its machine (`deleteOption: Delete`): without asking who has it. Its addresses stay taken
/// for the world's [`address_hold`](crate::Settings::address_hold); public addresses of it go along where they are to.
pub fn delete_interface(world: &mut World, nic: &ResourceId) {
    interface::delete_with_machine(world, nic);
}

/// The address of an interface's primary configuration, and the subnet that it is of.
pub fn primary_address(world: &World, nic: &ResourceId) -> Option<(IpAddr, ResourceId)> {
    let found = world.resources().get(nic)?;
    let primary = stored_interface::configurations(found).iter().find(|c| c["properties"]["primary"] == json!(true))?;
    let address = primary["properties"]["privateIPAddress"].as_str()?.parse().ok()?;
    let subnet = ResourceId::parse(primary["properties"]["subnet"]["id"].as_str()?).ok()?;
    Some((address, subnet))
}
