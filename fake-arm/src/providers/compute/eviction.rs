//! Azure takes spot machines back: announced to the machine as a scheduled event, then deallocated or deleted as its
//! eviction policy says.
//!
//! The instance metadata service shows scheduled events to machines; [`scheduled_events`] is the document that it
//! answers with, [`acknowledge`] what a machine's answer to it does.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::capacity::Capacity;
use super::power::{self, PowerState};
use super::refusal::marked_for_deletion;
use super::spot::{deletes_on_eviction, is_spot, max_price};
use super::{VIRTUAL_MACHINES, teardown, vm_action, vm_body};
use crate::events::{StopReason, VmEvent};
use crate::provider::{Answer, Reply};
use crate::world::{KeptState, World};
use arm::{ArmError, ResourceId};

/// Least time between the announcement and the end of a machine.
const NOTICE: Duration = Duration::from_secs(30);

inventory::submit! { KeptState::of::<Announcements>("Microsoft.Compute/evictions") }

/// Announcements evictions. Snapshots keep the count alone: what was announced is under way and does not outlive them, and
/// the machine can be taken back again.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Announcements {
    incarnation: u64,
    #[serde(skip)]
    events: Vec<Announcement>,
}

#[derive(Debug, Clone)]
struct Announcement {
    id: Uuid,
    vm: ResourceId,
    /// A successor of the same name is not meant.
    vm_id: Value,
    not_before: Timestamp,
}

/// `POST …/simulateEviction`: 204, and the machine goes after its notice.
pub(super) fn simulate(world: &mut World, id: &ResourceId) -> Reply {
    let vm = world.resources().require(id)?;
    if vm.provisioning_state() == "Deleting" {
        return Err(marked_for_deletion("simulateEviction", id));
    }
    let spot = is_spot(&vm.body);
    if !spot || power::state(world, id) != PowerState::Running {
        let why = if spot { "it is not running" } else { "it is not an Azure Spot Virtual Machine" };
        return Err(ArmError::conflict(
            "OperationNotAllowed",
            format!("Operation 'simulateEviction' is not allowed on VM '{}' since {why}.", id.name()),
        ));
    }
    evict(world, id);
    Ok(Answer::no_content())
}

/// Takes a spot machine back, as Azure does when it needs the room: announced now, gone after the notice (30 seconds,
/// or as the settings say of `Microsoft.Compute/virtualMachines/simulateEviction/action`). Whatever else is no running
/// spot machine stays.
pub fn evict(world: &mut World, vm: &ResourceId) {
    let Some(found) = world.resources().get(vm).filter(|found| is_spot(&found.body)) else { return };
    let (vm, vm_id) = (found.id.clone(), found.properties()["vmId"].clone());
    let known = world.peek::<Announcements>().is_some_and(|a| a.events.iter().any(|e| e.vm == vm && e.vm_id == vm_id));
    if known || power::state(world, &vm) != PowerState::Running {
        return;
    }
    let notice = world.settings().duration(&format!("{VIRTUAL_MACHINES}/simulateEviction/action"), NOTICE);
    let not_before = world.now().saturating_add(SignedDuration::try_from(notice).unwrap_or(SignedDuration::MAX));
    let not_before = not_before.unwrap_or(Timestamp::MAX);
    let id = world.uuid();
    let announced = world.state::<Announcements>();
    announced.incarnation += 1;
    announced.events.push(Announcement { id, vm: vm.clone(), vm_id, not_before });
    world.emit(VmEvent::Evicting { id: vm.to_string(), not_before });
    world.after(notice, move |world| carry_out(world, id));
}

/// Takes all spot machines back whose maximum price is lower than the present one
/// ([`Capacity::set_spot_price`](super::Capacity::set_spot_price)).
pub fn evict_overpriced(world: &mut World) {
    let machines = world.resources().of_type(VIRTUAL_MACHINES).filter(|vm| is_spot(&vm.body));
    let overpriced: Vec<ResourceId> = machines
        .filter(|vm| {
            let price = world.peek::<Capacity>().and_then(|c| c.spot_price(vm.location(), vm_body::size(&vm.body)));
            let offered = max_price(&vm.body).filter(|offered| *offered >= 0.0);
            offered.zip(price).is_some_and(|(offered, price)| offered < price)
        })
        .map(|vm| vm.id.clone())
        .collect();
    for vm in overpriced {
        evict(world, &vm);
    }
}

/// The scheduled events of a machine, as `GET /metadata/scheduledevents` shows them to it.
pub fn scheduled_events(world: &World, vm: &ResourceId) -> Value {
    let announced = world.peek::<Announcements>();
    let events = announced.into_iter().flat_map(|a| &a.events).filter(|event| event.vm == *vm).map(|event| {
        json!({
            "EventId": event.id,
            "EventStatus": "Scheduled",
            "EventType": "Preempt",
            "ResourceType": "VirtualMachine",
            "Resources": [event.vm.name()],
            "NotBefore": event.not_before.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string(),
            "Description": "",
            "EventSource": "Platform",
            "DurationInSeconds": -1,
        })
    });
    json!({
        "DocumentIncarnation": announced.map_or(0, |announced| announced.incarnation),
        "Events": events.collect::<Vec<_>>(),
    })
}

/// A machine has seen its scheduled event and is ready: what was announced happens now. `false`: there is no such event.
pub fn acknowledge(world: &mut World, event: Uuid) -> bool {
    let known = world.peek::<Announcements>().is_some_and(|a| a.events.iter().any(|e| e.id == event));
    carry_out(world, event);
    known
}

fn carry_out(world: &mut World, event: Uuid) {
    let announced = world.state::<Announcements>();
    let Some(at) = announced.events.iter().position(|e| e.id == event) else { return };
    announced.incarnation += 1;
    let Announcement { vm, vm_id, .. } = announced.events.remove(at);
    let Some(found) = world.resources().get(&vm).filter(|found| found.properties()["vmId"] == vm_id) else { return };
    if found.provisioning_state() == "Deleting" || power::state(world, &vm) != PowerState::Running {
        return;
    }
    if deletes_on_eviction(&found.body) {
        teardown::take_down(world, &vm, false);
    } else {
        vm_action::stop(world, &vm, PowerState::Deallocated, StopReason::Evicted);
    }
}
