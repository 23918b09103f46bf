//! What holds for an interface when all that concerns it is taken together: the rules of its own group and of its
//! subnet's, the routes of its subnet.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::types::INTERFACE;
use super::{peering, prefix, reference, route_table, security_group, stored_interface};
use crate::provider::{Answer, Reply};
use crate::world::{Resource, World};
use arm::ResourceId;
use net::{
    Access, Direction, NetworkContext, NextHop, Origin, Packet, Route, RouteTable, SecurityRules, routes_of_a_network,
};

/// The routes of a subnet: those of its network, its peers, and its route table.
pub fn routes(world: &World, subnet: &ResourceId) -> RouteTable {
    let (space, peers) = spaces(world, subnet);
    let mut routes: Vec<Route> = routes_of_a_network(&space, &peers);
    let table = world.resources().get(subnet).and_then(|subnet| referred(world, subnet, "routeTable"));
    routes.extend(table.map(route_table::routes).unwrap_or_default());
    RouteTable::new(routes)
}

/// What service tags mean in the network of a subnet.
pub fn network_context(world: &World, subnet: &ResourceId) -> NetworkContext {
    let (mut network, peers) = spaces(world, subnet);
    network.extend(peers);
    let mut members = Vec::new();
    for configuration in world.resources().of_type(INTERFACE).flat_map(stored_interface::configurations) {
        let properties = &configuration["properties"];
        let address = properties["privateIPAddress"].as_str().and_then(|text| text.parse::<IpAddr>().ok());
        let Some(address) = address else { continue };
        let groups = reference::list(&properties["applicationSecurityGroups"]).iter();
        members.extend(groups.filter_map(|g| Some((g["id"].as_str()?.to_ascii_lowercase(), address))));
    }
    NetworkContext { network, tags: Vec::new(), members }
}

/// The group of a subnet or of an interface: its name and its rules.
pub fn rules(world: &World, of: &ResourceId) -> Option<(ResourceId, SecurityRules)> {
    let group = referred(world, world.resources().get(of)?, "networkSecurityGroup")?;
    Some((group.id.clone(), security_group::rules(group)))
}

/// What an interface's and a subnet's groups say to a packet: every group that there is must let it pass. Without any,
/// everything passes. The rule that drops it is told as `group/rule`.
///
/// # Errors
/// The dropping rule.
pub fn passes(
    world: &World,
    direction: Direction,
    nic: Option<&ResourceId>,
    subnet: &ResourceId,
    packet: &Packet,
) -> Result<(), String> {
    let around = network_context(world, subnet);
    for of in nic.into_iter().chain([subnet]) {
        let Some((group, rules)) = rules(world, of) else { continue };
        let verdict = rules.verdict(direction, packet, &around);
        if verdict.access == Access::Deny {
            return Err(format!("{}/{}", group.name(), verdict.rule.map_or("none", |rule| &rule.name)));
        }
    }
    Ok(())
}

fn referred<'w>(world: &'w World, from: &Resource, property: &str) -> Option<&'w Resource> {
    let id = reference::id_of(&from.properties()[property]).ok()??;
    world.resources().get(&id)
}

/// Spaces of a subnet's network and of the networks that it is connected to.
fn spaces(world: &World, subnet: &ResourceId) -> (Vec<ipnet::IpNet>, Vec<ipnet::IpNet>) {
    let Some(vnet) = subnet.parent().and_then(|vnet| world.resources().get(&vnet)) else { return Default::default() };
    (prefix::prefixes_of(&vnet.properties()["addressSpace"]), peering::connected_spaces(world, &vnet.id))
}

/// `POST …/networkInterfaces/{nic}/effectiveNetworkSecurityGroups` and `…/effectiveRouteTable`.
pub(super) fn action(world: &mut World, nic: &ResourceId, action: &str) -> Option<Reply> {
    let answer = match action.to_ascii_lowercase().as_str() {
        "effectiveroutetable" => effective_routes,
        "effectivenetworksecuritygroups" => effective_groups,
        _ => return None,
    };
    let subnet = world.resources().require(nic).map(subnet_of);
    Some(subnet.map(|subnet| Answer::json(json!({ "value": answer(world, nic, subnet.as_ref()) }))))
}

fn subnet_of(nic: &Resource) -> Option<ResourceId> {
    let first = stored_interface::configurations(nic).first()?;
    reference::id_of(&first["properties"]["subnet"]).ok()?
}

fn effective_routes(world: &World, _: &ResourceId, subnet: Option<&ResourceId>) -> Vec<Value> {
    let table = subnet.map(|subnet| routes(world, subnet)).unwrap_or_default();
    let shown = table.iter().map(|route| {
        let (hop, address) = match route.next_hop {
            NextHop::VnetLocal => ("VnetLocal", None),
            NextHop::VnetPeering => ("VNetPeering", None),
            NextHop::Internet => ("Internet", None),
            NextHop::VirtualAppliance(address) => ("VirtualAppliance", Some(address)),
            NextHop::VirtualNetworkGateway => ("VirtualNetworkGateway", None),
            NextHop::None => ("None", None),
        };
        let source = match route.origin {
            Origin::User => "User",
            Origin::Gateway => "VirtualNetworkGateway",
            Origin::System => "Default",
        };
        json!({
            "source": source,
            "state": "Active",
            "addressPrefix": [route.prefix],
            "nextHopType": hop,
            "nextHopIpAddress": address.into_iter().collect::<Vec<_>>(),
        })
    });
    shown.collect()
}

fn effective_groups(world: &World, nic: &ResourceId, subnet: Option<&ResourceId>) -> Vec<Value> {
    let mut shown = Vec::new();
    for (kind, of) in subnet.map(|subnet| ("subnet", subnet)).into_iter().chain([("networkInterface", nic)]) {
        let Some(found) = world.resources().get(of) else { continue };
        let Some(group) = referred(world, found, "networkSecurityGroup") else { continue };
        let arrays = ["securityRules", "defaultSecurityRules"];
        let rules: Vec<Value> = arrays
            .into_iter()
            .flat_map(|array| {
                reference::list(&group.properties()[array]).iter().map(move |rule| {
                    let mut properties = rule["properties"].clone();
                    properties["name"] = json!(format!("{array}/{}", rule["name"].as_str().unwrap_or_default()));
                    properties
                })
            })
            .collect();
        shown.push(json!({
            "networkSecurityGroup": { "id": group.id },
            "association": { kind: { "id": found.id } },
            "effectiveSecurityRules": rules,
        }));
    }
    shown
}
