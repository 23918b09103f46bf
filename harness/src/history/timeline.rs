//! A history as lines that a person can read: what changed, in order, without what repeats.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fake_arm::events::{ArmEvent, LedgerEntry, VmEvent};
use serde_json::Value;

use super::event::{Change, Event, Record};
use crate::expect::{is_true, readable};

/// One line for each record that tells something new: steps, assertions, requests that change Azure or fail, machines
/// booting, changes of nodes, node claims, pods, node pools and node classes, events, and the provisioner's warnings.
#[must_use]
pub fn timeline(records: &[Arc<Record>]) -> Vec<String> {
    let Some(first) = records.first() else { return Vec::new() };
    let mut told: HashMap<String, String> = HashMap::new();
    let mut lines = Vec::new();
    for record in records {
        let Some((source, text)) = tell(&record.event, &mut told) else { continue };
        let offset = record.at.duration_since(first.at).as_secs_f64();
        lines.push(format!("{offset:>+8.1}s  {source:<11} {text}"));
    }
    lines
}

fn tell(event: &Event, told: &mut HashMap<String, String>) -> Option<(&'static str, String)> {
    match event {
        Event::Step { text } => Some(("step", text.clone())),
        Event::Assertion { expected, held: true, .. } => Some(("holds", expected.clone())),
        Event::Assertion { expected, seen, .. } => Some(("FAILS", format!("{expected}; seen: {seen}"))),
        Event::Azure { what: ArmEvent::Request(entry) } => request(entry).map(|text| ("azure", text)),
        Event::Azure { what: ArmEvent::Vm(VmEvent::Started(machine)) } => {
            let address = machine.private_ip.map(|address| format!(", {address}")).unwrap_or_default();
            Some(("machine", format!("{} starts: {}{address}", machine.name, machine.size)))
        }
        Event::Azure { what: ArmEvent::Vm(VmEvent::Evicting { id, not_before }) } => {
            Some(("machine", format!("{} will be evicted at {not_before}", last(id))))
        }
        Event::Azure { what: ArmEvent::Vm(VmEvent::Stopped { id, reason }) } => {
            Some(("machine", format!("{} stops: {reason:?}", last(id))))
        }
        Event::Azure { what: ArmEvent::Vm(VmEvent::Deleted { id }) } => {
            Some(("machine", format!("{} is gone", last(id))))
        }
        Event::Azure { what: ArmEvent::Resource(_) } => None,
        Event::Boot { machine, stage, message } => {
            Some(("boot", format!("{machine} {}{}", format!("{stage:?}").to_lowercase(), colon(message))))
        }
        Event::Provisioner { level, controller, message, fields } if is_worth(level) => {
            let error = fields["error"].as_str().map(|error| colon(first_line(error))).unwrap_or_default();
            let controller = if controller.is_empty() { String::new() } else { format!("{controller}: ") };
            Some(("provisioner", format!("{level} {controller}{message}{error}")))
        }
        Event::Provisioner { .. } => None,
        Event::Process { name, message } => Some(("process", format!("{name} {message}"))),
        Event::Clock { seconds, moves } => {
            let moved = readable(Duration::from_secs_f64(*seconds));
            Some(("clock", format!("{moved} went by in {moves} move{}", if *moves == 1 { "" } else { "s" })))
        }
        Event::Kube { kind, change, object } => kube(kind, *change, object, told),
    }
}

fn is_worth(level: &str) -> bool {
    matches!(level, "warn" | "error" | "panic" | "fatal" | "dpanic")
}

fn request(entry: &LedgerEntry) -> Option<String> {
    let failed = entry.status >= 400;
    // Asking whether a machine exists before making it is no failure.
    let asks_first = entry.status == 404 && entry.method == "GET";
    if (!failed || asks_first) && (entry.method == "GET" || entry.operation.contains("ResourceGraph")) {
        return None;
    }
    if !failed && entry.method == "POST" {
        return None;
    }
    let what = if entry.resource_id.is_empty() { entry.path.as_str() } else { tail(&entry.resource_id) };
    let error = match (&entry.error_code, &entry.error_message) {
        (Some(code), Some(message)) => format!(" {code}: {}", first_line(message)),
        (Some(code), None) => format!(" {code}"),
        _ => String::new(),
    };
    let unknown = if entry.unknown_route { " (nothing serves this route)" } else { "" };
    Some(format!("{} {what} {}{error}{unknown}", entry.method, entry.status))
}

fn kube(
    kind: &str,
    change: Change,
    object: &Value,
    told: &mut HashMap<String, String>,
) -> Option<(&'static str, String)> {
    let name = object["metadata"]["name"].as_str().unwrap_or("?");
    let key = format!("{kind}/{}", object["metadata"]["uid"].as_str().unwrap_or(name));
    if change == Change::Deleted {
        return told.remove(&key).filter(|_| kind != "Event").map(|_| (source(kind), format!("{name} is gone")));
    }
    let text = match kind {
        "Event" if repeats_what_objects_tell(object) => return None,
        "Event" if object["reason"] == "FailedScheduling" => return failed_scheduling(object, told),
        "Node" => {
            let ready = if is_true(object, "Ready") { "Ready" } else { "NotReady" };
            let taints: Vec<_> = object["spec"]["taints"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|taint| taint["key"].as_str())
                .collect();
            let taints = if taints.is_empty() { String::new() } else { format!(", tainted {}", taints.join(" ")) };
            format!("{ready}{taints}{}", deleting(object))
        }
        "NodeClaim" => {
            let conditions: Vec<_> = object["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|condition| match (condition["type"].as_str()?, condition["status"].as_str()?) {
                    ("ConsistentStateFound" | "Ready", _) => None,
                    (kind, "True") => Some(kind.to_owned()),
                    (kind, _) => {
                        let reason = condition["reason"].as_str().unwrap_or_default();
                        (reason != "AwaitingReconciliation" && reason != kind).then(|| {
                            format!(
                                "not {kind} ({reason}{})",
                                colon(first_line(condition["message"].as_str().unwrap_or_default()))
                            )
                        })
                    }
                })
                .collect();
            format!("{}{}", conditions.join(", "), deleting(object))
        }
        "Pod" => {
            let phase = object["status"]["phase"].as_str().unwrap_or("?");
            let node = object["spec"]["nodeName"].as_str().map(|node| format!(" on {node}")).unwrap_or_default();
            format!("{phase}{node}{}", deleting(object))
        }
        "AKSNodeClass" | "NodePool" => match object["status"]["conditions"].as_array() {
            None => return None,
            Some(conditions) => {
                let others: Vec<_> = conditions
                    .iter()
                    .filter(|condition| condition["status"] == "False")
                    .map(|condition| {
                        let message = first_line(condition["message"].as_str().unwrap_or_default());
                        format!(
                            "{} is False ({}{})",
                            condition["type"].as_str().unwrap_or("?"),
                            condition["reason"].as_str().unwrap_or("?"),
                            colon(message)
                        )
                    })
                    .collect();
                if others.is_empty() && is_true(object, "Ready") {
                    format!("Ready{}", deleting(object))
                } else {
                    format!("{}{}", others.join(", "), deleting(object))
                }
            }
        },
        "Event" => format!(
            "{} {}: {}",
            object["involvedObject"]["kind"].as_str().unwrap_or("?"),
            object["involvedObject"]["name"].as_str().unwrap_or("?"),
            first_line(object["message"].as_str().unwrap_or_default()),
        ),
        _ => return None,
    };
    if text.is_empty() || told.get(&key) == Some(&text) {
        return None;
    }
    told.insert(key, text.clone());
    let subject = if kind == "Event" { object["reason"].as_str().unwrap_or("?") } else { name };
    Some((source(kind), format!("{subject} {text}")))
}

/// Whether an event says what the line of its node, pod or node claim says.
fn repeats_what_objects_tell(event: &Value) -> bool {
    let message = event["message"].as_str().unwrap_or_default();
    message.starts_with("Status condition transitioned")
        || matches!(event["reason"].as_str(), Some("Scheduled" | "RegisteredNode"))
}

/// Told once for all pods of a workload: which they are, their own lines say.
fn failed_scheduling(event: &Value, told: &mut HashMap<String, String>) -> Option<(&'static str, String)> {
    let pod = event["involvedObject"]["name"].as_str().unwrap_or("?");
    let workload = pod.rsplit_once('-').map_or(pod, |(workload, _)| workload);
    let message = first_line(event["message"].as_str().unwrap_or_default());
    // What follows are the details of a preemption that did not happen.
    let reason = message.split(". ").next().unwrap_or(message);
    let key = format!("FailedScheduling/{workload}/{reason}");
    told.insert(key, String::new()).is_none().then(|| ("event", format!("FailedScheduling Pod {workload}-*: {reason}")))
}

fn source(kind: &str) -> &'static str {
    match kind {
        "Node" => "node",
        "NodeClaim" => "nodeclaim",
        "Pod" => "pod",
        "AKSNodeClass" => "nodeclass",
        "NodePool" => "nodepool",
        "Event" => "event",
        _ => "object",
    }
}

fn deleting(object: &Value) -> &'static str {
    if object["metadata"]["deletionTimestamp"].is_string() { ", deleting" } else { "" }
}

fn colon(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// `virtualNetworks/vnet/subnets/nodes` of a full id.
fn tail(id: &str) -> &str {
    id.rsplit_once("/providers/")
        .map_or(id, |(_, provider)| provider.split_once('/').map_or(provider, |(_, resource)| resource))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(reason: &str, object: &str, message: &str) -> Value {
        json!({ "metadata": { "uid": object }, "reason": reason, "message": message,
                "involvedObject": { "kind": "Pod", "name": object } })
    }

    #[test]
    fn a_failure_to_schedule_is_told_once_for_all_pods_of_a_workload() {
        let mut told = HashMap::new();
        let mut tell = |object: &Value| kube("Event", Change::Applied, object, &mut told).map(|(_, text)| text);
        let message = "0/2 nodes are available: 1 Too many pods. no new claims to deallocate, preemption: none.";
        let first = tell(&event("FailedScheduling", "web-1-a", message));
        assert_eq!(first.as_deref(), Some("FailedScheduling Pod web-1-*: 0/2 nodes are available: 1 Too many pods"));
        assert_eq!(tell(&event("FailedScheduling", "web-1-b", message)), None);
        assert!(tell(&event("FailedScheduling", "web-1-b", "another reason")).is_some());
        assert!(tell(&event("FailedScheduling", "db-1-a", message)).is_some());
    }

    #[test]
    fn events_that_repeat_what_objects_tell_are_left_out() {
        let mut told = HashMap::new();
        let mut tell = |object: &Value| kube("Event", Change::Applied, object, &mut told);
        assert_eq!(tell(&event("Scheduled", "web-1-a", "Successfully assigned default/web-1-a to n")), None);
        assert_eq!(tell(&event("Launched", "n", "Status condition transitioned, Type: Launched")), None);
        assert!(tell(&event("InsufficientCapacityError", "n", "no machines")).is_some());
    }
}
