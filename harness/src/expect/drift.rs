//! What is expected of node claims that no longer are what their node pool and node class ask for, and of those that are
//! to take their place.

use serde_json::Value;

use super::expectation::{Expectation, listed};
use super::node::NodeClaimSelection;
use super::state::{condition, name, true_condition};

impl NodeClaimSelection {
    /// At least one exists, and each is Drifted for this reason: `NodeClassDrift`, `NodePoolDrifted`, …
    pub fn all_drifted(self, reason: &str) -> Expectation {
        let reason = reason.to_owned();
        Expectation::new(format!("{self}: all Drifted for {reason}"), move |state| {
            let all: Vec<_> = self.of(state).collect();
            let others: Vec<_> = all
                .iter()
                .filter(|claim| drift(claim) != Some(&reason))
                .map(|claim| match drift(claim) {
                    Some(other) => format!("{} for {other}", name(claim)),
                    None => format!("{} is not", name(claim)),
                })
                .collect();
            match (all.is_empty(), others.is_empty()) {
                (true, _) => Err("there is no such node claim".to_owned()),
                (false, true) => Ok(()),
                (false, false) => Err(others.join("; ")),
            }
        })
    }

    /// At least one has the condition `kind`, not True, for this reason and with a message that holds `text`.
    pub fn any_with_reason(self, kind: &str, reason: &str, text: &str) -> Expectation {
        let (kind, reason, text) = (kind.to_owned(), reason.to_owned(), text.to_owned());
        Expectation::new(format!("{self}: one not {kind} for {reason} saying {text:?}"), move |state| {
            let mut seen = Vec::new();
            for claim in self.of(state) {
                let Some(found) = condition(claim, &kind).filter(|found| found["status"] != "True") else { continue };
                let message = found["message"].as_str().unwrap_or_default();
                if found["reason"] == reason.as_str() && message.contains(&text) {
                    return Ok(());
                }
                seen.push(format!("{} {} {message:?}", name(claim), found["reason"]));
            }
            Err(format!("not {kind}: {}", listed(&seen)))
        })
    }
}

/// The reason for which a node claim is Drifted, where it is.
fn drift(claim: &Value) -> Option<&str> {
    true_condition(claim, "Drifted")?["reason"].as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::node::node_claims;
    use super::super::state::tests::state_of;
    use super::*;

    fn claim(name: &str, kind: &str, status: &str, reason: &str) -> Value {
        json!({"kind": "NodeClaim", "metadata": {"uid": name, "name": name},
               "status": {"conditions": [{"type": kind, "status": status, "reason": reason, "message": "SubnetIsFull"}]}})
    }

    #[test]
    fn each_claim_must_have_drifted_and_for_the_reason() {
        let drifted = claim("a", "Drifted", "True", "NodeClassDrift");
        assert!(node_claims().all_drifted("NodeClassDrift").evaluate(&state_of(&[])).is_err());
        assert_eq!(
            node_claims().all_drifted("NodeClassDrift").evaluate(&state_of(std::slice::from_ref(&drifted))),
            Ok(())
        );
        let other = claim("b", "Drifted", "True", "NodePoolDrifted");
        let state = state_of(&[drifted, other, claim("c", "Launched", "True", "Launched")]);
        let seen = node_claims().all_drifted("NodeClassDrift").evaluate(&state).unwrap_err();
        assert_eq!(seen, "b for NodePoolDrifted; c is not");
    }

    #[test]
    fn one_claim_with_the_reason_is_enough() {
        let expected = node_claims().any_with_reason("Launched", "CreateInstanceFailed", "SubnetIsFull");
        let launched = claim("a", "Launched", "True", "CreateInstanceFailed");
        assert!(expected.evaluate(&state_of(std::slice::from_ref(&launched))).is_err());
        let failed = claim("b", "Launched", "Unknown", "CreateInstanceFailed");
        assert_eq!(expected.evaluate(&state_of(&[launched, failed])), Ok(()));
    }
}
