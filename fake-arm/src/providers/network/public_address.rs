//! Public IP addresses. IPv4 ones come out of a range that is nobody's (RFC 2544), IPv6 ones out of the range for
//! documents (RFC 3849).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use serde_json::{Value, json};

use super::addresses::IpFamily;
use super::api_versions::API_VERSIONS;
use super::reference::{self, one_of};
use super::sku;
use super::types::{INTERFACE, LOAD_BALANCER, NAT_GATEWAY, PUBLIC_ADDRESS};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{KeptState, Resource, World};
use arm::{ArmError, ResourceId};

inventory::submit! { KeptState::of::<AddressCounter>("Microsoft.Network/publicAddresses") }

/// How many addresses were given away so far: the next one follows from it.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct AddressCounter(u32);

struct PublicAddresses;

inventory::submit! { ResourceType::new(PUBLIC_ADDRESS, API_VERSIONS, &PublicAddresses).tracked() }

impl Handler for PublicAddresses {
    fn show(&self, world: &World, resource: &Resource) -> Value {
        let mut shown = resource.json();
        if let Some(user) = user(world, &resource.id) {
            shown["properties"]["ipConfiguration"] = json!({ "id": user });
        }
        if let Some(gateway) = gateway(world, &resource.id) {
            shown["properties"]["natGateway"] = json!({ "id": gateway });
        }
        // A dynamic address comes with the first use.
        let used = shown["properties"]["ipConfiguration"].is_object();
        if shown["properties"]["publicIPAllocationMethod"] == "Dynamic"
            && !used
            && let Some(properties) = shown["properties"].as_object_mut()
        {
            properties.remove("ipAddress");
        }
        shown
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let existing = world.resources().get(&request.id).map(|e| e.body.clone());
        let mut body = request.resource_body();
        let sku = sku::read(&body, "publicIPAddresses", &["Basic", "Standard", "StandardV2"])?;
        sku::check_unchanged(existing.as_ref(), sku, &request.id)?;
        let standard = sku != "Basic";
        let methods = if standard { ["Static", "Dynamic"] } else { ["Dynamic", "Static"] };
        let method = one_of(request.properties(), "publicIPAllocationMethod", &methods)?;
        let version = one_of(request.properties(), "publicIPAddressVersion", &["IPv4", "IPv6"])?;
        if standard && method == "Dynamic" {
            return Err(ArmError::bad_request(
                "StandardAndStandardV2SkuPublicIPAddressesMustBeStatic",
                format!("Standard sku publicIp {} must have AllocationMethod set to Static.", request.id),
            ));
        }
        sku::check_zones(request, standard)?;
        let dns = dns_settings(world, request)?;
        let family = IpFamily::parse(Some(version)).unwrap_or(IpFamily::V4);
        let kept = |field: &str| existing.as_ref().and_then(|e| e["properties"].get(field).cloned());
        let address = kept("ipAddress").unwrap_or_else(|| json!(next(world, family)));
        let guid = kept("resourceGuid").unwrap_or_else(|| json!(world.uuid()));
        body["sku"] = sku::shown(&body, sku);
        let properties = body["properties"].as_object_mut().expect("resource_body makes properties");
        for computed in ["ipConfiguration", "natGateway"] {
            properties.remove(computed);
        }
        for (field, value) in [
            ("provisioningState", json!("Updating")),
            ("resourceGuid", guid),
            ("ipAddress", address),
            ("publicIPAllocationMethod", json!(method)),
            ("publicIPAddressVersion", json!(version)),
        ] {
            properties.insert(field.into(), value);
        }
        if let Some(dns) = dns {
            properties.insert("dnsSettings".into(), dns);
        }
        properties.entry("idleTimeoutInMinutes").or_insert(json!(4));
        properties.entry("ipTags").or_insert(json!([]));
        let new = world.upsert(&request.id, PUBLIC_ADDRESS, body);
        let duration = world.settings().duration("Microsoft.Network/publicIPAddresses/write", Duration::ZERO);
        Ok(Answer::put(new, &request.id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        if let Some(user) = user(world, &request.id).or_else(|| gateway(world, &request.id)) {
            return Err(ArmError::bad_request(
                "PublicIPAddressCannotBeDeleted",
                format!(
                    "Public IP address {} can not be deleted since it is still allocated to resource {user}. In order to \
                     delete the public IP, disassociate/detach the Public IP address from the resource. To learn how to \
                     do this, see aka.ms/deletepublicip.",
                    request.id
                ),
            ));
        }
        match world.resources_mut().remove(&request.id) {
            Some(_) => Ok(Answer::ok()),
            None => Ok(Answer::no_content()),
        }
    }
}

/// `dnsSettings` with the full name, which nobody else in the region has.
fn dns_settings(world: &World, request: &Request) -> Result<Option<Value>, ArmError> {
    let mut settings = request.properties()["dnsSettings"].clone();
    let Some(label) = settings["domainNameLabel"].as_str() else { return Ok(None) };
    let name = format!("{}.{}.cloudapp.azure.com", label.to_ascii_lowercase(), request.location());
    let mut others = world.resources().of_type(PUBLIC_ADDRESS);
    if others.any(|o| o.id != request.id && o.properties()["dnsSettings"]["fqdn"] == json!(name)) {
        return Err(ArmError::bad_request(
            "DnsRecordInUse",
            format!("DNS record {name} is already used by another public IP."),
        ));
    }
    settings["fqdn"] = json!(name);
    Ok(Some(settings))
}

fn next(world: &mut World, family: IpFamily) -> IpAddr {
    let counter = world.state::<AddressCounter>();
    counter.0 += 1;
    match family {
        IpFamily::V4 => Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + counter.0).into(),
        IpFamily::V6 => {
            Ipv6Addr::from(u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0)) + u128::from(counter.0)).into()
        }
    }
}

/// The configuration of an interface or load balancer that has this address.
fn user(world: &World, id: &ResourceId) -> Option<String> {
    let arrays = [(INTERFACE, "ipConfigurations"), (LOAD_BALANCER, "frontendIPConfigurations")];
    let find = |resource: &Resource, array: &str| -> Option<String> {
        let items = reference::list(&resource.properties()[array]);
        let found = items.iter().find(|item| reference::is_to(&item["properties"]["publicIPAddress"], id))?;
        found["id"].as_str().map(str::to_owned)
    };
    arrays.iter().find_map(|(kind, array)| world.resources().of_type(kind).find_map(|r| find(r, array)))
}

/// The NAT gateway that has this address.
fn gateway(world: &World, id: &ResourceId) -> Option<String> {
    let mut gateways = world.resources().of_type(NAT_GATEWAY);
    let found = gateways.find(|gateway| {
        let named = ["publicIpAddresses", "publicIpAddressesV6"].map(|array| &gateway.properties()[array]);
        named.into_iter().flat_map(reference::list).any(|item| reference::is_to(item, id))
    });
    found.map(|gateway| gateway.id.to_string())
}

/// A public address that `user` (an IP configuration, a frontend, a gateway) may have: of the region, and nobody else's.
pub(super) fn check_use<'w>(
    world: &'w World,
    id: &ResourceId,
    location: &str,
    user: &ResourceId,
) -> Result<&'w Resource, ArmError> {
    let found = reference::resolve(world, id, PUBLIC_ADDRESS, location, user)?;
    let other = self::user(world, id).or_else(|| gateway(world, id));
    match other.filter(|other| !other.eq_ignore_ascii_case(user.as_str())) {
        None => Ok(found),
        Some(other) => Err(ArmError::bad_request(
            "PublicIPAddressInUse",
            format!(
                "Resource {user} is referencing public IP address {id} that is already allocated to resource {other}."
            ),
        )),
    }
}

/// Takes a public address away with the machine that it belongs to.
pub(super) fn delete(world: &mut World, id: &ResourceId) {
    if user(world, id).is_none() && gateway(world, id).is_none() {
        world.resources_mut().remove(id);
    }
}
