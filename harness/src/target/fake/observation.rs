//! What fake-arm tells, as a lab records it.

use std::sync::Arc;

use fake_arm::events::{ArmEvent, LedgerEntry, ResourceEvent, StopReason, VirtualMachine, VmEvent};

use crate::history::{AzureEvent, AzureRequest, Machine, MachineChange, MachineStop, ResourceChange};

/// The same event in the words of the history.
pub(in crate::target) fn observed(event: &ArmEvent) -> AzureEvent {
    match event {
        ArmEvent::Request(entry) => AzureEvent::Request(Arc::new(request(entry))),
        ArmEvent::Vm(event) => AzureEvent::Machine(machine_change(event)),
        ArmEvent::Resource(ResourceEvent { id, resource_type, body }) => AzureEvent::Resource(ResourceChange {
            id: id.clone(),
            resource_type: resource_type.clone(),
            body: body.clone(),
        }),
    }
}

fn request(entry: &LedgerEntry) -> AzureRequest {
    let LedgerEntry {
        sequence,
        at,
        latency,
        method,
        path,
        query,
        operation,
        resource_id,
        principal,
        user_agent,
        status,
        error_code,
        error_message,
        request_body,
        request_id,
        unknown_route,
    } = entry.clone();
    AzureRequest {
        sequence,
        at,
        latency,
        method,
        path,
        query,
        operation,
        resource_id,
        principal,
        user_agent,
        status,
        error_code,
        error_message,
        request_body,
        request_id,
        unknown_route,
    }
}

fn machine_change(event: &VmEvent) -> MachineChange {
    match event {
        VmEvent::Started(started) => MachineChange::Started(Arc::new(machine(started))),
        VmEvent::Evicting { id, not_before } => MachineChange::Evicting { id: id.clone(), not_before: *not_before },
        VmEvent::Stopped { id, reason } => MachineChange::Stopped {
            id: id.clone(),
            reason: match reason {
                StopReason::PoweredOff => MachineStop::PoweredOff,
                StopReason::Deallocated => MachineStop::Deallocated,
                StopReason::Evicted => MachineStop::Evicted,
                StopReason::Restarted => MachineStop::Restarted,
            },
        },
        VmEvent::Deleted { id } => MachineChange::Deleted { id: id.clone() },
    }
}

fn machine(started: &VirtualMachine) -> Machine {
    // What only decides which node it becomes is the node's to show.
    let VirtualMachine {
        id,
        name,
        computer_name,
        location,
        zone,
        size,
        priority,
        custom_data,
        private_ip,
        subnet_id,
        image,
        tags,
        ..
    } = started.clone();
    Machine { id, name, computer_name, location, zone, size, priority, custom_data, private_ip, subnet_id, image, tags }
}
