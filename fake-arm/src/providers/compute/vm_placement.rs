//! Where a machine of a size may stand: region, zone, and what the size allows of disk, network and priority.

use serde_json::Value;

use super::refusal::{feature_not_enabled, invalid, sku_not_available, unknown_location, unknown_size, unknown_zone};
use super::{VIRTUAL_MACHINES, feature, spot, vm_body};
use crate::catalog::{Catalog, Image, Region, VmSize};
use crate::world::World;
use arm::{ArmError, ResourceId};

/// A size in a region.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placement {
    /// The region.
    pub(super) region: &'static Region,
    /// The size.
    pub(super) size: &'static VmSize,
}

/// Finds the size that a machine's body asks for, and refuses it where the region or zone does not have it.
pub(super) fn place(world: &World, id: &ResourceId, body: &Value, location: &str) -> Result<Placement, ArmError> {
    let catalog = Catalog::builtin();
    let region = catalog.region(location).ok_or_else(|| unknown_location(location, VIRTUAL_MACHINES))?;
    let name = vm_body::size(body);
    let size = catalog.known_size(name).ok_or_else(|| unknown_size(name, region))?;
    if catalog.size(&region.name, name).is_none() {
        return Err(sku_not_available(size, &region.name));
    }
    if let Some(zone) = zone(body)? {
        if !region.zones.iter().any(|known| known == zone) {
            return Err(unknown_zone(zone, id, region));
        }
        if !catalog.zones(&region.name, name).iter().any(|known| known == zone) {
            return Err(sku_not_available(size, &region.name));
        }
    }
    allowances(world, body, size)?;
    if let Some(image) = vm_body::image_definition(body) {
        boots(size, image)?;
    }
    Ok(Placement { region, size })
}

/// The one zone of a body.
pub(super) fn zone(body: &Value) -> Result<Option<&str>, ArmError> {
    let zones = body["zones"].as_array().map_or(&[][..], Vec::as_slice);
    match zones {
        [] => Ok(None),
        [zone] => zone.as_str().map(Some).ok_or_else(|| invalid("zones", "Zones must be given as strings.")),
        _ => Err(invalid("zones", "A virtual machine can be in one zone at most.")),
    }
}

/// The size can boot the image.
fn boots(size: &VmSize, image: &Image) -> Result<(), ArmError> {
    if !size.architecture.eq_ignore_ascii_case(&image.architecture) {
        return Err(ArmError::bad_request(
            "BadRequest",
            format!(
                "Cannot create a VM of size '{}' because this VM size only supports a CPU Architecture of '{}', but an \
                 image or disk with CPU Architecture '{}' was given. Please check that the CPU Architecture of the \
                 image or disk is compatible with that of the VM size.",
                size.name, size.architecture, image.architecture
            ),
        ));
    }
    if size.generations.split(',').any(|generation| generation == image.generation) {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "BadRequest",
        format!(
            "The selected VM size '{}' cannot boot Hypervisor Generation '{}'. If this was a Create operation please \
             check that the Hypervisor Generation of the Image matches the Hypervisor Generation of the selected VM \
             Size. If this was an Update operation please select a Hypervisor Generation '{}' VM Size.",
            size.name,
            image.generation.trim_start_matches('V'),
            image.generation.trim_start_matches('V')
        ),
    ))
}

fn allowances(world: &World, body: &Value, size: &VmSize) -> Result<(), ArmError> {
    spot::check(body, size)?;
    if body.pointer("/properties/securityProfile/encryptionAtHost") == Some(&Value::Bool(true)) {
        let property = "securityProfile.encryptionAtHost";
        if !feature::is_registered(world, feature::ENCRYPTION_AT_HOST) {
            return Err(feature_not_enabled(property, feature::ENCRYPTION_AT_HOST));
        }
        if !size.encryption_at_host {
            let message = format!("Encryption at host is not supported by VM size '{}'.", size.name);
            return Err(invalid(property, message));
        }
    }
    ephemeral_disk(body, size)
}

/// An ephemeral OS disk must fit the local storage that it is put on.
fn ephemeral_disk(body: &Value, size: &VmSize) -> Result<(), ArmError> {
    let os_disk = &body["properties"]["storageProfile"]["osDisk"];
    if os_disk.pointer("/diffDiskSettings/option").and_then(Value::as_str) != Some("Local") {
        return Ok(());
    }
    if !size.ephemeral_os_disk {
        return Err(not_supported(format!("Ephemeral OS disk is not supported for VM size {}.", size.name)));
    }
    if os_disk["caching"].as_str().is_some_and(|caching| !caching.eq_ignore_ascii_case("ReadOnly")) {
        return Err(invalid(
            "osDisk.caching",
            "Ephemeral OS disks support only ReadOnly caching. Please set 'osDisk.caching' to 'ReadOnly'.",
        ));
    }
    let cache = size.cached_disk_bytes >> 30;
    let default = if cache > 0 { "CacheDisk" } else { "ResourceDisk" };
    let placement = os_disk.pointer("/diffDiskSettings/placement").and_then(Value::as_str).unwrap_or(default);
    let placements = size.ephemeral_placements.as_deref().unwrap_or_default();
    if !placements.split(',').any(|known| known.eq_ignore_ascii_case(placement)) {
        return Err(not_supported(format!(
            "VM size {} does not support the DiffDiskPlacement {placement}.",
            size.name
        )));
    }
    let room = match placement.to_ascii_lowercase().as_str() {
        "cachedisk" => cache,
        "nvmedisk" => size.nvme.map_or(0, |nvme| nvme.total_mib() >> 10),
        _ => size.temp_disk_mib >> 10,
    };
    // A machine with trusted launch keeps its state beside the disk.
    let security = body.pointer("/properties/securityProfile/securityType").and_then(Value::as_str);
    let room = room.saturating_sub(security.map_or(0, |kind| u64::from(!kind.eq_ignore_ascii_case("Standard"))));
    if os_disk["diskSizeGB"].as_u64().unwrap_or(super::disk::IMAGE_DISK_GB) > room {
        return Err(not_supported(format!(
            "OS disk of Ephemeral VM with size greater than {room} GB is not allowed for VM size {} when the \
             DiffDiskPlacement is {placement}. Please refer to https://aka.ms/Ephemeral for more details.",
            size.name
        )));
    }
    Ok(())
}

fn not_supported(message: String) -> ArmError {
    ArmError::bad_request("NotSupported", message)
}
