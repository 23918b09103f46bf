//! `Microsoft.Compute/disks`: the OS disks that machines bring along, and disks of their own.

use serde_json::{Value, json};

use super::refusal::missing;
use super::vm_placement::Placement;
use super::{DISKS, vm_body};
use crate::arm::{ArmError, ResourceId};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::World;

/// Size of the images' own disk; what an OS disk gets that asks for none.
pub(super) const IMAGE_DISK_GB: u64 = 30;

struct Disks;

inventory::submit! {
    ResourceType::new(DISKS, &["2025-01-02", "2024-03-02", "2023-10-02", "2023-04-02", "2023-01-02", "2022-07-02", "2022-03-02", "2021-12-01"], &Disks).tracked()
}

impl Handler for Disks {
    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let mut body = request.resource_body();
        if body.pointer("/properties/creationData/createOption").and_then(Value::as_str).is_none() {
            return Err(missing("disk.creationData.createOption"));
        }
        let size = body.pointer("/properties/diskSizeGB").and_then(Value::as_u64);
        let size = size.ok_or_else(|| missing("disk.diskSizeGB"))?;
        let old = world.resources().get(&request.id).map(|disk| disk.body.clone());
        let unique_id = world.uuid();
        let defaults = json!({
            "diskSizeBytes": size << 30,
            "timeCreated": world.now().to_string(),
            "uniqueId": unique_id,
            "diskState": "Unattached",
        });
        for (key, default) in defaults.as_object().into_iter().flatten() {
            let kept = old.as_ref().map(|old| old["properties"][key].clone()).filter(|kept| !kept.is_null());
            body["properties"][key] = kept.unwrap_or_else(|| default.clone());
        }
        body["properties"]["diskSizeBytes"] = json!(size << 30);
        body["properties"]["provisioningState"] = json!("Succeeded");
        if let Some(managed_by) = old.and_then(|old| old.get("managedBy").cloned()) {
            body["managedBy"] = managed_by;
        }
        let new = world.upsert(&request.id, DISKS, body);
        Ok(Answer::put(new, &request.id))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(disk) = world.resources().get(&request.id) else { return Ok(Answer::no_content()) };
        if let Some(vm) = disk.body["managedBy"].as_str() {
            return Err(ArmError::conflict(
                "OperationNotAllowed",
                format!("Disk {} is attached to VM {vm}.", request.id.name()),
            ));
        }
        world.resources_mut().remove(&request.id);
        Ok(Answer::ok())
    }
}

/// Id of the disk that a machine's body names, or that it gets where it names none.
pub(super) fn os_disk_id(world: &mut World, vm: &ResourceId, body: &Value) -> Result<ResourceId, ArmError> {
    let os_disk = &body["properties"]["storageProfile"]["osDisk"];
    let name = match os_disk["name"].as_str().filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => format!("{}_OsDisk_1_{}", vm.name(), world.uuid().simple()),
    };
    let group = vm.group().ok_or_else(|| missing("resourceGroupName"))?;
    let id = group.resource(DISKS, &name);
    if world.resources().contains(&id) {
        return Err(ArmError::conflict(
            "ConflictingUserInput",
            format!(
                "Disk {name} already exists in resource group {}. Only CreateOption.Attach is supported.",
                group.name().to_uppercase()
            ),
        )
        .target("/subscriptions/resourceGroups/providers/disks"));
    }
    Ok(id)
}

/// Makes a machine's OS disk and writes into the machine's body what Azure fills in there.
pub(super) fn create_os_disk(
    world: &mut World,
    vm: &ResourceId,
    id: &ResourceId,
    body: &mut Value,
    placement: Placement,
) {
    let ephemeral = body.pointer("/properties/storageProfile/osDisk/diffDiskSettings/option").is_some();
    let default_sku = if placement.size.premium_io && !ephemeral { "Premium_LRS" } else { "Standard_LRS" };
    let image = body["properties"]["storageProfile"]["imageReference"].clone();
    let os_disk = &mut body["properties"]["storageProfile"]["osDisk"];
    let size = os_disk["diskSizeGB"].as_u64().unwrap_or(IMAGE_DISK_GB);
    let sku = os_disk.pointer("/managedDisk/storageAccountType").and_then(Value::as_str).unwrap_or(default_sku);
    let sku = sku.to_owned();
    os_disk["name"] = json!(id.name());
    os_disk["osType"] = json!("Linux");
    os_disk["diskSizeGB"] = json!(size);
    for (key, default) in [("caching", "ReadWrite"), ("deleteOption", "Detach")] {
        if os_disk[key].is_null() {
            os_disk[key] = json!(default);
        }
    }
    if !os_disk["managedDisk"].is_object() {
        os_disk["managedDisk"] = json!({});
    }
    os_disk["managedDisk"]["id"] = json!(id);
    os_disk["managedDisk"]["storageAccountType"] = json!(sku);
    let generation = vm_body::image_definition(body).map_or("V2", |image| &image.generation);
    let unique_id = world.uuid();
    let mut disk = json!({
        "location": placement.region.name,
        "sku": { "name": sku, "tier": sku.split('_').next() },
        "managedBy": vm,
        "properties": {
            "osType": "Linux",
            "hyperVGeneration": generation,
            "creationData": { "createOption": "FromImage", "galleryImageReference": image },
            "diskSizeGB": size,
            "diskSizeBytes": size << 30,
            "timeCreated": world.now().to_string(),
            "uniqueId": unique_id,
            "diskState": "Attached",
            "provisioningState": "Succeeded",
        },
    });
    if let Some(zones) = body.get("zones") {
        disk["zones"] = zones.clone();
    }
    world.upsert(id, DISKS, disk);
}

/// Frees a disk that outlives its machine.
pub(super) fn detach(world: &mut World, id: &ResourceId) {
    if let Some(disk) = world.resources_mut().get_mut(id) {
        if let Some(body) = disk.body.as_object_mut() {
            body.remove("managedBy");
        }
        disk.properties_mut().insert("diskState".into(), json!("Unattached"));
    }
}
