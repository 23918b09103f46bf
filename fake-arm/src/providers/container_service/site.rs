//! Where a cluster is to stand: the virtual network, subnets, route tables and gateways that its request names, looked up
//! and judged as AKS judges them.

use ipnet::Ipv4Net;
use serde_json::Value;

use super::address_range::OccupiedRanges;
use super::draft::Draft;
use super::pool::Pool;
use super::refusal::{invalid, linked, refused};
use crate::engine::NetworkProfile;
use crate::providers::network::{self, SUBNET};
use crate::world::World;
use arm::{ArmError, ResourceId};

/// What the API server's subnet must be delegated to.
pub(super) const DELEGATION: &str = "Microsoft.ContainerService/managedClusters";
/// Prefix length of the smallest subnet for API servers.
const SMALLEST_API_SERVER_SUBNET: u8 = 28;
/// Addresses that each API server keeps in its subnet.
pub(super) const API_SERVER_ADDRESSES: u32 = 9;

/// The ranges of the network that a subnet is in.
///
/// # Errors
/// A subnet that does not exist: what the network provider answers.
pub(super) fn occupied_ranges(world: &World, subnet: &ResourceId) -> Result<OccupiedRanges, ArmError> {
    world.resources().require(subnet)?;
    let network = subnet.parent().ok_or_else(|| invalid("agentPoolProfile.vnetSubnetID", "That is no subnet."))?;
    let properties = world.resources().require(&network)?.properties();
    let space = properties["addressSpace"]["addressPrefixes"].as_array().into_iter().flatten();
    let subnets = world.resources().within(&network, SUBNET);
    Ok(OccupiedRanges {
        network: space.filter_map(|value| value.as_str()?.parse().ok()).collect(),
        subnets: subnets.flat_map(|subnet| ranges(subnet.properties())).collect(),
    })
}

/// Checks the subnet of a pool.
///
/// # Errors
/// `SubnetIsDelegated` (seen); `ExistingRouteTableNotAssociatedWithSubnet` (seen) and its like for the outbound types;
/// one IPv4 range; in dual-stack clusters an IPv6 range.
pub(super) fn check_pool(world: &World, profile: &NetworkProfile, pool: &Pool) -> Result<(), ArmError> {
    const TARGET: &str = "agentPoolProfile.vnetSubnetID";
    let Some(id) = &pool.subnet else { return Ok(()) };
    if !id.is_type(SUBNET) {
        return Err(invalid(TARGET, format!("The value '{id}' of vnetSubnetID is not the id of a subnet.")));
    }
    let subnet = world.resources().require(id)?.properties();
    if subnet["delegations"].as_array().is_some_and(|list| !list.is_empty()) {
        return Err(refused(
            "SubnetIsDelegated",
            TARGET,
            format!(
                "AgentPoolProfile.VnetSubnetID {id} cannot be used as it's a delegated subnet. Please check \
                     https://aka.ms/adv-network-prerequest for more details."
            ),
        ));
    }
    if ranges(subnet).len() > 1 {
        let message = format!("Subnet {id} has multiple address prefixes, which is not supported.");
        return Err(refused("MultipleAddressPrefixesSubnetNotSupported", TARGET, message));
    }
    let has_v6 = texts(subnet).any(|text| text.contains(':'));
    if profile.service_cidrs.len() > 1 && !has_v6 {
        let message = format!("Subnet {id} has no IPv6 address prefix, which dual-stack networking needs.");
        return Err(invalid(TARGET, message));
    }
    match profile.outbound_type.as_str() {
        "userDefinedRouting" if subnet["routeTable"]["id"].is_null() => {
            return Err(refused(
                "ExistingRouteTableNotAssociatedWithSubnet",
                "networkProfile.outboundType",
                format!(
                    "An existing route table has not been associated with subnet {id}. Please update the route table \
                         association"
                ),
            ));
        }
        "userAssignedNATGateway" if subnet["natGateway"]["id"].is_null() => {
            let message = format!("Subnet {id} is not associated with a NAT gateway.");
            return Err(refused("SubnetNotAssociatedWithNATGateway", "networkProfile.outboundType", message));
        }
        _ => {}
    }
    Ok(())
}

/// Checks the outbound type against whose network it is.
///
/// # Errors
/// A managed gateway in the user's network; the user's gateway or routes in a network that AKS makes.
pub(super) fn check_outbound(draft: &Draft) -> Result<(), ArmError> {
    const TARGET: &str = "networkProfile.outboundType";
    match (draft.network.outbound_type.as_str(), draft.subnet()) {
        ("managedNATGateway", Some(_)) => Err(refused(
            "ManagedNATGatewayWithCustomVNetNotAllowed",
            TARGET,
            "Outbound type 'managedNATGateway' is not supported with a custom virtual network.",
        )),
        ("userAssignedNATGateway", None) => Err(refused(
            "UserAssignedNATGatewayWithManagedVNetNotAllowed",
            TARGET,
            "Outbound type 'userAssignedNATGateway' needs a custom virtual network.",
        )),
        ("userDefinedRouting", None) => {
            Err(invalid(TARGET, "Outbound type 'userDefinedRouting' needs a custom virtual network."))
        }
        _ => Ok(()),
    }
}

/// The subnet that the API server goes into, checked; `None` where it is not integrated into a network of the user's.
///
/// # Errors
/// No subnet though the pools have one; another network than theirs; not delegated, or to another service; smaller than
/// /28; fewer than nine free addresses; the pools' own subnet. Our codes: the documents state the rules only.
pub(super) fn api_server_subnet(world: &World, draft: &Draft) -> Result<Option<ResourceId>, ArmError> {
    const TARGET: &str = "apiServerAccessProfile.subnetId";
    let profile = &draft.properties["apiServerAccessProfile"];
    let integrated = profile["enableVnetIntegration"] == true;
    let given = profile["subnetId"].as_str().filter(|id| !id.is_empty());
    let Some(given) = given else {
        if integrated && draft.subnet().is_some() {
            let message = "apiServerAccessProfile.subnetId should not be empty when using custom vnet with apiserverVnetIntegration";
            return Err(invalid(TARGET, message));
        }
        return Ok(None);
    };
    let id = linked(given)?;
    let subnet = world.resources().require(&id)?.properties();
    let pools = draft.subnet().and_then(ResourceId::parent);
    if pools != id.parent() {
        let message = format!("The subnet {id} must be in the virtual network of the agent pools.");
        return Err(invalid(TARGET, message));
    }
    if draft.pools.iter().any(|pool| pool.subnet.as_ref() == Some(&id)) {
        let message = format!("The subnet {id} of the API server cannot be the subnet of an agent pool.");
        return Err(invalid(TARGET, message));
    }
    let services = subnet["delegations"].as_array().into_iter().flatten();
    let mut services = services.filter_map(|delegation| delegation["properties"]["serviceName"].as_str());
    if !services.any(|service| service.eq_ignore_ascii_case(DELEGATION)) {
        let message = format!("The subnet {id} must be delegated to {DELEGATION}.");
        return Err(refused("SubnetNotDelegated", TARGET, message));
    }
    let range = network::subnet_prefix(world, &id);
    if range.is_none_or(|range| range.prefix_len() > SMALLEST_API_SERVER_SUBNET) {
        let size = range.map(|range| format!("/{}", range.prefix_len())).unwrap_or_default();
        return Err(refused(
            "InsufficientSubnetSize",
            TARGET,
            format!("The subnet {id} of size {size} is too small: the minimum is /{SMALLEST_API_SERVER_SUBNET}."),
        ));
    }
    Ok(Some(id))
}

/// The subnet has room for one more API server.
///
/// # Errors
/// `InsufficientSubnetSize`.
pub(super) fn room_for_api_server(world: &World, subnet: &ResourceId) -> Result<(), ArmError> {
    let free = network::capacity_left(world, subnet);
    if free >= u64::from(API_SERVER_ADDRESSES) {
        return Ok(());
    }
    Err(refused(
        "InsufficientSubnetSize",
        "apiServerAccessProfile.subnetId",
        format!("Pre-allocated IPs {API_SERVER_ADDRESSES} exceeds IPs available in Subnet {free}"),
    ))
}

/// Kubenet writes routes into the user's table, which an identity that does not exist yet has no right to.
///
/// # Errors
/// `OnlySupportedOnUserAssignedMSICluster`, as seen.
pub(super) fn check_identity(world: &World, draft: &Draft, system_assigned: bool) -> Result<(), ArmError> {
    let Some(subnet) = draft.subnet().filter(|_| system_assigned && draft.network.plugin == "kubenet") else {
        return Ok(());
    };
    let table = world.resources().require(subnet)?.properties()["routeTable"]["id"].as_str().map(str::to_owned);
    match table {
        Some(table) => Err(refused(
            "OnlySupportedOnUserAssignedMSICluster",
            "identity.type",
            format!(
                "System-assigned managed identity not supported for custom resource {table}. Please use user-assigned \
                 managed identity."
            ),
        )),
        None => Ok(()),
    }
}

/// A custom private DNS zone has the same trouble.
///
/// # Errors
/// `SystemAssignedIdentityNotSupportedForCustomPrivateDNSZone`.
pub(super) fn check_private_zone(draft: &Draft, system_assigned: bool) -> Result<(), ArmError> {
    let zone = draft.properties["apiServerAccessProfile"]["privateDNSZone"].as_str().unwrap_or_default();
    let own = !zone.is_empty() && !["system", "none"].iter().any(|word| word.eq_ignore_ascii_case(zone));
    if own && system_assigned {
        return Err(refused(
            "SystemAssignedIdentityNotSupportedForCustomPrivateDNSZone",
            "apiServerAccessProfile.privateDNSZone",
            "System-assigned managed identity is not supported with a custom private DNS zone. Please use user-assigned \
             managed identity.",
        ));
    }
    Ok(())
}

/// A pool in node subnet networking keeps an address for each pod and one for the node; else one for the node.
pub(super) fn addresses_of_a_node(draft_plugin: &str, plugin_mode: &str, pool: &Pool) -> u32 {
    let node_subnet = draft_plugin == "azure" && plugin_mode.is_empty() && pool.text("podSubnetID").is_empty();
    if node_subnet { pool.max_pods + 1 } else { 1 }
}

fn texts(subnet: &Value) -> impl Iterator<Item = &str> {
    let list = subnet["addressPrefixes"].as_array().into_iter().flatten();
    list.chain(std::iter::once(&subnet["addressPrefix"])).filter_map(Value::as_str)
}

fn ranges(subnet: &Value) -> Vec<Ipv4Net> {
    let mut ranges: Vec<Ipv4Net> = texts(subnet).filter_map(|text| text.parse().ok()).collect();
    ranges.dedup();
    ranges
}
