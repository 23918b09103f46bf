//! Subnets.

use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::api_versions::API_VERSIONS;
use super::inline::{Inline, children};
use super::types::{NAT_GATEWAY, ROUTE_TABLE, SECURITY_GROUP, SUBNET};
use super::{delegation, links, prefix, reference, service_endpoint, subnet_use};
use crate::provider::{Answer, Handler, Link, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};
use net;

/// The smallest subnet that Azure makes: /29, three addresses.
const LONGEST_V4: u8 = 29;
/// The one size that an IPv6 subnet has.
const LENGTH_V6: u8 = 64;

/// What a subnet may name, and by which property.
pub(super) const REFERENCES: [(&str, &str); 3] =
    [("networkSecurityGroup", SECURITY_GROUP), ("routeTable", ROUTE_TABLE), ("natGateway", NAT_GATEWAY)];

struct Subnets;

inventory::submit! { ResourceType::new(SUBNET, API_VERSIONS, &Subnets) }
inventory::submit! {
    children("Microsoft.Network/virtualNetworks/subnets/serviceAssociationLinks", &Inline::readable("serviceAssociationLinks"))
}

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
        let vnet = id.parent().expect("a subnet is in a virtual network");
        let (space, location) = {
            let vnet = world.resources().require(&vnet)?;
            (prefix::prefixes_of(&vnet.properties()["addressSpace"]), vnet.location().to_owned())
        };
        let checked = check(world, id, request.properties(), &space, &location)?;
        let clashes =
            |s: &Resource| s.id != *id && any_overlap(&prefix::prefixes_of(s.properties()), &checked.prefixes);
        if world.resources().within(&vnet, SUBNET).any(clashes) {
            return Err(ranges_overlap(&vnet, id.name()));
        }
        let new = store(world, id, checked, "Updating");
        let duration =
            world.settings().duration("Microsoft.Network/virtualNetworks/subnets/write", Duration::from_millis(50));
        Ok(Answer::put(new, id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        if !world.resources().contains(&request.id) {
            return Ok(Answer::no_content());
        }
        subnet_use::check_unused(world, &request.id)?;
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
    let holders: Vec<Value> = subnet_use::holders(world, &resource.id).iter().map(|h| json!({ "id": h })).collect();
    if !holders.is_empty() {
        shown["properties"]["ipConfigurations"] = Value::Array(holders);
    }
    let endpoints = reference::users(world, &resource.id, super::PRIVATE_ENDPOINT, "subnet");
    if !endpoints.is_empty() {
        shown["properties"]["privateEndpoints"] = reference::shown(&endpoints);
    }
    if list_is_empty(&shown["properties"]["serviceAssociationLinks"])
        && let Some(properties) = shown["properties"].as_object_mut()
    {
        properties.remove("serviceAssociationLinks");
    }
    shown
}

fn list_is_empty(value: &Value) -> bool {
    value.as_array().is_none_or(Vec::is_empty)
}

/// A subnet's properties that passed all checks, and its prefixes.
pub(super) struct Checked {
    pub(super) prefixes: Vec<IpNet>,
    properties: Value,
}

/// Writes a checked subnet. `true`: it is new.
pub(super) fn store(world: &mut World, id: &ResourceId, checked: Checked, state: &str) -> bool {
    let mut properties = checked.properties;
    properties["provisioningState"] = json!(state);
    // Links are the services' to set.
    let links = world.resources().get(id).map(|old| old.properties()["serviceAssociationLinks"].clone());
    if let Some(links) = links.filter(|links| !list_is_empty(links)) {
        properties["serviceAssociationLinks"] = links;
    }
    world.upsert(id, SUBNET, json!({ "properties": properties }))
}

/// Takes a subnet away with its addresses.
pub(super) fn remove(world: &mut World, id: &ResourceId) {
    world.resources_mut().remove(id);
    subnet_use::forget(world, id);
}

/// Checks all of a subnet but its neighbours, in a network of this space and location that need not exist yet.
pub(super) fn check(
    world: &World,
    id: &ResourceId,
    properties: &Value,
    space: &[IpNet],
    location: &str,
) -> Result<Checked, ArmError> {
    let vnet = id.parent().expect("a subnet is in a virtual network");
    check_name(id)?;
    let prefixes = read_prefixes(id, properties, &vnet)?;
    check_inside(&vnet, id.name(), &prefixes, space)?;
    for (property, resource_type) in REFERENCES {
        if let Some(named) = reference::id_of(&properties[property])? {
            reference::resolve(world, &named, resource_type, location, id)?;
        }
    }
    subnet_use::check_change(world, id, properties, &prefixes)?;

    let mut out = properties.as_object().cloned().unwrap_or_default();
    for read_only in ["ipConfigurations", "privateEndpoints", "serviceAssociationLinks", "resourceNavigationLinks"] {
        out.remove(read_only);
    }
    // A reference that is taken away is sent as null.
    out.retain(|_, value| !value.is_null());
    out.insert("delegations".into(), delegation::with_defaults(id, properties)?);
    if !list_is_empty(&properties["serviceEndpoints"]) {
        out.insert("serviceEndpoints".into(), service_endpoint::with_defaults(id, properties, location)?);
    }
    let policies = ["Disabled", "Enabled", "NetworkSecurityGroupEnabled", "RouteTableEnabled"];
    let endpoint = reference::one_of(properties, "privateEndpointNetworkPolicies", &policies)?;
    let service = reference::one_of(properties, "privateLinkServiceNetworkPolicies", &["Enabled", "Disabled"])?;
    out.insert("privateEndpointNetworkPolicies".into(), json!(endpoint));
    out.insert("privateLinkServiceNetworkPolicies".into(), json!(service));
    Ok(Checked { prefixes, properties: Value::Object(out) })
}

/// The prefixes of a subnet's properties: well-formed, of a size that Azure makes, apart from each other.
fn read_prefixes(id: &ResourceId, properties: &Value, vnet: &ResourceId) -> Result<Vec<IpNet>, ArmError> {
    let named = prefix::named(properties);
    if named.is_empty() {
        return Err(prefix::missing(id));
    }
    let prefixes: Vec<IpNet> = named.into_iter().map(|text| prefix::parse(text, id)).collect::<Result<_, _>>()?;
    for prefix in &prefixes {
        let fits = match prefix {
            IpNet::V4(v4) => v4.prefix_len() <= LONGEST_V4,
            IpNet::V6(v6) => v6.prefix_len() == LENGTH_V6,
        };
        if !fits {
            return Err(ArmError::bad_request(
                "NetcfgSubnetRangeInvalidSize",
                format!(
                    "Subnet '{}' is not valid in virtual network '{}': its address prefix {prefix} has a size that is \
                     not supported; an IPv4 subnet is /{LONGEST_V4} or larger, an IPv6 subnet is /{LENGTH_V6}.",
                    id.name(),
                    vnet.name()
                ),
            ));
        }
    }
    if net::first_overlap(&prefixes).is_some() {
        return Err(ranges_overlap(vnet, id.name()));
    }
    Ok(prefixes)
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
    if net::covered(prefixes, space) {
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
    !net::common(some, others).is_empty()
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
