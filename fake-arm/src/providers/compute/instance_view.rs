//! A machine's run-time state, `$expand=instanceView` and `…/instanceView`.

use serde_json::{Value, json};

use super::{EXTENSIONS, VIRTUAL_MACHINES, VM_API_VERSIONS, data_disk, power, vm_body};
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
    let mut statuses = vec![
        json!({ "code": format!("ProvisioningState/{code}"), "level": "Info", "displayStatus": display, "time": time }),
    ];
    let power = power::state(world, &vm.id);
    if let Some(code) = power.code() {
        let display = format!("VM {code}");
        statuses.push(json!({ "code": format!("PowerState/{code}"), "level": "Info", "displayStatus": display }));
    }
    let os_disk = &vm.properties()["storageProfile"]["osDisk"];
    let disks: Vec<Value> = std::iter::once(os_disk)
        .chain(data_disk::entries(&vm.body))
        .map(|disk| {
            let status = json!({
                "code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Provisioning succeeded",
                "time": time,
            });
            json!({ "name": disk["name"], "statuses": [status] })
        })
        .collect();
    let mut view = json!({
        "hyperVGeneration": vm_body::image_definition(&vm.body).map_or("V2", |image| &image.generation),
        "disks": disks,
        "extensions": extensions,
        "statuses": statuses,
    });
    // The guest's agent speaks while the machine runs.
    if power == power::PowerState::Running {
        view["computerName"] = vm.properties()["osProfile"]["computerName"].clone();
        view["vmAgent"] = json!({
            "vmAgentVersion": "2.2.54.1",
            "statuses": [{
                "code": "ProvisioningState/succeeded", "level": "Info", "displayStatus": "Ready",
                "message": "Guest Agent is running", "time": time,
            }],
        });
    }
    view
}
