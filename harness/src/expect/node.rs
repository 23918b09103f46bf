//! What is expected of nodes and of the node claims behind them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::expectation::{Expectation, Quantity, listed};
use super::kind::Kind;
use super::state::{State, condition, has_label, is_deleting, is_true, name, true_condition};
use crate::azure::Subnet;

/// Taint that karpenter puts on a node that it is about to remove (`karpenter.sh/disrupted:NoSchedule`).
const DISRUPTED: &str = "karpenter.sh/disrupted";

/// All nodes of the cluster.
#[must_use]
pub fn nodes() -> NodeSelection {
    NodeSelection { label: None, name: None, size: None }
}

/// Nodes, all or those with a label.
#[derive(Debug, Clone)]
pub struct NodeSelection {
    label: Option<(&'static str, String)>,
    name: Option<String>,
    size: Option<String>,
}

impl NodeSelection {
    /// Those that node auto-provisioning made for this node pool.
    #[must_use]
    pub fn of_pool(self, pool: &str) -> Self {
        Self { label: Some(("karpenter.sh/nodepool", pool.to_owned())), ..self }
    }

    /// Those of a fixed agent pool of the managed cluster.
    #[must_use]
    pub fn of_agent_pool(self, pool: &str) -> Self {
        Self { label: Some(("kubernetes.azure.com/agentpool", pool.to_owned())), ..self }
    }

    /// Those of this VM size.
    #[must_use]
    pub fn of_size(self, size: &str) -> Self {
        Self { size: Some(size.to_owned()), ..self }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }

    /// So many exist.
    pub fn count(self, number: usize) -> Expectation {
        self.quantity(Quantity::Exactly(number))
    }

    /// At least so many exist.
    pub fn at_least(self, number: usize) -> Expectation {
        self.quantity(Quantity::AtLeast(number))
    }

    /// At most so many exist.
    pub fn at_most(self, number: usize) -> Expectation {
        self.quantity(Quantity::AtMost(number))
    }

    /// None exists.
    pub fn none(self) -> Expectation {
        self.quantity(Quantity::Exactly(0))
    }

    /// At least one exists, and each is Ready.
    pub fn all_ready(self) -> Expectation {
        self.each("ready", |_, node| {
            let ready = condition(node, "Ready");
            match ready.and_then(|ready| ready["status"].as_str()) {
                Some("True") => Ok(()),
                _ => Err(format!(
                    "Ready is {}",
                    ready.map_or("missing", |ready| ready["status"].as_str().unwrap_or("?"))
                )),
            }
        })
    }

    /// At least one exists, and none has stopped being Ready: each is, or waits for its network since it was made, which
    /// the condition's time of change says (`lastTransitionTime`, no later than `creationTimestamp`).
    pub fn all_ready_as_ever(self) -> Expectation {
        self.each("as ready as ever", |_, node| {
            let Some(ready) = condition(node, "Ready") else { return Ok(()) };
            let since = moment(&ready["lastTransitionTime"]);
            if ready["status"] == "True" || since <= moment(&node["metadata"]["creationTimestamp"]) {
                return Ok(());
            }
            let status = ready["status"].as_str().unwrap_or("?");
            Err(format!("Ready is {status} since {}", ready["lastTransitionTime"].as_str().unwrap_or("?")))
        })
    }

    /// So many have a block of addresses for their pods (`spec.podCIDR`), each one of its own and all of them out of this
    /// range, written as 10.244.0.0/16; the others have none.
    ///
    /// # Panics
    /// Where the range is none.
    pub fn with_blocks_of(self, range: &str, number: usize) -> Expectation {
        let whole: IpNet = range.parse().expect("a range is written as 10.244.0.0/16");
        Expectation::new(format!("{self}: {number} with a block of {whole} each"), move |state| {
            let blocks: Vec<&str> = self.of(state).filter_map(|node| node["spec"]["podCIDR"].as_str()).collect();
            let own: BTreeSet<&str> = blocks.iter().copied().collect();
            let inside = |block: &&str| block.parse::<IpNet>().is_ok_and(|block| whole.contains(&block));
            let right = blocks.len() == number && own.len() == number && blocks.iter().all(inside);
            if right { Ok(()) } else { Err(format!("blocks {blocks:?}")) }
        })
    }

    /// At least one exists, and each is of one of these VM sizes.
    pub fn all_of_size(self, sizes: &[&str]) -> Expectation {
        let sizes: Vec<String> = sizes.iter().map(|&size| size.to_owned()).collect();
        self.each(&format!("of size {}", sizes.join(" or ")), move |_, node| {
            let size = node["metadata"]["labels"]["node.kubernetes.io/instance-type"].as_str().unwrap_or("?");
            if sizes.iter().any(|wanted| wanted == size) { Ok(()) } else { Err(format!("is a {size}")) }
        })
    }

    /// At least one exists, and each lives in this subnet: its NIC's `ipConfigurations[].properties.subnet.id` names
    /// it, the NIC's address is the node's InternalIP and lies inside the subnet's prefix.
    pub fn all_in_subnet(self, subnet: &Subnet) -> Expectation {
        let (id, prefix, label) = (subnet.id().to_owned(), subnet.prefix(), subnet.name().to_owned());
        self.each(&format!("in the subnet {label} {prefix}"), move |state, node| in_subnet(state, node, &id, prefix))
    }

    fn quantity(self, quantity: Quantity) -> Expectation {
        Expectation::new(format!("{self}: {quantity}"), move |state| {
            let names: Vec<_> = self.of(state).map(|node| name(node).to_owned()).collect();
            if quantity.holds(names.len()) { Ok(()) } else { Err(format!("nodes: {}", listed(&names))) }
        })
    }

    pub(super) fn each(
        self,
        what: &str,
        check: impl Fn(&State, &Value) -> Result<(), String> + Send + Sync + 'static,
    ) -> Expectation {
        Expectation::new(format!("{self}: all {what}"), move |state| {
            let mut seen = 0;
            let objections: Vec<_> = self
                .of(state)
                .inspect(|_| seen += 1)
                .filter_map(|node| check(state, node).err().map(|why| format!("{} {why}", name(node))))
                .collect();
            match (seen, objections.is_empty()) {
                (0, _) => Err("there is no such node".to_owned()),
                (_, true) => Ok(()),
                (_, false) => Err(objections.join("; ")),
            }
        })
    }

    pub(super) fn of<'a>(&self, state: &'a State) -> impl Iterator<Item = &'a Value> + use<'a> {
        let (label, wanted, size) = (self.label.clone(), self.name.clone(), self.size.clone());
        state.objects(Kind::Node).filter(move |node| {
            label.as_ref().is_none_or(|(key, value)| has_label(node, key, value))
                && wanted.as_ref().is_none_or(|wanted| name(node) == wanted)
                && size.as_ref().is_none_or(|size| has_label(node, "node.kubernetes.io/instance-type", size))
        })
    }
}

impl std::fmt::Display for NodeSelection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.label, &self.name) {
            (_, Some(name)) => write!(f, "node {name}")?,
            (Some((_, pool)), None) => write!(f, "nodes of {pool}")?,
            (None, None) => write!(f, "nodes")?,
        }
        match &self.size {
            Some(size) => write!(f, " of size {size}"),
            None => Ok(()),
        }
    }
}

fn in_subnet(state: &State, node: &Value, subnet: &str, prefix: IpNet) -> Result<(), String> {
    let address = internal_ip(node).ok_or("has no InternalIP")?;
    if !prefix.contains(&address) {
        return Err(format!("has the address {address}, outside of {prefix}"));
    }
    let configurations = ip_configurations(state, node);
    let primary = configurations
        .iter()
        .find(|configuration| configuration["privateIPAddress"].as_str() == Some(&address.to_string()))
        .ok_or_else(|| format!("has the address {address}, but no ip configuration of its machine does"))?;
    let actual = primary["subnet"]["id"].as_str().unwrap_or("?");
    if actual.eq_ignore_ascii_case(subnet) { Ok(()) } else { Err(format!("has its network interface in {actual}")) }
}

/// Properties of the ip configurations of the machine behind a node: of its NICs, or of its scale-set instance.
fn ip_configurations<'a>(state: &'a State, node: &Value) -> Vec<&'a Value> {
    let provider_id = node["spec"]["providerID"].as_str().unwrap_or_default();
    let machine = provider_id.strip_prefix("azure://").unwrap_or(provider_id);
    let types = [
        "Microsoft.Network/networkInterfaces",
        "Microsoft.Compute/virtualMachineScaleSets/virtualMachines/networkInterfaces",
    ];
    let interfaces = types.iter().flat_map(|resource_type| state.resources(resource_type));
    let of_machine = interfaces.filter_map(|interface| interface.body.as_ref()).filter(|interface| {
        let owner = interface["properties"]["virtualMachine"]["id"].as_str();
        owner.is_some_and(|id| id.eq_ignore_ascii_case(machine))
    });
    of_machine
        .filter_map(|interface| interface["properties"]["ipConfigurations"].as_array())
        .flatten()
        .map(|configuration| &configuration["properties"])
        .collect()
}

fn internal_ip(node: &Value) -> Option<IpAddr> {
    node["status"]["addresses"].as_array()?.iter().find(|address| address["type"] == "InternalIP")?["address"]
        .as_str()?
        .parse()
        .ok()
}

/// All node claims of the cluster.
#[must_use]
pub fn node_claims() -> NodeClaimSelection {
    NodeClaimSelection { pool: None }
}

/// Node claims, all or those of a node pool.
#[derive(Debug, Clone)]
pub struct NodeClaimSelection {
    pool: Option<String>,
}

impl NodeClaimSelection {
    /// Those of a node pool.
    #[must_use]
    pub fn of_pool(self, pool: &str) -> Self {
        Self { pool: Some(pool.to_owned()) }
    }

    /// So many exist.
    pub fn count(self, number: usize) -> Expectation {
        self.quantity(Quantity::Exactly(number))
    }

    /// At most so many exist.
    pub fn at_most(self, number: usize) -> Expectation {
        self.quantity(Quantity::AtMost(number))
    }

    /// None exists.
    pub fn none(self) -> Expectation {
        self.quantity(Quantity::Exactly(0))
    }

    /// At most so many are on their way out (deleting, or their node tainted `karpenter.sh/disrupted`) at once.
    ///
    /// One that is drained and whose machine Azure was told to delete, which the condition `InstanceTerminating` says, is not
    /// counted: budgets do not count it either (Karpenter's `BuildDisruptionBudgetMapping`), and the next may go.
    pub fn at_most_disrupted(self, number: usize) -> Expectation {
        Expectation::new(format!("{self}: at most {number} disrupted at once"), move |state| {
            let disrupted: Vec<_> = self
                .of(state)
                .filter(|claim| is_disrupted(state, claim) && !is_true(claim, "InstanceTerminating"))
                .map(|claim| name(claim).to_owned())
                .collect();
            if disrupted.len() <= number { Ok(()) } else { Err(format!("disrupted: {}", listed(&disrupted))) }
        })
    }

    /// At least one exists, and each has the condition `kind` with this status.
    pub fn all_with_condition(self, kind: &str, status: &str) -> Expectation {
        let (kind, status) = (kind.to_owned(), status.to_owned());
        Expectation::new(format!("{self}: all {kind}={status}"), move |state| {
            let others: Vec<_> = self
                .of(state)
                .filter(|claim| condition(claim, &kind).is_none_or(|found| found["status"] != status.as_str()))
                .map(|claim| match condition(claim, &kind) {
                    Some(found) => format!("{} {kind}={} ({})", name(claim), found["status"], found["reason"]),
                    None => format!("{} has no condition {kind}", name(claim)),
                })
                .collect();
            match (self.of(state).count(), others.is_empty()) {
                (0, _) => Err("there is no such node claim".to_owned()),
                (_, true) => Ok(()),
                (_, false) => Err(others.join("; ")),
            }
        })
    }

    /// At least one exists, and each has the condition `kind`, not True, for this reason and with a message that holds
    /// `text`.
    pub fn all_with_reason(self, kind: &str, reason: &str, text: &str) -> Expectation {
        let (kind, reason, text) = (kind.to_owned(), reason.to_owned(), text.to_owned());
        Expectation::new(format!("{self}: all not {kind} for {reason} saying {text:?}"), move |state| {
            let mut seen = 0;
            for claim in self.of(state) {
                seen += 1;
                let found = condition(claim, &kind);
                let message = found.and_then(|found| found["message"].as_str()).unwrap_or_default();
                let holds = found.is_some_and(|found| found["status"] != "True" && found["reason"] == reason.as_str());
                if !holds || !message.contains(&text) {
                    let status = found.map_or("missing", |found| found["status"].as_str().unwrap_or("?"));
                    let reason = found.and_then(|found| found["reason"].as_str()).unwrap_or_default();
                    return Err(format!("{}: {kind} {status} {reason} {message:?}", name(claim)));
                }
            }
            if seen == 0 { Err("there is no such node claim".to_owned()) } else { Ok(()) }
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
        Expectation::new(format!("{self}: all with a pod event since {moment:.0}"), move |state| {
            let mut seen = 0;
            for claim in self.of(state) {
                seen += 1;
                let last = claim["status"]["lastPodEventTime"].as_str().unwrap_or("never");
                if !last.parse::<jiff::Timestamp>().is_ok_and(|last| last.as_second() >= moment.as_second()) {
                    return Err(format!("{}: its last pod event is of {last}", name(claim)));
                }
            }
            if seen == 0 { Err("there is no such node claim".to_owned()) } else { Ok(()) }
        })
    }

    /// None turned Consolidatable earlier than `wait` after the last pod came to or went from its node
    /// (`status.lastPodEventTime`; before there is one, the time at which it was initialized). Times are whole seconds.
    pub fn none_consolidatable_before(self, wait: std::time::Duration) -> Expectation {
        let description = format!("{self}: none Consolidatable before {}s after the last pod event", wait.as_secs());
        Expectation::new(description, move |state| {
            for claim in self.of(state) {
                let Some(found) = true_condition(claim, "Consolidatable") else { continue };
                let initialized =
                    condition(claim, "Initialized").and_then(|found| moment(&found["lastTransitionTime"]));
                let event = moment(&claim["status"]["lastPodEventTime"]).or(initialized);
                let (Some(since), Some(event)) = (moment(&found["lastTransitionTime"]), event) else {
                    return Err(format!("{} is Consolidatable and was never initialized", name(claim)));
                };
                // A pod event after the transition (the drain of the node itself is one) says nothing about it.
                let waited = since.duration_since(event).as_secs_f64();
                if (0.0..wait.as_secs_f64() - 1.0).contains(&waited) {
                    return Err(format!(
                        "{} became Consolidatable at {since}, {waited:.0}s after its last pod event at {event}",
                        name(claim)
                    ));
                }
            }
            Ok(())
        })
    }

    /// None has the condition `kind` as True.
    pub fn none_with_condition(self, kind: &str) -> Expectation {
        let kind = kind.to_owned();
        Expectation::new(format!("{self}: none {kind}"), move |state| {
            let those: Vec<_> = self
                .of(state)
                .filter(|claim| is_true(claim, &kind))
                .map(|claim| {
                    format!(
                        "{} ({})",
                        name(claim),
                        condition(claim, &kind).map_or("?", |c| c["reason"].as_str().unwrap_or("?"))
                    )
                })
                .collect();
            if those.is_empty() { Ok(()) } else { Err(format!("{kind}: {}", listed(&those))) }
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

    /// None of these (by uid) exists any more.
    pub fn none_of(self, uids: &[String]) -> Expectation {
        let uids = uids.to_vec();
        Expectation::new(format!("{self}: none of the {} from before", uids.len()), move |state| {
            let left: Vec<_> = self
                .of(state)
                .filter(|claim| uids.iter().any(|uid| claim["metadata"]["uid"] == uid.as_str()))
                .map(|claim| name(claim).to_owned())
                .collect();
            if left.is_empty() { Ok(()) } else { Err(format!("still there: {}", listed(&left))) }
        })
    }

    fn quantity(self, quantity: Quantity) -> Expectation {
        Expectation::new(format!("{self}: {quantity}"), move |state| {
            let names: Vec<_> = self.of(state).map(|claim| name(claim).to_owned()).collect();
            if quantity.holds(names.len()) { Ok(()) } else { Err(format!("node claims: {}", listed(&names))) }
        })
    }

    pub(crate) fn of<'a>(&self, state: &'a State) -> impl Iterator<Item = &'a Value> + use<'a> {
        let pool = self.pool.clone();
        state
            .objects(Kind::NodeClaim)
            .filter(move |claim| pool.as_ref().is_none_or(|pool| has_label(claim, "karpenter.sh/nodepool", pool)))
    }
}

impl std::fmt::Display for NodeClaimSelection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.pool {
            None => write!(f, "node claims"),
            Some(pool) => write!(f, "node claims of {pool}"),
        }
    }
}

fn is_disrupted(state: &State, claim: &Value) -> bool {
    let tainted = || {
        let node = claim["status"]["nodeName"].as_str().and_then(|node| state.object(Kind::Node, node));
        node.and_then(|node| node["spec"]["taints"].as_array())
            .is_some_and(|taints| taints.iter().any(|taint| taint["key"] == DISRUPTED))
    };
    is_deleting(claim) || tainted()
}

/// A time as Kubernetes writes it.
fn moment(value: &Value) -> Option<jiff::Timestamp> {
    value.as_str()?.parse().ok()
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

    #[test]
    fn a_node_that_waits_for_its_network_has_not_stopped_being_ready() {
        let node = |name: &str, status: &str, since: &str| {
            let ready = json!({ "type": "Ready", "status": status, "lastTransitionTime": since });
            json!({
                "kind": "Node",
                "metadata": { "uid": name, "name": name, "creationTimestamp": "2026-01-01T00:00:10Z" },
                "status": { "conditions": [ready] },
            })
        };
        let told = |objects: &[Value]| nodes().all_ready_as_ever().evaluate(&state_of(objects));
        let new = node("new", "False", "2026-01-01T00:00:09Z");
        let ready = node("ready", "True", "2026-01-01T00:00:15Z");
        assert_eq!(told(&[new.clone(), ready]), Ok(()));
        let silent = node("silent", "Unknown", "2026-01-01T00:07:00Z");
        assert_eq!(told(&[new, silent]).unwrap_err(), "silent Ready is Unknown since 2026-01-01T00:07:00Z");
        assert!(told(&[]).is_err());
    }
}
