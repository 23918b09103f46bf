//! The data disks of a machine: made with it or attached, detached when its body names them no more.

use serde_json::{Value, json};

use super::refusal::{invalid, invalid_id, missing, not_modelled};
use super::vm_placement::Placement;
use super::{DISKS, disk};
use crate::world::World;
use arm::{ArmError, ResourceId};

/// What is to become of a machine's data disks, checked.
#[derive(Debug, Default)]
pub(super) struct DiskChanges {
    /// The finished `dataDisks`.
    entries: Vec<Value>,
    /// New disks: id, size and SKU.
    create: Vec<(ResourceId, u64, String)>,
    attach: Vec<ResourceId>,
    detach: Vec<ResourceId>,
}

/// The data disks of a machine's body.
pub(super) fn entries(body: &Value) -> &[Value] {
    body.pointer("/properties/storageProfile/dataDisks").and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Id of the disk of an entry.
pub(super) fn id_of(entry: &Value) -> Option<ResourceId> {
    ResourceId::parse(entry.pointer("/managedDisk/id")?.as_str()?).ok()
}

/// Reads the data disks that a machine is to have. `old` are those that it has.
///
/// # Errors
/// Two disks at one LUN, too many for the size, a disk that does not exist, or that another machine has.
pub(super) fn plan(
    world: &mut World,
    vm: &ResourceId,
    body: &Value,
    old: &[Value],
    placement: Placement,
) -> Result<DiskChanges, ArmError> {
    let mut plan = DiskChanges::default();
    let wanted: Vec<&Value> = entries(body).iter().filter(|entry| entry["toBeDetached"] != json!(true)).collect();
    let limit = placement.size.max_data_disks;
    if wanted.len() > limit as usize {
        return Err(ArmError::conflict(
            "OperationNotAllowed",
            format!("The maximum number of data disks allowed to be attached to a VM of this size is {limit}."),
        )
        .target("dataDisks"));
    }
    for entry in wanted {
        let lun = entry["lun"].as_u64().ok_or_else(|| missing("dataDisk.lun"))?;
        if lun >= 64 {
            return Err(invalid(
                "dataDisk.lun",
                format!(
                    "The value '{lun}' of parameter 'dataDisk.lun' is out of range. Value '{lun}' must be between 0 and 63 inclusive."
                ),
            ));
        }
        if plan.entries.iter().any(|other| other["lun"] == json!(lun)) {
            return Err(invalid("dataDisk.lun", format!("A disk at LUN {lun} already exists.")));
        }
        let finished = match kept(entry, lun, old) {
            Some(kept) => {
                let mut kept = kept.clone();
                for (key, value) in entry.as_object().into_iter().flatten() {
                    if !value.is_null() && key != "managedDisk" {
                        kept[key] = value.clone();
                    }
                }
                kept
            }
            None => plan.take(world, vm, body, entry, lun, placement)?,
        };
        plan.entries.push(finished);
    }
    let stays: Vec<ResourceId> = plan.entries.iter().filter_map(id_of).collect();
    plan.detach = old.iter().filter_map(id_of).filter(|id| !stays.contains(id)).collect();
    Ok(plan)
}

/// The entry that the machine has already, named by its disk, or by LUN where no disk is named.
fn kept<'v>(entry: &Value, lun: u64, old: &'v [Value]) -> Option<&'v Value> {
    let named = id_of(entry);
    old.iter().find(|o| match &named {
        Some(id) => id_of(o).as_ref() == Some(id),
        None => o["lun"] == json!(lun) && (entry["name"].is_null() || entry["name"] == o["name"]),
    })
}

impl DiskChanges {
    /// Adds a disk that the machine does not have yet; the finished entry.
    fn take(
        &mut self,
        world: &mut World,
        vm: &ResourceId,
        body: &Value,
        entry: &Value,
        lun: u64,
        placement: Placement,
    ) -> Result<Value, ArmError> {
        let option = entry["createOption"].as_str().ok_or_else(|| missing("dataDisk.createOption"))?;
        let mut finished = entry.clone();
        let (id, size, sku) = if option.eq_ignore_ascii_case("Empty") {
            let size = entry["diskSizeGB"].as_u64().ok_or_else(|| missing("dataDisk.diskSizeGB"))?;
            let default = if placement.size.premium_io { "Premium_LRS" } else { "Standard_LRS" };
            let sku = entry.pointer("/managedDisk/storageAccountType").and_then(Value::as_str).unwrap_or(default);
            let id = new_id(world, vm, entry, lun)?;
            self.create.push((id.clone(), size, sku.to_owned()));
            (id, size, sku.to_owned())
        } else if option.eq_ignore_ascii_case("Attach") {
            let (id, size, sku) = existing(world, vm, body, entry)?;
            if self.attach.contains(&id) {
                return Err(owned(&id, vm.as_str()));
            }
            self.attach.push(id.clone());
            (id, size, sku)
        } else {
            return Err(not_modelled(&format!("Data disks with createOption '{option}'")));
        };
        finished["name"] = json!(id.name());
        finished["diskSizeGB"] = json!(size);
        if !finished["managedDisk"].is_object() {
            finished["managedDisk"] = json!({});
        }
        finished["managedDisk"]["id"] = json!(id);
        finished["managedDisk"]["storageAccountType"] = json!(sku);
        for (key, default) in
            [("caching", json!("None")), ("deleteOption", json!("Detach")), ("toBeDetached", json!(false))]
        {
            if finished[key].is_null() {
                finished[key] = default;
            }
        }
        Ok(finished)
    }
}

fn new_id(world: &mut World, vm: &ResourceId, entry: &Value, lun: u64) -> Result<ResourceId, ArmError> {
    let name = match entry["name"].as_str().filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None => format!("{}_disk{}_{}", vm.name(), lun + 2, world.uuid().simple()),
    };
    let id = vm.group().ok_or_else(|| missing("resourceGroupName"))?.resource(DISKS, &name);
    if world.resources().contains(&id) { Err(disk::name_is_taken(&id)) } else { Ok(id) }
}

/// A disk that exists, is nobody's, and stands where the machine does: its id, size and SKU.
fn existing(
    world: &World,
    vm: &ResourceId,
    body: &Value,
    entry: &Value,
) -> Result<(ResourceId, u64, String), ArmError> {
    let path = "properties.storageProfile.dataDisks.managedDisk.id";
    let text =
        entry.pointer("/managedDisk/id").and_then(Value::as_str).ok_or_else(|| missing("dataDisk.managedDisk.id"))?;
    let id = ResourceId::parse(text).ok().filter(|id| id.is_type(DISKS)).ok_or_else(|| invalid_id(text, path))?;
    let Some(found) = world.resources().get(&id) else {
        return Err(ArmError::not_found("NotFound", format!("Disk {id} is not found.")).target("dataDisk"));
    };
    if let Some(owner) = found.body["managedBy"].as_str().filter(|owner| !owner.eq_ignore_ascii_case(vm.as_str())) {
        return Err(owned(&found.id, owner));
    }
    let region = body["location"].as_str().unwrap_or_default();
    let (theirs, ours) = (found.body["zones"][0].as_str(), body["zones"][0].as_str());
    if found.location() != region || theirs.is_some_and(|zone| Some(zone) != ours) {
        return Err(ArmError::bad_request(
            "BadRequest",
            format!(
                "Disk {} cannot be attached to the VM because it is not in the same zone as the VM. VM zone: '{}'. Disk \
                 zone: '{}'.",
                found.id,
                ours.unwrap_or_default(),
                theirs.unwrap_or_default()
            ),
        ));
    }
    let size = found.properties()["diskSizeGB"].as_u64().unwrap_or_default();
    let sku = found.body["sku"]["name"].as_str().unwrap_or("Standard_LRS").to_owned();
    Ok((found.id.clone(), size, sku))
}

fn owned(disk: &ResourceId, owner: &str) -> ArmError {
    ArmError::conflict(
        "ConflictingUserInput",
        format!("Disk '{}' cannot be attached as the disk is already owned by VM '{owner}'.", disk.name()),
    )
    .target(disk.as_str())
}

/// Makes, attaches and detaches as planned, and writes the finished entries into the machine's body.
pub(super) fn carry_out(world: &mut World, vm: &ResourceId, plan: DiskChanges, body: &mut Value, placement: Placement) {
    for (id, size, sku) in plan.create {
        disk::create_data_disk(world, vm, &id, size, &sku, body, placement);
    }
    for id in plan.attach {
        disk::attach(world, &id, vm);
    }
    for id in plan.detach {
        disk::detach(world, &id);
    }
    body["properties"]["storageProfile"]["dataDisks"] = json!(plan.entries);
}
