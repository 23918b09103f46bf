//! Which addresses of a subnet can be given away. Azure keeps five of each subnet for itself: the first four (network,
//! gateway, two for DNS) and the last (broadcast). It does so for IPv6 too.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Reserved at the start of each subnet.
const FIRST: u128 = 4;
/// Reserved at the end of each subnet.
const LAST: u128 = 1;

/// The addresses of a subnet that resources can have, lowest first.
pub fn usable(prefix: impl Into<IpNet>) -> impl Iterator<Item = IpAddr> {
    let prefix = prefix.into();
    let start = bits(prefix.network()) + FIRST;
    let end = bits(prefix.broadcast()).saturating_sub(LAST);
    // An inclusive end: the last usable address may be the last but one of all.
    (start..=end).map(move |address| of_family(prefix, address))
}

/// How many addresses of a subnet resources can have; [`u64::MAX`] where there are more.
pub fn usable_count(prefix: impl Into<IpNet>) -> u64 {
    let prefix = prefix.into();
    let host_bits = u32::from(prefix.max_prefix_len() - prefix.prefix_len());
    let all = 1_u128.checked_shl(host_bits).unwrap_or(u128::MAX);
    u64::try_from(all.saturating_sub(FIRST + LAST)).unwrap_or(u64::MAX)
}

/// The address is the subnet's and not one of the five that Azure keeps.
pub fn is_assignable(prefix: impl Into<IpNet>, address: impl Into<IpAddr>) -> bool {
    let (prefix, address) = (prefix.into(), address.into());
    prefix.contains(&address)
        && bits(address) - bits(prefix.network()) >= FIRST
        && bits(prefix.broadcast()) - bits(address) >= LAST
}

/// The lowest address that is not taken: of the first prefix that has one.
pub fn first_free(prefixes: &[IpNet], taken: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    prefixes.iter().flat_map(|prefix| usable(*prefix)).find(|address| !taken(*address))
}

/// Two prefixes share at least one address. Prefixes of different families never do.
pub fn overlap(a: impl Into<IpNet>, b: impl Into<IpNet>) -> bool {
    let (a, b) = (a.into(), b.into());
    a.contains(&b) || b.contains(&a)
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The inverse of [`bits`], for an address that lies within `prefix`.
fn of_family(prefix: IpNet, address: u128) -> IpAddr {
    match prefix {
        // The cut takes nothing away: an address within a 32-bit prefix has 32 bits.
        IpNet::V4(_) => IpAddr::V4(Ipv4Addr::from_bits(address as u32)),
        IpNet::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(address)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::test_support::{ip, net};
    use super::*;

    #[test]
    fn a_28_has_eleven() {
        let all: Vec<_> = usable(net("10.0.0.0/28")).collect();
        assert_eq!(all.len(), 11);
        assert_eq!(all[0].to_string(), "10.0.0.4");
        assert_eq!(all[10].to_string(), "10.0.0.14");
        assert_eq!(usable_count(net("10.0.0.0/24")), 251);
        assert_eq!(usable_count(net("10.0.0.0/29")), 3);
        assert_eq!(usable(net("255.255.255.248/29")).count(), 3);
        assert_eq!(usable_count(net("0.0.0.0/0")), (1 << 32) - 5);
    }

    #[test]
    fn a_64_begins_at_four_too() {
        assert_eq!(usable(net("fd00:1:2:3::/64")).next().unwrap().to_string(), "fd00:1:2:3::4");
        assert_eq!(usable_count(net("fd00::/64")), u64::MAX - 4);
        assert_eq!(usable_count(net("fd00::/48")), u64::MAX);
        assert!(!is_assignable(net("fd00::/64"), ip("fd00::3")));
        assert!(!is_assignable(net("fd00::/64"), ip("fd00::ffff:ffff:ffff:ffff")));
        assert!(!is_assignable(net("fd00::/64"), ip("10.0.0.4")));
        assert_eq!(usable(net("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fff8/125")).count(), 3);
    }

    #[test]
    fn the_second_prefix_is_used_when_the_first_is_full() {
        let prefixes = [net("10.0.0.0/29"), net("10.9.0.0/29")];
        let first: BTreeSet<_> = usable(prefixes[0]).collect();
        assert_eq!(first_free(&prefixes, |a| first.contains(&a)).unwrap().to_string(), "10.9.0.4");
        assert_eq!(first_free(&prefixes, |_| true), None);
    }

    fn prefix() -> impl Strategy<Value = IpNet> {
        let v4 = (any::<u32>(), 20_u8..=29).prop_map(|(a, len)| IpNet::new(Ipv4Addr::from(a).into(), len).unwrap());
        let v6 = (any::<u128>(), 118_u8..=125).prop_map(|(a, len)| IpNet::new(Ipv6Addr::from(a).into(), len).unwrap());
        prop_oneof![v4, v6].prop_map(|p| p.trunc())
    }

    proptest! {
        #[test]
        fn usable_is_what_is_assignable(prefix in prefix()) {
            let all: BTreeSet<_> = usable(prefix).collect();
            prop_assert_eq!(all.len() as u64, usable_count(prefix));
            let (first, last) = (bits(prefix.network()), bits(prefix.broadcast()));
            for host in first.saturating_sub(2)..=last {
                let address = of_family(prefix, host);
                prop_assert_eq!(all.contains(&address), is_assignable(prefix, address));
            }
        }

        #[test]
        fn first_free_is_the_lowest(prefix in prefix(), taken in proptest::collection::vec(0_u128..64, 0..40)) {
            let taken: BTreeSet<_> = taken.iter().map(|o| of_family(prefix, (bits(prefix.network()) + o).min(bits(prefix.broadcast())))).collect();
            match first_free(&[prefix], |a| taken.contains(&a)) {
                Some(address) => {
                    prop_assert!(!taken.contains(&address) && is_assignable(prefix, address));
                    prop_assert!(usable(prefix).take_while(|a| *a < address).all(|a| taken.contains(&a)));
                }
                None => prop_assert!(usable(prefix).all(|a| taken.contains(&a))),
            }
        }

        #[test]
        fn filling_a_subnet_gives_each_address_once(len in 26_u8..=29) {
            let prefix = IpNet::new(Ipv4Addr::new(10, 1, 2, 0).into(), len).unwrap();
            let mut taken = BTreeSet::new();
            while let Some(address) = first_free(&[prefix], |a| taken.contains(&a)) {
                prop_assert!(taken.insert(address));
            }
            prop_assert_eq!(taken.len() as u64, usable_count(prefix));
        }

        #[test]
        fn overlap_is_a_shared_address(a in prefix(), b in prefix()) {
            let shared = a.max_prefix_len() == b.max_prefix_len() && a.network().max(b.network()) <= a.broadcast().min(b.broadcast());
            prop_assert_eq!(overlap(a, b), shared);
            prop_assert_eq!(overlap(a, b), overlap(b, a));
        }
    }
}
