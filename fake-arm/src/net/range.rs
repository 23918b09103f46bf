//! Which addresses of a subnet can be given away. Azure keeps five of each subnet for itself: the first four (network,
//! gateway, two for DNS) and the last (broadcast).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// Reserved at the start of each subnet.
const FIRST: u32 = 4;
/// Reserved at the end of each subnet.
const LAST: u32 = 1;

/// The addresses of a subnet that resources can have, lowest first.
pub fn usable(prefix: Ipv4Net) -> impl Iterator<Item = Ipv4Addr> {
    let start = u64::from(u32::from(prefix.network())) + u64::from(FIRST);
    let end = u64::from(u32::from(prefix.broadcast())) + 1 - u64::from(LAST);
    (start..end).map(|a| Ipv4Addr::from(u32::try_from(a).expect("within a 32-bit prefix")))
}

/// How many addresses of a subnet resources can have.
pub fn usable_count(prefix: Ipv4Net) -> u64 {
    (1_u64 << (32 - u32::from(prefix.prefix_len()))).saturating_sub(u64::from(FIRST + LAST))
}

/// The address is the subnet's and not one of the five that Azure keeps.
pub fn is_assignable(prefix: Ipv4Net, address: Ipv4Addr) -> bool {
    let Some(offset) = u32::from(address).checked_sub(u32::from(prefix.network())) else { return false };
    prefix.contains(&address) && offset >= FIRST && u32::from(prefix.broadcast()) - u32::from(address) >= LAST
}

/// The lowest address that is not taken.
pub fn first_free(prefix: Ipv4Net, taken: &BTreeSet<Ipv4Addr>) -> Option<Ipv4Addr> {
    usable(prefix).find(|address| !taken.contains(address))
}

/// Two prefixes share at least one address.
pub fn overlap(a: Ipv4Net, b: Ipv4Net) -> bool {
    a.contains(&b) || b.contains(&a)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn a_28_has_eleven() {
        let all: Vec<_> = usable(net("10.0.0.0/28")).collect();
        assert_eq!(all.len(), 11);
        assert_eq!(all[0], Ipv4Addr::new(10, 0, 0, 4));
        assert_eq!(all[10], Ipv4Addr::new(10, 0, 0, 14));
        assert_eq!(usable_count(net("10.0.0.0/24")), 251);
        assert_eq!(usable_count(net("10.0.0.0/29")), 3);
        assert_eq!(usable(net("255.255.255.248/29")).count(), 3);
    }

    fn prefix() -> impl Strategy<Value = Ipv4Net> {
        (any::<u32>(), 20_u8..=29).prop_map(|(a, len)| Ipv4Net::new(Ipv4Addr::from(a), len).unwrap().trunc())
    }

    proptest! {
        #[test]
        fn usable_is_what_is_assignable(prefix in prefix()) {
            let all: BTreeSet<_> = usable(prefix).collect();
            prop_assert_eq!(all.len() as u64, usable_count(prefix));
            for host in prefix.network().to_bits()..=prefix.broadcast().to_bits() {
                let address = Ipv4Addr::from(host);
                prop_assert_eq!(all.contains(&address), is_assignable(prefix, address));
            }
        }

        #[test]
        fn first_free_is_the_lowest(prefix in prefix(), taken in proptest::collection::vec(0_u32..64, 0..40)) {
            let taken: BTreeSet<_> = taken.iter().map(|o| Ipv4Addr::from(u32::from(prefix.network()).wrapping_add(*o))).collect();
            match first_free(prefix, &taken) {
                Some(address) => {
                    prop_assert!(!taken.contains(&address) && is_assignable(prefix, address));
                    prop_assert!(usable(prefix).take_while(|a| *a < address).all(|a| taken.contains(&a)));
                }
                None => prop_assert!(usable(prefix).all(|a| taken.contains(&a))),
            }
        }

        #[test]
        fn filling_a_subnet_gives_each_address_once(len in 26_u8..=29) {
            let prefix = Ipv4Net::new(Ipv4Addr::new(10, 1, 2, 0), len).unwrap();
            let mut taken = BTreeSet::new();
            while let Some(address) = first_free(prefix, &taken) {
                prop_assert!(taken.insert(address));
            }
            prop_assert_eq!(taken.len() as u64, usable_count(prefix));
        }

        #[test]
        fn overlap_is_a_shared_address(a in prefix(), b in prefix()) {
            let shared = a.network().max(b.network()) <= a.broadcast().min(b.broadcast());
            prop_assert_eq!(overlap(a, b), shared);
            prop_assert_eq!(overlap(a, b), overlap(b, a));
        }
    }
}
