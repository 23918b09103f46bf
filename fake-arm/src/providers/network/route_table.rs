//! Route tables and the routes in them.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::api_versions::API_VERSIONS;
use super::inline::{Inline, children};
use super::types::{ROUTE_TABLE, SUBNET};
use super::{inline, reference};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};
use net::{NextHop, Origin, Route};

const HOPS: [&str; 5] = ["VirtualNetworkGateway", "VnetLocal", "Internet", "VirtualAppliance", "None"];

struct RouteTables;

inventory::submit! { ResourceType::new(ROUTE_TABLE, API_VERSIONS, &RouteTables).tracked() }
inventory::submit! { children("Microsoft.Network/routeTables/routes", &Inline::writable("routes", check)) }

impl Handler for RouteTables {
    fn show(&self, world: &World, resource: &Resource) -> Value {
        let mut shown = inline::with_etags(resource, &["routes"]);
        let subnets = reference::users(world, &resource.id, SUBNET, "routeTable");
        if !subnets.is_empty() {
            shown["properties"]["subnets"] = reference::shown(&subnets);
        }
        shown
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let existing = world.resources().get(&request.id).and_then(|t| t.properties().get("resourceGuid").cloned());
        let guid = existing.unwrap_or_else(|| json!(world.uuid()));
        let mut body = request.resource_body();
        let properties = body["properties"].as_object_mut().expect("resource_body makes properties");
        properties.remove("subnets");
        let routes = inline::with_defaults(&request.id, "routes", &request.properties()["routes"])?;
        properties.insert("routes".into(), routes);
        properties.insert("provisioningState".into(), json!("Updating"));
        properties.insert("resourceGuid".into(), guid);
        properties.entry("disableBgpRoutePropagation").or_insert(json!(false));
        check(world, &request.id, properties)?;
        let new = world.upsert(&request.id, ROUTE_TABLE, body);
        let duration = world.settings().duration("Microsoft.Network/routeTables/write", Duration::ZERO);
        Ok(Answer::put(new, &request.id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        if !world.resources().contains(&request.id) {
            return Ok(Answer::no_content());
        }
        if !reference::users(world, &request.id, SUBNET, "routeTable").is_empty() {
            return Err(ArmError::bad_request(
                "InUseRouteTableCannotBeDeleted",
                format!("Route table {} is in use and cannot be deleted.", request.id.name()),
            ));
        }
        let id = request.id.clone();
        let duration = world.settings().duration("Microsoft.Network/routeTables/delete", Duration::ZERO);
        Ok(Answer::accepted().after(duration, move |world| {
            world.resources_mut().remove(&id);
            Ok(())
        }))
    }
}

/// Holds the routes of a table against Azure's rules.
fn check(_: &World, table: &ResourceId, properties: &mut Map<String, Value>) -> Result<(), ArmError> {
    let mut seen: Vec<(String, String)> = Vec::new();
    for route in properties.get_mut("routes").and_then(Value::as_array_mut).into_iter().flatten() {
        let name = route["name"].as_str().unwrap_or_default().to_owned();
        let id = table.child("routes", &name);
        let body = &mut route["properties"];
        let prefix = body["addressPrefix"].as_str().unwrap_or_default().to_owned();
        if destination(&prefix).is_none() && !is_tag(&prefix) {
            return Err(ArmError::bad_request(
                "InvalidAddressPrefixFormat",
                format!(
                    "Address prefix {prefix} of resource {id} is not formatted correctly. It should follow CIDR notation, \
                     for example 10.0.0.0/24."
                ),
            ));
        }
        if let Some((other, _)) = seen.iter().find(|(_, p)| p.eq_ignore_ascii_case(&prefix)) {
            return Err(ArmError::bad_request(
                "RouteConflict",
                format!("Route: {name} conflicts with Route: {other}. Routes cannot have the same AddressPrefix."),
            ));
        }
        seen.push((name, prefix));
        check_hop(body, &id)?;
        body["hasBgpOverride"] = json!(false);
    }
    Ok(())
}

fn check_hop(body: &mut Value, id: &ResourceId) -> Result<(), ArmError> {
    if !body["nextHopType"].is_string() {
        return Err(ArmError::bad_request("InvalidRequestFormat", "Cannot parse the request.")
            .detail("MissingJsonProperty", format!("Value for property nextHopType of route {id} is missing.")));
    }
    let hop = reference::one_of(body, "nextHopType", &HOPS)?;
    body["nextHopType"] = json!(hop);
    let address = body["nextHopIpAddress"].as_str().filter(|text| !text.is_empty());
    let sound = match (hop, address) {
        ("VirtualAppliance", Some(address)) => address.parse::<IpAddr>().is_ok(),
        ("VirtualAppliance", None) => false,
        (_, address) => address.is_none(),
    };
    if sound {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "RouteNextHopIpAddressInvalid",
        format!(
            "Route {id} has an invalid next hop IP address '{}' for next hop type {hop}. An IP address is required with \
             VirtualAppliance and not allowed with others.",
            address.unwrap_or_default()
        ),
    ))
}

/// A destination without host bits.
fn destination(text: &str) -> Option<IpNet> {
    text.parse::<IpNet>().ok().filter(|prefix| prefix.trunc() == *prefix)
}

/// Routes may lead to services by their tags.
fn is_tag(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
}

/// The routes of a stored table; those of service tags lead to prefixes that this fake does not know and are left out.
pub(super) fn routes(table: &Resource) -> Vec<Route> {
    let read = |route: &Value| {
        let body = &route["properties"];
        let next_hop = match body["nextHopType"].as_str()? {
            "VirtualNetworkGateway" => NextHop::VirtualNetworkGateway,
            "VnetLocal" => NextHop::VnetLocal,
            "Internet" => NextHop::Internet,
            "VirtualAppliance" => NextHop::VirtualAppliance(body["nextHopIpAddress"].as_str()?.parse().ok()?),
            _ => NextHop::None,
        };
        Some(Route { prefix: destination(body["addressPrefix"].as_str()?)?, next_hop, origin: Origin::User })
    };
    reference::list(&table.properties()["routes"]).iter().filter_map(read).collect()
}
