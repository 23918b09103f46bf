//! `Microsoft.ContainerService/managedClusters`: create, update, delete, credentials.

use serde_json::{Value, json};
use uuid::Uuid;

use super::draft::{self, Draft};
use super::network_profile::Surroundings;
use super::node_resource_group::NodeResourceGroup;
use super::{agent_pool, credential};
use crate::arm::{ArmError, ResourceId};
use crate::engine::{EngineError, Identity, ManagedCluster};
use crate::entra::{Principal, PrincipalKind};
use crate::provider::{Answer, Handler, Link, Outcome, Reply, Request};
use crate::providers::authorization;
use crate::providers::resources::remove_group;
use crate::rbac::BuiltinRole;
use crate::world::World;

pub(super) struct ManagedClusters;

impl Handler for ManagedClusters {
    fn links(&self) -> &'static [Link] {
        super::links::MANAGED_CLUSTER
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let engine = world.engine().ok_or_else(no_engine)?;
        let existing = world.resources().get(&request.id).cloned();
        if let Some(existing) = &existing
            && matches!(existing.provisioning_state(), "Creating" | "Updating" | "Deleting")
        {
            return Err(busy(&request.id, existing.provisioning_state()));
        }
        let subnet = given_subnet(request.properties())?;
        let surroundings = match (&subnet, &existing) {
            // What AKS checks against the network it checks when the cluster is created; a subnet that comes later is
            // nobody's business.
            (Some(subnet), None) => Some(surroundings(world, subnet)?),
            _ => None,
        };
        let location = request.location();
        let draft = Draft::read(&request.id, location, &request.body, surroundings.as_ref())?;
        match existing {
            None => create(world, request, &draft, engine),
            Some(existing) => update(world, request, &draft, &existing.body, engine),
        }
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(existing) = world.resources().get(&request.id).cloned() else { return Ok(Answer::no_content()) };
        let group = existing.properties()["nodeResourceGroup"].as_str().unwrap_or_default();
        let group = ResourceId::group_of(world.subscription(), group);
        world.resources_mut().require_mut(&request.id)?.set_provisioning_state("Deleting");
        let (id, engine) = (request.id.clone(), world.engine());
        Ok(Answer::accepted().when(async move {
            let done = match engine {
                Some(engine) => engine.delete(id.as_str()).await,
                None => Ok(()),
            };
            Box::new(move |world: &mut World| {
                done.map_err(|error| failure(&error))?;
                agent_pool::stop(world, &group);
                remove_group(world, &group);
                world.state::<credential::Credentials>().forget(&id);
                world.resources_mut().remove(&id);
                Ok(())
            }) as Outcome
        }))
    }

    fn action(&self, world: &mut World, request: &Request, action: &str) -> Option<Reply> {
        let admin = match action.to_ascii_lowercase().as_str() {
            "listclusteradmincredential" => true,
            "listclusterusercredential" => false,
            _ => return None,
        };
        Some(credential::list(world, &request.id, admin).map(Answer::json))
    }
}

fn create(
    world: &mut World,
    request: &Request,
    draft: &Draft,
    engine: std::sync::Arc<dyn crate::engine::ClusterEngine>,
) -> Reply {
    let id = &request.id;
    let group = NodeResourceGroup::of(world, id, draft);
    let kubelet = group.create(world, id)?;
    let made = fill(world, request, draft, &group, kubelet);
    let (machines, facts) = match made {
        Ok(made) => made,
        Err(error) => {
            // A refused request leaves nothing behind.
            remove_group(world, &group.id);
            return Err(error);
        }
    };
    let (id, resource) = (id.clone(), request.id.clone());
    Ok(Answer::put(true, &resource).when(async move {
        let access = engine.create(facts).await;
        Box::new(move |world: &mut World| {
            let access = access.map_err(|error| failure(&error))?;
            world.state::<credential::Credentials>().set(&id, access);
            agent_pool::start(world, machines);
            Ok(())
        }) as Outcome
    }))
}

/// Everything of a new cluster that is in the node resource group or in the store.
fn fill(
    world: &mut World,
    request: &Request,
    draft: &Draft,
    group: &NodeResourceGroup,
    kubelet: Identity,
) -> Result<(Vec<std::sync::Arc<crate::events::VirtualMachine>>, ManagedCluster), ArmError> {
    let id = &request.id;
    let subnet = match draft.subnet() {
        Some(given) => parse(given)?,
        None => group.network(world)?,
    };
    let machines = agent_pool::create(world, id, draft, group, &subnet)?;
    let (identity, shown_identity) = cluster_identity(world, request)?;
    give_rights(world, request.properties(), group, &identity);
    let unique = world.uuid();
    let fqdn = draft::fqdn(&draft.dns_prefix, unique, &draft.location);
    let kubelet_shown =
        json!({ "resourceId": kubelet.resource_id, "clientId": kubelet.client_id, "objectId": kubelet.object_id });
    let mut body = request.resource_body();
    body["properties"] = draft.shown(request.properties(), &fqdn, &kubelet_shown);
    body["properties"]["provisioningState"] = json!("Creating");
    body["identity"] = shown_identity;
    body["sku"] = json!({ "name": "Base", "tier": "Free" });
    world.upsert(id, request.resource_type.name, body);
    let facts = facts(world, id, draft, &fqdn, &subnet, identity, kubelet, &request.body["tags"]);
    Ok((machines, facts))
}

/// PUT on a cluster that exists. Mode, tags and what the engine can apply change; identity, host name, node resource
/// group and network stay.
fn update(
    world: &mut World,
    request: &Request,
    draft: &Draft,
    before: &Value,
    engine: std::sync::Arc<dyn crate::engine::ClusterEngine>,
) -> Reply {
    let kept = &before["properties"];
    if !draft.node_resource_group.eq_ignore_ascii_case(kept["nodeResourceGroup"].as_str().unwrap_or_default()) {
        return Err(unchangeable("properties.nodeResourceGroup"));
    }
    for name in ["networkPlugin", "serviceCidr", "dnsServiceIP"] {
        let given = &request.properties()["networkProfile"][name];
        if !given.is_null() && given != &kept["networkProfile"][name] {
            return Err(unchangeable(&format!("properties.networkProfile.{name}")));
        }
    }
    let identity = read_identity(world, &before["identity"]);
    let kubelet: Identity = kubelet_of(kept);
    let fqdn = kept["fqdn"].as_str().unwrap_or_default().to_owned();
    let subnet = match draft.subnet() {
        Some(given) => parse(given)?,
        None => {
            let group = NodeResourceGroup::of(world, &request.id, draft);
            group
                .id
                .resource("Microsoft.Network/virtualNetworks", &format!("aks-vnet-{}", group.digits))
                .child("subnets", "aks-subnet")
        }
    };
    let mut body = request.resource_body();
    body["properties"] = draft.shown(request.properties(), &fqdn, &kept["identityProfile"]["kubeletidentity"]);
    body["properties"]["networkProfile"] = kept["networkProfile"].clone();
    body["properties"]["provisioningState"] = json!("Updating");
    body["identity"] = before["identity"].clone();
    body["sku"] = before["sku"].clone();
    world.upsert(&request.id, request.resource_type.name, body);
    let facts = facts(world, &request.id, draft, &fqdn, &subnet, identity, kubelet, &request.body["tags"]);
    let id = request.id.clone();
    Ok(Answer::put(false, &request.id).when(async move {
        let access = engine.update(facts).await;
        Box::new(move |world: &mut World| {
            let access = access.map_err(|error| failure(&error))?;
            world.state::<credential::Credentials>().set(&id, access);
            Ok(())
        }) as Outcome
    }))
}

#[expect(clippy::too_many_arguments, reason = "the parts of one record, gathered in one place")]
fn facts(
    world: &World,
    id: &ResourceId,
    draft: &Draft,
    fqdn: &str,
    subnet: &ResourceId,
    cluster_identity: Identity,
    kubelet_identity: Identity,
    tags: &Value,
) -> ManagedCluster {
    let guid = subnet.parent().and_then(|network| {
        world.resources().get(&network)?.properties()["resourceGuid"].as_str()?.parse::<Uuid>().ok()
    });
    ManagedCluster {
        id: id.to_string(),
        name: id.name().to_owned(),
        subscription_id: world.subscription().to_string(),
        tenant_id: world.tenant().to_string(),
        resource_group: id.resource_group().unwrap_or_default().to_owned(),
        node_resource_group: draft.node_resource_group.clone(),
        location: draft.location.clone(),
        kubernetes_version: draft.kubernetes_version.clone(),
        fqdn: fqdn.to_owned(),
        node_provisioning: draft.node_provisioning,
        default_node_pools: draft.default_node_pools,
        network: draft.network.clone(),
        subnet_id: subnet.to_string(),
        vnet_guid: guid,
        admin_username: draft.admin_username.clone(),
        ssh_public_key: draft.ssh_public_key.clone(),
        cluster_identity,
        kubelet_identity,
        tags: tags
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
    }
}

/// The identity under which the control plane and the provisioner work, and how the resource shows it.
fn cluster_identity(world: &mut World, request: &Request) -> Result<(Identity, Value), ArmError> {
    let given = &request.body["identity"];
    match given["type"].as_str() {
        Some("UserAssigned") => {
            let id =
                given["userAssignedIdentities"].as_object().and_then(|all| all.keys().next()).ok_or_else(|| {
                    ArmError::bad_request("InvalidIdentityValues", "The identity values supplied are invalid.")
                        .target("identity.userAssignedIdentities")
                })?;
            let properties = world.resources().require(&parse(id)?)?.properties().clone();
            let uuid = |name: &str| properties[name].as_str().and_then(|text| text.parse().ok()).unwrap_or(Uuid::nil());
            let identity =
                Identity { resource_id: id.clone(), client_id: uuid("clientId"), object_id: uuid("principalId") };
            let shown = json!({
                "type": "UserAssigned",
                "userAssignedIdentities": { id: { "clientId": identity.client_id, "principalId": identity.object_id } },
            });
            Ok((identity, shown))
        }
        None | Some("SystemAssigned") => {
            let (object_id, client_id) = (world.uuid(), world.uuid());
            let display_name = request.id.name().to_owned();
            world.add_principal(Principal { object_id, client_id, kind: PrincipalKind::ManagedIdentity, display_name });
            let shown = json!({ "type": "SystemAssigned", "principalId": object_id, "tenantId": world.tenant() });
            Ok((Identity { resource_id: String::new(), client_id, object_id }, shown))
        }
        Some(other) => Err(ArmError::bad_request(
            "InvalidParameter",
            format!("The identity type '{other}' is not one of SystemAssigned, UserAssigned."),
        )
        .target("identity.type")),
    }
}

/// AKS makes the cluster's identity a contributor in the node resource group, and nothing outside of it: rights on a
/// network that the user brought are the user's to give. Where the group is to be locked down, nobody else may change
/// anything in it.
fn give_rights(world: &mut World, properties: &Value, group: &NodeResourceGroup, identity: &Identity) {
    authorization::grant(world, identity.object_id, BuiltinRole::Contributor.id(), &group.id);
    if properties["nodeResourceGroupProfile"]["restrictionLevel"] == "ReadOnly" {
        authorization::deny_changes(world, &group.id, "AKS node resource group lockdown", &[identity.object_id]);
    }
}

fn read_identity(world: &World, shown: &Value) -> Identity {
    let object_id = shown["principalId"].as_str().and_then(|text| text.parse::<Uuid>().ok());
    if let Some(principal) = object_id.and_then(|id| world.principals().get(id)) {
        return Identity { resource_id: String::new(), client_id: principal.client_id, object_id: principal.object_id };
    }
    let assigned = shown["userAssignedIdentities"].as_object().and_then(|all| all.iter().next());
    let uuid = |value: &Value| value.as_str().and_then(|text| text.parse().ok()).unwrap_or(Uuid::nil());
    assigned.map_or_else(Identity::default, |(id, known)| Identity {
        resource_id: id.clone(),
        client_id: uuid(&known["clientId"]),
        object_id: uuid(&known["principalId"]),
    })
}

fn kubelet_of(properties: &Value) -> Identity {
    let shown = &properties["identityProfile"]["kubeletidentity"];
    let uuid = |name: &str| shown[name].as_str().and_then(|text| text.parse().ok()).unwrap_or(Uuid::nil());
    Identity {
        resource_id: shown["resourceId"].as_str().unwrap_or_default().to_owned(),
        client_id: uuid("clientId"),
        object_id: uuid("objectId"),
    }
}

/// Subnet of the first pool that names one.
fn given_subnet(properties: &Value) -> Result<Option<ResourceId>, ArmError> {
    let pools = properties["agentPoolProfiles"].as_array().into_iter().flatten();
    let given = pools.into_iter().find_map(|pool| pool["vnetSubnetID"].as_str());
    given.map(parse).transpose()
}

/// The network around a subnet.
///
/// # Errors
/// `SubnetNotFound`-like, where the subnet does not exist: AKS answers what the network provider answered.
fn surroundings(world: &World, subnet: &ResourceId) -> Result<Surroundings, ArmError> {
    world.resources().require(subnet)?;
    let network = subnet.parent().ok_or_else(|| ArmError::bad_request("InvalidParameter", "That is no subnet."))?;
    let properties = world.resources().require(&network)?.properties();
    let prefixes = &properties["addressSpace"]["addressPrefixes"];
    let read = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
    Ok(Surroundings {
        network: prefixes.as_array().into_iter().flatten().filter_map(read).collect(),
        subnets: world
            .resources()
            .within(&network, crate::providers::network::SUBNET)
            .filter_map(|subnet| read(&subnet.properties()["addressPrefix"]))
            .collect(),
    })
}

fn parse(id: &str) -> Result<ResourceId, ArmError> {
    ResourceId::parse(id).map_err(|error| {
        ArmError::bad_request("LinkedInvalidPropertyId", format!("Property id '{id}' is invalid: {error}"))
    })
}

fn busy(id: &ResourceId, state: &str) -> ArmError {
    ArmError::conflict(
        "OperationNotAllowed",
        format!(
            "Operation is not allowed because there's an in progress operation ({state}) on the managed cluster {}. \
             Please wait for it to finish before starting a new operation. See https://aka.ms/aks-pending-operation for \
             more details",
            id.name()
        ),
    )
}

fn unchangeable(name: &str) -> ArmError {
    ArmError::bad_request("PropertyChangeNotAllowed", format!("Changing property '{name}' is not allowed."))
        .target(name)
}

fn failure(error: &EngineError) -> ArmError {
    ArmError::bad_request(&error.code, error.message.clone())
}

fn no_engine() -> ArmError {
    ArmError::new(
        http::StatusCode::NOT_IMPLEMENTED,
        "ClusterEngineMissing",
        "this fake Azure has nobody who makes Kubernetes clusters: its owner set no cluster engine",
    )
}
