//! Peerings of virtual networks: each side is a resource of its own, and only two that point at each other connect.
//!
//! A peering remembers both address spaces as they were when it was made or last synchronized; traffic goes by what it
//! remembers.

use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::api_versions::API_VERSIONS;
use super::prefix;
use super::reference::{self, missing_reference};
use super::types::{PEERING, VIRTUAL_NETWORK};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};
use net;

struct Peerings;

inventory::submit! { ResourceType::new(PEERING, API_VERSIONS, &Peerings) }

impl Handler for Peerings {
    fn show(&self, world: &World, resource: &Resource) -> Value {
        shown(world, resource)
    }

    fn get(&self, world: &mut World, request: &Request) -> Reply {
        if !world.resources().contains(&request.id) {
            return Err(ArmError::not_found("NotFound", format!("Resource {} not found.", request.id)));
        }
        Ok(Answer::resource(&request.id))
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let id = &request.id;
        let local = id.parent().expect("a peering is in a virtual network");
        let remote = remote_of_request(world, request)?;
        let back = counterpart(world, &local, &remote);
        check_alone(world, id, &local, &remote)?;
        check_apart(world, id, &local, &remote)?;
        check_gateways(request.properties(), id, &remote)?;
        let old = world.resources().get(id).map(|old| old.properties().clone());
        if let Some(old) = &old
            && !reference::is_to(&old["remoteVirtualNetwork"], &remote)
        {
            return Err(ArmError::bad_request(
                "RemoteVirtualNetworkCannotBeChanged",
                format!("The remote virtual network of peering {id} cannot be changed. Delete the peering first."),
            ));
        }
        let state = |peering: &ResourceId| {
            let found = world.resources().get(peering)?;
            found.properties()["peeringState"].as_str().map(str::to_owned)
        };
        let connected = match back.as_ref().and_then(state).as_deref() {
            None => false,
            Some("Disconnected") => {
                let back = back.as_ref().map(ResourceId::as_str).unwrap_or_default();
                return Err(remote_is_disconnected(id, back, &remote));
            }
            Some(_) => true,
        };

        let synchronize = old.is_none()
            || old.as_ref().is_some_and(|old| old["peeringState"] == "Disconnected")
            || request.query.get("syncremoteaddressspace").is_some_and(|v| v.eq_ignore_ascii_case("true"));
        let (local_space, remote_space) = (space(world, &local), space(world, &remote));
        let guid = old.as_ref().map_or_else(|| json!(world.uuid()), |old| old["resourceGuid"].clone());
        let mut properties = request.properties().as_object().cloned().unwrap_or_default();
        let kept = |field: &str| old.as_ref().map(|old| old[field].clone()).filter(|_| !synchronize);
        let written = [
            ("provisioningState", json!("Updating")),
            ("resourceGuid", guid),
            ("peeringState", json!(if connected { "Connected" } else { "Initiated" })),
            ("remoteVirtualNetwork", json!({ "id": remote })),
            ("localAddressSpace", kept("localAddressSpace").unwrap_or_else(|| as_space(&local_space))),
            ("remoteAddressSpace", kept("remoteAddressSpace").unwrap_or_else(|| as_space(&remote_space))),
        ];
        for (field, value) in written {
            properties.insert(field.into(), value);
        }
        for computed in ["peeringSyncLevel", "localVirtualNetworkAddressSpace", "remoteVirtualNetworkAddressSpace"] {
            properties.remove(computed);
        }
        for (field, default) in [
            ("allowVirtualNetworkAccess", true),
            ("allowForwardedTraffic", false),
            ("allowGatewayTransit", false),
            ("useRemoteGateways", false),
            ("doNotVerifyRemoteGateways", false),
            ("peerCompleteVnets", true),
        ] {
            properties.entry(field).or_insert(json!(default));
        }
        let new = world.upsert(id, PEERING, json!({ "properties": properties }));
        if let Some(back) = back {
            meet(world, &back, synchronize.then_some((&remote_space[..], &local_space[..])));
        }
        let duration = world.settings().duration(&format!("{PEERING}/write"), Duration::from_millis(50));
        Ok(Answer::put(new, id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        if !world.resources().contains(&request.id) {
            return Ok(Answer::no_content());
        }
        let id = request.id.clone();
        world.resources_mut().require_mut(&id)?.set_provisioning_state("Deleting");
        let duration = world.settings().duration(&format!("{PEERING}/delete"), Duration::from_millis(50));
        Ok(Answer::accepted().after(duration, move |world| {
            remove(world, &id);
            Ok(())
        }))
    }

    fn remove(&self, world: &mut World, resource: &Resource) {
        remove(world, &resource.id);
    }
}

/// A peering as Azure shows it, with the present spaces of both networks and how far the peering knows them.
pub(super) fn shown(world: &World, resource: &Resource) -> Value {
    let mut shown = resource.json();
    let local = resource.id.parent().map(|vnet| space(world, &vnet)).unwrap_or_default();
    let remote = remote_of(resource).map(|vnet| space(world, &vnet)).unwrap_or_default();
    let same = |field: &str, present: &[IpNet]| resource.properties()[field] == as_space(present);
    let level = match (same("localAddressSpace", &local), same("remoteAddressSpace", &remote)) {
        _ if resource.properties()["peeringState"] == "Disconnected" => "LocalAndRemoteNotInSync",
        (true, true) => "FullyInSync",
        (false, true) => "LocalNotInSync",
        (true, false) => "RemoteNotInSync",
        (false, false) => "LocalAndRemoteNotInSync",
    };
    let properties = &mut shown["properties"];
    properties["peeringSyncLevel"] = json!(level);
    properties["localVirtualNetworkAddressSpace"] = as_space(&local);
    properties["remoteVirtualNetworkAddressSpace"] = as_space(&remote);
    shown
}

/// Takes all peerings of a network away that is going.
pub(super) fn remove_all(world: &mut World, vnet: &ResourceId) {
    let all: Vec<ResourceId> = world.resources().within(vnet, PEERING).map(|p| p.id.clone()).collect();
    for peering in all {
        remove(world, &peering);
    }
}

/// The peerings of a network that both sides have.
fn connected<'w>(world: &'w World, vnet: &'w ResourceId) -> impl Iterator<Item = &'w Resource> {
    world.resources().within(vnet, PEERING).filter(|p| p.properties()["peeringState"] == "Connected")
}

/// The spaces of the networks that a network is connected to, as its peerings remember them.
pub(super) fn connected_spaces(world: &World, vnet: &ResourceId) -> Vec<IpNet> {
    let open = connected(world, vnet).filter(|p| p.properties()["allowVirtualNetworkAccess"] != json!(false));
    open.flat_map(|p| prefix::prefixes_of(&p.properties()["remoteAddressSpace"])).collect()
}

/// The networks that a network is connected to, by name, with their spaces as its peerings remember them.
pub fn connected_networks(world: &World, vnet: &ResourceId) -> Vec<(String, IpNet)> {
    let spaces = connected(world, vnet).filter_map(|peering| {
        let name = remote_of(peering)?.name().to_owned();
        Some((name, prefix::prefixes_of(&peering.properties()["remoteAddressSpace"])))
    });
    spaces.flat_map(|(name, space)| space.into_iter().map(move |prefix| (name.clone(), prefix))).collect()
}

/// Refuses a network's new space where it overlaps with that of a network that it is peered with.
pub(super) fn check_new_space(world: &World, vnet: &ResourceId, new: &[IpNet]) -> Result<(), ArmError> {
    for peering in world.resources().within(vnet, PEERING) {
        let Some(remote) = remote_of(peering) else { continue };
        let shared = net::common(new, &space(world, &remote));
        if !shared.is_empty() {
            return Err(ArmError::bad_request(
                "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet",
                format!(
                    "Address space of virtual network {vnet} cannot be changed because it overlaps with address space of \
                     virtual network {remote} already peered with it by peering {}. Overlapping address prefixes: {}. \
                     For more information please refer to https://aka.ms/VnetPeeringInfo",
                    peering.id,
                    listed(&shared)
                ),
            ));
        }
    }
    Ok(())
}

fn remove(world: &mut World, id: &ResourceId) {
    let Some(gone) = world.resources_mut().remove(id) else { return };
    let Some((local, remote)) = id.parent().zip(remote_of(&gone)) else { return };
    if let Some(back) = counterpart(world, &local, &remote) {
        set_state(world, &back, "Disconnected");
    }
}

/// The other side has come: the peering connects, and learns both spaces where they are given (its own, the other's).
fn meet(world: &mut World, peering: &ResourceId, spaces: Option<(&[IpNet], &[IpNet])>) {
    set_state(world, peering, "Connected");
    let (Some((own, other)), Some(found)) = (spaces, world.resources_mut().get_mut(peering)) else { return };
    found.properties_mut().insert("localAddressSpace".into(), as_space(own));
    found.properties_mut().insert("remoteAddressSpace".into(), as_space(other));
}

fn set_state(world: &mut World, peering: &ResourceId, state: &str) {
    let etag = world.uuid();
    if let Some(found) = world.resources_mut().get_mut(peering) {
        found.properties_mut().insert("peeringState".into(), json!(state));
        found.etag = etag;
    }
}

/// The remote network of a request, which must exist. It may be in another region.
fn remote_of_request(world: &World, request: &Request) -> Result<ResourceId, ArmError> {
    request.require_str("properties.remoteVirtualNetwork.id")?;
    let remote = reference::id_of(&request.properties()["remoteVirtualNetwork"])?;
    let remote = remote.unwrap_or_else(ResourceId::tenant);
    let found = world.resources().get(&remote).filter(|vnet| vnet.resource_type == VIRTUAL_NETWORK);
    let found = found.ok_or_else(|| missing_reference(remote.as_str(), request.id.as_str()))?;
    if Some(&found.id) == request.id.parent().as_ref() {
        return Err(ArmError::bad_request(
            "VnetCannotBePeeredWithItself",
            format!("Peering {} refers to its own virtual network {remote}.", request.id),
        ));
    }
    Ok(found.id.clone())
}

fn remote_of(peering: &Resource) -> Option<ResourceId> {
    ResourceId::parse(peering.properties()["remoteVirtualNetwork"]["id"].as_str()?).ok()
}

/// The peering of `remote` that points back at `local`.
fn counterpart(world: &World, local: &ResourceId, remote: &ResourceId) -> Option<ResourceId> {
    let mut back = world.resources().within(remote, PEERING);
    back.find(|p| remote_of(p).as_ref() == Some(local)).map(|p| p.id.clone())
}

fn space(world: &World, vnet: &ResourceId) -> Vec<IpNet> {
    let found = world.resources().get(vnet);
    found.map(|vnet| prefix::prefixes_of(&vnet.properties()["addressSpace"])).unwrap_or_default()
}

fn as_space(prefixes: &[IpNet]) -> Value {
    json!({ "addressPrefixes": prefixes })
}

fn listed(prefixes: &[IpNet]) -> String {
    prefixes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// One peering to a network is enough.
fn check_alone(world: &World, id: &ResourceId, local: &ResourceId, remote: &ResourceId) -> Result<(), ArmError> {
    let mut others = world.resources().within(local, PEERING);
    let Some(other) = others.find(|p| p.id != *id && remote_of(p).as_ref() == Some(remote)) else { return Ok(()) };
    Err(ArmError::bad_request(
        "AnotherPeeringAlreadyReferencesRemoteVnet",
        format!(
            "Peering {} already references remote virtual network {remote}. Cannot add another peering {id} referencing \
             the same remote virtual network.",
            other.id
        ),
    ))
}

/// Peered networks have no address in common with each other or with each other's peers.
fn check_apart(world: &World, id: &ResourceId, local: &ResourceId, remote: &ResourceId) -> Result<(), ArmError> {
    let beginning =
        format!("Cannot create or update peering {id}. Virtual networks {local} and {remote} cannot be peered because");
    let more = "For more information please refer to https://aka.ms/VnetPeeringInfo";
    let (local_space, remote_space) = (space(world, local), space(world, remote));
    let shared = net::common(&local_space, &remote_space);
    if !shared.is_empty() {
        return Err(ArmError::bad_request(
            "VnetAddressSpacesOverlap",
            format!(
                "{beginning} their address spaces overlap. Overlapping address prefixes: {}. {more}",
                listed(&shared)
            ),
        ));
    }
    let sides = [(remote, local, &local_space, "first", "second"), (local, remote, &remote_space, "second", "first")];
    for (peered, newcomer, space_of_newcomer, which, other) in sides {
        for third in world.resources().within(peered, PEERING).filter_map(remote_of).filter(|v| v != newcomer) {
            let shared = net::common(space_of_newcomer, &space(world, &third));
            if !shared.is_empty() {
                return Err(ArmError::bad_request(
                    "VnetAddressSpaceOverlapsWithAlreadyPeeredVnet",
                    format!(
                        "{beginning} address space of the {which} virtual network overlaps with address space of virtual \
                         network {third} already peered with the {other} virtual network. Overlapping address prefixes: \
                         {}. {more}",
                        listed(&shared)
                    ),
                ));
            }
        }
    }
    Ok(())
}

/// No network here has a gateway.
fn check_gateways(properties: &Value, id: &ResourceId, remote: &ResourceId) -> Result<(), ArmError> {
    if properties["useRemoteGateways"] != json!(true) || properties["doNotVerifyRemoteGateways"] == json!(true) {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "PeeringRemoteVnetHasNoGateways",
        format!(
            "Peering {id} cannot have UseRemoteGateways flag set to true because remote virtual network {remote} referenced \
             by the peering does not have any gateways."
        ),
    ))
}

fn remote_is_disconnected(id: &ResourceId, back: &str, remote: &ResourceId) -> ArmError {
    ArmError::bad_request(
        "RemotePeeringIsDisconnected",
        format!(
            "Cannot create or update peering {id} because remote peering {back} referencing parent virtual network {remote} \
             is in Disconnected state. Update or re-create the remote peering to get it back to Initiated state. Peering \
             gets Disconnected when remote vnet or remote peering is deleted and re-created."
        ),
    )
}
