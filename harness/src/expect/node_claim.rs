//! What is expected of the node claims behind the nodes.

use std::fmt;

use serde_json::Value;

use super::expectation::{Expectation, Finding, Verdict, listed};
use super::kind::Kind;
use super::node::NODE_POOL;
use super::selection::{Selection, Subject};
use super::state::State;
use crate::object::{condition, has_label, is_deleting, is_true, moment, name, true_condition};

/// Taint that karpenter puts on a node that it is about to remove (`karpenter.sh/disrupted:NoSchedule`).
const DISRUPTED: &str = "karpenter.sh/disrupted";

/// All node claims of the cluster.
pub fn node_claims() -> NodeClaimSelection {
    Selection::new(NodeClaims)
}

/// The node claims of a cluster.
#[derive(Debug, Clone)]
pub struct NodeClaims;

/// Node claims, all or those of a node pool.
pub type NodeClaimSelection = Selection<NodeClaims>;

impl Subject for NodeClaims {
    type Item = Value;

    const ONE: &'static str = "node claim";

    fn all<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Value> {
        state.objects(Kind::NodeClaim)
    }

    fn label(claim: &Value) -> String {
        name(claim).to_owned()
    }
}

impl fmt::Display for NodeClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("node claims")
    }
}

impl NodeClaimSelection {
    /// Those of a node pool.
    pub fn of_pool(self, pool: &str) -> Self {
        let wanted = pool.to_owned();
        self.narrowed(format!("of {pool}"), move |_, claim| has_label(claim, NODE_POOL, &wanted))
    }

    /// At least one exists, and at most so many are on their way out (deleting, or their node tainted
    /// `karpenter.sh/disrupted`) at once.
    ///
    /// One that is drained and whose machine Azure was told to delete, which the condition `InstanceTerminating` says, is not
    /// counted: budgets do not count it either (Karpenter's `BuildDisruptionBudgetMapping`), and the next may go.
    pub fn at_most_disrupted(self, number: usize) -> Expectation {
        let description = format!("{self}: at most {number} disrupted at once");
        self.expected(description, move |state, claims| {
            let disrupted: Vec<_> = claims
                .iter()
                .filter(|claim| is_disrupted(state, claim) && !is_true(claim, "InstanceTerminating"))
                .map(|claim| name(claim).to_owned())
                .collect();
            if disrupted.len() <= number { Ok(()) } else { Err(format!("disrupted: {}", listed(&disrupted))) }
        })
    }

    /// At least one exists, and each has the condition `kind` with this status.
    pub fn all_with_condition(self, kind: &str, status: &str) -> Expectation {
        let (kind, status) = (kind.to_owned(), status.to_owned());
        self.each(&format!("{kind}={status}"), move |_, claim| match condition(claim, &kind) {
            Some(found) if found["status"] == status.as_str() => Ok(()),
            Some(found) => Err(format!("{kind}={} ({})", found["status"], found["reason"])),
            None => Err(format!("has no condition {kind}")),
        })
    }

    /// At least one exists, and each has the condition `kind`, not True, for this reason and with a message that holds
    /// `text`.
    pub fn all_with_reason(self, kind: &str, reason: &str, text: &str) -> Expectation {
        let (kind, reason, text) = (kind.to_owned(), reason.to_owned(), text.to_owned());
        self.each(&format!("not {kind} for {reason} saying {text:?}"), move |_, claim| {
            is_not_for(claim, &kind, &reason, &text)
        })
    }

    /// At least one has the condition `kind`, not True, for this reason and with a message that holds `text`.
    pub fn any_with_reason(self, kind: &str, reason: &str, text: &str) -> Expectation {
        let (kind, reason, text) = (kind.to_owned(), reason.to_owned(), text.to_owned());
        self.one_is(&format!("not {kind} for {reason} saying {text:?}"), move |_, claim| {
            is_not_for(claim, &kind, &reason, &text)
        })
    }

    /// At least so many are Initialized and not on their way out.
    pub fn at_least_in_service(self, number: usize) -> Expectation {
        Expectation::new(format!("{self}: at least {number} in service"), move |state| {
            let initialized = |claim: &&Value| is_true(claim, "Initialized");
            let serving = self.of(state).filter(initialized).filter(|claim| !is_deleting(claim)).count();
            if serving >= number { Ok(()) } else { Err(format!("{serving} initialized and not being deleted")) }
        })
    }

    /// At least one exists, and a pod came to or went from the node of each at `moment` or later
    /// (`status.lastPodEventTime`, whole seconds: the second of `moment` is taken whole).
    pub fn all_with_pod_event_since(self, moment: jiff::Timestamp) -> Expectation {
        self.each(&format!("with a pod event since {moment:.0}"), move |_, claim| {
            let last = claim["status"]["lastPodEventTime"].as_str().unwrap_or("never");
            let is_later = |last: jiff::Timestamp| last.as_second() >= moment.as_second();
            if last.parse().is_ok_and(is_later) { Ok(()) } else { Err(format!("had its last pod event at {last}")) }
        })
    }

    /// At least one exists, and none turned Consolidatable earlier than `wait` after the last pod came to or went from its
    /// node (`status.lastPodEventTime`; before there is one, the time at which it was initialized). Times are whole seconds.
    pub fn none_consolidatable_before(self, wait: std::time::Duration) -> Expectation {
        let what = format!("Consolidatable before {}s after the last pod event", wait.as_secs());
        self.none_is(&what, move |_, claim| {
            let found = true_condition(claim, "Consolidatable")?;
            let initialized = condition(claim, "Initialized").and_then(|found| moment(&found["lastTransitionTime"]));
            let event = moment(&claim["status"]["lastPodEventTime"]).or(initialized);
            let (Some(since), Some(event)) = (moment(&found["lastTransitionTime"]), event) else {
                return Some("and was never initialized".to_owned());
            };
            // A pod event after the transition (the drain of the node itself is one) says nothing about it.
            let waited = since.duration_since(event).as_secs_f64();
            let too_early = (0.0..wait.as_secs_f64() - 1.0).contains(&waited);
            too_early.then(|| format!("at {since}, {waited:.0}s after its last pod event at {event}"))
        })
    }

    /// At least one exists, and none has the condition `kind` as True.
    pub fn none_with_condition(self, kind: &str) -> Expectation {
        let wanted = kind.to_owned();
        self.none_is(kind, move |_, claim| {
            let found = true_condition(claim, &wanted)?;
            Some(found["reason"].as_str().unwrap_or("?").to_owned())
        })
    }

    /// Exactly these (by uid) exist, none on its way out, no node of theirs tainted `karpenter.sh/disrupted`.
    pub fn kept(self, uids: &[String]) -> Expectation {
        let uids = uids.to_vec();
        Expectation::new(format!("{self}: the same {} kept", uids.len()), move |state| {
            let mut objections = Vec::new();
            for uid in &uids {
                match self.of(state).find(|claim| claim["metadata"]["uid"] == uid.as_str()) {
                    None => objections.push(format!("the node claim with uid {uid} is gone")),
                    Some(claim) if is_disrupted(state, claim) => {
                        objections.push(format!("{} is being disrupted", name(claim)));
                    }
                    Some(_) => {}
                }
            }
            objections.extend(
                self.of(state)
                    .filter(|claim| !uids.iter().any(|uid| claim["metadata"]["uid"] == uid.as_str()))
                    .map(|claim| format!("{} is new", name(claim))),
            );
            if objections.is_empty() { Ok(()) } else { Err(objections.join("; ")) }
        })
    }

    /// None of these (by uid), of which there was at least one, exists any more.
    pub fn none_of(self, uids: &[String]) -> Expectation {
        let uids = uids.to_vec();
        Expectation::of_selected(format!("{self}: none of the {} from before", uids.len()), move |state| {
            if uids.is_empty() {
                return Finding::Nothing("there were none before".to_owned());
            }
            let left: Vec<_> = self
                .of(state)
                .filter(|claim| uids.iter().any(|uid| claim["metadata"]["uid"] == uid.as_str()))
                .map(|claim| name(claim).to_owned())
                .collect();
            if left.is_empty() { Finding::Holds } else { Finding::Sees(format!("still there: {}", listed(&left))) }
        })
    }
}

/// Whether a node claim has the condition `kind`, not True, for this reason and with a message that holds `text`.
fn is_not_for(claim: &Value, kind: &str, reason: &str, text: &str) -> Verdict {
    let found = condition(claim, kind).ok_or_else(|| format!("has no condition {kind}"))?;
    let message = found["message"].as_str().unwrap_or_default();
    if found["status"] != "True" && found["reason"] == reason && message.contains(text) {
        return Ok(());
    }
    let told = |field: &str| found[field].as_str().unwrap_or("?");
    Err(format!("has {kind}={} {} {message:?}", told("status"), told("reason")))
}

fn is_disrupted(state: &State, claim: &Value) -> bool {
    let tainted = || {
        let node = claim["status"]["nodeName"].as_str().and_then(|node| state.object(Kind::Node, node));
        node.and_then(|node| node["spec"]["taints"].as_array())
            .is_some_and(|taints| taints.iter().any(|taint| taint["key"] == DISRUPTED))
    };
    is_deleting(claim) || tainted()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::state::tests::state_of;
    use serde_json::json;

    #[test]
    fn a_claim_whose_machine_is_going_makes_room_for_the_next() {
        let claim = |name: &str, terminating: &str| {
            json!({
                "kind": "NodeClaim",
                "metadata": { "uid": name, "name": name, "deletionTimestamp": "2026-01-01T00:00:00Z" },
                "status": { "conditions": [{ "type": "InstanceTerminating", "status": terminating }] },
            })
        };
        let most = |number| node_claims().at_most_disrupted(number);
        let draining = [claim("a", "False"), claim("b", "Unknown")];
        assert_eq!(most(1).evaluate(&state_of(&draining)).unwrap_err(), "disrupted: 2: a, b");
        assert_eq!(most(1).evaluate(&state_of(&[claim("a", "True"), claim("b", "Unknown")])), Ok(()));
        assert!(most(0).evaluate(&state_of(&[claim("b", "Unknown")])).is_err());
    }
}
