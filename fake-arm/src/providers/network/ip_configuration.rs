//! The IP configurations of an interface: where its addresses come from.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::address_book::{self, AddressBook, subnet_is_full};
use super::reference::{self, missing_reference};
use super::{LOAD_BALANCER, PUBLIC_ADDRESS, inline, interface, subnet_prefix};
use crate::arm::{ArmError, ResourceId};
use crate::net;
use crate::provider::Request;
use crate::world::World;

/// One configuration of a request, checked.
struct Wanted {
    id: ResourceId,
    subnet: ResourceId,
    prefix: Ipv4Net,
    fixed: Option<Ipv4Addr>,
    item: Value,
}

/// Gives the configurations of an interface's PUT their addresses: all of them or, with an error, none. Those that
/// had one in the same subnet keep it; those that are gone give theirs back. The finished array.
pub(super) fn take(world: &mut World, request: &Request) -> Result<Value, ArmError> {
    let wanted = read(world, request)?;
    check_capacity(world, &wanted)?;

    let kept: Vec<String> = wanted.iter().map(|w| w.id.folded().to_owned()).collect();
    let previous = world.resources().get(&request.id).map(|nic| interface::configurations(nic).to_vec());
    for old in previous.unwrap_or_default() {
        let gone = old["id"].as_str().filter(|id| !kept.contains(&id.to_ascii_lowercase()));
        if let Some(gone) = gone {
            address_book::release(world, gone);
        }
    }
    let any_primary = wanted.iter().any(|w| w.item["properties"]["primary"] == json!(true));
    let mut out = Vec::with_capacity(wanted.len());
    for (index, one) in wanted.into_iter().enumerate() {
        let address = settle(world, &one)?;
        let mut properties = one.item["properties"].as_object().cloned().unwrap_or_default();
        let method = if one.fixed.is_some() { "Static" } else { "Dynamic" };
        let primary = properties.get("primary") == Some(&json!(true)) || (!any_primary && index == 0);
        properties.insert("provisioningState".into(), json!("Succeeded"));
        properties.insert("privateIPAddress".into(), json!(address));
        properties.insert("privateIPAllocationMethod".into(), json!(method));
        properties.insert("privateIPAddressVersion".into(), json!("IPv4"));
        properties.insert("primary".into(), json!(primary));
        out.push(json!({
            "name": one.id.name(),
            "id": one.id,
            "type": "Microsoft.Network/networkInterfaces/ipConfigurations",
            "properties": properties,
        }));
    }
    Ok(Value::Array(out))
}

/// Moves a configuration's address in the book to where it is wanted.
fn settle(world: &mut World, one: &Wanted) -> Result<Ipv4Addr, ArmError> {
    let book = world.state::<AddressBook>();
    let held = book.held(&one.subnet, one.id.as_str());
    match (one.fixed, held) {
        (Some(fixed), Some(held)) if fixed == held => Ok(fixed),
        (None, Some(held)) => Ok(held),
        (fixed, _) => {
            address_book::release(world, one.id.as_str());
            match fixed {
                Some(fixed) => {
                    world.state::<AddressBook>().take(&one.subnet, fixed, one.id.as_str());
                    Ok(fixed)
                }
                None => address_book::allocate(world, &one.subnet, one.id.as_str()),
            }
        }
    }
}

/// Everything that can be refused is refused before any address moves.
fn check_capacity(world: &mut World, wanted: &[Wanted]) -> Result<(), ArmError> {
    let book = world.state::<AddressBook>();
    let mut needed: BTreeMap<ResourceId, (Ipv4Net, u64)> = BTreeMap::new();
    for one in wanted {
        let held = book.held(&one.subnet, one.id.as_str());
        if let Some(fixed) = one.fixed
            && held != Some(fixed)
            && let Some(holder) = book.holder(&one.subnet, fixed)
        {
            return Err(ArmError::bad_request(
                "PrivateIPAddressIsAllocated",
                format!(
                    "IP configuration {} is using the private IP address {fixed} which is already allocated to resource \
                     {holder}.",
                    one.id
                ),
            ));
        }
        if held.is_none() {
            needed.entry(one.subnet.clone()).or_insert((one.prefix, 0)).1 += 1;
        }
    }
    for (subnet, (prefix, count)) in needed {
        if address_book::capacity_left(world, &subnet) < count {
            return Err(subnet_is_full(&subnet, prefix, count));
        }
    }
    Ok(())
}

fn read(world: &World, request: &Request) -> Result<Vec<Wanted>, ArmError> {
    let items = request.properties()["ipConfigurations"].as_array().map_or(&[][..], Vec::as_slice);
    if items.is_empty() {
        return Err(ArmError::bad_request(
            "NetworkInterfaceMustHaveAtLeastOneIpConfiguration",
            format!("Network interface {} must have at least one IP configuration.", request.id),
        ));
    }
    let primaries = items.iter().filter(|i| i["properties"]["primary"] == json!(true)).count();
    if primaries > 1 {
        return Err(ArmError::bad_request(
            "MultiplePrimaryIPConfigurationsInNic",
            format!("Network interface {} has {primaries} primary IP configurations; it must have one.", request.id),
        ));
    }
    // Names must be there and differ.
    inline::dress(&request.id, "ipConfigurations", &request.properties()["ipConfigurations"])?;
    let mut wanted: Vec<Wanted> = Vec::with_capacity(items.len());
    for item in items {
        let one = read_one(world, request, item)?;
        if let (Some(fixed), Some(other)) =
            (one.fixed, wanted.iter().find(|w| w.fixed.is_some() && w.fixed == one.fixed))
        {
            return Err(ArmError::bad_request(
                "PrivateIPAddressInUse",
                format!(
                    "IP configuration {} is using the same private IP address {fixed} as IP configuration {}.",
                    one.id, other.id
                ),
            ));
        }
        if let Some(first) = wanted.first()
            && first.subnet.parent() != one.subnet.parent()
        {
            return Err(ArmError::bad_request(
                "AllIpConfigurationsInNicMustBelongToTheSameVnet",
                format!("The IP configurations of network interface {} are in different virtual networks.", request.id),
            ));
        }
        wanted.push(one);
    }
    Ok(wanted)
}

fn read_one(world: &World, request: &Request, item: &Value) -> Result<Wanted, ArmError> {
    let name = item["name"].as_str().unwrap_or_default();
    let id = request.id.child("ipConfigurations", name);
    let properties = &item["properties"];
    if properties["privateIPAddressVersion"].as_str().is_some_and(|v| v.eq_ignore_ascii_case("IPv6")) {
        return Err(ArmError::bad_request(
            "NotModelled",
            format!("IP configuration {id} asks for an IPv6 address, which fake-arm does not give."),
        )
        .unknown_route());
    }
    let Some(subnet) = reference::id_of(&properties["subnet"])? else {
        return Err(ArmError::bad_request("SubnetNotProvided", format!("IP configuration {id} names no subnet.")));
    };
    let missing = || missing_reference(subnet.as_str(), request.id.as_str());
    let prefix = subnet_prefix(world, &subnet).ok_or_else(missing)?;
    let vnet = subnet.parent().and_then(|v| world.resources().get(&v)).ok_or_else(missing)?;
    if vnet.location() != request.location() {
        return Err(missing());
    }
    check_references(world, request, properties)?;
    let fixed = fixed_address(properties, prefix, &id)?;
    // In the case in which the subnet was created, so that ids that are shown agree.
    let subnet = world.resources().get(&subnet).map_or(subnet, |s| s.id.clone());
    Ok(Wanted { id, subnet, prefix, fixed, item: item.clone() })
}

fn fixed_address(properties: &Value, prefix: Ipv4Net, id: &ResourceId) -> Result<Option<Ipv4Addr>, ArmError> {
    if !properties["privateIPAllocationMethod"].as_str().is_some_and(|m| m.eq_ignore_ascii_case("Static")) {
        return Ok(None);
    }
    let text = properties["privateIPAddress"].as_str().unwrap_or_default();
    let address: Ipv4Addr = text.parse().map_err(|_| {
        ArmError::bad_request(
            "InvalidIPAddress",
            format!("The private IP address '{text}' of IP configuration {id} is not an IPv4 address."),
        )
    })?;
    if !prefix.contains(&address) {
        return Err(ArmError::bad_request(
            "PrivateIPAddressNotInSubnet",
            format!("Private static IP address {address} does not belong to the range of subnet prefix {prefix}."),
        ));
    }
    if !net::is_assignable(prefix, address) {
        return Err(ArmError::bad_request(
            "PrivateIPAddressInReservedRange",
            format!("Private static IP address {address} falls within reserved IP range of subnet prefix {prefix}."),
        ));
    }
    Ok(Some(address))
}

/// Backend pools and public addresses must be there.
fn check_references(world: &World, request: &Request, properties: &Value) -> Result<(), ArmError> {
    let pools = properties["loadBalancerBackendAddressPools"].as_array().map_or(&[][..], Vec::as_slice);
    for pool in pools {
        let Some(id) = reference::id_of(pool)? else { continue };
        let balancer = id.parent().filter(|p| p.is_type(LOAD_BALANCER));
        let missing = || missing_reference(id.as_str(), request.id.as_str());
        let balancer = balancer.ok_or_else(missing)?;
        reference::resolve(world, &balancer, LOAD_BALANCER, &request.location(), &request.id).map_err(|_| missing())?;
        if !inline::exists(world, &id, "backendAddressPools") {
            return Err(missing());
        }
    }
    if let Some(public) = reference::id_of(&properties["publicIPAddress"])? {
        reference::resolve(world, &public, PUBLIC_ADDRESS, &request.location(), &request.id)?;
    }
    Ok(())
}
