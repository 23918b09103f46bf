//! Routes: where a network sends a packet. The longest prefix that holds the destination decides; of equal prefixes a
//! route of the subnet's route table goes before one learnt from a gateway, and that before a system route.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;

/// Where a route leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextHop {
    /// Into the network itself.
    VnetLocal,
    /// Into a peered network.
    VnetPeering,
    /// Out to the Internet.
    Internet,
    /// To an appliance at this address.
    VirtualAppliance(IpAddr),
    /// To the network's gateway.
    VirtualNetworkGateway,
    /// Nowhere: the packet is dropped.
    None,
}

/// Who made a route; those of users go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The subnet's route table.
    User,
    /// A gateway, by BGP.
    Gateway,
    /// Azure itself.
    System,
}

/// One route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Destinations.
    pub prefix: IpNet,
    /// Where they are sent.
    pub next_hop: NextHop,
    /// Who made it.
    pub origin: Origin,
}

/// Routes, to be looked up by destination.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    /// By family and length of the prefix, then by the prefix itself; of equal ones the best.
    by_length: BTreeMap<(bool, u8), BTreeMap<IpNet, Route>>,
}

impl RouteTable {
    /// A table of these routes. Of two with one prefix and origin the first counts.
    pub fn new(routes: impl IntoIterator<Item = Route>) -> Self {
        let mut table = Self::default();
        for route in routes {
            let prefix = route.prefix.trunc();
            let key = (prefix.addr().is_ipv4(), prefix.prefix_len());
            let best = table.by_length.entry(key).or_default().entry(prefix).or_insert(route);
            if route.origin < best.origin {
                *best = route;
            }
        }
        table
    }

    /// The route of a destination; `None` where no prefix holds it.
    pub fn route(&self, destination: IpAddr) -> Option<&Route> {
        self.by_length.iter().rev().filter(|((v4, _), _)| *v4 == destination.is_ipv4()).find_map(
            |((_, length), routes)| {
                let prefix = IpNet::new(destination, *length).ok()?.trunc();
                routes.get(&prefix)
            },
        )
    }

    /// Where a packet for this destination goes: [`NextHop::None`] where nothing is said of it.
    pub fn next_hop(&self, destination: IpAddr) -> NextHop {
        self.route(destination).map_or(NextHop::None, |route| route.next_hop)
    }

    /// All routes that count, the longest prefix first.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.by_length.iter().rev().flat_map(|(_, routes)| routes.values())
    }
}

/// The system routes of a network with the given space and the given peers' spaces: its own prefixes, the peers', the
/// Internet, and the private ranges, which lead nowhere.
pub fn routes_of_a_network(space: &[IpNet], peers: &[IpNet]) -> Vec<Route> {
    let system = |prefix: IpNet, next_hop| Route { prefix, next_hop, origin: Origin::System };
    let mut routes: Vec<Route> = space.iter().map(|prefix| system(*prefix, NextHop::VnetLocal)).collect();
    routes.extend(peers.iter().map(|prefix| system(*prefix, NextHop::VnetPeering)));
    let fixed = [
        ("0.0.0.0/0", NextHop::Internet),
        ("10.0.0.0/8", NextHop::None),
        ("172.16.0.0/12", NextHop::None),
        ("192.168.0.0/16", NextHop::None),
        ("100.64.0.0/10", NextHop::None),
    ];
    let v6 = space.iter().any(|prefix| prefix.addr().is_ipv6());
    let fixed = fixed.into_iter().chain(v6.then_some(("::/0", NextHop::Internet)));
    routes.extend(fixed.filter_map(|(prefix, hop)| Some(system(prefix.parse().ok()?, hop))));
    routes
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::super::test_support::ip;
    use super::*;

    fn route(prefix: &str, next_hop: NextHop, origin: Origin) -> Route {
        Route { prefix: prefix.parse().unwrap(), next_hop, origin }
    }

    #[test]
    fn a_network_knows_itself_its_peers_and_the_world() {
        let space = ["10.0.0.0/16".parse().unwrap()];
        let peers = ["10.1.0.0/16".parse().unwrap()];
        let table = RouteTable::new(routes_of_a_network(&space, &peers));
        assert_eq!(table.next_hop(ip("10.0.3.4")), NextHop::VnetLocal);
        assert_eq!(table.next_hop(ip("10.1.3.4")), NextHop::VnetPeering);
        assert_eq!(table.next_hop(ip("10.2.3.4")), NextHop::None, "a private range that is nobody's");
        assert_eq!(table.next_hop(ip("8.8.8.8")), NextHop::Internet);
        assert_eq!(table.next_hop(ip("2001:db8::1")), NextHop::None, "no IPv6 in this network");
    }

    #[test]
    fn a_users_route_goes_before_a_system_route_of_the_same_prefix() {
        let hop = NextHop::VirtualAppliance(ip("10.0.9.4"));
        let mut routes = routes_of_a_network(&["10.0.0.0/16".parse().unwrap()], &[]);
        routes.push(route("0.0.0.0/0", NextHop::VirtualNetworkGateway, Origin::Gateway));
        routes.push(route("0.0.0.0/0", hop, Origin::User));
        let table = RouteTable::new(routes);
        assert_eq!(table.next_hop(ip("8.8.8.8")), hop);
        assert_eq!(table.next_hop(ip("10.0.3.4")), NextHop::VnetLocal, "the longer prefix still decides");
    }

    /// Each route held against the destination bit by bit.
    fn slow(routes: &[Route], destination: u32) -> Option<NextHop> {
        let mut best: Option<&Route> = None;
        for route in routes {
            let IpNet::V4(prefix) = route.prefix else { continue };
            let same = (0..u32::from(prefix.prefix_len())).all(|bit| {
                let mask = 1_u32 << (31 - bit);
                prefix.addr().to_bits() & mask == destination & mask
            });
            let better = best.is_none_or(|found| {
                let length = |r: &Route| r.prefix.prefix_len();
                length(route) > length(found) || (length(route) == length(found) && route.origin < found.origin)
            });
            if same && better {
                best = Some(route);
            }
        }
        best.map(|route| route.next_hop)
    }

    fn any_route() -> impl Strategy<Value = Route> {
        let origin = prop_oneof![Just(Origin::User), Just(Origin::Gateway), Just(Origin::System)];
        (0_u32..256, 22_u8..=32, any::<bool>(), 0_u8..200, origin).prop_map(|(a, len, wide, hop, origin)| Route {
            prefix: IpNet::new(Ipv4Addr::from(a).into(), if wide { len - 22 } else { len }).unwrap(),
            next_hop: NextHop::VirtualAppliance(IpAddr::V4(Ipv4Addr::new(10, 0, 0, hop))),
            origin,
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn the_longest_prefix_is_found_as_the_slow_way_finds_it(
            routes in proptest::collection::vec(any_route(), 0..20), destination in 0_u32..300,
        ) {
            let table = RouteTable::new(routes.clone());
            let found = table.route(IpAddr::V4(destination.into())).map(|route| route.next_hop);
            prop_assert_eq!(found, slow(&routes, destination));
        }
    }
}
