//! The address space of a virtual network: what it may hold, and how it may change.

use ipnet::IpNet;

use super::{peering, prefix};
use crate::provider::Request;
use crate::world::World;
use arm::{ArmError, ResourceId};
use net;

/// Ranges that no virtual network can have: multicast, broadcast, loopback, link-local, the platform's own address.
const FORBIDDEN: [&str; 5] = ["224.0.0.0/4", "255.255.255.255/32", "127.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32"];

/// The prefixes of the address space in a request: well-formed, apart from each other, not Azure's own, and apart from
/// what the network's peers have.
pub(super) fn read(world: &World, request: &Request) -> Result<Vec<IpNet>, ArmError> {
    let id = &request.id;
    let named = prefix::named(&request.properties()["addressSpace"]);
    if named.is_empty() {
        return Err(prefix::missing(id));
    }
    let space: Vec<IpNet> = named.into_iter().map(|text| prefix::parse(text, id)).collect::<Result<_, _>>()?;
    for prefix in &space {
        check_allowed(prefix, id)?;
    }
    if let Some((one, other)) = net::first_overlap(&space) {
        return Err(ArmError::bad_request(
            "VnetAddressPrefixesOverlap",
            format!(
                "Address prefixes {one} and {other} of virtual network {id} overlap. The address prefixes of a virtual \
                 network must not overlap with each other."
            ),
        ));
    }
    let old = world.resources().get(id).map(|vnet| prefix::prefixes_of(&vnet.properties()["addressSpace"]));
    if old.is_some_and(|old| old != space) {
        peering::check_new_space(world, id, &space)?;
    }
    Ok(space)
}

fn check_allowed(prefix: &IpNet, id: &ResourceId) -> Result<(), ArmError> {
    let forbidden = FORBIDDEN.iter().filter_map(|text| text.parse::<IpNet>().ok());
    let fits = prefix.addr().is_ipv6() || (2..=29).contains(&prefix.prefix_len());
    if fits && !forbidden.into_iter().any(|range| net::overlap(range, *prefix)) {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "AddressPrefixNotAllowed",
        format!(
            "Address prefix {prefix} cannot be used in virtual network {id}. IPv4 prefixes are /2 to /29, and none of {} \
             can be in a virtual network.",
            FORBIDDEN.join(", ")
        ),
    ))
}
