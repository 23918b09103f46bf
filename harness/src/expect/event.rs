//! What is expected of Kubernetes events.

use serde_json::Value;

use super::expectation::{Expectation, listed};
use super::kind::Kind;

/// Events with this reason, for example `DisruptionBlocked`.
#[must_use]
pub fn events(reason: &str) -> EventSelection {
    EventSelection { reason: reason.to_owned(), about: None, named: None, saying: None }
}

/// Events, narrowed down.
#[derive(Debug, Clone)]
pub struct EventSelection {
    reason: String,
    about: Option<Kind>,
    named: Option<String>,
    saying: Option<String>,
}

impl EventSelection {
    /// About an object of this kind.
    #[must_use]
    pub fn about(mut self, kind: Kind) -> Self {
        self.about = Some(kind);
        self
    }

    /// About an object whose name begins so: a pod's with the name of its deployment, a node claim's with its pool's.
    #[must_use]
    pub fn named(mut self, prefix: &str) -> Self {
        self.named = Some(prefix.to_owned());
        self
    }

    /// With a message that holds this text, letter case aside.
    #[must_use]
    pub fn saying(mut self, text: &str) -> Self {
        self.saying = Some(text.to_owned());
        self
    }

    /// At least one was published.
    pub fn seen(self) -> Expectation {
        let about = self.about.as_ref().map(|kind| format!(" about a {kind}")).unwrap_or_default();
        let named = self.named.as_ref().map(|name| format!(" named {name}…")).unwrap_or_default();
        let saying = self.saying.as_ref().map(|text| format!(" saying {text:?}")).unwrap_or_default();
        Expectation::new(format!("an event {}{about}{named}{saying}", self.reason), move |state| {
            if state.objects(Kind::Event).any(|event| self.matches(event)) {
                return Ok(());
            }
            let similar: Vec<_> = state
                .objects(Kind::Event)
                .filter(|event| event["reason"] == self.reason.as_str())
                .map(|event| format!("{}: {}", event["involvedObject"]["kind"], event["message"]))
                .collect();
            Err(format!("no such event; with that reason: {}", listed(&similar)))
        })
    }

    fn matches(&self, event: &Value) -> bool {
        let message = event["message"].as_str().unwrap_or_default().to_ascii_lowercase();
        event["reason"] == self.reason.as_str()
            && self.about.as_ref().is_none_or(|kind| event["involvedObject"]["kind"] == kind.name())
            && self.named.as_ref().is_none_or(|prefix| {
                event["involvedObject"]["name"].as_str().is_some_and(|name| name.starts_with(prefix.as_str()))
            })
            && self.saying.as_ref().is_none_or(|text| message.contains(&text.to_ascii_lowercase()))
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
