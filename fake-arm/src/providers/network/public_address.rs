//! Public IP addresses, out of a range that is nobody's (RFC 2544).

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};

use super::api_versions::API_VERSIONS;
use super::{INTERFACE, LOAD_BALANCER};
use crate::arm::{ArmError, ResourceId};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{KeptState, Resource, World};

/// The type of public IP addresses.
pub const PUBLIC_ADDRESS: &str = "Microsoft.Network/publicIPAddresses";

inventory::submit! { KeptState::of::<Given>("Microsoft.Network/publicAddresses") }

/// How many were given away.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Given(u32);

struct PublicAddresses;

inventory::submit! { ResourceType::new(PUBLIC_ADDRESS, API_VERSIONS, &PublicAddresses).tracked() }

impl Handler for PublicAddresses {
    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let existing = world.resources().get(&request.id).map(|e| e.properties().clone());
        let mut body = request.resource_body();
        let kept = |field: &str| existing.as_ref().and_then(|e| e.get(field).cloned());
        let address = kept("ipAddress").unwrap_or_else(|| json!(next(world)));
        let guid = kept("resourceGuid").unwrap_or_else(|| json!(world.uuid()));
        let properties = body["properties"].as_object_mut().expect("resource_body makes properties");
        properties.insert("provisioningState".into(), json!("Updating"));
        properties.insert("resourceGuid".into(), guid);
        properties.insert("ipAddress".into(), address);
        properties.entry("publicIPAllocationMethod").or_insert(json!("Static"));
        properties.entry("publicIPAddressVersion").or_insert(json!("IPv4"));
        properties.entry("idleTimeoutInMinutes").or_insert(json!(4));
        let new = world.upsert(&request.id, PUBLIC_ADDRESS, body);
        let duration = world.settings().duration("Microsoft.Network/publicIPAddresses/write", Duration::ZERO);
        Ok(Answer::put(new, &request.id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        if let Some(user) = user(world, &request.id) {
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

fn next(world: &mut World) -> Ipv4Addr {
    let given = world.state::<Given>();
    given.0 += 1;
    Ipv4Addr::from(u32::from(Ipv4Addr::new(198, 18, 0, 0)) + given.0)
}

/// The configuration of an interface or load balancer that has this address.
fn user(world: &World, id: &ResourceId) -> Option<String> {
    let arrays = [(INTERFACE, "ipConfigurations"), (LOAD_BALANCER, "frontendIPConfigurations")];
    let named = |item: &&Value| {
        let public = item["properties"]["publicIPAddress"]["id"].as_str();
        public.is_some_and(|p| p.eq_ignore_ascii_case(id.as_str()))
    };
    let find = |resource: &Resource, array: &str| -> Option<String> {
        let items = resource.properties()[array].as_array()?;
        items.iter().find(named)?["id"].as_str().map(str::to_owned)
    };
    arrays.iter().find_map(|(kind, array)| world.resources().of_type(kind).find_map(|r| find(r, array)))
}
