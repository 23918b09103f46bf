//! A history as lines that a person can read: what changed, in order, without what repeats.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::azure::{AzureEvent, AzureRequest, MachineChange};
use super::event::{Change, Event, Record};
use crate::duration::readable;
use crate::object::is_true;

/// Who or what an entry of the time line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Teller {
    /// The scenario, which goes on to its next step.
    Step,
    /// An assertion that held.
    Holds,
    /// An assertion that did not hold.
    Fails,
    /// A request to Azure.
    Azure,
    /// A virtual machine.
    Machine,
    /// A machine on its way to being a node.
    Boot,
    /// The provisioner's log.
    Provisioner,
    /// A child process of the lab.
    Process,
    /// The lab's time.
    Clock,
    /// A Node.
    Node,
    /// A NodeClaim.
    NodeClaim,
    /// A Pod.
    Pod,
    /// An AKSNodeClass.
    NodeClass,
    /// A NodePool.
    NodePool,
    /// An Event of Kubernetes.
    Event,
    /// Another object.
    Object,
}

impl Teller {
    /// The word for it in a line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Holds => "holds",
            Self::Fails => "FAILS",
            Self::Azure => "azure",
            Self::Machine => "machine",
            Self::Boot => "boot",
            Self::Provisioner => "provisioner",
            Self::Process => "process",
            Self::Clock => "clock",
            Self::Node => "node",
            Self::NodeClaim => "nodeclaim",
            Self::Pod => "pod",
            Self::NodeClass => "nodeclass",
            Self::NodePool => "nodepool",
            Self::Event => "event",
            Self::Object => "object",
        }
    }
}

/// Something new that a record told. Shown with `{}` it is the line that people read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// The record that told it, by its position in the history, from 1.
    pub sequence: u64,
    /// Cluster time.
    pub at: Timestamp,
    /// Cluster time since the first record of the history.
    pub offset: SignedDuration,
    /// Who or what it is about.
    pub teller: Teller,
    /// What is new.
    pub text: String,
}

impl fmt::Display for TimelineEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let offset = self.offset.as_secs_f64();
        write!(f, "{offset:>+8.1}s  {:<11} {}", self.teller.word(), self.text)
    }
}

/// One line for each of the [`entries`].
#[must_use]
pub fn timeline(records: &[Arc<Record>]) -> Vec<String> {
    entries(records).iter().map(ToString::to_string).collect()
}

/// One entry for each record that tells something new: steps, assertions, requests that change Azure or fail, machines
/// booting, changes of nodes, node claims, pods, node pools and node classes, events, and the provisioner's warnings.
#[must_use]
pub fn entries(records: &[Arc<Record>]) -> Vec<TimelineEntry> {
    let Some(first) = records.first() else { return Vec::new() };
    let mut told: HashMap<String, String> = HashMap::new();
    let mut entries = Vec::new();
    for record in records {
        let Some((teller, text)) = tell(&record.event, &mut told) else { continue };
        let (sequence, at, offset) = (record.sequence, record.at, record.at.duration_since(first.at));
        entries.push(TimelineEntry { sequence, at, offset, teller, text });
    }
    entries
}

fn tell(event: &Event, told: &mut HashMap<String, String>) -> Option<(Teller, String)> {
    match event {
        Event::Step { text } => Some((Teller::Step, text.clone())),
        Event::Assertion { expected, held: true, .. } => Some((Teller::Holds, expected.clone())),
        Event::Assertion { expected, seen, .. } => Some((Teller::Fails, format!("{expected}; seen: {seen}"))),
        Event::Azure { what: AzureEvent::Request(entry) } => request(entry).map(|text| (Teller::Azure, text)),
        Event::Azure { what: AzureEvent::Machine(MachineChange::Started(machine)) } => {
            let address = machine.private_ip.map(|address| format!(", {address}")).unwrap_or_default();
            Some((Teller::Machine, format!("{} starts: {}{address}", machine.name, machine.size)))
        }
        Event::Azure { what: AzureEvent::Machine(MachineChange::Evicting { id, not_before }) } => {
            Some((Teller::Machine, format!("{} will be evicted at {not_before}", last(id))))
        }
        Event::Azure { what: AzureEvent::Machine(MachineChange::Stopped { id, reason }) } => {
            Some((Teller::Machine, format!("{} stops: {reason:?}", last(id))))
        }
        Event::Azure { what: AzureEvent::Machine(MachineChange::Deleted { id }) } => {
            Some((Teller::Machine, format!("{} is gone", last(id))))
        }
        Event::Azure { what: AzureEvent::Resource(_) } => None,
        Event::Boot { machine, stage, message } => {
            Some((Teller::Boot, format!("{machine} {}{}", format!("{stage:?}").to_lowercase(), colon(message))))
        }
        Event::Provisioner { level, controller, message, fields } if is_worth(level) => {
            let error = fields["error"].as_str().map(|error| colon(first_line(error))).unwrap_or_default();
            let controller = if controller.is_empty() { String::new() } else { format!("{controller}: ") };
            Some((Teller::Provisioner, format!("{level} {controller}{message}{error}")))
        }
        Event::Provisioner { .. } => None,
        Event::Process { name, message } => Some((Teller::Process, format!("{name} {message}"))),
        Event::Clock { seconds, moves } => {
            let moved = readable(Duration::from_secs_f64(*seconds));
            Some((Teller::Clock, format!("{moved} went by in {moves} move{}", if *moves == 1 { "" } else { "s" })))
        }
        Event::Kube { kind, change, object } => kube(kind, *change, object, told),
    }
}

fn is_worth(level: &str) -> bool {
    matches!(level, "warn" | "error" | "panic" | "fatal" | "dpanic")
}

fn request(entry: &AzureRequest) -> Option<String> {
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

fn kube(kind: &str, change: Change, object: &Value, told: &mut HashMap<String, String>) -> Option<(Teller, String)> {
    let name = object["metadata"]["name"].as_str().unwrap_or("?");
    let key = format!("{kind}/{}", object["metadata"]["uid"].as_str().unwrap_or(name));
    if change == Change::Deleted {
        return told.remove(&key).filter(|_| kind != "Event").map(|_| (teller(kind), format!("{name} is gone")));
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
    Some((teller(kind), format!("{subject} {text}")))
}

/// Whether an event says what the line of its node, pod or node claim says.
fn repeats_what_objects_tell(event: &Value) -> bool {
    let message = event["message"].as_str().unwrap_or_default();
    message.starts_with("Status condition transitioned")
        || matches!(event["reason"].as_str(), Some("Scheduled" | "RegisteredNode"))
}

/// Told once for all pods of a workload: which they are, their own lines say.
fn failed_scheduling(event: &Value, told: &mut HashMap<String, String>) -> Option<(Teller, String)> {
    let pod = event["involvedObject"]["name"].as_str().unwrap_or("?");
    let workload = pod.rsplit_once('-').map_or(pod, |(workload, _)| workload);
    let message = first_line(event["message"].as_str().unwrap_or_default());
    // What follows are the details of a preemption that did not happen.
    let reason = message.split(". ").next().unwrap_or(message);
    let key = format!("FailedScheduling/{workload}/{reason}");
    told.insert(key, String::new())
        .is_none()
        .then(|| (Teller::Event, format!("FailedScheduling Pod {workload}-*: {reason}")))
}

fn teller(kind: &str) -> Teller {
    match kind {
        "Node" => Teller::Node,
        "NodeClaim" => Teller::NodeClaim,
        "Pod" => Teller::Pod,
        "AKSNodeClass" => Teller::NodeClass,
        "NodePool" => Teller::NodePool,
        "Event" => Teller::Event,
        _ => Teller::Object,
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
    fn an_entry_is_one_line_and_can_be_written_and_read_again() {
        let record = |sequence, millisecond, event| {
            let at = Timestamp::from_millisecond(millisecond).unwrap();
            Arc::new(Record { sequence, at, wall: Timestamp::UNIX_EPOCH, event })
        };
        let records = [
            record(1, 1_000, Event::Clock { seconds: 90.0, moves: 1 }),
            record(2, 84_300, Event::Assertion { expected: "3 nodes".into(), held: false, seen: "2".into() }),
            record(
                3,
                84_300,
                Event::Provisioner {
                    level: "info".into(),
                    controller: String::new(),
                    message: "at work".into(),
                    fields: Box::default(),
                },
            ),
            record(4, 3_601_000, Event::Step { text: "drain".into() }),
        ];
        let entries = entries(&records);
        let lines = timeline(&records);
        assert_eq!(lines[1..], ["   +83.3s  FAILS       3 nodes; seen: 2", " +3600.0s  step        drain"]);
        assert_eq!(entries.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [1, 2, 4]);
        let text = serde_json::to_string(&entries).unwrap();
        assert!(text.contains(r#""offset":"PT1M23.3S","teller":"fails""#), "{text}");
        assert_eq!(serde_json::from_str::<Vec<TimelineEntry>>(&text).unwrap(), entries);
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
