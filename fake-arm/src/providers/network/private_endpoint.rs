//! Private endpoints: an interface in a subnet behind which a service answers. As much as private clusters need.

use std::time::Duration;

use serde_json::{Value, json};

use super::api_versions::API_VERSIONS;
use super::reference::{self, list, missing_reference};
use super::types::{INTERFACE, PRIVATE_ENDPOINT, SUBNET};
use super::{addresses, delegation, inline, interface};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

struct PrivateEndpoints;

inventory::submit! { ResourceType::new(PRIVATE_ENDPOINT, API_VERSIONS, &PrivateEndpoints).tracked() }

impl Handler for PrivateEndpoints {
    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let id = &request.id;
        let subnet = subnet_of(world, request)?;
        let connections = connections(request)?;
        let old = world.resources().get(id).map(|old| old.body.clone());
        if let Some(old) = &old
            && !reference::is_to(&old["properties"]["subnet"], &subnet)
        {
            return Err(ArmError::bad_request(
                "PrivateEndpointSubnetCannotBeChanged",
                format!("The subnet of private endpoint {id} cannot be changed."),
            ));
        }
        let kept = old.as_ref().and_then(|old| old["properties"]["networkInterfaces"][0]["id"].as_str());
        let nic = match kept.and_then(|text| ResourceId::parse(text).ok()) {
            Some(nic) => nic,
            None => make_interface(world, request, &subnet)?,
        };
        let guid = old.map(|old| old["properties"]["resourceGuid"].clone());
        let guid = guid.unwrap_or_else(|| json!(world.uuid()));
        let mut body = request.resource_body();
        let properties = body["properties"].as_object_mut().expect("resource_body makes properties");
        for (field, value) in [
            ("provisioningState", json!("Updating")),
            ("resourceGuid", guid),
            ("subnet", json!({ "id": subnet })),
            ("privateLinkServiceConnections", connections),
            ("networkInterfaces", json!([{ "id": nic }])),
        ] {
            properties.insert(field.into(), value);
        }
        for field in ["manualPrivateLinkServiceConnections", "customDnsConfigs", "ipConfigurations"] {
            properties.entry(field).or_insert(json!([]));
        }
        let new = world.upsert(id, PRIVATE_ENDPOINT, body);
        let duration = world.settings().duration(&format!("{PRIVATE_ENDPOINT}/write"), Duration::from_millis(50));
        Ok(Answer::put(new, id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(found) = world.resources().get(&request.id).cloned() else { return Ok(Answer::no_content()) };
        let duration = world.settings().duration(&format!("{PRIVATE_ENDPOINT}/delete"), Duration::from_millis(50));
        Ok(Answer::accepted().after(duration, move |world| {
            PrivateEndpoints.remove(world, &found);
            Ok(())
        }))
    }

    fn remove(&self, world: &mut World, resource: &Resource) {
        for nic in list(&resource.properties()["networkInterfaces"]) {
            if let Some(nic) = reference::id_of(nic).ok().flatten() {
                interface::delete(world, &nic);
            }
        }
        world.resources_mut().remove(&resource.id);
    }
}

fn subnet_of(world: &World, request: &Request) -> Result<ResourceId, ArmError> {
    request.require_str("properties.subnet.id")?;
    let subnet = reference::id_of(&request.properties()["subnet"])?.unwrap_or_else(ResourceId::tenant);
    let missing = || missing_reference(subnet.as_str(), request.id.as_str());
    let found = world.resources().get(&subnet).filter(|s| s.resource_type == SUBNET).ok_or_else(missing)?;
    let vnet = found.id.parent().and_then(|vnet| world.resources().get(&vnet));
    if vnet.is_none_or(|vnet| vnet.location() != request.location()) {
        return Err(missing());
    }
    delegation::check_interface(world, request, &found.id)?;
    Ok(found.id.clone())
}

/// The connections of an endpoint, approved at once: whoever may make them here owns the service too.
fn connections(request: &Request) -> Result<Value, ArmError> {
    let field = "privateLinkServiceConnections";
    let mut dressed = inline::with_defaults(&request.id, field, &request.properties()[field])?;
    for connection in dressed.as_array_mut().into_iter().flatten() {
        if !connection["properties"]["privateLinkServiceId"].is_string() {
            return Err(ArmError::bad_request("InvalidRequestFormat", "Cannot parse the request.").detail(
                "MissingJsonReferenceId",
                format!("Value for reference id is missing. Path properties.{field}.properties.privateLinkServiceId."),
            ));
        }
        connection["properties"]["privateLinkServiceConnectionState"] =
            json!({ "status": "Approved", "description": "Auto-approved", "actionsRequired": "None" });
    }
    Ok(dressed)
}

/// The endpoint's interface, with an address of the subnet.
fn make_interface(world: &mut World, request: &Request, subnet: &ResourceId) -> Result<ResourceId, ArmError> {
    let (guid, mac) = (world.uuid(), interface::mac_address(world));
    let name = request.properties()["customNetworkInterfaceName"].as_str().filter(|name| !name.is_empty());
    let name = name.map_or_else(|| format!("{}.nic.{guid}", request.id.name()), str::to_owned);
    let group = request.id.group().unwrap_or_else(ResourceId::tenant);
    let nic = group.resource(INTERFACE, &name);
    let configuration = nic.child("ipConfigurations", &format!("privateEndpointIpConfig.{guid}"));
    let address = addresses::allocate(world, subnet, configuration.as_str())?;
    let body = json!({
        "location": request.location(),
        "properties": {
            "provisioningState": "Succeeded",
            "resourceGuid": guid,
            "macAddress": mac,
            "ipConfigurations": [{
                "name": configuration.name(),
                "id": configuration,
                "type": "Microsoft.Network/networkInterfaces/ipConfigurations",
                "properties": {
                    "provisioningState": "Succeeded",
                    "privateIPAddress": address,
                    "privateIPAllocationMethod": "Dynamic",
                    "privateIPAddressVersion": "IPv4",
                    "subnet": { "id": subnet },
                    "primary": true,
                },
            }],
            "dnsSettings": { "dnsServers": [], "appliedDnsServers": [] },
            "enableAcceleratedNetworking": false,
            "enableIPForwarding": false,
            "privateEndpoint": { "id": request.id },
            "nicType": "Standard",
        },
    });
    world.upsert(&nic, INTERFACE, body);
    Ok(nic)
}
