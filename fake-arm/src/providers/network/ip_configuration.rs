//! The IP configurations of an interface: where its addresses come from.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::addresses::AddressBook;
use super::addresses::fixed_address;
use super::addresses::{self, IpFamily, subnet_is_full, subnet_prefixes};
use super::reference::{self, missing_reference};
use super::types::APPLICATION_GROUP;
use super::{backend_pool, delegation, inline, public_address, stored_interface};
use crate::provider::Request;
use crate::world::World;
use arm::{ArmError, ResourceId};

/// One configuration of a request, checked.
struct RequestedConfiguration {
    id: ResourceId,
    subnet: ResourceId,
    family: IpFamily,
    fixed: Option<IpAddr>,
    item: Value,
}

/// Gives the configurations of an interface's PUT their addresses, and returns the finished array. With an error nothing
/// has changed. Those that had an address in the same subnet keep it; those that are gone give theirs back.
pub(super) fn take(world: &mut World, request: &Request) -> Result<Value, ArmError> {
    let wanted = read(world, request)?;
    check_capacity(world, &wanted)?;

    let kept: Vec<String> = wanted.iter().map(|w| w.id.folded().to_owned()).collect();
    let previous = world.resources().get(&request.id).map(|nic| stored_interface::configurations(nic).to_vec());
    for old in previous.unwrap_or_default() {
        let gone = old["id"].as_str().filter(|id| !kept.contains(&id.to_ascii_lowercase()));
        if let Some(gone) = gone {
            addresses::release(world, gone);
        }
    }
    let any_primary = wanted.iter().any(|w| w.item["properties"]["primary"] == json!(true));
    // Those that want a certain address come first, so that none of the others takes it.
    let mut addresses: Vec<Option<IpAddr>> = vec![None; wanted.len()];
    for fixed in [true, false] {
        for (one, address) in wanted.iter().zip(&mut addresses).filter(|(one, _)| one.fixed.is_some() == fixed) {
            *address = Some(settle(world, one)?);
        }
    }
    let mut out = Vec::with_capacity(wanted.len());
    for (index, (one, address)) in wanted.into_iter().zip(addresses).enumerate() {
        let mut properties = one.item["properties"].as_object().cloned().unwrap_or_default();
        let method = if one.fixed.is_some() { "Static" } else { "Dynamic" };
        let primary = properties.get("primary") == Some(&json!(true)) || (!any_primary && index == 0);
        properties.insert("provisioningState".into(), json!("Succeeded"));
        properties.insert("privateIPAddress".into(), json!(address));
        properties.insert("privateIPAllocationMethod".into(), json!(method));
        properties.insert("privateIPAddressVersion".into(), json!(one.family.name()));
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
fn settle(world: &mut World, one: &RequestedConfiguration) -> Result<IpAddr, ArmError> {
    match one.fixed {
        Some(fixed) => {
            let book = world.state::<AddressBook>();
            if book.held(&one.subnet, one.id.as_str()) != Some(fixed) {
                book.take(&one.subnet, fixed, one.id.as_str());
            }
            Ok(fixed)
        }
        None => addresses::allocate_of(world, &one.subnet, one.id.as_str(), one.family),
    }
}

/// Everything that can be refused is refused before any address moves.
fn check_capacity(world: &World, wanted: &[RequestedConfiguration]) -> Result<(), ArmError> {
    let now = world.now();
    let empty = AddressBook::default();
    let book = world.peek::<AddressBook>().unwrap_or(&empty);
    let mut needed: BTreeMap<(ResourceId, IpFamily), u64> = BTreeMap::new();
    for one in wanted {
        let held = book.held(&one.subnet, one.id.as_str());
        if let Some(fixed) = one.fixed
            && held != Some(fixed)
            && let Some(holder) = book.holder(&one.subnet, fixed, now)
            && !holder.eq_ignore_ascii_case(one.id.as_str())
        {
            return Err(fixed_address::taken(fixed, &one.id, holder));
        }
        if held.is_none() {
            *needed.entry((one.subnet.clone(), one.family)).or_default() += 1;
        }
    }
    for ((subnet, family), count) in needed {
        if addresses::free_addresses(world, &subnet, family) < count {
            return Err(subnet_is_full(world, &subnet, family, count));
        }
    }
    Ok(())
}

fn read(world: &World, request: &Request) -> Result<Vec<RequestedConfiguration>, ArmError> {
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
    inline::with_defaults(&request.id, "ipConfigurations", &request.properties()["ipConfigurations"])?;
    let mut wanted: Vec<RequestedConfiguration> = Vec::with_capacity(items.len());
    for item in items {
        let one = read_one(world, request, item)?;
        check_beside(&one, &wanted, &request.id)?;
        wanted.push(one);
    }
    if let Some(first) = wanted.iter().find(|one| one.item["properties"]["primary"] == json!(true)).or(wanted.first())
        && first.family == IpFamily::V6
    {
        return Err(ArmError::bad_request(
            "IPv6ConfigurationCannotBePrimary",
            format!(
                "IP configuration {} has an IPv6 address and cannot be the primary IP configuration of network \
                 interface {}; an IPv4 configuration must be.",
                first.id, request.id
            ),
        ));
    }
    backend_pool::check_same_sku(world, items)?;
    Ok(wanted)
}

/// What a configuration may not share with those before it.
fn check_beside(
    one: &RequestedConfiguration,
    before: &[RequestedConfiguration],
    nic: &ResourceId,
) -> Result<(), ArmError> {
    if let (Some(fixed), Some(other)) = (one.fixed, before.iter().find(|w| w.fixed.is_some() && w.fixed == one.fixed)) {
        return Err(ArmError::bad_request(
            "PrivateIPAddressInUse",
            format!(
                "IP configuration {} is using the same private IP address {fixed} as IP configuration {}.",
                one.id, other.id
            ),
        ));
    }
    let Some(first) = before.first().filter(|first| first.subnet.parent() != one.subnet.parent()) else {
        return Ok(());
    };
    Err(ArmError::bad_request(
        "AllIpConfigurationsInNicMustBelongToTheSameVnet",
        format!(
            "IP configurations {} and {} of network interface {nic} are in different virtual networks.",
            first.id, one.id
        ),
    ))
}

fn read_one(world: &World, request: &Request, item: &Value) -> Result<RequestedConfiguration, ArmError> {
    let name = item["name"].as_str().unwrap_or_default();
    let id = request.id.child("ipConfigurations", name);
    let properties = &item["properties"];
    let version = properties["privateIPAddressVersion"].as_str();
    let family = IpFamily::parse(version)
        .ok_or_else(|| reference::unreadable("privateIPAddressVersion", version.unwrap_or_default(), "IPv4, IPv6"))?;
    let Some(subnet) = reference::id_of(&properties["subnet"])? else {
        return Err(ArmError::bad_request("SubnetNotProvided", format!("IP configuration {id} names no subnet.")));
    };
    let missing = || missing_reference(subnet.as_str(), request.id.as_str());
    let prefixes = subnet_prefixes(world, &subnet);
    let vnet = subnet.parent().and_then(|v| world.resources().get(&v)).ok_or_else(missing)?;
    if prefixes.is_empty() || vnet.location() != request.location() {
        return Err(missing());
    }
    if !prefixes.iter().any(|prefix| family.has(prefix)) {
        return Err(ArmError::bad_request(
            "SubnetDoesNotHaveIPv6AddressPrefix",
            format!(
                "IP configuration {id} asks for an {} address, but subnet {subnet} has no {} address prefix.",
                family.name(),
                family.name()
            ),
        ));
    }
    delegation::check_interface(world, request, &subnet)?;
    check_references(world, request, &id, properties)?;
    let fixed = fixed_address::read(properties, &prefixes, family, &id)?;
    // In the case in which the subnet was created, so that ids that are shown agree.
    let subnet = world.resources().get(&subnet).map_or(subnet, |s| s.id.clone());
    Ok(RequestedConfiguration { id, subnet, family, fixed, item: item.clone() })
}

/// Backend pools, public addresses and application security groups must be there.
fn check_references(world: &World, request: &Request, id: &ResourceId, properties: &Value) -> Result<(), ArmError> {
    for pool in reference::list(&properties["loadBalancerBackendAddressPools"]) {
        backend_pool::resolve(world, pool, &request.location(), &request.id)?;
    }
    for group in reference::list(&properties["applicationSecurityGroups"]) {
        if let Some(group) = reference::id_of(group)? {
            reference::resolve(world, &group, APPLICATION_GROUP, &request.location(), &request.id)?;
        }
    }
    if let Some(public) = reference::id_of(&properties["publicIPAddress"])? {
        public_address::check_use(world, &public, &request.location(), id)?;
    }
    Ok(())
}
