//! What is expected of node claims that no longer are what their node pool and node class ask for.

use serde_json::Value;

use super::expectation::Expectation;
use super::node_claim::NodeClaimSelection;
use crate::object::true_condition;

impl NodeClaimSelection {
    /// At least one exists, and each is Drifted for this reason: `NodeClassDrift`, `NodePoolDrifted`, …
    pub fn all_drifted(self, reason: &str) -> Expectation {
        let reason = reason.to_owned();
        self.each(&format!("Drifted for {reason}"), move |_, claim| match drift(claim) {
            Some(found) if found == reason => Ok(()),
            Some(other) => Err(format!("for {other}")),
            None => Err("is not".to_owned()),
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

    use super::super::node_claim::node_claims;
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
