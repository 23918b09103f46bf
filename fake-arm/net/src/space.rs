//! Address spaces: lists of prefixes that a network has, and how two of them meet.

use ipnet::IpNet;

use super::overlap;

/// The first two prefixes of one list that share an address.
pub fn first_overlap(prefixes: &[IpNet]) -> Option<(IpNet, IpNet)> {
    prefixes.iter().enumerate().find_map(|(at, a)| {
        let b = prefixes[at + 1..].iter().find(|b| overlap(*a, **b))?;
        Some((*a, *b))
    })
}

/// What two lists share, as prefixes: of two that meet, the narrower one. In order, each once.
pub fn common(some: &[IpNet], others: &[IpNet]) -> Vec<IpNet> {
    let meet = |a: &IpNet, b: &IpNet| if a.contains(b) { Some(*b) } else { b.contains(a).then_some(*a) };
    let mut shared: Vec<IpNet> = some.iter().flat_map(|a| others.iter().filter_map(move |b| meet(a, b))).collect();
    shared.sort_unstable();
    shared.dedup();
    shared
}

/// Each prefix lies in one of the space's.
pub fn covered(prefixes: &[IpNet], space: &[IpNet]) -> bool {
    prefixes.iter().all(|prefix| space.iter().any(|whole| whole.contains(prefix)))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn spaces_meet_in_the_narrower_prefix() {
        let shared =
            common(&nets(&["10.0.0.0/16", "10.2.0.0/24"]), &nets(&["10.0.1.0/24", "10.2.0.0/16", "fd00::/48"]));
        assert_eq!(shared, nets(&["10.0.1.0/24", "10.2.0.0/24"]));
        assert!(common(&nets(&["10.0.0.0/16"]), &nets(&["10.1.0.0/16"])).is_empty());
        assert_eq!(
            first_overlap(&nets(&["10.0.0.0/16", "10.1.0.0/16", "10.1.2.0/24"])).unwrap().1.to_string(),
            "10.1.2.0/24"
        );
        assert!(covered(&nets(&["10.0.1.0/24"]), &nets(&["10.0.0.0/16"])));
        assert!(
            !covered(&nets(&["10.0.0.0/15"]), &nets(&["10.0.0.0/16", "10.1.0.0/16"])),
            "a prefix lies in one, not in two"
        );
    }

    fn spaces() -> impl Strategy<Value = Vec<IpNet>> {
        let one = (0_u32..1 << 10, 22_u8..=32)
            .prop_map(|(a, len)| IpNet::new(Ipv4Addr::from(a).into(), len).unwrap().trunc());
        proptest::collection::vec(one, 0..6)
    }

    proptest! {
        /// Held against each single address.
        #[test]
        fn what_is_common_has_the_addresses_of_both(some in spaces(), others in spaces()) {
            let has = |space: &[IpNet], host: u32| space.iter().any(|p| p.contains(&std::net::IpAddr::V4(host.into())));
            let shared = common(&some, &others);
            for host in 0..1 << 10 {
                prop_assert_eq!(has(&shared, host), has(&some, host) && has(&others, host));
            }
        }

        #[test]
        fn an_overlap_is_found_where_an_address_is_in_two(space in spaces()) {
            let twice = (0_u32..1 << 10).any(|host| space.iter().filter(|p| p.contains(&std::net::IpAddr::V4(host.into()))).count() > 1);
            prop_assert_eq!(first_overlap(&space).is_some(), twice);
        }
    }
}
