//! What is expected of Kubernetes events.

use std::fmt;

use serde_json::Value;

use super::expectation::{Expectation, listed};
use super::kind::Kind;
use super::selection::{Selection, Subject};
use super::state::State;

/// Events with this reason, for example `DisruptionBlocked`.
pub fn events(reason: &str) -> EventSelection {
    Selection::new(Events { reason: reason.to_owned() })
}

/// The events with one reason.
#[derive(Debug, Clone)]
pub struct Events {
    reason: String,
}

/// Events, all with their reason or those of which more was said.
pub type EventSelection = Selection<Events>;

impl Subject for Events {
    type Item = Value;

    const ONE: &'static str = "event";

    fn all<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Value> {
        state.objects(Kind::Event).filter(|event| event["reason"] == self.reason.as_str())
    }

    fn label(event: &Value) -> String {
        format!("{}: {}", event["involvedObject"]["kind"], event["message"])
    }
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "events {}", self.reason)
    }
}

impl EventSelection {
    /// About an object of this kind.
    pub fn about(self, kind: Kind) -> Self {
        self.narrowed(format!("about a {kind}"), move |_, event| event["involvedObject"]["kind"] == kind.name())
    }

    /// About an object whose name begins so: a pod's with the name of its deployment, a node claim's with its pool's.
    pub fn named(self, prefix: &str) -> Self {
        let wanted = prefix.to_owned();
        self.narrowed(format!("named {prefix}…"), move |_, event| {
            event["involvedObject"]["name"].as_str().is_some_and(|name| name.starts_with(&wanted))
        })
    }

    /// With a message that holds this text, letter case aside.
    pub fn saying(self, text: &str) -> Self {
        let wanted = text.to_ascii_lowercase();
        self.narrowed(format!("saying {text:?}"), move |_, event| {
            event["message"].as_str().is_some_and(|message| message.to_ascii_lowercase().contains(&wanted))
        })
    }

    /// At least one was published.
    pub fn seen(self) -> Expectation {
        let Events { reason } = self.subject().clone();
        Expectation::new(format!("an event {reason}{}", self.said()), move |state| {
            if self.of(state).next().is_some() {
                return Ok(());
            }
            let similar: Vec<_> = events(&reason).of(state).map(Events::label).collect();
            Err(format!("no such event; with that reason: {}", listed(&similar)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::state::tests::state_of;
    use serde_json::json;

    #[test]
    fn an_event_is_told_from_others_by_kind_name_and_text() {
        let event = json!({ "kind": "Event", "metadata": { "uid": "e", "name": "e" }, "reason": "FailedScheduling",
            "message": "Would exceed limits", "involvedObject": { "kind": "Pod", "name": "web-1a2b" } });
        let state = state_of(&[event]);
        let events = || events("FailedScheduling");
        for seen in [events(), events().about(Kind::Pod), events().named("web"), events().saying("exceed LIMITS")] {
            assert_eq!(seen.seen().evaluate(&state), Ok(()));
        }
        for unseen in [events().about(Kind::Node), events().named("batch"), events().saying("no instance type")] {
            assert!(unseen.seen().evaluate(&state).is_err());
        }
    }
}
