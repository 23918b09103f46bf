//! Network security groups.

use std::time::Duration;

use serde_json::{Value, json};

use super::api_versions::API_VERSIONS;
use super::inline::{Inline, children};
use super::types::{INTERFACE, SECURITY_GROUP, SUBNET};
use super::{inline, reference, security_rule};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};
use net::SecurityRules;

struct SecurityGroups;

inventory::submit! { ResourceType::new(SECURITY_GROUP, API_VERSIONS, &SecurityGroups).tracked() }
inventory::submit! {
    children("Microsoft.Network/networkSecurityGroups/securityRules", &Inline::writable("securityRules", security_rule::check))
}
inventory::submit! {
    children("Microsoft.Network/networkSecurityGroups/defaultSecurityRules", &Inline::readable("defaultSecurityRules"))
}

impl Handler for SecurityGroups {
    fn show(&self, world: &World, resource: &Resource) -> Value {
        let mut shown = inline::with_etags(resource, &["securityRules", "defaultSecurityRules"]);
        for (field, resource_type) in [("subnets", SUBNET), ("networkInterfaces", INTERFACE)] {
            let users = reference::users(world, &resource.id, resource_type, "networkSecurityGroup");
            if !users.is_empty() {
                shown["properties"][field] = reference::shown(&users);
            }
        }
        shown
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let rules = inline::with_defaults(&request.id, "securityRules", &request.properties()["securityRules"])?;
        let existing = world.resources().get(&request.id).and_then(|g| g.properties().get("resourceGuid").cloned());
        let guid = existing.unwrap_or_else(|| json!(world.uuid()));
        let mut body = request.resource_body();
        let properties = body["properties"].as_object_mut().expect("resource_body makes properties");
        properties.remove("subnets");
        properties.remove("networkInterfaces");
        properties.insert("provisioningState".into(), json!("Updating"));
        properties.insert("resourceGuid".into(), guid);
        properties.insert("securityRules".into(), rules);
        properties.insert("defaultSecurityRules".into(), default_rules(&request.id));
        security_rule::check(world, &request.id, properties)?;
        let new = world.upsert(&request.id, SECURITY_GROUP, body);
        let duration = world.settings().duration("Microsoft.Network/networkSecurityGroups/write", Duration::ZERO);
        Ok(Answer::put(new, &request.id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        if !world.resources().contains(&request.id) {
            return Ok(Answer::no_content());
        }
        let mut users = reference::users(world, &request.id, SUBNET, "networkSecurityGroup");
        users.extend(reference::users(world, &request.id, INTERFACE, "networkSecurityGroup"));
        if !users.is_empty() {
            let list: Vec<&str> = users.iter().map(ResourceId::as_str).collect();
            return Err(ArmError::bad_request(
                "InUseNetworkSecurityGroupCannotBeDeleted",
                format!(
                    "Network security group {} cannot be deleted because it is in use by the following resources: {}. In \
                     order to delete the Network security group, remove the association with the resource(s). To learn \
                     how to do this, see aka.ms/deletensg.",
                    request.id,
                    list.join(", ")
                ),
            ));
        }
        let id = request.id.clone();
        let duration = world.settings().duration("Microsoft.Network/networkSecurityGroups/delete", Duration::ZERO);
        Ok(Answer::accepted().after(duration, move |world| {
            world.resources_mut().remove(&id);
            Ok(())
        }))
    }
}

/// The rules of a stored group, the default ones among them.
pub(super) fn rules(group: &Resource) -> SecurityRules {
    let all = ["securityRules", "defaultSecurityRules"].map(|array| reference::list(&group.properties()[array]));
    SecurityRules::new(all.into_iter().flatten().filter_map(security_rule::read))
}

/// The six rules that every group has.
fn default_rules(group: &ResourceId) -> Value {
    // name, description, source, destination, access, priority, direction
    const RULES: [(&str, &str, &str, &str, &str, u32, &str); 6] = [
        (
            "AllowVnetInBound",
            "Allow inbound traffic from all VMs in VNET",
            "VirtualNetwork",
            "VirtualNetwork",
            "Allow",
            65000,
            "Inbound",
        ),
        (
            "AllowAzureLoadBalancerInBound",
            "Allow inbound traffic from azure load balancer",
            "AzureLoadBalancer",
            "*",
            "Allow",
            65001,
            "Inbound",
        ),
        ("DenyAllInBound", "Deny all inbound traffic", "*", "*", "Deny", 65500, "Inbound"),
        (
            "AllowVnetOutBound",
            "Allow outbound traffic from all VMs to all VMs in VNET",
            "VirtualNetwork",
            "VirtualNetwork",
            "Allow",
            65000,
            "Outbound",
        ),
        (
            "AllowInternetOutBound",
            "Allow outbound traffic from all VMs to Internet",
            "*",
            "Internet",
            "Allow",
            65001,
            "Outbound",
        ),
        ("DenyAllOutBound", "Deny all outbound traffic", "*", "*", "Deny", 65500, "Outbound"),
    ];
    RULES
        .iter()
        .map(|(name, description, source, destination, access, priority, direction)| {
            json!({
                "name": name,
                "id": group.child("defaultSecurityRules", name),
                "type": "Microsoft.Network/networkSecurityGroups/defaultSecurityRules",
                "properties": {
                    "provisioningState": "Succeeded",
                    "description": description,
                    "protocol": "*",
                    "sourcePortRange": "*",
                    "destinationPortRange": "*",
                    "sourceAddressPrefix": source,
                    "destinationAddressPrefix": destination,
                    "access": access,
                    "priority": priority,
                    "direction": direction,
                    "sourcePortRanges": [], "destinationPortRanges": [],
                    "sourceAddressPrefixes": [], "destinationAddressPrefixes": [],
                },
            })
        })
        .collect()
}
