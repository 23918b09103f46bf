//! Virtual networks. Their subnets and peerings are resources of their own and shown inside them.

use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::api_versions::API_VERSIONS;
use super::types::{PEERING, SUBNET, VIRTUAL_NETWORK};
use super::{address_space, links, peering, prefix, subnet, subnet_use};
use crate::provider::{Answer, Handler, Link, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

struct VirtualNetworks;

inventory::submit! { ResourceType::new(VIRTUAL_NETWORK, API_VERSIONS, &VirtualNetworks).tracked() }

impl Handler for VirtualNetworks {
    fn links(&self) -> &'static [Link] {
        links::VIRTUAL_NETWORK
    }

    fn show(&self, world: &World, resource: &Resource) -> Value {
        let mut shown = resource.json();
        let subnets = world.resources().within(&resource.id, SUBNET);
        shown["properties"]["subnets"] = subnets.map(|s| subnet::shown(world, s)).collect();
        let peerings = world.resources().within(&resource.id, PEERING);
        shown["properties"]["virtualNetworkPeerings"] = peerings.map(|p| peering::shown(world, p)).collect();
        shown
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let space = address_space::read(world, request)?;
        let existing = world.resources().get(&request.id).cloned();
        let wanted = wanted_subnets(world, request, &space)?;

        let mut body = request.resource_body();
        let guid = match existing.as_ref().and_then(|e| e.properties().get("resourceGuid").cloned()) {
            Some(guid) => guid,
            None => json!(world.uuid()),
        };
        let properties = body["properties"].as_object_mut().expect("resource_body makes properties");
        properties.remove("subnets");
        // Peerings are made and removed on their own; what a PUT says of them changes nothing.
        properties.remove("virtualNetworkPeerings");
        properties.insert("provisioningState".into(), json!("Updating"));
        properties.insert("resourceGuid".into(), guid);
        properties.entry("enableDdosProtection").or_insert(json!(false));
        let new = world.upsert(&request.id, VIRTUAL_NETWORK, body);
        if let Some(wanted) = wanted {
            apply_subnets(world, &request.id, wanted);
        }
        let duration = world.settings().duration("Microsoft.Network/virtualNetworks/write", Duration::from_millis(100));
        Ok(Answer::put(new, &request.id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        if !world.resources().contains(&request.id) {
            return Ok(Answer::no_content());
        }
        let subnets: Vec<ResourceId> = subnets_of(world, &request.id);
        for subnet in &subnets {
            subnet_use::check_unused(world, subnet)?;
        }
        let id = request.id.clone();
        world.resources_mut().require_mut(&id)?.set_provisioning_state("Deleting");
        let duration =
            world.settings().duration("Microsoft.Network/virtualNetworks/delete", Duration::from_millis(100));
        Ok(Answer::accepted().after(duration, move |world| {
            for subnet in subnets {
                subnet::remove(world, &subnet);
            }
            peering::remove_all(world, &id);
            world.resources_mut().remove(&id);
            Ok(())
        }))
    }

    fn remove(&self, world: &mut World, resource: &Resource) {
        peering::remove_all(world, &resource.id);
        world.resources_mut().remove(&resource.id);
    }
}

fn subnets_of(world: &World, vnet: &ResourceId) -> Vec<ResourceId> {
    world.resources().within(vnet, SUBNET).map(|s| s.id.clone()).collect()
}

/// From this api-version on, a PUT that does not speak of subnets leaves them; before, it removes them all.
const KEEPS_SUBNETS: &str = "2023-09-01";

type RequestedSubnets = Vec<(ResourceId, subnet::Checked)>;

/// The subnets that the network is to have, checked against its space, against each other and against what is in
/// use; `None` where the present ones stay as they are.
fn wanted_subnets(world: &World, request: &Request, space: &[IpNet]) -> Result<Option<RequestedSubnets>, ArmError> {
    let vnet = &request.id;
    let list = match request.properties().get("subnets").and_then(Value::as_array) {
        Some(list) => list.as_slice(),
        None if request.api_version.at_least(KEEPS_SUBNETS) => {
            for subnet in world.resources().within(vnet, SUBNET) {
                let prefixes = prefix::prefixes_of(subnet.properties());
                subnet::check_inside(vnet, subnet.name(), &prefixes, space)?;
            }
            return Ok(None);
        }
        None => &[],
    };
    let mut wanted: RequestedSubnets = Vec::new();
    for item in list {
        let id = vnet.child("subnets", item["name"].as_str().unwrap_or_default());
        let checked = subnet::check(world, &id, &item["properties"], space, &request.location())?;
        if wanted.iter().any(|(_, other)| subnet::any_overlap(&other.prefixes, &checked.prefixes)) {
            return Err(subnet::ranges_overlap(vnet, id.name()));
        }
        wanted.push((id, checked));
    }
    for present in subnets_of(world, vnet) {
        if !wanted.iter().any(|(id, _)| *id == present) {
            subnet_use::check_unused(world, &present)?;
        }
    }
    Ok(Some(wanted))
}

fn apply_subnets(world: &mut World, vnet: &ResourceId, wanted: RequestedSubnets) {
    for present in subnets_of(world, vnet) {
        if !wanted.iter().any(|(id, _)| *id == present) {
            subnet::remove(world, &present);
        }
    }
    for (id, checked) in wanted {
        subnet::store(world, &id, checked, "Succeeded");
    }
}
