//! `Microsoft.Compute/virtualMachines`: the life of a machine from PUT to DELETE.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::custom_data::CustomData;
use super::refusal::{change_not_allowed, marked_for_deletion};
use super::{
    VIRTUAL_MACHINES, VM_API_VERSIONS, disk, instance_view, machine, network_interface, quota, teardown, vm_body,
    vm_change, vm_placement,
};
use crate::arm::ArmError;
use crate::events::VmEvent;
use crate::provider::{Answer, Handler, Link, Reply, Request, ResourceType};
use crate::world::{Resource, World};

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

    fn get(&self, world: &mut World, request: &Request) -> Reply {
        let vm = world.resources().require(&request.id)?;
        let expand = request.query.get("$expand").map(String::as_str).unwrap_or_default();
        if !expand.to_ascii_lowercase().contains("instanceview") {
            return Ok(Answer::resource(&request.id));
        }
        let mut shown = self.show(world, vm);
        shown["properties"]["instanceView"] = instance_view::view(world, vm);
        Ok(Answer::json(shown))
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
        let (id, vm_id) = (vm.id.clone(), vm.properties()["vmId"].clone());
        let duration = world.settings().duration(&format!("{VIRTUAL_MACHINES}/delete"), DELETE_TIME);
        Ok(Answer::accepted().after(duration, move |world| {
            // Two DELETEs of one machine: the second finds nothing, or a successor of the same name that must stay.
            if world.resources().get(&id).is_some_and(|vm| vm.properties()["vmId"] == vm_id) {
                teardown::take_down(world, &id);
            }
            Ok(())
        }))
    }

    fn remove(&self, world: &mut World, resource: &Resource) {
        teardown::take_down(world, &resource.id);
    }
}

fn create(world: &mut World, request: &Request) -> Reply {
    let id = &request.id;
    let mut body = request.resource_body();
    let location = request.location();
    vm_body::check(world, id, &body, &location)?;
    let placement = vm_placement::place(id, &body, &location)?;
    let interfaces = network_interface::named(&body)?;
    network_interface::check(world, id, &interfaces, placement)?;
    identities(world, id, &mut body)?;
    let disk_id = disk::os_disk_id(world, id, &body)?;
    quota::check(world, placement, vm_placement::is_spot(&body))?;
    network_interface::attach(world, id, &interfaces)?;

    let custom_data = take_secrets(&mut body);
    disk::create_os_disk(world, id, &disk_id, &mut body, placement);
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

    let facts = machine::facts(world, id, interfaces.first().map(|(nic, _)| nic), placement);
    world.emit(VmEvent::Started(Arc::new(facts)));
    let duration = world.settings().duration(&format!("{VIRTUAL_MACHINES}/write"), CREATE_TIME);
    let vm = id.clone();
    Ok(Answer::put(true, id).after(duration, move |world| match world.resources().get(&vm) {
        Some(found) if found.properties()["vmId"] == json!(vm_id) && found.provisioning_state() != "Deleting" => Ok(()),
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
    vm_change::check(&old, &new)?;
    identities(world, id, &mut new)?;
    if let Some(data) = take_secrets(&mut new)
        && world.state::<CustomData>().get(id) != Some(data.as_str())
    {
        return Err(change_not_allowed("customData"));
    }
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
    let body = Value::Object(body);
    // A new size is held against the region as the first one was.
    if !vm_body::size(&body).eq_ignore_ascii_case(vm_body::size(&old)) {
        vm_placement::place(id, &body, old["location"].as_str().unwrap_or_default())?;
    }
    world.upsert(id, VIRTUAL_MACHINES, body);
    Ok(Answer::resource(id))
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
    let storage = &mut body["properties"]["storageProfile"];
    if storage["dataDisks"].is_null() {
        storage["dataDisks"] = json!([]);
    }
}

/// Looks the user-assigned identities of a body up and writes their ids of client and principal into it.
fn identities(world: &World, vm: &crate::arm::ResourceId, body: &mut Value) -> Result<(), ArmError> {
    let Some(assigned) = body.pointer_mut("/identity/userAssignedIdentities").and_then(Value::as_object_mut) else {
        return Ok(());
    };
    for (name, entry) in assigned.iter_mut() {
        let found = crate::arm::ResourceId::parse(name).ok().and_then(|id| world.resources().get(&id));
        let Some(identity) = found else {
            return Err(ArmError::bad_request(
                "FailedIdentityOperation",
                format!(
                    "Identity operation for resource '{vm}' failed with error 'Failed to perform resource identity \
                     operation. Status: 'BadRequest'. Response: '{{\"error\":{{\"code\":\"BadRequest\",\"message\":\
                     \"Resource '{name}' was not found.\"}}}}'.'."
                ),
            ));
        };
        let properties = identity.properties();
        *entry = json!({ "principalId": properties["principalId"], "clientId": properties["clientId"] });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
