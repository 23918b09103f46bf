//! Frontends of load balancers: an address of a subnet, or a public one.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::addresses::AddressBook;
use super::addresses::fixed_address;
use super::addresses::{self, IpFamily, subnet_prefixes};
use super::reference::{self, list, missing_reference};
use super::{delegation, inline, public_address};
use crate::provider::Request;
use crate::world::World;
use arm::{ArmError, ResourceId};

/// Holds frontends against the world: subnets and public addresses that exist, of the SKU of the load balancer, nobody
/// else's.
pub(super) fn check(world: &World, request: &Request, sku: &str, frontends: &Value) -> Result<(), ArmError> {
    let balancer = &request.id;
    let (mut public, mut private) = (0, 0);
    let mut fixed: Vec<(ResourceId, IpAddr, ResourceId)> = Vec::new();
    for frontend in list(frontends) {
        let id = balancer.child("frontendIPConfigurations", frontend["name"].as_str().unwrap_or_default());
        let properties = &frontend["properties"];
        match (reference::id_of(&properties["publicIPAddress"])?, reference::id_of(&properties["subnet"])?) {
            (Some(address), None) => {
                public += 1;
                check_public(world, request, sku, &address, &id)?;
            }
            (None, Some(subnet)) => {
                private += 1;
                if let Some(address) = check_private(world, request, &id, &subnet, properties)? {
                    if let Some((.., other)) = fixed.iter().find(|(s, a, _)| *s == subnet && *a == address) {
                        return Err(fixed_address::taken(address, &id, other.as_str()));
                    }
                    fixed.push((subnet, address, id.clone()));
                }
            }
            // Prefixes are a way to have public addresses that this fake does not know.
            _ => {
                return Err(ArmError::bad_request(
                    "LoadBalancerFrontendIPConfigurationInvalid",
                    format!("Frontend IP configuration {id} must reference either a subnet or a public IP address."),
                ));
            }
        }
        if sku == "Basic" && !list(&frontend["zones"]).is_empty() {
            return Err(ArmError::bad_request(
                "BasicSkuCannotHaveZones",
                format!("Frontend IP configuration {id} of Basic sku load balancer cannot have availability zones."),
            ));
        }
    }
    if public > 0 && private > 0 {
        return Err(ArmError::bad_request(
            "LoadBalancerCannotHaveBothPublicAndPrivateFrontends",
            format!("Load balancer {balancer} cannot have both public and private frontend IP configurations."),
        ));
    }
    Ok(())
}

fn check_public(
    world: &World,
    request: &Request,
    sku: &str,
    address: &ResourceId,
    id: &ResourceId,
) -> Result<(), ArmError> {
    reference::resolve(world, address, super::PUBLIC_ADDRESS, &request.location(), &request.id)?;
    let found = public_address::check_use(world, address, &request.location(), id)?;
    let theirs = found.body["sku"]["name"].as_str().unwrap_or("Basic");
    if (sku == "Basic") != (theirs == "Basic") {
        return Err(ArmError::bad_request(
            "PublicIPAndLBSkuDoNotMatch",
            format!("{sku} sku load balancer {} cannot reference {theirs} sku publicIP {address}.", request.id),
        ));
    }
    Ok(())
}

fn check_private(
    world: &World,
    request: &Request,
    id: &ResourceId,
    subnet: &ResourceId,
    properties: &Value,
) -> Result<Option<IpAddr>, ArmError> {
    let prefixes = subnet_prefixes(world, subnet);
    if prefixes.is_empty() {
        return Err(missing_reference(subnet.as_str(), request.id.as_str()));
    }
    delegation::check_interface(world, request, subnet)?;
    let fixed = fixed_address::read(properties, &prefixes, family(properties), id)?;
    let holder = fixed.and_then(|address| world.peek::<AddressBook>()?.holder(subnet, address, world.now()));
    match (fixed, holder.filter(|holder| !holder.eq_ignore_ascii_case(id.as_str()))) {
        (Some(address), Some(holder)) => Err(fixed_address::taken(address, id, holder)),
        _ => Ok(fixed),
    }
}

fn family(properties: &Value) -> IpFamily {
    IpFamily::parse(properties["privateIPAddressVersion"].as_str()).unwrap_or(IpFamily::V4)
}

/// Gives each frontend in a subnet its address; frontends that are gone give theirs back.
pub(super) fn give_addresses(
    world: &mut World,
    balancer: &ResourceId,
    properties: &mut Map<String, Value>,
) -> Result<(), ArmError> {
    let old = world.resources().get(balancer).map(|b| b.properties()["frontendIPConfigurations"].clone());
    let frontends = properties.get_mut("frontendIPConfigurations");
    let Some(frontends) = frontends.and_then(Value::as_array_mut) else { return Ok(()) };
    for gone in list(&old.unwrap_or_default()) {
        let name = gone["name"].as_str().unwrap_or_default();
        let stays = inline::find(frontends, name).is_some_and(|kept| kept["properties"]["subnet"].is_object());
        if !stays {
            addresses::release(world, balancer.child("frontendIPConfigurations", name).as_str());
        }
    }
    // Those that want a certain address come first, so that none of the others takes it.
    for fixed in [true, false] {
        for frontend in frontends.iter_mut().filter(|frontend| is_static(&frontend["properties"]) == fixed) {
            give_address(world, frontend)?;
        }
    }
    Ok(())
}

fn is_static(properties: &Value) -> bool {
    properties["privateIPAllocationMethod"].as_str().is_some_and(|method| method.eq_ignore_ascii_case("Static"))
}

fn give_address(world: &mut World, frontend: &mut Value) -> Result<(), ArmError> {
    let holder = frontend["id"].as_str().unwrap_or_default().to_owned();
    let body = &mut frontend["properties"];
    let Some(subnet) = reference::id_of(&body["subnet"])? else {
        body["privateIPAllocationMethod"] = json!("Dynamic");
        return Ok(());
    };
    let fixed = is_static(body);
    let wanted = body["privateIPAddress"].as_str().and_then(|text| text.parse::<IpAddr>().ok());
    let address = match wanted.filter(|_| fixed) {
        Some(address) => {
            world.state::<AddressBook>().take(&subnet, address, &holder);
            address
        }
        None => addresses::allocate_of(world, &subnet, &holder, family(body))?,
    };
    body["privateIPAddress"] = json!(address);
    body["privateIPAllocationMethod"] = json!(if fixed { "Static" } else { "Dynamic" });
    body["privateIPAddressVersion"] = json!(family(body).name());
    Ok(())
}
