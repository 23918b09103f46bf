//! Who reaches whom in a cluster's network, and which rule decides. A packet is followed as it goes: the sender's node
//! looks for a service, then for a pod in the overlay; what is neither leaves the node under the node's own address (in
//! an overlay pods are hidden behind it) and meets the routes and the security rules of the subnets at both ends.
//!
//! From "Azure CNI Overlay networking", "Custom virtual networks" of node auto-provisioning with its table of rules, and
//! Azure's pages on routes and network security groups. In doubt, and so noted in FIDELITY.md: pods of an overlay count as
//! part of the network for the tag `VirtualNetwork`, and an appliance that a route leads to lets everything pass.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Access, Direction, NetworkContext, NextHop, Packet, RouteTable, SecurityRules};

/// A subnet as packets meet it.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Its name.
    pub name: String,
    /// Its addresses.
    pub prefixes: Vec<IpNet>,
    /// Where it sends what.
    pub routes: RouteTable,
    /// Its security group, by name; without one everything passes.
    pub rules: Option<(String, SecurityRules)>,
}

/// The network of a cluster.
#[derive(Debug, Clone)]
pub struct Fabric {
    /// Ranges of pods in an overlay; empty where pods take their addresses from the nodes' subnets.
    pub pods: Vec<IpNet>,
    /// Ranges of services.
    pub services: Vec<IpNet>,
    /// The subnets of the cluster's network.
    pub segments: Vec<Segment>,
    /// What service tags mean there.
    pub around: NetworkContext,
}

/// One end of a connection: who it really is, whatever its address is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// A node, or a process in its network.
    Node(IpAddr),
    /// A pod on a node.
    Pod {
        /// Its own address.
        address: IpAddr,
        /// Its node's.
        node: IpAddr,
    },
    /// A service; whether it has pods behind it is not asked.
    Service(IpAddr),
    /// Anything else: a machine in a peered network, the Internet, an API server.
    Other(IpAddr),
}

impl Place {
    /// Its own address.
    #[must_use]
    pub fn address(self) -> IpAddr {
        match self {
            Self::Node(address) | Self::Pod { address, .. } | Self::Service(address) | Self::Other(address) => address,
        }
    }

    /// Under which address it is on the wire of the network: its node's.
    #[must_use]
    pub fn node(self) -> IpAddr {
        match self {
            Self::Pod { node, .. } => node,
            other => other.address(),
        }
    }
}

impl Fabric {
    /// Whether `from` can open a connection to `to`.
    ///
    /// # Errors
    /// The rule that keeps it from doing so.
    pub fn reaches(&self, from: Place, to: Place, packet: impl Fn(IpAddr, IpAddr) -> Packet) -> Result<(), String> {
        let destination = to.address();
        if let Some(range) = self.services.iter().find(|range| range.contains(&destination)) {
            return match to {
                Place::Service(_) => Ok(()),
                _ => {
                    Err(format!("{destination} lies in the service range {range} and is taken for a service's address"))
                }
            };
        }
        if let Place::Service(_) = to {
            return Err(format!("{destination} lies in no service range of the cluster"));
        }
        if let Some(range) = self.pods.iter().find(|range| range.contains(&destination)) {
            let Place::Pod { node, .. } = to else {
                return Err(format!("{destination} lies in the pod range {range} and is taken for a pod's address"));
            };
            // Between nodes the overlay shows pods under their own addresses.
            let packet = packet(from.address(), destination);
            return if from.node() == node { Ok(()) } else { self.filter(from.node(), node, &packet) };
        }
        let overlay = !self.pods.is_empty();
        let source = if overlay { from.node() } else { from.address() };
        let packet = packet(source, destination);
        self.route(from.node(), destination)?;
        self.filter(from.node(), to.node(), &packet)
    }

    /// Whether the subnet of `node` sends packets for `destination` anywhere.
    fn route(&self, node: IpAddr, destination: IpAddr) -> Result<(), String> {
        let Some(segment) = self.segment(node) else { return Ok(()) };
        match segment.routes.route(destination) {
            Some(route) if route.next_hop != NextHop::None => Ok(()),
            Some(route) => {
                Err(format!("the route {} of subnet {} leads {destination} nowhere", route.prefix, segment.name))
            }
            None => Err(format!("no route of subnet {} leads to {destination}", segment.name)),
        }
    }

    /// Whether the security groups of both ends let it pass.
    fn filter(&self, from: IpAddr, to: IpAddr, packet: &Packet) -> Result<(), String> {
        for (direction, node, word) in [(Direction::Outbound, from, "from"), (Direction::Inbound, to, "to")] {
            let Some(segment) = self.segment(node) else { continue };
            let Some((group, rules)) = &segment.rules else { continue };
            let verdict = rules.verdict(direction, packet, &self.around);
            if verdict.access == Access::Deny {
                let rule = verdict.rule.map_or("none", |rule| rule.name.as_str());
                return Err(format!(
                    "the rule {rule} of {group} drops port {} {word} subnet {} ({} to {})",
                    packet.destination_port, segment.name, packet.source, packet.destination
                ));
            }
        }
        Ok(())
    }

    fn segment(&self, address: IpAddr) -> Option<&Segment> {
        let holds = |segment: &&Segment| segment.prefixes.iter().any(|prefix| prefix.contains(&address));
        self.segments.iter().find(holds)
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{ip, net};
    use super::super::{Origin, Peer, PortRange, Route, SecurityRule, routes_of_a_network};
    use super::*;

    /// Nodes in 10.1.0.0/24 and 10.1.1.0/24, pods 10.244.0.0/16, services 10.0.0.0/16, as the documents count.
    fn fabric() -> Fabric {
        let space = [net("10.1.0.0/16"), net("10.244.0.0/16"), net("10.0.0.0/16")];
        let segment = |name: &str, prefix: &str| Segment {
            name: name.to_owned(),
            prefixes: vec![net(prefix)],
            routes: RouteTable::new(routes_of_a_network(&space, &[])),
            rules: None,
        };
        let segments = vec![
            segment("nodes", "10.1.0.0/24"),
            segment("more", "10.1.1.0/24"),
            segment("in-pods", "10.244.1.0/24"),
            segment("in-services", "10.0.10.0/24"),
        ];
        let around = NetworkContext { network: space.to_vec(), ..NetworkContext::default() };
        Fabric { pods: vec![net("10.244.0.0/16")], services: vec![net("10.0.0.0/16")], segments, around }
    }

    fn deny(name: &str, direction: Direction, source: Peer, port: u16) -> (String, SecurityRules) {
        let rule = |name: &str, priority, access, source, ports| SecurityRule {
            name: name.to_owned(),
            priority,
            direction,
            access,
            protocol: None,
            sources: vec![source],
            source_ports: vec![PortRange::ALL],
            destinations: vec![Peer::Any],
            destination_ports: vec![ports],
        };
        let one = PortRange { first: port, last: port };
        let rules =
            [rule(name, 100, Access::Deny, source, one), rule("rest", 4096, Access::Allow, Peer::Any, PortRange::ALL)];
        ("nsg".to_owned(), SecurityRules::new(rules))
    }

    const POD: Place = Place::Pod {
        address: IpAddr::V4(std::net::Ipv4Addr::new(10, 244, 7, 7)),
        node: IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 0, 4)),
    };

    fn tcp(fabric: &Fabric, from: Place, to: Place, port: u16) -> Result<(), String> {
        fabric.reaches(from, to, |source, destination| Packet::tcp(source, destination, port))
    }

    #[test]
    fn a_subnet_free_of_both_ranges_reaches_everything() {
        let fabric = fabric();
        let node = Place::Node(ip("10.1.0.4"));
        for to in [
            Place::Node(ip("10.1.1.4")),
            Place::Pod { address: ip("10.244.9.9"), node: ip("10.1.1.4") },
            Place::Service(ip("10.0.0.10")),
            Place::Other(ip("20.1.2.3")),
        ] {
            assert_eq!(tcp(&fabric, node, to, 443), Ok(()), "{to:?}");
            assert_eq!(tcp(&fabric, POD, to, 443), Ok(()), "{to:?}");
        }
    }

    #[test]
    fn a_node_in_the_pod_or_service_range_gets_out_and_is_not_reached() {
        let fabric = fabric();
        for (node, word) in [("10.244.1.4", "taken for a pod's"), ("10.0.10.4", "taken for a service's")] {
            let node = Place::Node(ip(node));
            assert_eq!(tcp(&fabric, node, Place::Other(ip("20.1.2.3")), 443), Ok(()));
            let lost = tcp(&fabric, POD, node, 10250).unwrap_err();
            assert!(lost.contains(word), "{lost}");
        }
    }

    #[test]
    fn a_route_that_leads_nowhere_says_which() {
        let mut fabric = fabric();
        let nowhere = Route { prefix: net("0.0.0.0/0"), next_hop: NextHop::None, origin: Origin::User };
        let system = routes_of_a_network(&[net("10.1.0.0/16")], &[]);
        fabric.segments[1].routes = RouteTable::new(system.into_iter().chain([nowhere]));
        let node = Place::Node(ip("10.1.1.4"));
        let lost = tcp(&fabric, node, Place::Other(ip("20.1.2.3")), 443).unwrap_err();
        assert_eq!(lost, "the route 0.0.0.0/0 of subnet more leads 20.1.2.3 nowhere");
        assert_eq!(tcp(&fabric, node, Place::Node(ip("10.1.0.4")), 443), Ok(()), "its own network is still there");
    }

    #[test]
    fn a_rule_that_drops_is_named_and_pods_hide_behind_their_node() {
        let mut fabric = fabric();
        fabric.segments[1].rules = Some(deny("no-nodes", Direction::Inbound, Peer::Prefix(net("10.1.0.0/24")), 80));
        let to = Place::Node(ip("10.1.1.4"));
        let lost = tcp(&fabric, POD, to, 80).unwrap_err();
        assert!(lost.starts_with("the rule no-nodes of nsg drops port 80 to subnet more (10.1.0.4 to"), "{lost}");
        assert_eq!(tcp(&fabric, POD, to, 81), Ok(()));
        let pod = Place::Pod { address: ip("10.244.9.9"), node: ip("10.1.1.4") };
        assert_eq!(tcp(&fabric, POD, pod, 80), Ok(()), "between pods their own addresses count");
        fabric.segments[1].rules = Some(deny("no-pods", Direction::Inbound, Peer::Prefix(net("10.244.0.0/16")), 80));
        assert!(tcp(&fabric, POD, pod, 80).unwrap_err().contains("no-pods"));
    }
}
