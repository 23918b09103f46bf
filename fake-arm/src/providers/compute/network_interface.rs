//! The network interfaces that a machine asks for: named, in its region, fit for its size, and given to it.

use serde_json::{Value, json};

use super::refusal::{invalid, invalid_id, missing};
use super::vm_placement::Placement;
use crate::providers::network;
use crate::world::World;
use arm::{ArmError, ResourceId};

/// Ids of the interfaces that a machine's body names, with `deleteOption: Delete` or without.
pub(super) fn named(body: &Value) -> Result<Vec<(ResourceId, bool)>, ArmError> {
    let path = "properties.networkProfile.networkInterfaces";
    let list = body.pointer("/properties/networkProfile/networkInterfaces").and_then(Value::as_array);
    let list = list.ok_or_else(|| missing("networkProfile"))?;
    if list.is_empty() {
        return Err(missing("networkProfile.networkInterfaces"));
    }
    list.iter()
        .enumerate()
        .map(|(index, entry)| {
            let path = format!("{path}[{index}].id");
            let text = entry["id"].as_str().unwrap_or_default();
            let id = ResourceId::parse(text).map_err(|_| invalid_id(text, &path))?;
            if !id.is_type(network::INTERFACE) {
                return Err(invalid_id(text, &path));
            }
            Ok((id, entry.pointer("/properties/deleteOption") == Some(&json!("Delete"))))
        })
        .collect()
}

/// Refuses interfaces that the machine's size and region cannot have.
pub(super) fn check(
    world: &World,
    vm: &ResourceId,
    interfaces: &[(ResourceId, bool)],
    placement: Placement,
) -> Result<(), ArmError> {
    let Placement { region, size } = placement;
    if interfaces.len() > size.max_nics as usize {
        return Err(ArmError::bad_request(
            "NetworkInterfaceCountExceeded",
            format!(
                "The number of network interfaces for virtual machine {} exceeds the maximum allowed for the virtual \
                 machine size {}. The number of network interfaces is {} and the maximum allowed is {}.",
                vm.name(),
                size.name,
                interfaces.len(),
                size.max_nics
            ),
        ));
    }
    for (id, _) in interfaces {
        // One that does not exist, or that another machine has, is refused by [`attach`].
        let Some(nic) = world.resources().get(id) else { continue };
        if nic.location() != region.name {
            return Err(ArmError::bad_request(
                "InvalidResourceReference",
                format!(
                    "Resource {id} referenced by resource {vm} was not found. Please make sure that the referenced \
                     resource exists, and that both resources are in the same region."
                ),
            ));
        }
        if nic.properties()["enableAcceleratedNetworking"] == true && !size.accelerated_networking {
            return Err(ArmError::bad_request(
                "VMSizeIsNotPermittedToEnableAcceleratedNetworking",
                format!(
                    "VM size {} is not allowed to have accelerated networking enabled on its network interface {id}. \
                     See https://aka.ms/AcceleratedNetworking for the sizes that are.",
                    size.name
                ),
            ));
        }
    }
    if interfaces.len() > 1
        && interfaces.iter().enumerate().any(|(i, (id, _))| interfaces[..i].iter().any(|(o, _)| o == id))
    {
        return Err(invalid("networkInterfaces", "A network interface is named more than once."));
    }
    Ok(())
}

/// The primary one of a machine's interfaces: the one that its body says, or the only one.
pub(super) fn primary<'i>(body: &Value, interfaces: &'i [(ResourceId, bool)]) -> Option<&'i ResourceId> {
    let list = body.pointer("/properties/networkProfile/networkInterfaces").and_then(Value::as_array);
    let at = list.and_then(|list| list.iter().position(|e| e.pointer("/properties/primary") == Some(&json!(true))));
    interfaces.get(at.unwrap_or(0)).map(|(nic, _)| nic)
}

/// Of several interfaces one is the primary.
pub(super) fn check_primary(vm: &ResourceId, body: &Value) -> Result<(), ArmError> {
    let list = body.pointer("/properties/networkProfile/networkInterfaces").and_then(Value::as_array);
    let list = list.map_or(&[][..], Vec::as_slice);
    let primaries = list.iter().filter(|e| e.pointer("/properties/primary") == Some(&json!(true))).count();
    if list.len() <= 1 || primaries == 1 {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "VirtualMachineMustHaveOneNetworkInterfaceAsPrimary",
        format!("Virtual machine {} must have one network interface set as the primary.", vm.name()),
    ))
}

/// Gives all interfaces to the machine or, where one is refused, not a single one.
pub(super) fn attach(
    world: &mut World,
    vm: &ResourceId,
    interfaces: &[(ResourceId, bool)],
    primary: Option<&ResourceId>,
) -> Result<(), ArmError> {
    for (done, (nic, _)) in interfaces.iter().enumerate() {
        if let Err(refusal) = network::attach(world, nic, vm, primary == Some(nic)) {
            interfaces[..done].iter().for_each(|(nic, _)| network::detach(world, nic));
            return Err(refusal);
        }
    }
    Ok(())
}
