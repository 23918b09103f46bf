//! Who has which address of which subnet: a value that knows of subnets only their ids and prefixes, and of time only
//! what it is told.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;

use crate::world::KeptState;
use arm::ResourceId;
use net;

inventory::submit! { KeptState::of::<AddressBook>("Microsoft.Network/addresses") }

/// The addresses given away, by subnet. A holder (an IP configuration, a frontend) has one address at most.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(in crate::providers::network) struct AddressBook {
    taken: BTreeMap<ResourceId, BTreeMap<IpAddr, String>>,
    /// Folded holder to what it has.
    holders: BTreeMap<String, (ResourceId, IpAddr)>,
    /// Released addresses that are still held back.
    kept: BTreeMap<ResourceId, BTreeMap<IpAddr, HeldBack>>,
}

/// An address that is held back.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
struct HeldBack {
    /// Folded id of who had it.
    holder: String,
    until: Timestamp,
}

impl AddressBook {
    /// Addresses of a subnet with their holders, lowest first.
    pub(in crate::providers::network) fn of(&self, subnet: &ResourceId) -> impl Iterator<Item = (IpAddr, &str)> {
        self.taken.get(subnet).into_iter().flatten().map(|(address, holder)| (*address, holder.as_str()))
    }

    /// Who has this address, or had it and keeps others from it.
    pub(in crate::providers::network) fn holder(
        &self,
        subnet: &ResourceId,
        address: IpAddr,
        now: Timestamp,
    ) -> Option<&str> {
        let held = self.taken.get(subnet).and_then(|taken| taken.get(&address)).map(String::as_str);
        held.or_else(|| self.keeper(subnet, address, now))
    }

    /// The address that a holder has in a subnet.
    pub(in crate::providers::network) fn held(&self, subnet: &ResourceId, holder: &str) -> Option<IpAddr> {
        let (found, address) = self.holders.get(&holder.to_ascii_lowercase())?;
        (found == subnet).then_some(*address)
    }

    /// Gives an address to a holder, which gives back the one that it had.
    pub(in crate::providers::network) fn take(&mut self, subnet: &ResourceId, address: IpAddr, holder: &str) {
        let folded = holder.to_ascii_lowercase();
        self.free(&folded);
        if let Some(kept) = self.kept.get_mut(subnet) {
            kept.remove(&address);
        }
        self.taken.entry(subnet.clone()).or_default().insert(address, holder.to_owned());
        self.holders.insert(folded, (subnet.clone(), address));
    }

    /// Gives the lowest free address of these prefixes to a holder.
    pub(in crate::providers::network) fn take_free(
        &mut self,
        subnet: &ResourceId,
        prefixes: &[IpNet],
        holder: &str,
        now: Timestamp,
    ) -> Option<IpAddr> {
        let address = self.first_free(subnet, prefixes, now)?;
        self.take(subnet, address, holder);
        Some(address)
    }

    /// The lowest free address of these prefixes.
    pub(in crate::providers::network) fn first_free(
        &self,
        subnet: &ResourceId,
        prefixes: &[IpNet],
        now: Timestamp,
    ) -> Option<IpAddr> {
        let taken = self.taken.get(subnet);
        prefixes.iter().find_map(|prefix| {
            // Both are in order: one walk along the two finds the first gap.
            let range = prefix.network()..=prefix.broadcast();
            let mut busy = taken.into_iter().flat_map(|taken| taken.range(range.clone())).map(|(a, _)| *a).peekable();
            net::usable(*prefix).find(|address| {
                while busy.next_if(|taken| taken < address).is_some() {}
                busy.peek() != Some(address) && self.keeper(subnet, *address, now).is_none()
            })
        })
    }

    /// How many addresses of a prefix are taken or held back.
    pub(in crate::providers::network) fn used(&self, subnet: &ResourceId, prefix: IpNet, now: Timestamp) -> u64 {
        let inside = |address: &IpAddr| prefix.contains(address);
        let taken = self.taken.get(subnet).into_iter().flatten().filter(|(address, _)| inside(address)).count();
        let kept = self.kept.get(subnet).into_iter().flatten();
        let kept = kept.filter(|(address, kept)| inside(address) && now < kept.until).count();
        (taken + kept) as u64
    }

    /// Takes back what `holder` has, and whatever lies below it (an interface's IP configurations). Others get the
    /// addresses from `until` on.
    pub(in crate::providers::network) fn release(&mut self, holder: &str, until: Timestamp, now: Timestamp) {
        let root = holder.to_ascii_lowercase();
        let below = format!("{root}/");
        let mut gone: Vec<String> = self.holders.contains_key(&root).then_some(root).into_iter().collect();
        let children = self.holders.range(below.clone()..).map(|(id, _)| id);
        gone.extend(children.take_while(|id| id.starts_with(&below)).cloned());
        for holder in gone {
            let Some((subnet, address)) = self.free(&holder) else { continue };
            let kept = self.kept.entry(subnet).or_default();
            kept.retain(|_, kept| now < kept.until);
            if now < until {
                kept.insert(address, HeldBack { holder, until });
            }
        }
    }

    /// The subnet is gone.
    pub(in crate::providers::network) fn forget(&mut self, subnet: &ResourceId) {
        self.kept.remove(subnet);
        for holder in self.taken.remove(subnet).into_iter().flat_map(BTreeMap::into_values) {
            self.holders.remove(&holder.to_ascii_lowercase());
        }
    }

    fn free(&mut self, folded: &str) -> Option<(ResourceId, IpAddr)> {
        let (subnet, address) = self.holders.remove(folded)?;
        if let Some(taken) = self.taken.get_mut(&subnet) {
            taken.remove(&address);
        }
        Some((subnet, address))
    }

    fn keeper(&self, subnet: &ResourceId, address: IpAddr, now: Timestamp) -> Option<&str> {
        let kept = self.kept.get(subnet)?.get(&address)?;
        (now < kept.until).then_some(kept.holder.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;

    const LAG: i64 = 180;

    fn subnet(n: u8) -> ResourceId {
        ResourceId::parse(&format!("/subscriptions/s/resourceGroups/g/providers/M.N/v/v/subnets/{n}")).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn prefix(n: u8) -> IpNet {
        format!("10.0.{n}.0/28").parse().unwrap()
    }

    #[derive(Debug, Clone)]
    enum Step {
        Take { holder: u8, subnet: u8 },
        Release { holder: u8, lag: bool },
        Wait(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0_u8..20, 0_u8..2).prop_map(|(holder, subnet)| Step::Take { holder, subnet }),
            2 => (0_u8..20, any::<bool>()).prop_map(|(holder, lag)| Step::Release { holder, lag }),
            1 => (0_i64..200).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        /// Held against a list of holders and a list of freed addresses: no address has two holders, each lies in its
        /// subnet and is none of the five, a freed one returns when its time has come and not before, and none is
        /// refused as long as one is free.
        #[test]
        fn the_book_is_a_list_of_holders(steps in proptest::collection::vec(step(), 1..80)) {
            let mut book = AddressBook::default();
            let mut now = 0;
            let mut held: BTreeMap<u8, (u8, IpAddr)> = BTreeMap::new();
            let mut freed: Vec<((u8, IpAddr), i64)> = Vec::new();
            for step in steps {
                match step {
                    Step::Wait(seconds) => now += seconds,
                    Step::Release { holder, lag } => {
                        let until = if lag { now + LAG } else { now };
                        book.release(&format!("/NIC{holder}"), at(until), at(now));
                        if let Some(address) = held.remove(&holder) {
                            freed.push((address, until));
                        }
                    }
                    Step::Take { holder, subnet: n } => {
                        let name = format!("/nic{holder}/ip");
                        let busy: BTreeSet<IpAddr> = held.values().chain(freed.iter().filter(|(_, until)| now < *until).map(|(a, _)| a))
                            .filter(|(s, _)| *s == n).map(|(_, a)| *a).collect();
                        let given = book.take_free(&subnet(n), &[prefix(n)], &name, at(now));
                        match given {
                            None => prop_assert_eq!(busy.len() as u64, net::usable_count(prefix(n))),
                            Some(address) => {
                                prop_assert!(net::is_assignable(prefix(n), address) && !busy.contains(&address));
                                // The one that it had before is free at once.
                                if let Some(before) = held.insert(holder, (n, address)) {
                                    freed.retain(|(a, _)| *a != before);
                                }
                                freed.retain(|(a, _)| *a != (n, address));
                            }
                        }
                    }
                }
                for n in 0..2 {
                    let expected: BTreeSet<_> = held.values().filter(|(s, _)| *s == n).map(|(_, a)| *a).collect();
                    prop_assert_eq!(book.of(&subnet(n)).map(|(a, _)| a).collect::<BTreeSet<_>>(), expected.clone());
                    let late = freed.iter().filter(|((s, a), until)| *s == n && now < *until && !expected.contains(a));
                    let late: BTreeSet<_> = late.map(|((_, a), _)| *a).collect();
                    prop_assert_eq!(book.used(&subnet(n), prefix(n), at(now)), (expected.len() + late.len()) as u64);
                }
            }
        }
    }

    #[test]
    fn a_holder_whose_name_begins_alike_keeps_its_address() {
        let mut book = AddressBook::default();
        for holder in ["/nic", "/nic/a", "/nic1/a", "/nic-2/a", "/Nic/B/c"] {
            book.take_free(&subnet(0), &[prefix(0)], holder, at(0)).unwrap();
        }
        book.release("/NIC", at(0), at(0));
        assert_eq!(book.of(&subnet(0)).map(|(_, h)| h).collect::<Vec<_>>(), ["/nic1/a", "/nic-2/a"]);
        book.forget(&subnet(0));
        assert_eq!(book.held(&subnet(0), "/nic1/a"), None);
    }
}
