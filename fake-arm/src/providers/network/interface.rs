//! Network interfaces.

use std::time::Duration;

use serde_json::{Value, json};

use super::api_versions::API_VERSIONS;
use super::inline::{Inline, children};
use super::types::{INTERFACE, SECURITY_GROUP};
use super::{
    addresses, effective, inline, interface_reservation, ip_configuration, links, public_address, reference,
    stored_interface,
};
use crate::provider::{Answer, Handler, Link, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

struct Interfaces;

inventory::submit! { ResourceType::new(INTERFACE, API_VERSIONS, &Interfaces).tracked() }
inventory::submit! {
    children("Microsoft.Network/networkInterfaces/ipConfigurations", &Inline::readable("ipConfigurations"))
}

impl Handler for Interfaces {
    fn links(&self) -> &'static [Link] {
        links::INTERFACE
    }

    fn show(&self, _: &World, resource: &Resource) -> Value {
        inline::with_etags(resource, &["ipConfigurations"])
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let location = request.location();
        if let Some(group) = reference::id_of(&request.properties()["networkSecurityGroup"])? {
            reference::resolve(world, &group, SECURITY_GROUP, &location, &request.id)?;
        }
        let configurations = ip_configuration::take(world, request)?;
        let existing = world.resources().get(&request.id).cloned();
        let mut body = request.resource_body();
        let kept = |field: &str| existing.as_ref().and_then(|e| e.properties().get(field).cloned());
        let guid = kept("resourceGuid").unwrap_or_else(|| json!(world.uuid()));
        let mac = kept("macAddress").unwrap_or_else(|| json!(mac_address(world)));
        let machine = kept("virtualMachine");
        let endpoint = kept("privateEndpoint");
        let properties = body["properties"].as_object_mut().expect("resource_body makes properties");
        properties.insert("provisioningState".into(), json!("Updating"));
        properties.insert("resourceGuid".into(), guid);
        properties.insert("macAddress".into(), mac);
        properties.insert("ipConfigurations".into(), configurations);
        // The links to machine and endpoint are theirs to set.
        for (field, value) in [("virtualMachine", machine), ("privateEndpoint", endpoint)] {
            properties.remove(field);
            if let Some(value) = value {
                properties.insert(field.into(), value);
                properties.insert("primary".into(), json!(true));
            }
        }
        for (field, default) in [
            ("dnsSettings", json!({ "dnsServers": [], "appliedDnsServers": [] })),
            ("enableAcceleratedNetworking", json!(false)),
            ("enableIPForwarding", json!(false)),
            ("disableTcpStateTracking", json!(false)),
            ("hostedWorkloads", json!([])),
            ("tapConfigurations", json!([])),
            ("nicType", json!("Standard")),
        ] {
            properties.entry(field).or_insert(default);
        }
        let new = world.upsert(&request.id, INTERFACE, body);
        let duration = world.settings().duration("Microsoft.Network/networkInterfaces/write", Duration::ZERO);
        Ok(Answer::put(new, &request.id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(found) = world.resources().get(&request.id) else { return Ok(Answer::no_content()) };
        if let Some(machine) = found.properties()["virtualMachine"]["id"].as_str() {
            return Err(in_use(&found.id, machine));
        }
        if let Some(endpoint) = found.properties()["privateEndpoint"]["id"].as_str() {
            return Err(ArmError::bad_request(
                "NicInUseWithPrivateEndpoint",
                format!(
                    "Network interface {} is used by an existing private endpoint {endpoint} and cannot be deleted.",
                    found.id
                ),
            ));
        }
        interface_reservation::check(world, &found.id, None)?;
        let id = found.id.clone();
        let duration = world.settings().duration("Microsoft.Network/networkInterfaces/delete", Duration::ZERO);
        world.resources_mut().require_mut(&id)?.set_provisioning_state("Deleting");
        Ok(Answer::accepted().after(duration, move |world| {
            delete(world, &id);
            Ok(())
        }))
    }

    fn action(&self, world: &mut World, request: &Request, action: &str) -> Option<Reply> {
        effective::action(world, &request.id, action)
    }

    fn remove(&self, world: &mut World, resource: &Resource) {
        delete(world, &resource.id);
    }
}

/// Takes an interface away, and its addresses back.
pub(super) fn delete(world: &mut World, id: &ResourceId) {
    addresses::release(world, id.as_str());
    interface_reservation::forget(world, id);
    world.resources_mut().remove(id);
}

/// Takes an interface away because its machine goes: its addresses stay taken for a while, and public ones whose
/// `deleteOption` says so go along.
pub(super) fn delete_with_machine(world: &mut World, id: &ResourceId) {
    let public: Vec<ResourceId> = world
        .resources()
        .get(id)
        .map(|nic| stored_interface::configurations(nic).iter().filter_map(doomed_public_address).collect())
        .unwrap_or_default();
    addresses::release_after_cooldown(world, id.as_str());
    delete(world, id);
    for public in public {
        public_address::delete(world, &public);
    }
}

/// The public address of a configuration that goes with the machine.
fn doomed_public_address(configuration: &Value) -> Option<ResourceId> {
    let public = &configuration["properties"]["publicIPAddress"];
    let option = public["properties"]["deleteOption"].as_str()?;
    option.eq_ignore_ascii_case("Delete").then(|| ResourceId::parse(public["id"].as_str()?).ok()).flatten()
}

/// Azure's refusal to delete an interface that a machine has.
pub(super) fn in_use(id: &ResourceId, machine: &str) -> ArmError {
    ArmError::bad_request(
        "NicInUse",
        format!(
            "Network Interface {id} is used by existing resource {machine}. In order to delete the network interface, it \
             must be dissociated from the resource. To learn more, see aka.ms/deletenic."
        ),
    )
}

/// An address of the range that Azure's interfaces have.
pub(super) fn mac_address(world: &mut World) -> String {
    use rand::Rng;
    let tail: [u8; 3] = world.random().random();
    format!("00-22-48-{:02X}-{:02X}-{:02X}", tail[0], tail[1], tail[2])
}
