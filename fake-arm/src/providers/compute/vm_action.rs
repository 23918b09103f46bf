//! What can be done to a machine by POST: start, power off, deallocate, restart, redeploy, and what this fake refuses.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::power::{self, PowerState};
use super::refusal::{marked_for_deletion, not_modelled};
use super::{VIRTUAL_MACHINES, boot_facts, capacity, data_disk, disk, eviction, network_interface, vm_placement};
use crate::events::{StopReason, VmEvent};
use crate::provider::{Answer, Reply, Request};
use crate::world::World;
use arm::{ArmError, ResourceId};

/// How long one of them takes, unless the settings say otherwise. Azure takes half a minute.
const TIME: Duration = Duration::from_millis(200);

/// Actions that Azure knows and this fake does not.
const UNMODELLED: [&str; 12] = [
    "reimage",
    "generalize",
    "capture",
    "convertToManagedDisks",
    "runCommand",
    "assessPatches",
    "installPatches",
    "performMaintenance",
    "retrieveBootDiagnosticsData",
    "attachDetachDataDisks",
    "migrateToVMScaleSet",
    "validateInstanceProtection",
];

/// One of the actions that move a machine's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    Start,
    PowerOff,
    Deallocate,
    Restart,
    Redeploy,
    /// Azure brings the machine to what the resource says: nothing that can be seen here.
    Reapply,
}

impl Move {
    const ALL: [(&str, Self); 6] = [
        ("start", Self::Start),
        ("powerOff", Self::PowerOff),
        ("deallocate", Self::Deallocate),
        ("restart", Self::Restart),
        ("redeploy", Self::Redeploy),
        ("reapply", Self::Reapply),
    ];
}

/// Serves an action; `None` for one that Azure does not know.
pub(super) fn act(world: &mut World, request: &Request, action: &str) -> Option<Reply> {
    if action.eq_ignore_ascii_case("simulateEviction") {
        return Some(eviction::simulate(world, &request.id));
    }
    if let Some(name) = UNMODELLED.iter().find(|name| name.eq_ignore_ascii_case(action)) {
        return Some(Err(not_modelled(&format!("The operation '{name}' on virtual machines"))));
    }
    let (name, action) = Move::ALL.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(action))?;
    Some(begin(world, &request.id, name, action))
}

fn begin(world: &mut World, id: &ResourceId, name: &str, action: Move) -> Reply {
    let vm = world.resources().require(id)?;
    let (id, body) = (vm.id.clone(), vm.body.clone());
    if vm.provisioning_state() == "Deleting" {
        return Err(marked_for_deletion(name, &id));
    }
    let state = power::state(world, &id);
    if state == PowerState::Deallocated && matches!(action, Move::PowerOff | Move::Restart) {
        return Err(ArmError::conflict(
            "OperationNotAllowed",
            format!(
                "Operation '{name}' is not allowed on VM '{}' since the VM is either deallocated or marked to be \
                 deallocated.",
                id.name()
            ),
        ));
    }
    if action == Move::Deallocate && is_ephemeral(&body) {
        return Err(ArmError::conflict(
            "OperationNotAllowed",
            format!(
                "Operation '{name}' is not supported for VMs or VM Scale Set instances using an ephemeral OS disk."
            ),
        ));
    }
    let mut failure = None;
    if action == Move::Start && !state.has_a_place() {
        let location = body["location"].as_str().unwrap_or_default();
        let placement = vm_placement::place(world, &id, &body, location)?;
        failure = capacity::find_place(world, &id, &body, placement, "Start")?;
    }
    world.resources_mut().require_mut(&id)?.set_provisioning_state("Updating");
    let duration = world.settings().duration(&format!("{VIRTUAL_MACHINES}/{name}/action"), TIME);
    Ok(Answer::accepted().after(duration, move |world| match failure {
        Some(failure) => Err(failure),
        None => {
            finish(world, &id, action);
            Ok(())
        }
    }))
}

fn is_ephemeral(body: &Value) -> bool {
    body.pointer("/properties/storageProfile/osDisk/diffDiskSettings/option").is_some()
}

fn finish(world: &mut World, id: &ResourceId, action: Move) {
    if !world.resources().contains(id) {
        return;
    }
    let running = power::state(world, id) == PowerState::Running;
    match action {
        Move::Start if !running => start(world, id),
        Move::PowerOff => stop(world, id, PowerState::Stopped, StopReason::PoweredOff),
        Move::Deallocate => stop(world, id, PowerState::Deallocated, StopReason::Deallocated),
        Move::Restart | Move::Redeploy if running => {
            stop(world, id, PowerState::Stopped, StopReason::Restarted);
            start(world, id);
        }
        // A machine that is off is off on its new host too.
        Move::Start | Move::Restart | Move::Redeploy | Move::Reapply => {}
    }
}

/// Boots a machine's hardware.
pub(super) fn start(world: &mut World, id: &ResourceId) {
    let Some(vm) = world.resources().get(id).cloned() else { return };
    move_to(world, id, PowerState::Running);
    let nics = network_interface::named(&vm.body).unwrap_or_default();
    let Ok(placement) = vm_placement::place(world, id, &vm.body, vm.location()) else { return };
    let facts = boot_facts::facts(world, id, network_interface::primary(&vm.body, &nics), placement);
    world.emit(VmEvent::Started(Arc::new(facts)));
}

/// Turns a machine's hardware off. Its owner hears of it where it ran.
pub(super) fn stop(world: &mut World, id: &ResourceId, state: PowerState, reason: StopReason) {
    let ran = power::state(world, id) == PowerState::Running;
    move_to(world, id, state);
    if ran {
        world.emit(VmEvent::Stopped { id: id.to_string(), reason });
    }
}

/// Notes the new state; the disks of a deallocated machine are kept for it.
fn move_to(world: &mut World, id: &ResourceId, state: PowerState) {
    power::set(world, id, state);
    let Some(vm) = world.resources().get(id) else { return };
    let os_disk = &vm.body["properties"]["storageProfile"]["osDisk"];
    let disks: Vec<ResourceId> =
        std::iter::once(os_disk).chain(data_disk::entries(&vm.body)).filter_map(data_disk::id_of).collect();
    for disk in disks {
        disk::set_reserved(world, &disk, state == PowerState::Deallocated);
    }
}
