//! What is expected of nodes.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::expectation::Expectation;
use super::kind::Kind;
use super::selection::{Selection, Subject};
use super::state::State;
use crate::azure::Subnet;
use crate::object::{condition, has_label, moment, name};

/// Label of the nodes, and of the node claims, of a node pool.
pub(super) const NODE_POOL: &str = "karpenter.sh/nodepool";

/// Label of the nodes of a fixed agent pool.
const AGENT_POOL: &str = "kubernetes.azure.com/agentpool";

/// Label that says the VM size.
const SIZE: &str = "node.kubernetes.io/instance-type";

/// All nodes of the cluster.
pub fn nodes() -> NodeSelection {
    Selection::new(Nodes)
}

/// The nodes of a cluster.
#[derive(Debug, Clone)]
pub struct Nodes;

/// Nodes, all or those of which something was said.
pub type NodeSelection = Selection<Nodes>;

impl Subject for Nodes {
    type Item = Value;

    const ONE: &'static str = "node";

    fn all<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a Value> {
        state.objects(Kind::Node)
    }

    fn label(node: &Value) -> String {
        name(node).to_owned()
    }
}

impl fmt::Display for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nodes")
    }
}

impl NodeSelection {
    /// Those that node auto-provisioning made for this node pool.
    pub fn of_pool(self, pool: &str) -> Self {
        self.labelled(format!("of {pool}"), NODE_POOL, pool)
    }

    /// Those of a fixed agent pool of the managed cluster.
    pub fn of_agent_pool(self, pool: &str) -> Self {
        self.labelled(format!("of {pool}"), AGENT_POOL, pool)
    }

    /// Those of this VM size.
    pub fn of_size(self, size: &str) -> Self {
        self.labelled(format!("of size {size}"), SIZE, size)
    }

    /// The one of this name.
    pub fn named(self, wanted: &str) -> Self {
        let wanted = wanted.to_owned();
        self.narrowed(format!("named {wanted}"), move |_, node| name(node) == wanted)
    }

    fn labelled(self, said: String, key: &'static str, value: &str) -> Self {
        let value = value.to_owned();
        self.narrowed(said, move |_, node| has_label(node, key, &value))
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
            let size = node["metadata"]["labels"][SIZE].as_str().unwrap_or("?");
            if sizes.iter().any(|wanted| wanted == size) { Ok(()) } else { Err(format!("is a {size}")) }
        })
    }

    /// At least one exists, and each lives in this subnet: its NIC's `ipConfigurations[].properties.subnet.id` names
    /// it, the NIC's address is the node's InternalIP and lies inside the subnet's prefix.
    pub fn all_in_subnet(self, subnet: &Subnet) -> Expectation {
        let (id, prefix, label) = (subnet.id().to_owned(), subnet.prefix(), subnet.name().to_owned());
        self.each(&format!("in the subnet {label} {prefix}"), move |state, node| in_subnet(state, node, &id, prefix))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expect::state::tests::state_of;
    use serde_json::json;

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
