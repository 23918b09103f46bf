use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::super::test_support::ip;
use super::*;

fn rule(name: &str, priority: u32, access: Access) -> SecurityRule {
    SecurityRule {
        name: name.to_owned(),
        priority,
        direction: Direction::Inbound,
        access,
        protocol: None,
        sources: vec![Peer::Any],
        source_ports: vec![PortRange::ALL],
        destinations: vec![Peer::Any],
        destination_ports: vec![PortRange::ALL],
    }
}

fn around() -> NetworkContext {
    NetworkContext { network: vec!["10.0.0.0/16".parse().unwrap()], ..NetworkContext::default() }
}

#[test]
fn the_lowest_priority_number_decides() {
    let rules = SecurityRules::new([
        rule("late", 300, Access::Deny),
        SecurityRule { destination_ports: vec![PortRange::parse("443").unwrap()], ..rule("early", 200, Access::Allow) },
    ]);
    let packet = |port| Packet::tcp(ip("10.0.0.4"), ip("10.0.1.4"), port);
    let verdict = rules.verdict(Direction::Inbound, &packet(443), &around());
    assert_eq!((verdict.access, verdict.rule.unwrap().name.as_str()), (Access::Allow, "early"));
    assert_eq!(rules.verdict(Direction::Inbound, &packet(80), &around()).rule.unwrap().name, "late");
    let nothing = rules.verdict(Direction::Outbound, &packet(80), &around());
    assert_eq!(nothing, RuleVerdict { access: Access::Deny, rule: None });
}

#[test]
fn tags_mean_what_surrounds_the_machine() {
    let around = NetworkContext {
        tags: vec![("Storage".to_owned(), "20.0.0.0/8".parse().unwrap())],
        members: vec![("/asg".to_owned(), ip("10.0.0.9"))],
        ..around()
    };
    let cases = [
        (Peer::VirtualNetwork, "10.0.3.4", true),
        (Peer::VirtualNetwork, "10.1.3.4", false),
        (Peer::Internet, "10.1.3.4", true),
        (Peer::Internet, "10.0.3.4", false),
        (Peer::Internet, "168.63.129.16", false),
        (Peer::AzureLoadBalancer, "168.63.129.16", true),
        (Peer::AzureLoadBalancer, "10.0.0.4", false),
        (Peer::Tag("storage".to_owned()), "20.1.1.1", true),
        (Peer::Tag("Sql".to_owned()), "20.1.1.1", false),
        (Peer::Group("/asg".to_owned()), "10.0.0.9", true),
        (Peer::Group("/asg".to_owned()), "10.0.0.8", false),
    ];
    for (peer, address, matches) in cases {
        assert_eq!(around.matches(&peer, ip(address)), matches, "{peer:?} {address}");
    }
}

#[test]
fn ports_are_read_as_azure_reads_them() {
    assert_eq!(PortRange::parse("*"), Some(PortRange::ALL));
    assert_eq!(PortRange::parse("0-65535"), Some(PortRange::ALL));
    assert_eq!(PortRange::parse("80"), Some(PortRange { first: 80, last: 80 }));
    for bad in ["", "80,443", "65536", "443-80", "-1", "http"] {
        assert_eq!(PortRange::parse(bad), None, "{bad}");
    }
}

#[test]
fn ports_do_not_matter_where_there_are_none() {
    let rules = SecurityRules::new([SecurityRule {
        destination_ports: vec![PortRange { first: 22, last: 22 }],
        ..rule("ping", 100, Access::Allow)
    }]);
    let ping =
        Packet { protocol: Protocol::Icmp, destination_port: 0, ..Packet::tcp(ip("10.0.0.4"), ip("10.0.0.5"), 0) };
    assert_eq!(rules.verdict(Direction::Inbound, &ping, &around()).access, Access::Allow);
}

/// The rules held against the packet one by one, all of them, and the least priority looked for afterwards.
fn slow(
    rules: &[SecurityRule],
    direction: Direction,
    packet: &Packet,
    around: &NetworkContext,
) -> (Access, Option<String>) {
    let mut best: Option<&SecurityRule> = None;
    for rule in rules {
        let mut fits = rule.direction == direction;
        fits &= match rule.protocol {
            None => true,
            Some(protocol) => protocol == packet.protocol,
        };
        let in_any =
            |ranges: &[PortRange], port: u16| ranges.iter().filter(|r| r.first <= port && port <= r.last).count() > 0;
        if matches!(packet.protocol, Protocol::Tcp | Protocol::Udp) {
            fits &= in_any(&rule.source_ports, packet.source_port);
            fits &= in_any(&rule.destination_ports, packet.destination_port);
        }
        let named = |peers: &[Peer], address: IpAddr| {
            let inside = around.network.iter().filter(|n| n.contains(&address)).count() > 0;
            let platform = address.to_string() == "168.63.129.16";
            peers
                .iter()
                .filter(|peer| match peer {
                    Peer::Any => true,
                    Peer::Prefix(prefix) => prefix.network() <= address && address <= prefix.broadcast(),
                    Peer::VirtualNetwork => inside || platform,
                    Peer::AzureLoadBalancer => platform,
                    Peer::Internet => !(inside || platform),
                    Peer::Tag(_) | Peer::Group(_) => false,
                })
                .count()
                > 0
        };
        fits &= named(&rule.sources, packet.source) && named(&rule.destinations, packet.destination);
        if fits && best.is_none_or(|found| rule.priority < found.priority) {
            best = Some(rule);
        }
    }
    (best.map_or(Access::Deny, |rule| rule.access), best.map(|rule| rule.name.clone()))
}

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        (0_u8..2, 0_u8..3, 0_u8..4).prop_map(|(b, c, d)| IpAddr::V4(Ipv4Addr::new(10, b, c, d))),
        Just(PLATFORM),
        Just(IpAddr::V4(Ipv4Addr::new(8, 8, 8, 8))),
    ]
}

fn peers() -> impl Strategy<Value = Vec<Peer>> {
    let one = prop_oneof![
        Just(Peer::Any),
        Just(Peer::VirtualNetwork),
        Just(Peer::AzureLoadBalancer),
        Just(Peer::Internet),
        (0_u8..2, 0_u8..3, 8_u8..=32).prop_map(|(b, c, len)| {
            Peer::Prefix(IpNet::new(IpAddr::V4(Ipv4Addr::new(10, b, c, 0)), len).unwrap().trunc())
        }),
    ];
    proptest::collection::vec(one, 1..3)
}

fn ports() -> impl Strategy<Value = Vec<PortRange>> {
    let one = prop_oneof![
        Just(PortRange::ALL),
        (0_u16..6, 0_u16..6).prop_map(|(a, b)| PortRange { first: a.min(b), last: a.max(b) }),
    ];
    proptest::collection::vec(one, 1..3)
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![Just(Protocol::Tcp), Just(Protocol::Udp), Just(Protocol::Icmp)]
}

prop_compose! {
    fn any_rule()(
        priority in 100_u32..4096,
        inbound in any::<bool>(),
        allow in any::<bool>(),
        protocol in proptest::option::of(protocol()),
        sources in peers(),
        destinations in peers(),
        source_ports in ports(),
        destination_ports in ports(),
    ) -> SecurityRule {
        SecurityRule {
            name: format!("{priority}-{inbound}"),
            priority,
            direction: if inbound { Direction::Inbound } else { Direction::Outbound },
            access: if allow { Access::Allow } else { Access::Deny },
            protocol, sources, source_ports, destinations, destination_ports,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn rules_decide_as_the_slow_way_does(
        rules in proptest::collection::vec(any_rule(), 0..12),
        source in address(), destination in address(), protocol in protocol(),
        source_port in 0_u16..6, destination_port in 0_u16..6,
    ) {
        // Azure refuses two rules of one priority and direction, so that the order is never in doubt.
        let mut seen = std::collections::BTreeSet::new();
        let rules: Vec<_> = rules.into_iter().filter(|r| seen.insert((r.direction, r.priority))).collect();
        let packet = Packet { source, destination, protocol, source_port, destination_port };
        let fast = SecurityRules::new(rules.clone());
        for direction in [Direction::Inbound, Direction::Outbound] {
            let verdict = fast.verdict(direction, &packet, &around());
            let expected = slow(&rules, direction, &packet, &around());
            prop_assert_eq!((verdict.access, verdict.rule.map(|r| r.name.clone())), expected);
        }
    }
}
