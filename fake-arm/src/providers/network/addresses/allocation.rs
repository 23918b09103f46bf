//! Addresses of subnets as other resources take and give them back.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use jiff::{SignedDuration, Timestamp};

use super::super::prefix;
use super::super::reference::missing_reference;
use super::super::types::SUBNET;
use super::address_book::AddressBook;
use crate::world::World;
use arm::{ArmError, ResourceId};
use net;

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IpFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpFamily {
    /// As Azure writes it, `IPv4`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        }
    }

    /// Reads `IPv4` or `IPv6` in any case; what is not said is IPv4.
    pub fn parse(text: Option<&str>) -> Option<Self> {
        match text {
            None => Some(Self::V4),
            Some(text) => [Self::V4, Self::V6].into_iter().find(|family| family.name().eq_ignore_ascii_case(text)),
        }
    }

    /// The prefix is of this family.
    pub fn has(self, prefix: &IpNet) -> bool {
        matches!((self, prefix), (Self::V4, IpNet::V4(_)) | (Self::V6, IpNet::V6(_)))
    }
}

/// All prefixes of a subnet, in its order; empty where it does not exist.
pub fn subnet_prefixes(world: &World, subnet: &ResourceId) -> Vec<IpNet> {
    let found = world.resources().get(subnet).filter(|r| r.resource_type == SUBNET);
    found.map_or_else(Vec::new, |subnet| prefix::prefixes_of(subnet.properties()))
}

/// The first IPv4 prefix of a subnet; `None` where it has no such prefix or does not exist.
pub fn subnet_prefix(world: &World, subnet: &ResourceId) -> Option<Ipv4Net> {
    subnet_prefixes(world, subnet).into_iter().find_map(|p| match p {
        IpNet::V4(v4) => Some(v4),
        IpNet::V6(_) => None,
    })
}

/// How many IPv4 addresses of a subnet are free; 0 where it does not exist.
pub fn capacity_left(world: &World, subnet: &ResourceId) -> u64 {
    free_addresses(world, subnet, IpFamily::V4)
}

/// How many addresses of a subnet and a family are free.
pub(in crate::providers::network) fn free_addresses(world: &World, subnet: &ResourceId, family: IpFamily) -> u64 {
    let now = world.now();
    let prefixes = subnet_prefixes(world, subnet).into_iter().filter(|p| family.has(p));
    let free = prefixes.map(|prefix| {
        let used = world.peek::<AddressBook>().map_or(0, |book| book.used(subnet, prefix, now));
        net::usable_count(prefix).saturating_sub(used)
    });
    free.fold(0, u64::saturating_add)
}

/// Gives the lowest free IPv4 address of a subnet to `holder`, the id of an IP configuration or of whatever else has
/// addresses. A holder that has one in this subnet keeps it.
///
/// # Errors
/// `InvalidResourceReference` where there is no such subnet, `SubnetIsFull` where no address is free.
pub fn allocate(world: &mut World, subnet: &ResourceId, holder: &str) -> Result<Ipv4Addr, ArmError> {
    match allocate_of(world, subnet, holder, IpFamily::V4)? {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => Err(subnet_is_full(world, subnet, IpFamily::V4, 1)),
    }
}

/// The same for either family.
///
/// # Errors
/// As [`allocate`].
pub fn allocate_of(world: &mut World, subnet: &ResourceId, holder: &str, family: IpFamily) -> Result<IpAddr, ArmError> {
    let mut prefixes = subnet_prefixes(world, subnet);
    if prefixes.is_empty() {
        return Err(missing_reference(subnet.as_str(), holder));
    }
    prefixes.retain(|prefix| family.has(prefix));
    let now = world.now();
    let book = world.state::<AddressBook>();
    if let Some(address) = book.held(subnet, holder)
        && prefixes.iter().any(|prefix| prefix.contains(&address))
    {
        return Ok(address);
    }
    match book.take_free(subnet, &prefixes, holder, now) {
        Some(address) => Ok(address),
        None => Err(subnet_is_full(world, subnet, family, 1)),
    }
}

/// Takes back every address of `holder` and of whatever lies below it (an interface's IP configurations). They are free
/// at once.
pub fn release(world: &mut World, holder: &str) {
    let now = world.now();
    world.state::<AddressBook>().release(holder, now, now);
}

/// Takes back the addresses of what went with a machine: they are free when the world's
/// [`address_hold`](crate::Settings::address_hold) is over.
pub fn release_after_cooldown(world: &mut World, holder: &str) {
    let (now, until) = (world.now(), hold_ends(world));
    world.state::<AddressBook>().release(holder, until, now);
}

/// When what is let go now is free.
pub(in crate::providers::network) fn hold_ends(world: &World) -> Timestamp {
    let hold = SignedDuration::try_from(world.settings().address_hold).unwrap_or(SignedDuration::MAX);
    world.now().saturating_add(hold).unwrap_or(Timestamp::MAX)
}

pub(in crate::providers::network) fn subnet_is_full(
    world: &World,
    subnet: &ResourceId,
    family: IpFamily,
    wanted: u64,
) -> ArmError {
    let prefixes = subnet_prefixes(world, subnet);
    let prefixes: Vec<String> = prefixes.iter().filter(|p| family.has(p)).map(ToString::to_string).collect();
    ArmError::bad_request(
        "SubnetIsFull",
        format!(
            "Subnet {} with address prefix {} does not have enough capacity for {wanted} IP addresses.",
            subnet.name(),
            prefixes.join(",")
        ),
    )
}
