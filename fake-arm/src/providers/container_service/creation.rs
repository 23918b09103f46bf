//! A new managed cluster: what AKS makes before the cluster itself comes up.

use std::sync::Arc;

use serde_json::{Value, json};

use super::cluster;
use super::credential::Credentials;
use super::draft::{self, Draft};
use super::identity::{self, RequestedIdentity};
use super::managed_cluster::{facts, failure, set_or_remove, settle_pools};
use super::node_resource_group::NodeResourceGroup;
use super::scale_set::{self, Fleet};
use super::{MANAGED_CLUSTER, address_range, network_profile, site};
use crate::engine::{ClusterEngine, Identity, ManagedCluster};
use crate::events::VirtualMachine;
use crate::provider::{Answer, Outcome, Reply, Request};
use crate::providers::authorization;
use crate::providers::resources::remove_group;
use crate::world::World;
use arm::{ArmError, ResourceId};
use rbac::BuiltinRole;

/// Makes a cluster out of a checked request.
///
/// # Errors
/// What AKS checks of new clusters only.
pub(super) fn create(
    world: &mut World,
    request: &Request,
    body: &Value,
    draft: &Draft,
    wanted: &RequestedIdentity,
    engine: Arc<dyn ClusterEngine>,
) -> Reply {
    let id = request.id.clone();
    // What AKS checks against the network it checks when the cluster is created; a subnet that comes later is nobody's
    // business.
    if let Some(subnet) = draft.subnet() {
        address_range::apart(&draft.network, &site::occupied_ranges(world, subnet)?)?;
    }
    let api_server = site::api_server_subnet(world, draft)?;
    if let Some(subnet) = &api_server {
        site::room_for_api_server(world, subnet)?;
    }
    let kubelet = identity::of_kubelets(world, &draft.properties, wanted)?;
    identity::check_rights(world, wanted, &id, api_server.as_ref(), kubelet.as_ref())?;
    let cluster_identity = identity::of_control_plane(world, request, wanted)?;
    let parts = Parts { api_server, kubelet, cluster_identity };
    let group = NodeResourceGroup::of(world, &id, &draft.node_resource_group, &draft.location);
    group.create(world, &id, draft, &body["tags"])?;
    let (machines, facts) = match fill(world, &id, body, draft, &group, parts) {
        Ok(made) => made,
        Err(error) => {
            // A refused request leaves nothing behind.
            scale_set::stop_all(world, &group.id);
            group.release_api_server(world, &id);
            remove_group(world, &group.id);
            return Err(error);
        }
    };
    let resource = id.clone();
    Ok(Answer::put(true, &resource).when(async move {
        let access = engine.create(facts).await;
        Box::new(move |world: &mut World| {
            let outcome = access.map_err(|error| failure(&error));
            settle_pools(world, &id, if outcome.is_ok() { "Succeeded" } else { "Failed" });
            world.state::<Credentials>().set(&id, outcome?);
            scale_set::start(world, machines);
            Ok(())
        }) as Outcome
    }))
}

/// What was looked up before anything was made.
struct Parts {
    api_server: Option<ResourceId>,
    kubelet: Option<Identity>,
    cluster_identity: (Identity, Value),
}

/// Everything of a new cluster that is in the node resource group or in the store.
fn fill(
    world: &mut World,
    id: &ResourceId,
    body: &Value,
    draft: &Draft,
    group: &NodeResourceGroup,
    parts: Parts,
) -> Result<(Vec<Arc<VirtualMachine>>, ManagedCluster), ArmError> {
    let kubelet = match parts.kubelet {
        Some(given) => given,
        None => group.kubelet_identity(world, id)?,
    };
    let (subnet, api_server) = match draft.subnet() {
        Some(given) => (given.clone(), parts.api_server),
        None => {
            let made = group.network(world, draft)?;
            (made.nodes, made.api_server)
        }
    };
    if let Some(api_server) = &api_server {
        group.api_server(world, id, api_server)?;
    }
    let fleet = Fleet::new(id, &group.id, &group.digits, &draft.location, &draft.network, subnet.clone());
    let mut machines = Vec::new();
    for pool in &draft.pools {
        machines.extend(fleet.resize(world, pool)?);
    }
    let (identity, shown_identity) = parts.cluster_identity;
    give_rights(world, &draft.properties, group, &identity);
    let unique = world.uuid();
    let fqdn = draft::fqdn(&draft.dns_prefix, unique, &draft.location);
    let addresses = group.outbound_addresses(world);
    let mut properties = draft.shown();
    properties["networkProfile"] =
        network_profile::shown(&draft.network, &draft.properties["networkProfile"], &addresses);
    properties["identityProfile"] = identity::shown_of_kubelets(&kubelet);
    properties["fqdn"] = json!(fqdn);
    properties["azurePortalFQDN"] = json!(fqdn.replacen(".hcp.", ".portal.hcp.", 1));
    properties["resourceUID"] = json!(unique.simple().to_string()[..24]);
    properties["provisioningState"] = json!("Creating");
    if let Some(api_server) = &api_server {
        properties["apiServerAccessProfile"]["subnetId"] = json!(api_server);
    }
    let mut stored = body.clone();
    stored["properties"] = properties;
    stored["sku"] = draft.sku.clone();
    set_or_remove(&mut stored, "identity", shown_identity);
    world.upsert(id, MANAGED_CLUSTER, stored);
    for pool in &draft.pools {
        cluster::store_pool(world, id, pool, "Creating", &draft.location);
    }
    let facts = facts(world, id, draft, &fqdn, &subnet, (identity, kubelet), &body["tags"]);
    Ok((machines, facts))
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
