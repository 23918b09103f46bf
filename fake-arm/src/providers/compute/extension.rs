//! `Microsoft.Compute/virtualMachines/extensions`.

use std::time::Duration;

use serde_json::json;

use super::refusal::{marked_for_deletion, missing};
use super::{EXTENSIONS, VM_API_VERSIONS, vm_change};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::World;
use arm::{ArmError, ResourceId};

/// How long an extension takes to run, unless the settings say otherwise.
const INSTALL_TIME: Duration = Duration::from_millis(200);

struct Extensions;

inventory::submit! {
    ResourceType::new(EXTENSIONS, VM_API_VERSIONS, &Extensions).tracked()
}

impl Handler for Extensions {
    fn put(&self, world: &mut World, request: &Request) -> Reply {
        require_live_machine(world, &request.id)?;
        let mut body = request.resource_body();
        for key in ["publisher", "type", "typeHandlerVersion"] {
            if !body["properties"][key].is_string() {
                return Err(missing(&format!("extension.properties.{key}")));
            }
        }
        let properties = body["properties"].as_object_mut().expect("resource_body gives properties");
        // Azure hands these to the machine and never shows them.
        properties.remove("protectedSettings");
        properties.entry("autoUpgradeMinorVersion").or_insert(json!(false));
        let new = !world.resources().contains(&request.id);
        properties.insert("provisioningState".into(), json!(if new { "Creating" } else { "Updating" }));
        world.upsert(&request.id, EXTENSIONS, body);
        let duration = world.settings().duration(&format!("{EXTENSIONS}/write"), INSTALL_TIME);
        Ok(Answer::put(new, &request.id).after(duration, |_| Ok(())))
    }

    fn patch(&self, world: &mut World, request: &Request) -> Reply {
        require_live_machine(world, &request.id)?;
        let mut body = world.resources().require(&request.id)?.body.clone();
        if let Some(tags) = request.body.get("tags") {
            body["tags"] = tags.clone();
        }
        let mut properties = request.properties().clone();
        if let Some(properties) = properties.as_object_mut() {
            properties.remove("protectedSettings");
            properties.remove("provisioningState");
            vm_change::merge(&mut body["properties"], &json!(properties));
        }
        world.upsert(&request.id, EXTENSIONS, body);
        Ok(Answer::resource(&request.id))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(extension) = world.resources_mut().get_mut(&request.id) else { return Ok(Answer::no_content()) };
        extension.set_provisioning_state("Deleting");
        let id = request.id.clone();
        let duration = world.settings().duration(&format!("{EXTENSIONS}/delete"), INSTALL_TIME);
        Ok(Answer::accepted().after(duration, move |world| {
            world.resources_mut().remove(&id);
            Ok(())
        }))
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        world.resources().require(&request.id)?;
        let found = world.resources().within(&request.id, EXTENSIONS);
        Ok(Answer::list(found.map(|extension| self.show(world, extension)).collect()))
    }
}

fn require_live_machine(world: &World, extension: &ResourceId) -> Result<(), ArmError> {
    let vm_id = extension.parent().unwrap_or_else(ResourceId::tenant);
    let vm = world.resources().require(&vm_id)?;
    if vm.provisioning_state() == "Deleting" {
        return Err(marked_for_deletion("startTenantUpdate", &vm.id));
    }
    Ok(())
}
