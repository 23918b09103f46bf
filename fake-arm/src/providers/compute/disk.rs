//! `Microsoft.Compute/disks`: the disks that machines bring along, and disks of their own.

use std::time::Duration;

use serde_json::{Value, json};

use super::power::PowerState;
use super::refusal::{change_not_allowed, invalid, missing, not_modelled};
use super::vm_placement::Placement;
use super::{DISKS, power, vm_body, vm_change};
use crate::catalog::Catalog;
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

/// Size of the images' own disk, and of an OS disk that asks for no size.
pub(super) const IMAGE_DISK_GB: u64 = 30;

/// The largest disk that there is.
const MAX_DISK_GB: u64 = 65_536;

const SKUS: [&str; 7] = [
    "Standard_LRS",
    "Premium_LRS",
    "StandardSSD_LRS",
    "UltraSSD_LRS",
    "PremiumV2_LRS",
    "Premium_ZRS",
    "StandardSSD_ZRS",
];

struct Disks;

inventory::submit! {
    ResourceType::new(DISKS, &["2026-03-02", "2025-01-02", "2024-03-02", "2023-10-02", "2023-04-02", "2023-01-02", "2022-07-02", "2022-03-02", "2021-12-01", "2021-08-01", "2021-04-01"], &Disks).tracked()
}

impl Handler for Disks {
    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let old = world.resources().get(&request.id).cloned();
        let body = request.resource_body();
        match old {
            Some(old) => {
                let created = |body: &Value| body["properties"]["creationData"]["createOption"].clone();
                let asked = created(&body);
                if !asked.is_null() && asked != created(&old.body) {
                    return Err(change_not_allowed("creationData.createOption"));
                }
                change(world, &old, body)
            }
            None => create(world, request, body),
        }
    }

    fn patch(&self, world: &mut World, request: &Request) -> Reply {
        let old = world.resources().require(&request.id)?.clone();
        let mut body = request.body.clone();
        for key in ["location", "tags", "zones", "sku"] {
            if body[key].is_null() && !old.body[key].is_null() {
                body[key] = old.body[key].clone();
            }
        }
        change(world, &old, body)
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(disk) = world.resources().get(&request.id) else { return Ok(Answer::no_content()) };
        if let Some(vm) = disk.body["managedBy"].as_str() {
            return Err(ArmError::conflict(
                "OperationNotAllowed",
                format!("Disk {} is attached to VM {vm}.", request.id.name()),
            ));
        }
        let id = request.id.clone();
        let duration = world.settings().duration(&format!("{DISKS}/delete"), Duration::ZERO);
        Ok(Answer::accepted().after(duration, move |world| {
            world.resources_mut().remove(&id);
            Ok(())
        }))
    }

    fn action(&self, _: &mut World, _: &Request, action: &str) -> Option<Reply> {
        let known = ["beginGetAccess", "endGetAccess"].into_iter().find(|name| name.eq_ignore_ascii_case(action))?;
        Some(Err(not_modelled(&format!("The operation '{known}' on disks"))))
    }
}

fn create(world: &mut World, request: &Request, mut body: Value) -> Reply {
    let option = body.pointer("/properties/creationData/createOption").and_then(Value::as_str);
    let option = option.ok_or_else(|| missing("disk.creationData.createOption"))?.to_owned();
    let size = body.pointer("/properties/diskSizeGB").and_then(Value::as_u64);
    let size = match option.to_ascii_lowercase().as_str() {
        "empty" => size.ok_or_else(|| missing("disk.diskSizeGB"))?,
        "fromimage" => size.unwrap_or(IMAGE_DISK_GB),
        "copy" => {
            let source = source(world, &body)?;
            size.unwrap_or_else(|| source.properties()["diskSizeGB"].as_u64().unwrap_or(IMAGE_DISK_GB))
        }
        _ => return Err(not_modelled(&format!("Disks with createOption '{option}'"))),
    };
    check_size(size)?;
    let sku = sku(&body)?;
    check_zone(request)?;
    body["sku"] = json!({ "name": sku, "tier": sku.split('_').next() });
    let unique_id = world.uuid();
    let properties = body["properties"].as_object_mut().expect("resource_body gives properties");
    for (key, value) in [
        ("diskSizeGB", json!(size)),
        ("diskSizeBytes", json!(size << 30)),
        ("timeCreated", json!(world.now().to_string())),
        ("uniqueId", json!(unique_id)),
        ("diskState", json!("Unattached")),
        ("provisioningState", json!("Succeeded")),
    ] {
        properties.insert(key.into(), value);
    }
    fill_in(&mut body);
    world.upsert(&request.id, DISKS, body);
    let duration = world.settings().duration(&format!("{DISKS}/write"), Duration::ZERO);
    Ok(Answer::put(true, &request.id).after(duration, |_| Ok(())))
}

/// The disk that a copy is made of.
fn source<'w>(world: &'w World, body: &Value) -> Result<&'w Resource, ArmError> {
    let path = "properties.creationData.sourceResourceId";
    let text = body.pointer("/properties/creationData/sourceResourceId").and_then(Value::as_str).unwrap_or_default();
    let id = ResourceId::parse(text).map_err(|_| super::refusal::invalid_id(text, path))?;
    if !id.is_type(DISKS) {
        return Err(not_modelled("Disks out of snapshots and other sources"));
    }
    let missing =
        || ArmError::not_found("ResourceNotFound", format!("The resource '{id}' was not found.")).target(path);
    world.resources().get(&id).ok_or_else(missing)
}

fn check_size(size: u64) -> Result<(), ArmError> {
    if (1..=MAX_DISK_GB).contains(&size) {
        return Ok(());
    }
    Err(invalid(
        "disk.diskSizeGB",
        format!(
            "The value '{size}' of parameter 'disk.diskSizeGB' is out of range. Value '{size}' must be between '1' and '{MAX_DISK_GB}' inclusive."
        ),
    ))
}

fn sku(body: &Value) -> Result<&'static str, ArmError> {
    let Some(name) = body["sku"]["name"].as_str() else { return Ok(SKUS[0]) };
    SKUS.into_iter().find(|known| known.eq_ignore_ascii_case(name)).ok_or_else(|| {
        invalid(
            "sku.name",
            format!(
                "The value '{name}' of parameter 'sku.name' is not valid. Supported values are: {}.",
                SKUS.join(",")
            ),
        )
    })
}

fn check_zone(request: &Request) -> Result<(), ArmError> {
    let Some(zone) = request.body["zones"][0].as_str() else { return Ok(()) };
    let location = request.location();
    let region = Catalog::builtin().region(&location);
    let region = region.ok_or_else(|| super::refusal::unknown_location(&location, DISKS))?;
    if region.zones.iter().any(|known| known == zone) {
        return Ok(());
    }
    Err(super::refusal::unknown_zone(zone, &request.id, region))
}

fn fill_in(body: &mut Value) {
    for (key, default) in [
        ("encryption", json!({ "type": "EncryptionAtRestWithPlatformKey" })),
        ("networkAccessPolicy", json!("AllowAll")),
        ("publicNetworkAccess", json!("Enabled")),
    ] {
        if body["properties"][key].is_null() {
            body["properties"][key] = default;
        }
    }
}

/// Changes a disk: size, SKU, tags, whatever else is said of it.
fn change(world: &mut World, old: &Resource, new: Value) -> Reply {
    let mut body = old.body.clone();
    let before = old.properties()["diskSizeGB"].as_u64().unwrap_or_default();
    let size = new["properties"]["diskSizeGB"].as_u64().unwrap_or(before);
    check_size(size)?;
    if size < before {
        return Err(ArmError::conflict(
            "OperationNotAllowed",
            format!("Shrinking the disk size is not supported. Current size: {before} GB, requested size: {size} GB."),
        )
        .target("diskSizeGB"));
    }
    if size > before
        && let Some(vm) = old.body["managedBy"].as_str()
        && is_os_disk(old)
        && ResourceId::parse(vm).is_ok_and(|vm| power::state(world, &vm) != PowerState::Deallocated)
    {
        return Err(ArmError::conflict(
            "OperationNotAllowed",
            format!("Cannot resize disk {} while it is attached to running VM {vm}.", old.name()),
        ));
    }
    let sku = if new["sku"]["name"].is_string() {
        sku(&new)?
    } else {
        old.body["sku"]["name"].as_str().and_then(|n| SKUS.into_iter().find(|k| *k == n)).unwrap_or(SKUS[0])
    };
    body["sku"] = json!({ "name": sku, "tier": sku.split('_').next() });
    match new.get("tags").filter(|tags| !tags.is_null()) {
        Some(tags) => body["tags"] = tags.clone(),
        None => {
            if let Some(body) = body.as_object_mut() {
                body.remove("tags");
            }
        }
    }
    let mut changes = new["properties"].clone();
    if let Some(changes) = changes.as_object_mut() {
        for read_only in
            ["creationData", "provisioningState", "timeCreated", "uniqueId", "diskState", "diskSizeBytes", "osType"]
        {
            changes.remove(read_only);
        }
        vm_change::merge(&mut body["properties"], &json!(changes));
    }
    body["properties"]["diskSizeGB"] = json!(size);
    body["properties"]["diskSizeBytes"] = json!(size << 30);
    world.upsert(&old.id, DISKS, body);
    Ok(Answer::resource(&old.id))
}

fn is_os_disk(disk: &Resource) -> bool {
    disk.properties()["osType"].is_string()
}

/// Id of the disk that a machine's body names, or of the one that it gets where the body names no disk.
pub(super) fn os_disk_id(world: &mut World, vm: &ResourceId, body: &Value) -> Result<ResourceId, ArmError> {
    let os_disk = &body["properties"]["storageProfile"]["osDisk"];
    let name = match os_disk["name"].as_str().filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => format!("{}_OsDisk_1_{}", vm.name(), world.uuid().simple()),
    };
    let group = vm.group().ok_or_else(|| missing("resourceGroupName"))?;
    let id = group.resource(DISKS, &name);
    if world.resources().contains(&id) { Err(name_is_taken(&id)) } else { Ok(id) }
}

/// A machine's disk cannot have the name of one that is there.
pub(super) fn name_is_taken(id: &ResourceId) -> ArmError {
    ArmError::conflict(
        "ConflictingUserInput",
        format!(
            "Disk {} already exists in resource group {}. Only CreateOption.Attach is supported.",
            id.name(),
            id.resource_group().unwrap_or_default().to_uppercase()
        ),
    )
    .target("/subscriptions/resourceGroups/providers/disks")
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
    let extra = json!({
        "osType": "Linux",
        "hyperVGeneration": generation,
        "creationData": { "createOption": "FromImage", "galleryImageReference": image },
    });
    create_for(world, vm, id, (size, &sku), extra, body, placement);
}

/// Makes an empty data disk of a machine.
pub(super) fn create_data_disk(
    world: &mut World,
    vm: &ResourceId,
    id: &ResourceId,
    size: u64,
    sku: &str,
    body: &Value,
    placement: Placement,
) {
    let extra = json!({ "creationData": { "createOption": "Empty" } });
    create_for(world, vm, id, (size, sku), extra, body, placement);
}

/// Makes a disk that a machine has from its beginning.
fn create_for(
    world: &mut World,
    vm: &ResourceId,
    id: &ResourceId,
    (size, sku): (u64, &str),
    extra: Value,
    body: &Value,
    placement: Placement,
) {
    let unique_id = world.uuid();
    let mut disk = json!({
        "location": placement.region.name,
        "sku": { "name": sku, "tier": sku.split('_').next() },
        "managedBy": vm,
        "properties": extra,
    });
    for (key, value) in [
        ("diskSizeGB", json!(size)),
        ("diskSizeBytes", json!(size << 30)),
        ("timeCreated", json!(world.now().to_string())),
        ("uniqueId", json!(unique_id)),
        ("diskState", json!("Attached")),
        ("provisioningState", json!("Succeeded")),
    ] {
        disk["properties"][key] = value;
    }
    fill_in(&mut disk);
    if let Some(zones) = body.get("zones") {
        disk["zones"] = zones.clone();
    }
    world.upsert(id, DISKS, disk);
}

/// Gives a disk to a machine.
pub(super) fn attach(world: &mut World, id: &ResourceId, vm: &ResourceId) {
    if let Some(disk) = world.resources_mut().get_mut(id) {
        disk.body["managedBy"] = json!(vm);
        disk.properties_mut().insert("diskState".into(), json!("Attached"));
    }
}

/// Frees a disk from its machine.
pub(super) fn detach(world: &mut World, id: &ResourceId) {
    if let Some(disk) = world.resources_mut().get_mut(id) {
        if let Some(body) = disk.body.as_object_mut() {
            body.remove("managedBy");
        }
        disk.properties_mut().insert("diskState".into(), json!("Unattached"));
    }
}

/// What a machine's disk says while the machine is off: `Reserved`, else `Attached`.
pub(super) fn set_reserved(world: &mut World, id: &ResourceId, reserved: bool) {
    if let Some(disk) = world.resources_mut().get_mut(id) {
        disk.properties_mut().insert("diskState".into(), json!(if reserved { "Reserved" } else { "Attached" }));
    }
}
