//! `Microsoft.Compute/virtualMachines`: the life of a machine from PUT to DELETE.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::custom_data::CustomData;
use super::power::{self, PowerState};
use super::refusal::{change_not_allowed, marked_for_deletion};
use super::vm_placement::Placement;
use super::{
    VIRTUAL_MACHINES, VM_API_VERSIONS, boot_facts, capacity, data_disk, disk, instance_view, network_interface, quota,
    spot, teardown, vm_action, vm_body, vm_change, vm_identity, vm_placement,
};
use crate::events::{StopReason, VmEvent};
use crate::provider::{Answer, Handler, Link, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

/// How long Azure works on a new machine, unless the settings say otherwise. Azure takes half a minute; a lab need not.
const CREATE_TIME: Duration = Duration::from_millis(400);
/// How long it works on the removal of one.
const DELETE_TIME: Duration = Duration::from_millis(400);

struct VirtualMachines;

inventory::submit! {
    ResourceType::new(VIRTUAL_MACHINES, VM_API_VERSIONS, &VirtualMachines).tracked()
}

impl Handler for VirtualMachines {
    fn links(&self) -> &'static [Link] {
        super::links::VIRTUAL_MACHINE
    }

    fn show(&self, _: &World, resource: &Resource) -> Value {
        let mut shown = resource.json();
        // Shown to those who ask for it.
        if let Some(properties) = shown["properties"].as_object_mut() {
            properties.remove("userData");
        }
        shown
    }

    fn shows_as_stored(&self, resource: &Resource) -> bool {
        resource.properties().get("userData").is_none()
    }

    fn get(&self, world: &mut World, request: &Request) -> Reply {
        let vm = world.resources().require(&request.id)?;
        let expand = request.query.get("$expand").map(|text| text.to_ascii_lowercase()).unwrap_or_default();
        if expand.is_empty() {
            return Ok(Answer::resource(&request.id));
        }
        let mut shown = self.show(world, vm);
        if expand.contains("instanceview") {
            shown["properties"]["instanceView"] = instance_view::view(world, vm);
        }
        if expand.contains("userdata") && !vm.properties()["userData"].is_null() {
            shown["properties"]["userData"] = vm.properties()["userData"].clone();
        }
        Ok(Answer::json(shown))
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let status = request.query.get("statusonly").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let world = &*world;
        let found = world.resources().within(&request.id, VIRTUAL_MACHINES);
        if !status {
            return Ok(Answer::resources(found.map(|vm| vm.id.clone()).collect()));
        }
        let found = found.map(|vm| {
            let mut shown = self.show(world, vm);
            shown["properties"]["instanceView"] = instance_view::view(world, vm);
            shown
        });
        Ok(Answer::list(found.collect()))
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        match world.resources().get(&request.id).map(|vm| vm.body.clone()) {
            Some(old) => update(world, request, old, request.resource_body()),
            None => create(world, request),
        }
    }

    fn patch(&self, world: &mut World, request: &Request) -> Reply {
        let old = world.resources().require(&request.id)?.body.clone();
        // What a PATCH does not name stays.
        let mut new = request.body.as_object().cloned().unwrap_or_default();
        for key in ["location", "tags", "zones", "identity"] {
            if !new.contains_key(key) && !old[key].is_null() {
                new.insert(key.to_owned(), old[key].clone());
            }
        }
        let mut new = Value::Object(new);
        if let Some(patch) = request.body.get("identity") {
            let mut identity = old["identity"].clone();
            vm_change::merge(&mut identity, patch);
            new["identity"] = identity;
        }
        update(world, request, old, new)
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(vm) = world.resources_mut().get_mut(&request.id) else { return Ok(Answer::no_content()) };
        vm.set_provisioning_state("Deleting");
        let forced = request.query.get("forcedeletion").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let (id, vm_id) = (vm.id.clone(), vm.properties()["vmId"].clone());
        let duration = world.settings().duration(&format!("{VIRTUAL_MACHINES}/delete"), DELETE_TIME);
        Ok(Answer::accepted().after(duration, move |world| {
            // Two DELETEs of one machine: the second finds nothing, or a successor of the same name that must stay.
            if world.resources().get(&id).is_some_and(|vm| vm.properties()["vmId"] == vm_id) {
                teardown::take_down(world, &id, forced);
            }
            Ok(())
        }))
    }

    fn action(&self, world: &mut World, request: &Request, action: &str) -> Option<Reply> {
        vm_action::act(world, request, action)
    }

    fn remove(&self, world: &mut World, resource: &Resource) {
        teardown::take_down(world, &resource.id, false);
    }
}

fn create(world: &mut World, request: &Request) -> Reply {
    let id = &request.id;
    let mut body = request.resource_body();
    let location = request.location();
    vm_body::check(world, id, &body, &location)?;
    let placement = vm_placement::place(world, id, &body, &location)?;
    let interfaces = network_interface::named(&body)?;
    network_interface::check_primary(id, &body)?;
    network_interface::check(world, id, &interfaces, placement)?;
    vm_identity::resolve(world, id, &mut body)?;
    let disk_id = disk::os_disk_id(world, id, &body)?;
    let data_disks = data_disk::plan(world, id, &body, &[], placement)?;
    quota::check(world, id, placement, spot::is_spot(&body))?;
    let no_room = capacity::find_place(world, id, &body, placement, "Create VM")?;
    let primary = network_interface::primary(&body, &interfaces).cloned();
    network_interface::attach(world, id, &interfaces, primary.as_ref())?;

    let custom_data = take_secrets(&mut body);
    disk::create_os_disk(world, id, &disk_id, &mut body, placement);
    data_disk::carry_out(world, id, data_disks, &mut body, placement);
    fill_in(&mut body);
    let vm_id = world.uuid();
    let properties = body["properties"].as_object_mut().expect("resource_body gives properties");
    properties.insert("provisioningState".into(), json!("Creating"));
    properties.insert("vmId".into(), json!(vm_id));
    properties.insert("timeCreated".into(), json!(world.now().to_string()));
    if body["zones"].as_array().is_some_and(Vec::is_empty) {
        body.as_object_mut().expect("an object").remove("zones");
    }
    world.upsert(id, VIRTUAL_MACHINES, body);
    if let Some(data) = custom_data {
        world.state::<CustomData>().keep(id, data);
    }
    power::set(world, id, if no_room.is_some() { PowerState::Unplaced } else { PowerState::Running });
    if no_room.is_none() {
        let facts = boot_facts::facts(world, id, primary.as_ref(), placement);
        world.emit(VmEvent::Started(Arc::new(facts)));
    }
    let duration = world.settings().duration(&format!("{VIRTUAL_MACHINES}/write"), CREATE_TIME);
    let vm = id.clone();
    Ok(Answer::put(true, id).after(duration, move |world| match world.resources().get(&vm) {
        Some(found) if found.properties()["vmId"] == json!(vm_id) && found.provisioning_state() != "Deleting" => {
            no_room.map_or(Ok(()), Err)
        }
        _ => Err(ArmError::conflict(
            "OperationPreempted",
            "The operation has been preempted by a more recent operation.",
        )),
    }))
}

fn update(world: &mut World, request: &Request, old: Value, mut new: Value) -> Reply {
    let id = &request.id;
    if old["properties"]["provisioningState"] == "Deleting" {
        return Err(marked_for_deletion("updateVM", id));
    }
    vm_change::check(id, &old, &new, power::state(world, id))?;
    vm_identity::resolve(world, id, &mut new)?;
    if let Some(data) = take_secrets(&mut new)
        && world.state::<CustomData>().get(id) != Some(data.as_str())
    {
        return Err(change_not_allowed("customData"));
    }
    let location = old["location"].as_str().unwrap_or_default();
    let names_disks = new.pointer("/properties/storageProfile/dataDisks").is_some_and(Value::is_array);
    let mut body = next_body(&old, new);
    let resized = !vm_body::size(&body).eq_ignore_ascii_case(vm_body::size(&old));
    if resized || names_disks {
        let placement = if resized { resize(world, id, &body, location)? } else { known_placement(&old, location)? };
        let plan = data_disk::plan(world, id, &body, data_disk::entries(&old), placement)?;
        data_disk::carry_out(world, id, plan, &mut body, placement);
    }
    world.upsert(id, VIRTUAL_MACHINES, body);
    if power::state(world, id) == PowerState::Unplaced {
        return look_again(world, id);
    }
    // Another size is another piece of hardware.
    if resized && power::state(world, id) == PowerState::Running {
        vm_action::stop(world, id, PowerState::Stopped, StopReason::Restarted);
        vm_action::start(world, id);
    }
    Ok(Answer::resource(id))
}

/// A machine that found no place is put again: Azure tries once more.
fn look_again(world: &mut World, id: &ResourceId) -> Reply {
    let body = world.resources().require(id)?.body.clone();
    let placement = known_placement(&body, body["location"].as_str().unwrap_or_default())?;
    let no_room = capacity::find_place(world, id, &body, placement, "Create VM")?;
    world.resources_mut().require_mut(id)?.set_provisioning_state("Updating");
    let duration = world.settings().duration(&format!("{VIRTUAL_MACHINES}/write"), CREATE_TIME);
    let vm = id.clone();
    Ok(Answer::resource(id).after(duration, move |world| match no_room {
        Some(failure) => Err(failure),
        None => {
            vm_action::start(world, &vm);
            Ok(())
        }
    }))
}

/// A new size is held against the region, the quota and the room as the first one was.
fn resize(world: &World, id: &ResourceId, body: &Value, location: &str) -> Result<Placement, ArmError> {
    let placement = vm_placement::place(world, id, body, location)?;
    quota::check(world, id, placement, spot::is_spot(body))?;
    capacity::find_place(world, id, body, placement, "Resize VM")?.map_or(Ok(placement), Err)
}

/// Where a machine stands already; its size was checked when it came.
fn known_placement(body: &Value, location: &str) -> Result<Placement, ArmError> {
    let catalog = crate::catalog::Catalog::builtin();
    let region =
        catalog.region(location).ok_or_else(|| super::refusal::unknown_location(location, VIRTUAL_MACHINES))?;
    let name = vm_body::size(body);
    let size = catalog.known_size(name).ok_or_else(|| super::refusal::unknown_size(name, region))?;
    Ok(Placement { region, size })
}

/// The body of a machine after a change: what the change names, over what there was.
fn next_body(old: &Value, mut new: Value) -> Value {
    let mut properties = old["properties"].clone();
    let mut changes = new["properties"].take();
    if let Some(changes) = changes.as_object_mut() {
        for read_only in ["provisioningState", "vmId", "timeCreated", "instanceView"] {
            changes.remove(read_only);
        }
    }
    if changes.is_object() {
        vm_change::merge(&mut properties, &changes);
    }
    let mut body = Map::new();
    body.insert("location".into(), old["location"].clone());
    for key in ["tags", "zones", "identity", "plan"] {
        let value = if key == "zones" { &old[key] } else { &new[key] };
        if !value.is_null() {
            body.insert(key.to_owned(), value.clone());
        }
    }
    body.insert("properties".into(), properties);
    Value::Object(body)
}

/// Takes out what Azure never shows again; the custom data of it.
fn take_secrets(body: &mut Value) -> Option<String> {
    let profile = body.pointer_mut("/properties/osProfile")?.as_object_mut()?;
    profile.remove("adminPassword");
    match profile.remove("customData") {
        Some(Value::String(data)) => Some(data),
        _ => None,
    }
}

/// What Azure adds to a machine's body.
fn fill_in(body: &mut Value) {
    let profile = &mut body["properties"]["osProfile"];
    for (key, default) in [
        ("secrets", json!([])),
        ("allowExtensionOperations", json!(true)),
        ("requireGuestProvisionSignal", json!(true)),
    ] {
        if profile[key].is_null() {
            profile[key] = default;
        }
    }
    spot::fill_in(body);
}

#[cfg(test)]
mod tests;
