//! NAT gateways: the way out of the subnets that name them.

use std::time::Duration;

use serde_json::{Value, json};

use super::api_versions::API_VERSIONS;
use super::reference::{self, list};
use super::types::{NAT_GATEWAY, SUBNET};
use super::{public_address, sku};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

struct NatGateways;

inventory::submit! { ResourceType::new(NAT_GATEWAY, API_VERSIONS, &NatGateways).tracked() }

impl Handler for NatGateways {
    fn show(&self, world: &World, resource: &Resource) -> Value {
        let mut shown = resource.json();
        let subnets = reference::users(world, &resource.id, SUBNET, "natGateway");
        if !subnets.is_empty() {
            shown["properties"]["subnets"] = reference::shown(&subnets);
        }
        shown
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let id = &request.id;
        let existing = world.resources().get(id).map(|e| e.body.clone());
        let mut body = request.resource_body();
        let sku = sku::read(&body, "natGateways", &["Standard", "StandardV2"])?;
        sku::check_unchanged(existing.as_ref(), sku, id)?;
        sku::check_zones(request, true)?;
        if list(&request.body["zones"]).len() > 1 {
            return Err(ArmError::bad_request(
                "NatGatewayCannotHaveMultipleZones",
                format!("Nat gateway {id} can be in one availability zone at most."),
            ));
        }
        let timeout = request.properties()["idleTimeoutInMinutes"].as_u64().unwrap_or(4);
        if !(4..=120).contains(&timeout) {
            return Err(ArmError::bad_request(
                "NatGatewayIdleTimeoutOutOfRange",
                format!("Nat gateway {id} has idle timeout {timeout}; it must be between 4 and 120 minutes."),
            ));
        }
        for public in list(&request.properties()["publicIpAddresses"]) {
            let Some(public) = reference::id_of(public)? else { continue };
            let found = public_address::check_use(world, &public, &request.location(), id)?;
            if found.body["sku"]["name"] == "Basic" {
                return Err(ArmError::bad_request(
                    "NatGatewayAndPublicIpSkuDoNotMatch",
                    format!("Standard sku nat gateway {id} cannot reference Basic sku publicIP {public}."),
                ));
            }
        }
        let guid = existing.map(|e| e["properties"]["resourceGuid"].clone());
        let guid = guid.unwrap_or_else(|| json!(world.uuid()));
        body["sku"] = json!({ "name": sku, "tier": "Regional" });
        body["properties"]["provisioningState"] = json!("Updating");
        body["properties"]["resourceGuid"] = guid;
        body["properties"]["idleTimeoutInMinutes"] = json!(timeout);
        if let Some(properties) = body["properties"].as_object_mut() {
            properties.remove("subnets");
        }
        let new = world.upsert(id, NAT_GATEWAY, body);
        let duration = world.settings().duration("Microsoft.Network/natGateways/write", Duration::ZERO);
        Ok(Answer::put(new, id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        if !world.resources().contains(&request.id) {
            return Ok(Answer::no_content());
        }
        let subnets = reference::users(world, &request.id, SUBNET, "natGateway");
        if !subnets.is_empty() {
            let named: Vec<&str> = subnets.iter().map(ResourceId::as_str).collect();
            return Err(ArmError::bad_request(
                "InUseNatGatewayCannotBeDeleted",
                format!(
                    "Nat gateway {} is in use by {} and cannot be deleted. In order to delete the nat gateway, remove \
                     its association with all subnets.",
                    request.id.name(),
                    named.join(", ")
                ),
            ));
        }
        let id = request.id.clone();
        let duration = world.settings().duration("Microsoft.Network/natGateways/delete", Duration::ZERO);
        Ok(Answer::accepted().after(duration, move |world| {
            world.resources_mut().remove(&id);
            Ok(())
        }))
    }
}
