//! Virtual networks. Their subnets are resources of their own and shown inside them.

use std::time::Duration;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::api_versions::API_VERSIONS;
use super::{links, prefix, subnet};
use crate::arm::{ArmError, ResourceId};
use crate::provider::{Answer, Handler, Link, Reply, Request, ResourceType};
use crate::world::{Resource, World};

/// The type of virtual networks.
pub const VIRTUAL_NETWORK: &str = "Microsoft.Network/virtualNetworks";

struct VirtualNetworks;

inventory::submit! { ResourceType::new(VIRTUAL_NETWORK, API_VERSIONS, &VirtualNetworks).tracked() }

impl Handler for VirtualNetworks {
    fn links(&self) -> &'static [Link] {
        links::VIRTUAL_NETWORK
    }

    fn show(&self, world: &World, resource: &Resource) -> Value {
        let mut shown = resource.json();
        let subnets = world.resources().within(&resource.id, subnet::SUBNET);
        shown["properties"]["subnets"] = subnets.map(|s| subnet::shown(world, s)).collect();
        shown
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let space = address_space(request)?;
        let existing = world.resources().get(&request.id).cloned();
        let wanted = wanted_subnets(world, request, &space)?;

        let mut body = request.resource_body();
        let guid = match existing.as_ref().and_then(|e| e.properties().get("resourceGuid").cloned()) {
            Some(guid) => guid,
            None => json!(world.uuid()),
        };
        let properties = body["properties"].as_object_mut().expect("resource_body makes properties");
        properties.remove("subnets");
        properties.insert("provisioningState".into(), json!("Updating"));
        properties.insert("resourceGuid".into(), guid);
        properties.entry("virtualNetworkPeerings").or_insert_with(|| json!([]));
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
        let subnets: Vec<Resource> = world.resources().within(&request.id, subnet::SUBNET).cloned().collect();
        for subnet in &subnets {
            subnet::check_unused(world, &subnet.id)?;
        }
        let id = request.id.clone();
        world.resources_mut().require_mut(&id)?.set_provisioning_state("Deleting");
        let duration =
            world.settings().duration("Microsoft.Network/virtualNetworks/delete", Duration::from_millis(100));
        Ok(Answer::accepted().after(duration, move |world| {
            for subnet in subnets {
                subnet::remove(world, &subnet.id);
            }
            world.resources_mut().remove(&id);
            Ok(())
        }))
    }
}

/// The prefixes of the address space in a request.
fn address_space(request: &Request) -> Result<Vec<IpNet>, ArmError> {
    let named = prefix::named(&request.properties()["addressSpace"]);
    if named.is_empty() {
        return Err(ArmError::bad_request(
            "AddressPrefixStringCannotBeNullOrEmpty",
            format!("Address prefix string for resource {} cannot be null or empty.", request.id),
        ));
    }
    named.into_iter().map(|text| prefix::parse(text, &request.id)).collect()
}

/// From this api-version on, a PUT that does not speak of subnets leaves them; before, it removes them all.
const KEEPS_SUBNETS: &str = "2023-09-01";

/// The subnets that the network is to have, checked against its space, against each other and against what is in
/// use; none where the present ones stay as they are.
fn wanted_subnets(world: &World, request: &Request, space: &[IpNet]) -> Result<Option<Vec<(String, Value)>>, ArmError> {
    let vnet = &request.id;
    let present: Vec<&Resource> = world.resources().within(vnet, subnet::SUBNET).collect();
    let list = match request.properties().get("subnets").and_then(Value::as_array) {
        Some(list) => list.as_slice(),
        None if request.api_version.at_least(KEEPS_SUBNETS) => {
            for subnet in present {
                let prefixes = prefix::prefixes_of(subnet.properties());
                subnet::check_inside(vnet, subnet.name(), &prefixes, space)?;
            }
            return Ok(None);
        }
        None => &[],
    };
    let mut wanted: Vec<(String, Value, Vec<IpNet>)> = Vec::new();
    for item in list {
        let name = item["name"].as_str().unwrap_or_default().to_owned();
        let id = vnet.child("subnets", &name);
        let properties = item["properties"].clone();
        let prefixes = subnet::check(world, &id, &properties, space)?;
        if wanted.iter().any(|(_, _, other)| subnet::any_overlap(other, &prefixes)) {
            return Err(subnet::ranges_overlap(vnet, &name));
        }
        wanted.push((name, properties, prefixes));
    }
    for subnet in present {
        if !wanted.iter().any(|(name, ..)| name.eq_ignore_ascii_case(subnet.name())) {
            subnet::check_unused(world, &subnet.id)?;
        }
    }
    Ok(Some(wanted.into_iter().map(|(name, properties, _)| (name, properties)).collect()))
}

fn apply_subnets(world: &mut World, vnet: &ResourceId, wanted: Vec<(String, Value)>) {
    let present: Vec<ResourceId> = world.resources().within(vnet, subnet::SUBNET).map(|s| s.id.clone()).collect();
    for id in present {
        if !wanted.iter().any(|(name, _)| name.eq_ignore_ascii_case(id.name())) {
            subnet::remove(world, &id);
        }
    }
    for (name, properties) in wanted {
        let id = vnet.child("subnets", &name);
        world.upsert(&id, subnet::SUBNET, subnet::body(&id, &properties, "Succeeded"));
    }
}
