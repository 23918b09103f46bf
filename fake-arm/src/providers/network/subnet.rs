//! Subnets.

use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::address_book::AddressBook;
use super::api_versions::API_VERSIONS;
use super::{inline, links, prefix, reference};
use crate::arm::{ArmError, ResourceId};
use crate::provider::{Answer, Handler, Link, Reply, Request, ResourceType};
use crate::world::{Resource, World};

/// The type of subnets.
pub const SUBNET: &str = "Microsoft.Network/virtualNetworks/subnets";

/// The smallest subnet that Azure makes: /29, three addresses.
const LONGEST_V4: u8 = 29;

struct Subnets;

inventory::submit! { ResourceType::new(SUBNET, API_VERSIONS, &Subnets) }

impl Handler for Subnets {
    fn links(&self) -> &'static [Link] {
        links::SUBNET
    }

    fn show(&self, world: &World, resource: &Resource) -> Value {
        shown(world, resource)
    }

    fn get(&self, world: &mut World, request: &Request) -> Reply {
        if !world.resources().contains(&request.id) {
            return Err(not_found(&request.id));
        }
        Ok(Answer::resource(&request.id))
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let id = &request.id;
        let space = vnet_space(world, id)?;
        let prefixes = check(world, id, request.properties(), &space)?;
        let vnet = id.parent().expect("a subnet is in a virtual network");
        let clashes = |s: &Resource| s.id != *id && any_overlap(&prefix::prefixes_of(s.properties()), &prefixes);
        if world.resources().within(&vnet, SUBNET).any(clashes) {
            return Err(ranges_overlap(&vnet, id.name()));
        }
        let new = world.upsert(id, SUBNET, body(id, request.properties(), "Updating"));
        let duration =
            world.settings().duration("Microsoft.Network/virtualNetworks/subnets/write", Duration::from_millis(50));
        Ok(Answer::put(new, id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        if !world.resources().contains(&request.id) {
            return Ok(Answer::no_content());
        }
        check_unused(world, &request.id)?;
        let id = request.id.clone();
        world.resources_mut().require_mut(&id)?.set_provisioning_state("Deleting");
        let duration =
            world.settings().duration("Microsoft.Network/virtualNetworks/subnets/delete", Duration::from_millis(50));
        Ok(Answer::accepted().after(duration, move |world| {
            remove(world, &id);
            Ok(())
        }))
    }

    fn remove(&self, world: &mut World, resource: &Resource) {
        remove(world, &resource.id);
    }
}

/// The network provider words a missing child of its own differently from a missing top-level resource.
fn not_found(id: &ResourceId) -> ArmError {
    ArmError::not_found("NotFound", format!("Resource {id} not found."))
}

/// A subnet as Azure shows it, with the IP configurations that have its addresses.
pub(super) fn shown(world: &World, resource: &Resource) -> Value {
    let mut shown = resource.json();
    let holders: Vec<Value> = world
        .peek::<AddressBook>()
        .map(|book| book.of(&resource.id).map(|(_, holder)| json!({ "id": holder })).collect())
        .unwrap_or_default();
    if !holders.is_empty() {
        shown["properties"]["ipConfigurations"] = Value::Array(holders);
    }
    shown
}

/// A subnet's body for the store.
pub(super) fn body(id: &ResourceId, properties: &Value, state: &str) -> Value {
    let mut properties = properties.as_object().cloned().unwrap_or_default();
    properties.remove("ipConfigurations");
    properties.insert("provisioningState".into(), json!(state));
    let delegations = inline::dress(id, "delegations", properties.get("delegations").unwrap_or(&Value::Null));
    properties.insert("delegations".into(), delegations.unwrap_or_else(|_| json!([])));
    properties.entry("privateEndpointNetworkPolicies").or_insert(json!("Disabled"));
    properties.entry("privateLinkServiceNetworkPolicies").or_insert(json!("Enabled"));
    json!({ "properties": properties })
}

/// Takes a subnet away with its addresses.
pub(super) fn remove(world: &mut World, id: &ResourceId) {
    world.resources_mut().remove(id);
    world.state::<AddressBook>().forget(id);
}

fn vnet_space(world: &World, subnet: &ResourceId) -> Result<Vec<IpNet>, ArmError> {
    let vnet = subnet.parent().expect("a subnet is in a virtual network");
    let vnet = world.resources().require(&vnet)?;
    Ok(prefix::prefixes_of(&vnet.properties()["addressSpace"]))
}

/// Checks all of a subnet but its neighbours; its prefixes.
pub(super) fn check(
    world: &World,
    id: &ResourceId,
    properties: &Value,
    space: &[IpNet],
) -> Result<Vec<IpNet>, ArmError> {
    let vnet = id.parent().expect("a subnet is in a virtual network");
    check_name(id)?;
    let named = prefix::named(properties);
    if named.is_empty() {
        return Err(ArmError::bad_request(
            "AddressPrefixStringCannotBeNullOrEmpty",
            format!("Address prefix string for resource {id} cannot be null or empty."),
        ));
    }
    let prefixes: Vec<IpNet> = named.into_iter().map(|text| prefix::parse(text, id)).collect::<Result<_, _>>()?;
    for prefix in &prefixes {
        let fits = match prefix {
            IpNet::V4(v4) => v4.prefix_len() <= LONGEST_V4,
            IpNet::V6(v6) => v6.prefix_len() == 64,
        };
        if !fits {
            return Err(ArmError::bad_request(
                "NetcfgSubnetRangeInvalidSize",
                format!(
                    "Subnet '{}' is not valid in virtual network '{}': its address prefix {prefix} is too small; an IPv4 \
                     subnet is /{LONGEST_V4} or larger, an IPv6 subnet is /64.",
                    id.name(),
                    vnet.name()
                ),
            ));
        }
    }
    check_inside(&vnet, id.name(), &prefixes, space)?;
    let location = world.resources().get(&vnet).map(|v| v.location().to_owned());
    if let (Some(group), Some(location)) = (reference::id_of(&properties["networkSecurityGroup"])?, location) {
        reference::resolve(world, &group, super::SECURITY_GROUP, &location, id)?;
    }
    check_change(world, id, properties, &prefixes)?;
    Ok(prefixes)
}

/// What may not change while the subnet has users.
fn check_change(world: &World, id: &ResourceId, properties: &Value, prefixes: &[IpNet]) -> Result<(), ArmError> {
    let Some(existing) = world.resources().get(id) else { return Ok(()) };
    let Some(user) = world.peek::<AddressBook>().and_then(|b| b.of(id).next().map(|(_, holder)| holder.to_owned()))
    else {
        return Ok(());
    };
    for old in prefix::prefixes_of(existing.properties()) {
        // Azure looks at the prefix as a whole: even a larger one that contains it is another prefix.
        if !prefixes.contains(&old) {
            return Err(ArmError::bad_request(
                "InUsePrefixCannotBeDeleted",
                format!("IpPrefix {old} on Subnet {} has active allocations and cannot be deleted.", id.name()),
            ));
        }
    }
    let services = |value: &Value| -> Vec<String> {
        let list = value["delegations"].as_array().cloned().unwrap_or_default();
        list.iter().filter_map(|d| d["properties"]["serviceName"].as_str()).map(str::to_owned).collect()
    };
    let (old, new) = (services(existing.properties()), services(properties));
    if old != new {
        return Err(ArmError::bad_request(
            "SubnetDelegationsCannotChangeWhenSubnetUsedByResource",
            format!(
                "Delegations of subnet {id} cannot be changed from [{}] to [{}] because it is being used by the resource \
                 {user}.",
                old.join(", "),
                new.join(", ")
            ),
        ));
    }
    Ok(())
}

fn check_name(id: &ResourceId) -> Result<(), ArmError> {
    let name = id.name();
    let inner = name.chars().all(|c| c.is_alphanumeric() || "._-".contains(c));
    let first = name.chars().next().is_some_and(char::is_alphanumeric);
    let last = name.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    if inner && first && last && name.len() <= 80 {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "InvalidResourceName",
        format!(
            "Resource name {name} is invalid. The name can be up to 80 characters long. It must begin with a word \
             character, and it must end with a word character or with '_'. The name may contain word characters or '.', \
             '-', '_'."
        ),
    ))
}

/// Each prefix lies in the network's space.
pub(super) fn check_inside(vnet: &ResourceId, name: &str, prefixes: &[IpNet], space: &[IpNet]) -> Result<(), ArmError> {
    if prefixes.iter().all(|p| space.iter().any(|s| s.contains(p))) {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "NetcfgSubnetRangeOutsideVnet",
        format!(
            "Subnet '{name}' is not valid because its IP address range is outside the IP address range of virtual \
             network '{}'.",
            vnet.name()
        ),
    ))
}

pub(super) fn any_overlap(some: &[IpNet], others: &[IpNet]) -> bool {
    some.iter().any(|a| others.iter().any(|b| prefix::overlap(a, b)))
}

pub(super) fn ranges_overlap(vnet: &ResourceId, name: &str) -> ArmError {
    ArmError::bad_request(
        "NetcfgSubnetRangesOverlap",
        format!(
            "Subnet '{name}' is not valid because its IP address range overlaps with that of an existing subnet in \
             virtual network '{}'.",
            vnet.name()
        ),
    )
}

/// Nothing has an address in it.
pub(super) fn check_unused(world: &World, id: &ResourceId) -> Result<(), ArmError> {
    let Some(book) = world.peek::<AddressBook>() else { return Ok(()) };
    let Some((_, holder)) = book.of(id).next() else { return Ok(()) };
    Err(ArmError::bad_request(
        "InUseSubnetCannotBeDeleted",
        format!(
            "Subnet {} is in use by {holder} and cannot be deleted. In order to delete the subnet, delete all the \
             resources within the subnet. See aka.ms/deletesubnet.",
            id.name()
        ),
    ))
}
