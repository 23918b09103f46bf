//! Who has which address of which subnet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::prefix;
use super::reference::missing_reference;
use super::subnet::SUBNET;
use crate::arm::{ArmError, ResourceId};
use crate::net;
use crate::world::{KeptState, World};

inventory::submit! { KeptState::of::<AddressBook>("Microsoft.Network/addresses") }

/// The addresses given away, by subnet.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct AddressBook {
    by_subnet: BTreeMap<ResourceId, BTreeMap<Ipv4Addr, String>>,
}

impl AddressBook {
    /// Addresses of a subnet with their holders, lowest first.
    pub(super) fn of(&self, subnet: &ResourceId) -> impl Iterator<Item = (Ipv4Addr, &str)> {
        self.by_subnet.get(subnet).into_iter().flatten().map(|(address, holder)| (*address, holder.as_str()))
    }

    /// Who has this address.
    pub(super) fn holder(&self, subnet: &ResourceId, address: Ipv4Addr) -> Option<&str> {
        self.by_subnet.get(subnet)?.get(&address).map(String::as_str)
    }

    /// The address that a holder has in a subnet.
    pub(super) fn held(&self, subnet: &ResourceId, holder: &str) -> Option<Ipv4Addr> {
        self.of(subnet).find(|(_, h)| h.eq_ignore_ascii_case(holder)).map(|(address, _)| address)
    }

    pub(super) fn take(&mut self, subnet: &ResourceId, address: Ipv4Addr, holder: &str) {
        self.by_subnet.entry(subnet.clone()).or_default().insert(address, holder.to_owned());
    }

    /// The subnet is gone.
    pub(super) fn forget(&mut self, subnet: &ResourceId) {
        self.by_subnet.remove(subnet);
    }

    fn taken(&self, subnet: &ResourceId) -> BTreeSet<Ipv4Addr> {
        self.of(subnet).map(|(address, _)| address).collect()
    }

    fn release(&mut self, holder: &str) {
        let holder = holder.to_ascii_lowercase();
        for taken in self.by_subnet.values_mut() {
            taken.retain(|_, who| {
                let who = who.to_ascii_lowercase();
                !(who == holder || who.strip_prefix(&holder).is_some_and(|rest| rest.starts_with('/')))
            });
        }
    }
}

/// The IPv4 prefix of a subnet; none where it does not exist.
pub fn subnet_prefix(world: &World, subnet: &ResourceId) -> Option<Ipv4Net> {
    let found = world.resources().get(subnet).filter(|r| r.resource_type == SUBNET)?;
    prefix::prefixes_of(found.properties()).into_iter().find_map(|p| match p {
        ipnet::IpNet::V4(v4) => Some(v4),
        ipnet::IpNet::V6(_) => None,
    })
}

/// How many addresses of a subnet are free; none free where it does not exist.
pub fn capacity_left(world: &World, subnet: &ResourceId) -> u64 {
    let Some(prefix) = subnet_prefix(world, subnet) else { return 0 };
    let taken = world.peek::<AddressBook>().map_or(0, |book| book.of(subnet).count());
    net::usable_count(prefix).saturating_sub(taken as u64)
}

/// Gives the lowest free address of a subnet to `holder`, the id of an IP configuration or of whatever else has
/// addresses. A holder that has one in this subnet keeps it.
///
/// # Errors
/// `InvalidResourceReference` where there is no such subnet, `SubnetIsFull` where no address is free.
pub fn allocate(world: &mut World, subnet: &ResourceId, holder: &str) -> Result<Ipv4Addr, ArmError> {
    let prefix = subnet_prefix(world, subnet).ok_or_else(|| missing_reference(subnet.as_str(), holder))?;
    let book = world.state::<AddressBook>();
    if let Some(address) = book.held(subnet, holder) {
        return Ok(address);
    }
    let address = net::first_free(prefix, &book.taken(subnet)).ok_or_else(|| subnet_is_full(subnet, prefix, 1))?;
    book.take(subnet, address, holder);
    Ok(address)
}

/// Takes back every address of `holder` and of whatever lies below it (an interface's IP configurations).
pub fn release(world: &mut World, holder: &str) {
    world.state::<AddressBook>().release(holder);
}

pub(super) fn subnet_is_full(subnet: &ResourceId, prefix: Ipv4Net, wanted: u64) -> ArmError {
    ArmError::bad_request(
        "SubnetIsFull",
        format!(
            "Subnet {} with address prefix {prefix} does not have enough capacity for {wanted} IP addresses.",
            subnet.name()
        ),
    )
}
