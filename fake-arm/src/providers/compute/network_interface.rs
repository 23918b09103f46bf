//! The network interfaces of a machine: found, free, in its region; tied to it and let go.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::refusal::{invalid, invalid_id, missing};
use super::vm_placement::Placement;
use super::NETWORK_INTERFACES;
use crate::arm::{ArmError, ResourceId};
use crate::world::{Resource, World};

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
            if !id.is_type(NETWORK_INTERFACES) {
                return Err(invalid_id(text, &path));
            }
            Ok((id, entry.pointer("/properties/deleteOption") == Some(&json!("Delete"))))
        })
        .collect()
}

/// Refuses interfaces that the machine cannot have.
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
        let Some(nic) = world.resources().get(id) else {
            return Err(ArmError::not_found("NotFound", format!("Resource {id} not found.")));
        };
        if nic.location() != region.name {
            return Err(ArmError::bad_request(
                "InvalidResourceReference",
                format!(
                    "Resource {id} referenced by resource {vm} was not found. Please make sure that the referenced \
                     resource exists, and that both resources are in the same region."
                ),
            ));
        }
        if let Some(owner) = owner(nic)
            && owner != *vm
        {
            return Err(ArmError::bad_request(
                "NicInUse",
                format!("Network Interface {id} is used by existing VM {owner}."),
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
    if interfaces.len() > 1 && interfaces.iter().enumerate().any(|(i, (id, _))| interfaces[..i].iter().any(|(o, _)| o == id))
    {
        return Err(invalid("networkInterfaces", "A network interface is named more than once."));
    }
    Ok(())
}

/// The machine that an interface belongs to.
fn owner(nic: &Resource) -> Option<ResourceId> {
    ResourceId::parse(nic.properties()["virtualMachine"]["id"].as_str()?).ok()
}

/// Writes the machine into its interfaces.
pub(super) fn attach(world: &mut World, vm: &ResourceId, interfaces: &[(ResourceId, bool)]) {
    for (index, (id, _)) in interfaces.iter().enumerate() {
        if let Some(nic) = world.resources_mut().get_mut(id) {
            let properties = nic.properties_mut();
            properties.insert("virtualMachine".into(), json!({ "id": vm }));
            properties.insert("primary".into(), json!(index == 0));
        }
    }
}

/// Takes the machine out of an interface that outlives it.
pub(super) fn detach(world: &mut World, vm: &ResourceId, id: &ResourceId) {
    if let Some(nic) = world.resources_mut().get_mut(id)
        && owner(nic).is_some_and(|owner| owner == *vm)
    {
        nic.properties_mut().remove("virtualMachine");
        nic.properties_mut().remove("primary");
    }
}

/// Address and subnet of an interface's primary IP configuration.
pub(super) fn primary_address(nic: &Resource) -> (Option<IpAddr>, Option<String>) {
    let configurations = nic.properties()["ipConfigurations"].as_array().map_or(&[][..], Vec::as_slice);
    let primary = configurations.iter().find(|c| c["properties"]["primary"] == true).or(configurations.first());
    let Some(properties) = primary.map(|configuration| &configuration["properties"]) else { return (None, None) };
    let address = properties["privateIPAddress"].as_str().and_then(|text| text.parse().ok());
    (address, properties["subnet"]["id"].as_str().map(str::to_owned))
}
