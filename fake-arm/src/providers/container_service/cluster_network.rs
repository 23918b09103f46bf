//! A cluster's network as packets meet it, read out of the resources that make it up.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde_json::Value;

use super::cluster::Cluster;
use super::{address_range, network_profile, site};
use crate::engine::NetworkProfile;
use crate::providers::network;
use crate::world::World;
use arm::{ArmError, ResourceId};
use net::{Conflict, Fabric, Packet, Place, Purpose, Range, Segment, conflicts};

/// The address of an API server that is reached through the Internet: which one it is on Azure is nobody's to choose, so
/// this is one that documents use (RFC 5737).
const PUBLIC_API_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10));

/// The port of the API server that a kubelet bootstraps through.
const API_SERVER_PORT: u16 = 443;

/// The network of a managed cluster.
#[derive(Debug, Clone)]
pub struct ClusterNetwork {
    /// Who reaches whom.
    pub fabric: Fabric,
    /// The ranges of pods, services, subnets and connected networks.
    pub ranges: Vec<Range>,
    /// Where its nodes find the API server: in its subnet, or somewhere in the Internet.
    pub api_server: IpAddr,
}

impl ClusterNetwork {
    /// The network of a cluster as it is now; `None` where there is no such cluster.
    pub fn of(world: &World, cluster: &ResourceId) -> Option<Self> {
        let cluster = Cluster::find(world, cluster)?;
        let profile = cluster.network().ok()?;
        let default_subnet = cluster.subnet(world);
        let vnet = default_subnet.parent()?;
        let mut ranges: Vec<Range> = Vec::new();
        ranges.extend(profile.service_cidrs.iter().map(|prefix| Range::new(Purpose::Services, *prefix)));
        ranges.extend(profile.pod_cidrs.iter().map(|prefix| Range::new(Purpose::Pods, *prefix)));
        let mut segments = Vec::new();
        let mut around = network::network_context(world, &default_subnet);
        around.network.extend(&profile.pod_cidrs);
        for subnet in world.resources().within(&vnet, network::SUBNET) {
            let prefixes = network::subnet_prefixes(world, &subnet.id);
            let named = |prefix: &IpNet| Range::new(Purpose::Subnet(subnet.name().to_owned()), *prefix);
            ranges.extend(prefixes.iter().map(named));
            segments.push(Segment {
                name: subnet.name().to_owned(),
                prefixes,
                routes: network::routes(world, &subnet.id),
                rules: network::rules(world, &subnet.id).map(|(group, rules)| (group.name().to_owned(), rules)),
            });
        }
        for (name, prefix) in network::connected_networks(world, &vnet) {
            ranges.push(Range::new(Purpose::Remote(name), prefix));
        }
        let fabric =
            Fabric { pods: profile.pod_cidrs.clone(), services: profile.service_cidrs.clone(), segments, around };
        Some(Self { fabric, ranges, api_server: api_server(world, &cluster) })
    }

    /// What becomes of `properties.networkProfile`: AKS's defaults filled in.
    ///
    /// # Errors
    /// What AKS refuses of it.
    pub fn profile(given: &Value) -> Result<NetworkProfile, ArmError> {
        network_profile::complete(given)
    }

    /// Whether AKS creates a cluster with this profile whose first pool is in this subnet.
    ///
    /// # Errors
    /// What AKS refuses of its ranges.
    pub fn creatable(world: &World, profile: &NetworkProfile, subnet: &ResourceId) -> Result<(), ArmError> {
        address_range::apart(profile, &site::occupied_ranges(world, subnet)?)
    }

    /// The ranges that get in each other's way.
    pub fn conflicts(&self) -> Vec<Conflict> {
        conflicts(&self.ranges)
    }

    /// Whether a machine with this address can reach the API server, without which it never becomes a node.
    ///
    /// # Errors
    /// The rule that keeps it from doing so.
    pub fn bootstrap(&self, machine: IpAddr) -> Result<(), String> {
        self.reaches(Place::Node(machine), Place::Other(self.api_server), API_SERVER_PORT)
    }

    /// Whether a TCP connection from one place to another comes about.
    ///
    /// # Errors
    /// The rule that keeps it from doing so.
    pub fn reaches(&self, from: Place, to: Place, port: u16) -> Result<(), String> {
        self.fabric.reaches(from, to, |source, destination| Packet::tcp(source, destination, port))
    }
}

/// The first address of the subnet that the API server was put into, else one in the Internet.
fn api_server(world: &World, cluster: &Cluster) -> IpAddr {
    let profile = &cluster.properties()["apiServerAccessProfile"];
    let inside = profile["subnetId"]
        .as_str()
        .and_then(|id| ResourceId::parse(id).ok())
        .and_then(|subnet| net::usable(*network::subnet_prefixes(world, &subnet).first()?).next());
    inside.unwrap_or(PUBLIC_API_SERVER)
}
