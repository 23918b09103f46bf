//! Delegations: subnets that are a service's own, and what others may not do there.

use serde_json::{Value, json};

use super::addresses::subnet_prefixes;
use super::inline;
use super::reference::list;
use super::types::SUBNET;
use crate::provider::Request;
use crate::world::World;
use arm::{ArmError, ResourceId};

/// A service that subnets can be delegated to.
struct Service {
    name: &'static str,
    /// Longest IPv4 prefix that the service takes. The service refuses others itself, the network provider does not.
    longest: u8,
    /// What the service does in the subnet, below `Microsoft.Network/virtualNetworks/subnets/`.
    action: &'static str,
}

const fn service(name: &'static str, longest: u8, action: &'static str) -> Service {
    Service { name, longest, action }
}

/// The services that this fake knows. Azure knows some more.
const SERVICES: [Service; 17] = [
    service("Microsoft.ContainerService/managedClusters", 28, "join/action"),
    service("Microsoft.ContainerInstance/containerGroups", 29, "action"),
    service("Microsoft.App/environments", 27, "join/action"),
    service("Microsoft.Web/serverFarms", 28, "action"),
    service("Microsoft.Web/hostingEnvironments", 24, "action"),
    service("Microsoft.Sql/managedInstances", 27, "join/action"),
    service("Microsoft.DBforPostgreSQL/flexibleServers", 28, "join/action"),
    service("Microsoft.DBforMySQL/flexibleServers", 29, "join/action"),
    service("Microsoft.Netapp/volumes", 28, "join/action"),
    service("Microsoft.ApiManagement/service", 27, "join/action"),
    service("Microsoft.Databricks/workspaces", 26, "join/action"),
    service("Microsoft.Network/applicationGateways", 29, "join/action"),
    service("Microsoft.Network/dnsResolvers", 28, "join/action"),
    service("Microsoft.ServiceNetworking/trafficControllers", 24, "join/action"),
    service("Microsoft.StreamAnalytics/streamingJobs", 28, "join/action"),
    service("Microsoft.Batch/batchAccounts", 28, "action"),
    service("Microsoft.DevCenter/networkConnection", 29, "join/action"),
];

fn known(name: &str) -> Option<&'static Service> {
    SERVICES.iter().find(|service| service.name.eq_ignore_ascii_case(name))
}

/// Names of the services that a subnet's `properties` delegate it to.
pub(super) fn services(properties: &Value) -> Vec<&str> {
    list(&properties["delegations"]).iter().filter_map(|d| d["properties"]["serviceName"].as_str()).collect()
}

/// Checks the delegations of a subnet's `properties` and gives them ids, states and the services' actions.
pub(super) fn with_defaults(subnet: &ResourceId, properties: &Value) -> Result<Value, ArmError> {
    let mut dressed = inline::with_defaults(subnet, "delegations", &properties["delegations"])?;
    let all = dressed.as_array_mut().map(Vec::as_mut_slice).unwrap_or_default();
    if let [first, second, ..] = &*all {
        return Err(ArmError::bad_request(
            "SubnetHasMoreThanOneDelegation",
            format!(
                "Subnet {subnet} cannot have more than one delegation; it has {} and {}.",
                first["properties"]["serviceName"], second["properties"]["serviceName"]
            ),
        ));
    }
    for delegation in all {
        let name = delegation["properties"]["serviceName"].as_str().unwrap_or_default();
        let Some(service) = known(name) else {
            return Err(ArmError::bad_request(
                "SubnetDelegationServiceNameInvalid",
                format!(
                    "Delegation {} of subnet {subnet} has an invalid service name '{name}'. Services that a subnet can \
                     be delegated to: {}.",
                    delegation["name"],
                    SERVICES.map(|s| s.name).join(", ")
                ),
            ));
        };
        delegation["properties"]["serviceName"] = json!(service.name);
        delegation["properties"]["actions"] =
            json!([format!("Microsoft.Network/virtualNetworks/subnets/{}", service.action)]);
    }
    Ok(dressed)
}

/// Longest IPv4 prefix that a service takes in a subnet delegated to it, 28 for
/// `Microsoft.ContainerService/managedClusters`; `None` for a service that is not known.
pub fn longest_prefix(service: &str) -> Option<u8> {
    known(service).map(|service| service.longest)
}

/// The subnet is delegated to this service and large enough for it.
pub fn is_delegated(world: &World, subnet: &ResourceId, service: &str) -> bool {
    let found = world.resources().get(subnet).filter(|s| s.resource_type == SUBNET);
    let delegated = found.is_some_and(|s| services(s.properties()).iter().any(|n| n.eq_ignore_ascii_case(service)));
    let longest = longest_prefix(service).unwrap_or(32);
    delegated && subnet_prefixes(world, subnet).iter().any(|p| p.addr().is_ipv4() && p.prefix_len() <= longest)
}

/// Refuses an interface, or a frontend, in a subnet that is a service's own. The services' own requests, which have no
/// caller, pass.
pub(super) fn check_interface(world: &World, request: &Request, subnet: &ResourceId) -> Result<(), ArmError> {
    if request.caller.is_nil() {
        return Ok(());
    }
    let Some(found) = world.resources().get(subnet) else { return Ok(()) };
    let services = services(found.properties());
    if !services.is_empty() {
        return Err(ArmError::bad_request(
            "ResourceNotPermittedOnDelegatedSubnet",
            format!(
                "Resource of type 'Microsoft.Network/networkInterfaces' is not permitted on delegated subnet '{}'. \
                 Permitted resource types are: [{}]",
                found.id,
                services.join(", ")
            ),
        ));
    }
    let links: Vec<&str> = links(found.properties()).collect();
    if links.is_empty() {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "SubnetWithExternalResourcesCannotBeUsedByOtherResources",
        format!(
            "Subnet {} cannot be used because it contains external resources. The external resources in this subnet are \
             {}. You need to delete these external resources before deploying into this subnet.",
            found.id,
            links.join(", ")
        ),
    ))
}

/// Ids of the service association links in a subnet's `properties`.
pub(super) fn links(properties: &Value) -> impl Iterator<Item = &str> {
    list(&properties["serviceAssociationLinks"]).iter().filter_map(|link| link["id"].as_str())
}

/// Puts a service's link on a subnet: the sign that the service has resources there. It keeps the subnet from being
/// deleted, and keeps others out.
///
/// # Errors
/// `ResourceNotFound` where there is no such subnet.
pub fn link_service(
    world: &mut World,
    subnet: &ResourceId,
    name: &str,
    service: &str,
    resource: &ResourceId,
) -> Result<(), ArmError> {
    unlink_service(world, subnet, name);
    let found = world.resources_mut().require_mut(subnet)?;
    let link = json!({
        "name": name,
        "id": found.id.child("serviceAssociationLinks", name),
        "type": format!("{SUBNET}/serviceAssociationLinks"),
        "properties": {
            "provisioningState": "Succeeded",
            "linkedResourceType": service,
            "link": resource,
            "allowDelete": false,
            "enabledForArmDeployments": false,
            "locations": [],
        },
    });
    let links = found.properties_mut().entry("serviceAssociationLinks").or_insert_with(|| json!([]));
    if let Some(links) = links.as_array_mut() {
        links.push(link);
    }
    Ok(())
}

/// Takes a service's link from a subnet.
pub fn unlink_service(world: &mut World, subnet: &ResourceId, name: &str) {
    let Some(found) = world.resources_mut().get_mut(subnet) else { return };
    let links = found.properties_mut().get_mut("serviceAssociationLinks").and_then(Value::as_array_mut);
    if let Some(links) = links {
        links.retain(|link| link["name"] != json!(name));
    }
}
