//! What the model of the network says of the subnets.

use std::net::IpAddr;

use fake_arm::arm::ResourceId;
use fake_arm::net::{Conflict, Place, Purpose, usable, usable_count};
use fake_arm::providers::container_service::ClusterNetwork;
use fake_arm::providers::network::subnet_prefixes;

use super::survey::Survey;
use super::{Level, Report};

const AREA: &str = "network";
/// Where a kubelet is asked for logs and metrics.
const KUBELET: u16 = 10250;
/// DNS, which every pod asks.
const DNS: u16 = 53;
/// Fewer free addresses than this are soon used up: Azure holds those of deleted machines for a while, and nodes are
/// replaced by new ones before they go.
const FEW: u64 = 8;

/// Looks at ranges, room and reachability.
pub(super) fn look(survey: &Survey, report: &mut Report) {
    let Some(network) = ClusterNetwork::of(&survey.world, &survey.cluster) else {
        report.add(Level::Caution, AREA, "the network of the cluster could not be read", None);
        return;
    };
    if survey.node_resource_group.is_none()
        && let Some(refusal) = ClusterNetwork::creatable(&survey.world, &survey.profile, &survey.subnets[0]).err()
    {
        let text = format!("AKS refuses to create this cluster: {}: {}", refusal.error.code, refusal.message());
        report.add(Level::Bad, AREA, text, Some("choose other ranges for pods and services".into()));
    }
    let conflicts = network.conflicts();
    for conflict in &conflicts {
        let level = if concerns(conflict, &survey.subnets) { Level::Bad } else { Level::Caution };
        report.add(level, AREA, conflict.to_string(), Some(remedy(conflict)));
    }
    // What such a conflict does to packets it says itself.
    let touched = |subnet: &ResourceId| {
        let name = subnet.name();
        conflicts
            .iter()
            .any(|conflict| matches!(&conflict.shadowed.purpose, Purpose::Subnet(s) if s.eq_ignore_ascii_case(name)))
    };
    for subnet in &survey.subnets {
        one_subnet(survey, &network, subnet, touched(subnet), report);
    }
    for from in survey.subnets.iter().filter(|subnet| !touched(subnet)) {
        for to in survey.subnets.iter().filter(|subnet| !touched(subnet)) {
            pair(survey, &network, from, to, report);
        }
    }
}

/// A range of the cluster is in it, or one of these subnets.
fn concerns(conflict: &Conflict, subnets: &[ResourceId]) -> bool {
    let ours = |purpose: &Purpose| match purpose {
        Purpose::Subnet(name) => subnets.iter().any(|subnet| subnet.name().eq_ignore_ascii_case(name)),
        Purpose::Pods | Purpose::Services => true,
        Purpose::Remote(_) => false,
    };
    let (wins, shadowed) = (&conflict.wins.purpose, &conflict.shadowed.purpose);
    match shadowed {
        // Pods and services are in every conflict; a subnet that no node goes to is the business of few.
        Purpose::Subnet(_) => ours(shadowed),
        _ => ours(wins) || ours(shadowed),
    }
}

fn remedy(conflict: &Conflict) -> String {
    match (&conflict.wins.purpose, &conflict.shadowed.purpose) {
        (_, Purpose::Subnet(name)) => format!(
            "move subnet {name} out of {}, or create the cluster with another range: neither AKS nor the provisioner \
             refuses a node class that names it",
            conflict.wins.prefix
        ),
        (wins, _) => format!("create the cluster with another range in place of {wins} {}", conflict.wins.prefix),
    }
}

/// An address that a machine in a subnet can have.
fn address(survey: &Survey, subnet: &ResourceId) -> Option<IpAddr> {
    subnet_prefixes(&survey.world, subnet).into_iter().find_map(|prefix| usable(prefix).next())
}

fn one_subnet(survey: &Survey, network: &ClusterNetwork, subnet: &ResourceId, touched: bool, report: &mut Report) {
    let name = subnet.name();
    let prefixes = subnet_prefixes(&survey.world, subnet);
    let shown: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
    let shown = shown.join(", ");
    let before = report.findings.len();
    let found = survey.world.resources().get(subnet);
    let items = |array: &str| found.and_then(|found| found.properties()[array].as_array()).map_or(0, Vec::len);
    if items("delegations") > 0 {
        let text = format!("subnet {name} is delegated to a service, and machines cannot go there");
        report.add(Level::Bad, AREA, text, Some("take a subnet without delegations".into()));
    }
    let used = items("ipConfigurations");
    let all = prefixes.iter().map(|prefix| usable_count(*prefix)).fold(0, u64::saturating_add);
    let free = all.saturating_sub(used as u64);
    let room = format!("{free} of {all} addresses are free in subnet {name} {shown}");
    if free < FEW {
        let level = if free == 0 { Level::Bad } else { Level::Caution };
        report.add(level, AREA, room.clone(), Some("take a larger subnet: each node needs an address".into()));
    }
    match address(survey, subnet).map(|machine| network.bootstrap(machine)) {
        Some(Err(rule)) => report.add(
            Level::Bad,
            AREA,
            format!("a machine in subnet {name} does not reach the API server and never becomes a node: {rule}"),
            Some("let TCP to ports 443 and 4443 out of this subnet".into()),
        ),
        None => report.add(Level::Caution, AREA, format!("subnet {name} has no address to judge by"), None),
        Some(Ok(())) if !touched && report.findings.len() == before => {
            report.add(Level::Good, AREA, format!("{room}; machines there reach the API server"), None);
        }
        Some(Ok(())) => {}
    }
}

/// Whether nodes, and pods, of two subnets find each other.
fn pair(survey: &Survey, network: &ClusterNetwork, from: &ResourceId, to: &ResourceId, report: &mut Report) {
    let (Some(one), Some(other)) = (address(survey, from), address(survey, to)) else { return };
    let mut lost = Vec::new();
    if let Err(rule) = network.reaches(Place::Node(one), Place::Node(other), KUBELET) {
        lost.push(format!("nodes of subnet {} do not reach nodes of subnet {}: {rule}", from.name(), to.name()));
    }
    let pods = survey.profile.pod_cidrs.first().map(|range| {
        let mut addresses = range.hosts();
        (addresses.next().unwrap_or(one), addresses.next().unwrap_or(other))
    });
    // Without an overlay pods have addresses of the nodes' subnets.
    let (asking, answering) = pods.unwrap_or((one, other));
    let pod = |address, node| Place::Pod { address, node };
    if let Err(rule) = network.reaches(pod(asking, one), pod(answering, other), DNS) {
        let (from, to) = (from.name(), to.name());
        lost.push(format!("pods on nodes of subnet {from} do not reach DNS on nodes of subnet {to}: {rule}"));
    }
    for text in lost {
        report.add(Level::Bad, AREA, text, Some("let traffic of the cluster's own nodes and pods pass".into()));
    }
}
