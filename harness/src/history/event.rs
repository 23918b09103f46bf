//! What can be recorded.

use std::sync::Arc;

use super::AzureEvent;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One line of the history: what happened and when.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Position in the history, from 1, without gaps.
    pub sequence: u64,
    /// Cluster time.
    pub at: Timestamp,
    /// Wall time.
    pub wall: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// Everything that a lab can witness.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "camelCase")]
pub enum Event {
    /// The scenario goes on to its next step.
    Step {
        /// What it does, in the present tense: `create the managed cluster my-aks-cluster`.
        text: String,
    },
    /// An assertion was evaluated to its end.
    Assertion {
        /// What was expected.
        expected: String,
        /// Whether it held.
        held: bool,
        /// What was seen instead, empty when it held.
        seen: String,
    },
    /// A Kubernetes object was seen by a watch.
    Kube {
        /// `Node`, `NodeClaim`, `Pod`, …
        kind: String,
        /// What the watch said.
        change: Change,
        /// The object without `managedFields`.
        object: Arc<serde_json::Value>,
    },
    /// Something happened in Azure.
    Azure {
        /// What it was.
        what: AzureEvent,
    },
    /// A machine on its way to being a node.
    Boot {
        /// Virtual machine name.
        machine: String,
        /// How far it came.
        stage: BootStage,
        /// Detail, for example why the API server refused it.
        message: String,
    },
    /// A line of the provisioner's log.
    Provisioner {
        /// `debug`, `info`, `warn`, `error`, `panic`.
        level: String,
        /// Controller that logged it, where it says so.
        controller: String,
        /// The message.
        message: String,
        /// The other fields.
        fields: Box<serde_json::Value>,
    },
    /// A child process of the lab.
    Process {
        /// Its name in the lab: `kube-apiserver`.
        name: String,
        /// What became of it: `started as 4711`, `ready`, `exited with status 1`.
        message: String,
    },
    /// The lab's time was moved on while nothing happened.
    Clock {
        /// By how much in all since the last such record, in seconds.
        seconds: f64,
        /// In how many moves.
        moves: u32,
    },
}

impl Event {
    /// Whether it deserves that the lab goes on in real time for a moment. What recurs in a lab in which nothing happens
    /// does not: leases that are renewed, events that are told once more, questions to Azure, the log, and time itself.
    pub(crate) fn is_news(&self) -> bool {
        match self {
            Self::Step { .. } | Self::Boot { .. } | Self::Process { .. } => true,
            Self::Kube { kind, object, .. } => match kind.as_str() {
                "Lease" => false,
                "Event" => object["count"].as_u64().is_none_or(|count| count <= 1),
                _ => true,
            },
            Self::Azure { what } => match what {
                AzureEvent::Request(entry) => entry.method != "GET" && entry.method != "POST",
                _ => true,
            },
            Self::Assertion { .. } | Self::Provisioner { .. } | Self::Clock { .. } => false,
        }
    }
}

/// What a watch says of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// Seen for the first time or again, changed.
    Applied,
    /// Gone.
    Deleted,
}

/// How far a virtual machine came on its way to being a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BootStage {
    /// Hardware starts; the modelled boot time runs.
    Booting,
    /// The API server accepted its bootstrap token and its Node exists.
    Registered,
    /// It cannot reach the API server; the message says which rule keeps it from doing so. It goes on trying.
    CutOff,
    /// It will never be a node; the message says why.
    Refused,
    /// It was switched off; its Node stays and says nothing.
    SwitchedOff,
    /// It was switched on again.
    SwitchedOn,
    /// Its Node was removed after the machine was deleted.
    Removed,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_recurs_is_no_news() {
        let seen = |kind: &str, object: Value| {
            let object = Arc::new(object);
            Event::Kube { kind: kind.to_owned(), change: Change::Applied, object }.is_news()
        };
        assert!(seen("Pod", json!({})) && seen("Node", json!({})));
        assert!(!seen("Lease", json!({})));
        for (event, news) in [(json!({}), true), (json!({ "count": 1 }), true), (json!({ "count": 2 }), false)] {
            assert_eq!(seen("Event", event.clone()), news, "{event}");
        }
    }
}
