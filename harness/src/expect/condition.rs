//! What is expected of the status conditions of node classes and node pools.

use serde_json::Value;

use super::expectation::{Expectation, Finding, Verdict};
use super::kind::Kind;
use crate::object::condition;

/// One object of a cluster.
#[derive(Debug, Clone)]
pub struct NamedObject {
    kind: Kind,
    name: String,
}

impl NamedObject {
    /// The object of this kind and name.
    #[must_use]
    pub fn new(kind: Kind, name: &str) -> Self {
        Self { kind, name: name.to_owned() }
    }

    /// Its condition `Ready` is True.
    pub fn ready(self) -> Expectation {
        self.condition("Ready").is_true()
    }

    /// Its condition of this type.
    #[must_use]
    pub fn condition(self, condition: &str) -> ConditionSelection {
        ConditionSelection { object: self, condition: condition.to_owned() }
    }

    /// It exists.
    pub fn exists(self) -> Expectation {
        Expectation::new(format!("{} {}: exists", self.kind, self.name), move |state| {
            state.object(self.kind, &self.name).map(|_| ()).ok_or_else(|| "it does not".to_owned())
        })
    }

    /// It does not exist.
    pub fn absent(self) -> Expectation {
        Expectation::new(format!("{} {}: absent", self.kind, self.name), move |state| {
            match state.object(self.kind, &self.name) {
                None => Ok(()),
                Some(object) => Err(format!(
                    "it exists, deletionTimestamp {}, finalizers {}",
                    object["metadata"]["deletionTimestamp"], object["metadata"]["finalizers"]
                )),
            }
        })
    }

    /// It is on its way out and held by this finalizer.
    pub fn held_by_finalizer(self, finalizer: &str) -> Expectation {
        let finalizer = finalizer.to_owned();
        Expectation::new(format!("{} {}: held by {finalizer}", self.kind, self.name), move |state| {
            let object = state.object(self.kind, &self.name).ok_or("it is gone")?;
            let held = object["metadata"]["finalizers"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one == finalizer.as_str()));
            match (object["metadata"]["deletionTimestamp"].is_string(), held) {
                (true, true) => Ok(()),
                (deleting, held) => Err(format!("deleting: {deleting}, held by the finalizer: {held}")),
            }
        })
    }
}

/// One condition of an object.
#[derive(Debug, Clone)]
pub struct ConditionSelection {
    object: NamedObject,
    condition: String,
}

impl ConditionSelection {
    /// It is True.
    pub fn is_true(self) -> Expectation {
        self.is("True", None, Vec::new())
    }

    /// It is False for this reason, with a message that holds all of `texts`.
    pub fn is_false(self, reason: &str, texts: &[&str]) -> Expectation {
        let texts = texts.iter().map(|&text| text.to_owned()).collect();
        self.is("False", Some(reason.to_owned()), texts)
    }

    fn is(self, status: &'static str, reason: Option<String>, texts: Vec<String>) -> Expectation {
        let Self { object: NamedObject { kind, name }, condition: wanted } = self;
        let mut description = format!("{kind} {name}: {wanted}={status}");
        if let Some(reason) = &reason {
            description += &format!(" {reason}");
        }
        for text in &texts {
            description += &format!(" saying {text:?}");
        }
        Expectation::of_selected(description, move |state| match state.object(kind, &name) {
            Some(object) => judged(object, &wanted, status, reason.as_deref(), &texts).into(),
            None => Finding::Nothing("no such object has been seen".to_owned()),
        })
    }
}

fn judged(object: &Value, wanted: &str, status: &str, reason: Option<&str>, texts: &[String]) -> Verdict {
    let found = condition(object, wanted).ok_or_else(|| format!("it has no condition {wanted}"))?;
    let message = found["message"].as_str().unwrap_or_default();
    let holds = found["status"] == status
        && reason.is_none_or(|reason| found["reason"] == reason)
        && texts.iter().all(|text| message.contains(text.as_str()));
    if holds {
        return Ok(());
    }
    let told = |field: &str| found[field].as_str().unwrap_or("?");
    Err(format!("{wanted}={} {} saying {message:?}", told("status"), told("reason")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::state::tests::state_of;
    use super::*;

    #[test]
    fn an_object_that_is_not_there_is_neither_ready_nor_unready() {
        let ready = || NamedObject::new(Kind::NodePool, "p").ready();
        assert!(ready().evaluate(&state_of(&[])).is_err());
        assert!(ready().not().evaluate(&state_of(&[])).is_err());
        let pool = json!({ "kind": "NodePool", "metadata": { "uid": "p", "name": "p" },
            "status": { "conditions": [{ "type": "Ready", "status": "False", "reason": "Broken", "message": "so" }] } });
        let state = state_of(&[pool]);
        assert_eq!(ready().evaluate(&state).unwrap_err(), r#"Ready=False Broken saying "so""#);
        assert_eq!(ready().not().evaluate(&state), Ok(()));
    }
}
