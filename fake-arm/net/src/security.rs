//! Security rules: whether a network security group lets a packet pass. The rule with the lowest priority number that
//! matches decides; without a match the packet is dropped (the default rules see to it that one always matches).
//!
//! Groups are stateful: only the packet that opens a connection is held against the rules, answers pass.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Packet, Protocol};

/// Towards a machine, or away from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// Towards the machine.
    Inbound,
    /// Away from it.
    Outbound,
}

/// What a rule does with what it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Lets it pass.
    Allow,
    /// Drops it.
    Deny,
}

/// One end of a connection, as a rule names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peer {
    /// `*`.
    Any,
    /// A prefix, or a single address.
    Prefix(IpNet),
    /// `VirtualNetwork`: the network's space, its peers' and the platform's own address.
    VirtualNetwork,
    /// `AzureLoadBalancer`: where health probes come from.
    AzureLoadBalancer,
    /// `Internet`: whatever is not `VirtualNetwork` and not private to the host.
    Internet,
    /// Another service tag, by name. It matches what the [`NetworkContext`] know of it.
    Tag(String),
    /// An application security group, by the folded id of its resource.
    Group(String),
}

/// Ports from the first to the last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// Lowest port.
    pub first: u16,
    /// Highest port.
    pub last: u16,
}

impl PortRange {
    /// `*`.
    pub const ALL: Self = Self { first: 0, last: u16::MAX };

    /// Reads `*`, `443` or `1000-2000`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text == "*" {
            return Some(Self::ALL);
        }
        let number = |text: &str| text.trim().parse::<u16>().ok();
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(text)?, number(text)?),
        };
        (first <= last).then_some(Self { first, last })
    }

    fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

/// A security rule, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityRule {
    /// Its name, for whoever wants to know which rule decided.
    pub name: String,
    /// 100 to 4096; 65000 and more for default rules. The lowest decides.
    pub priority: u32,
    /// Which way.
    pub direction: Direction,
    /// What it does.
    pub access: Access,
    /// The protocol; `None` for `*`.
    pub protocol: Option<Protocol>,
    /// Senders, any of them.
    pub sources: Vec<Peer>,
    /// Senders' ports, any of them.
    pub source_ports: Vec<PortRange>,
    /// Receivers, any of them.
    pub destinations: Vec<Peer>,
    /// Receivers' ports, any of them.
    pub destination_ports: Vec<PortRange>,
}

/// The address from which Azure's load balancers probe, and at which machines reach the platform.
const PLATFORM: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(168, 63, 129, 16));

/// What service tags mean where the rules are applied.
#[derive(Debug, Clone, Default)]
pub struct NetworkContext {
    /// Prefixes of `VirtualNetwork`: the network's space, its peers', and what else it has routes to.
    pub network: Vec<IpNet>,
    /// Prefixes of further tags, by name.
    pub tags: Vec<(String, IpNet)>,
    /// Members of application security groups: folded id and address.
    pub members: Vec<(String, IpAddr)>,
}

impl NetworkContext {
    /// The address is one that `peer` names.
    pub fn matches(&self, peer: &Peer, address: IpAddr) -> bool {
        let inside = || self.network.iter().any(|prefix| prefix.contains(&address));
        match peer {
            Peer::Any => true,
            Peer::Prefix(prefix) => prefix.contains(&address),
            Peer::VirtualNetwork => inside() || address == PLATFORM,
            Peer::AzureLoadBalancer => address == PLATFORM,
            Peer::Internet => !inside() && address != PLATFORM,
            Peer::Tag(name) => {
                self.tags.iter().any(|(known, prefix)| known.eq_ignore_ascii_case(name) && prefix.contains(&address))
            }
            Peer::Group(id) => self.members.iter().any(|(group, member)| group == id && *member == address),
        }
    }
}

impl SecurityRule {
    /// The rule has something to say of the packet. Direction is not looked at.
    pub fn matches(&self, packet: &Packet, around: &NetworkContext) -> bool {
        let ports = |ranges: &[PortRange], port: u16| {
            !packet.protocol.has_ports() || ranges.iter().any(|range| range.contains(port))
        };
        self.protocol.is_none_or(|protocol| protocol == packet.protocol)
            && ports(&self.source_ports, packet.source_port)
            && ports(&self.destination_ports, packet.destination_port)
            && self.sources.iter().any(|peer| around.matches(peer, packet.source))
            && self.destinations.iter().any(|peer| around.matches(peer, packet.destination))
    }
}

/// What the rules say of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleVerdict<'r> {
    /// It passes or it does not.
    pub access: Access,
    /// The rule that decided; `None` where no rule matched, and the packet is dropped.
    pub rule: Option<&'r SecurityRule>,
}

/// The rules of one group, the default ones among them, in the order in which they are asked.
#[derive(Debug, Clone, Default)]
pub struct SecurityRules {
    inbound: Vec<SecurityRule>,
    outbound: Vec<SecurityRule>,
}

impl SecurityRules {
    /// The rules of a group, in any order.
    pub fn new(rules: impl IntoIterator<Item = SecurityRule>) -> Self {
        let (mut inbound, mut outbound): (Vec<_>, Vec<_>) =
            rules.into_iter().partition(|rule| rule.direction == Direction::Inbound);
        inbound.sort_by_key(|rule| rule.priority);
        outbound.sort_by_key(|rule| rule.priority);
        Self { inbound, outbound }
    }

    /// All rules of a direction, as they are asked.
    pub fn of(&self, direction: Direction) -> &[SecurityRule] {
        match direction {
            Direction::Inbound => &self.inbound,
            Direction::Outbound => &self.outbound,
        }
    }

    /// What becomes of a packet.
    pub fn verdict(&self, direction: Direction, packet: &Packet, around: &NetworkContext) -> RuleVerdict<'_> {
        let rule = self.of(direction).iter().find(|rule| rule.matches(packet, around));
        RuleVerdict { access: rule.map_or(Access::Deny, |rule| rule.access), rule }
    }
}

#[cfg(test)]
mod tests;
