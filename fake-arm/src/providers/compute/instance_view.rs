//! A machine's run-time state, `$expand=instanceView` and `…/instanceView`.

use serde_json::{Value, json};

use super::{EXTENSIONS, VIRTUAL_MACHINES, VM_API_VERSIONS, vm_body};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};

struct InstanceViews;

inventory::submit! {
    ResourceType::new("Microsoft.Compute/virtualMachines/instanceView", VM_API_VERSIONS, &InstanceViews).computed()
}

impl Handler for InstanceViews {
    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let vm = world.resources().require(&request.id)?;
        Ok(Answer::json(view(world, vm)))
    }

    fn operation(&self, _: &Request) -> Option<String> {
        Some(format!("{VIRTUAL_MACHINES}/instanceView/read"))
    }
}

/// The instance view of a machine.
pub(super) fn view(world: &World, vm: &Resource) -> Value {
    let state = vm.provisioning_state();
    let (code, display) = match state {
        "Succeeded" => ("succeeded", "Provisioning succeeded"),
        "Failed" => ("failed", "Provisioning failed"),
        "Deleting" => ("deleting", "Deleting"),
        "Updating" => ("updating", "Updating"),
        _ => ("creating", "Creating"),
    };
    let time = vm.properties()["timeCreated"].clone();
    let extensions: Vec<_> = world
        .resources()
        .within(&vm.id, EXTENSIONS)
        .map(|extension| {
            json!({
                "name": extension.name(),
                "type": format!(
                    "{}.{}",
                    extension.properties()["publisher"].as_str().unwrap_or_default(),
                    extension.properties()["type"].as_str().unwrap_or_default()
                ),
                "typeHandlerVersion": extension.properties()["typeHandlerVersion"],
            })
        })
        .collect();
    json!({
        "computerName": vm.properties()["osProfile"]["computerName"],
        "hyperVGeneration": vm_body::image_definition(&vm.body).map_or("V2", |image| &image.generation),
        "extensions": extensions,
        "statuses": [
            { "code": format!("ProvisioningState/{code}"), "level": "Info", "displayStatus": display, "time": time },
            { "code": "PowerState/running", "level": "Info", "displayStatus": "VM running" },
        ],
    })
}
