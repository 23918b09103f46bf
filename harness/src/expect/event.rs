//! What is expected of Kubernetes events.

use serde_json::Value;

use super::expectation::{Expectation, listed};

/// Events with this reason, for example `DisruptionBlocked`.
#[must_use]
pub fn events(reason: &str) -> EventSelection {
    EventSelection { reason: reason.to_owned(), about: None, saying: None }
}

/// Events, narrowed down.
#[derive(Debug, Clone)]
pub struct EventSelection {
    reason: String,
    about: Option<String>,
    saying: Option<String>,
}

impl EventSelection {
    /// About an object of this kind.
    #[must_use]
    pub fn about(mut self, kind: &str) -> Self {
        self.about = Some(kind.to_owned());
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
        let saying = self.saying.as_ref().map(|text| format!(" saying {text:?}")).unwrap_or_default();
        Expectation::new(format!("an event {}{about}{saying}", self.reason), move |state| {
            if state.objects("Event").any(|event| self.matches(event)) {
                return Ok(());
            }
            let similar: Vec<_> = state
                .objects("Event")
                .filter(|event| event["reason"] == self.reason.as_str())
                .map(|event| format!("{}: {}", event["involvedObject"]["kind"], event["message"]))
                .collect();
            Err(format!("no such event; with that reason: {}", listed(&similar)))
        })
    }

    fn matches(&self, event: &Value) -> bool {
        let message = event["message"].as_str().unwrap_or_default().to_ascii_lowercase();
        event["reason"] == self.reason.as_str()
            && self.about.as_ref().is_none_or(|kind| event["involvedObject"]["kind"] == kind.as_str())
            && self.saying.as_ref().is_none_or(|text| message.contains(&text.to_ascii_lowercase()))
    }
}
