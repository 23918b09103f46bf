//! `Microsoft.ContainerService/managedClusters`: create, update, delete, and the actions on a cluster.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use uuid::Uuid;

use super::cluster::{self, Cluster};
use super::credential::{self, Credentials, Role};
use super::draft::Draft;
use super::identity::{self, RequestedIdentity};
use super::scale_set::{self, Fleet};
use super::{
    MANAGED_CLUSTER, address_range, auto_upgrade, change, creation, feature, network_profile, node_provisioning,
    power_state, site,
};
use crate::engine::{ClusterEngine, EngineError, Identity, ManagedCluster};
use crate::provider::{Answer, Handler, Link, Outcome, Reply, Request};
use crate::providers::resources::remove_group;
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

pub(super) struct ManagedClusters;

impl Handler for ManagedClusters {
    fn show(&self, world: &World, resource: &Resource) -> Value {
        let mut shown = resource.json();
        if let Some(fields) = shown.as_object_mut() {
            fields.shift_remove("etag");
        }
        shown["type"] = json!("Microsoft.ContainerService/ManagedClusters");
        let properties = &mut shown["properties"];
        properties["agentPoolProfiles"] = Cluster::shown_pools(&cluster::pools_of(world, &resource.id));
        properties["eTag"] = json!(resource.etag);
        shown
    }

    fn links(&self) -> &'static [Link] {
        super::links::MANAGED_CLUSTER
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let engine = world.engine().ok_or_else(no_engine)?;
        let Checked { existing, body, draft, wanted } = checked(world, request)?;
        let answer = match existing {
            None => creation::create(world, request, &body, &draft, &wanted, engine),
            Some(existing) => update(world, request, &body, &draft, &existing, engine),
        }?;
        auto_upgrade::plan(world, &request.id);
        Ok(answer)
    }

    fn preflight(&self, world: &World, request: &Request) -> Result<(), ArmError> {
        let Checked { existing, draft, .. } = checked(world, request)?;
        match (existing, draft.subnet()) {
            (Some(existing), _) => change::check(world, &draft, &existing),
            (None, Some(subnet)) => address_range::apart(&draft.network, &site::occupied_ranges(world, subnet)?),
            (None, None) => Ok(()),
        }
    }

    fn patch(&self, world: &mut World, request: &Request) -> Reply {
        let existing = Cluster::require(world, &request.id)?;
        existing.check_idle()?;
        let mut body = existing.body;
        if let Some(tags) = request.body.get("tags") {
            body["tags"] = tags.clone();
        }
        world.upsert(&request.id, MANAGED_CLUSTER, body);
        Ok(Answer::resource(&request.id))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(existing) = Cluster::find(world, &request.id) else { return Ok(Answer::no_content()) };
        world.resources_mut().require_mut(&request.id)?.set_provisioning_state("Deleting");
        let (id, engine) = (existing.id, world.engine());
        Ok(Answer::accepted().when(async move {
            let done = match engine {
                Some(engine) => engine.delete(id.as_str()).await,
                None => Ok(()),
            };
            Box::new(move |world: &mut World| {
                done.map_err(|error| failure(&error))?;
                remove(world, &id);
                Ok(())
            }) as Outcome
        }))
    }

    fn action(&self, world: &mut World, request: &Request, action: &str) -> Option<Reply> {
        if let Some(role) = Role::of_action(action) {
            return Some(credential::list(world, &request.id, role).map(Answer::json));
        }
        match action.to_ascii_lowercase().as_str() {
            "stop" => Some(power_state::stop(world, &request.id)),
            "start" => Some(power_state::start(world, &request.id)),
            _ => None,
        }
    }

    fn before_removal(
        &self,
        world: &mut World,
        resource: &Resource,
    ) -> Option<BoxFuture<'static, Result<(), ArmError>>> {
        let (engine, id) = (world.engine()?, resource.id.clone());
        world.resources_mut().get_mut(&id)?.set_provisioning_state("Deleting");
        Some(Box::pin(async move { engine.delete(id.as_str()).await.map_err(|error| failure(&error)) }))
    }

    fn remove(&self, world: &mut World, resource: &Resource) {
        remove(world, &resource.id);
    }
}

/// A request that nothing speaks against so far.
struct Checked {
    existing: Option<Cluster>,
    body: Value,
    draft: Draft,
    wanted: RequestedIdentity,
}

/// Everything that AKS checks of a new cluster and of a changed one alike.
fn checked(world: &World, request: &Request) -> Result<Checked, ArmError> {
    let existing = Cluster::find(world, &request.id);
    if let Some(existing) = &existing {
        existing.check_idle()?;
        existing.check_running()?;
    }
    let body = change::complete(request, existing.as_ref());
    if let Some(existing) = &existing {
        change::check_settled(&body, existing)?;
    }
    let before = existing.as_ref().map(Cluster::before);
    let draft = Draft::read(&request.id, request.location(), &body, before.as_ref())?;
    auto_upgrade::check(&body["properties"]["autoUpgradeProfile"])?;
    let wanted = RequestedIdentity::read(&body)?;
    site::check_outbound(&draft)?;
    for pool in &draft.pools {
        site::check_pool(world, &draft.network, pool)?;
    }
    let system_assigned = wanted == RequestedIdentity::SystemAssigned;
    site::check_identity(world, &draft, system_assigned)?;
    site::check_private_zone(&draft, system_assigned)?;
    feature::check(world, &draft.network, &draft.pools)?;
    address_range::room_for_pods(&draft.network, &draft.pools)?;
    Ok(Checked { existing, body, draft, wanted })
}

/// Takes everything of a cluster out of the world.
fn remove(world: &mut World, id: &ResourceId) {
    let Some(cluster) = Cluster::find(world, id) else { return };
    let group = cluster.group(world);
    scale_set::stop_all(world, &group.id);
    group.release_api_server(world, id);
    remove_group(world, &group.id);
    world.state::<Credentials>().forget(id);
    identity::forget(world, &cluster.body["identity"]);
    for below in world.resources().below(id) {
        world.resources_mut().remove(&below);
    }
    world.resources_mut().remove(id);
}

/// PUT on a cluster that exists: what may change changes, the rest is refused.
fn update(
    world: &mut World,
    request: &Request,
    body: &Value,
    draft: &Draft,
    before: &Cluster,
    engine: Arc<dyn ClusterEngine>,
) -> Reply {
    change::check(world, draft, before)?;
    let id = before.id.clone();
    let kept = before.properties();
    let kubelet = identity::read_of_kubelets(kept);
    let fqdn = kept["fqdn"].as_str().unwrap_or_default().to_owned();
    let group = before.group(world);
    let subnet = draft.subnet().cloned().unwrap_or_else(|| group.managed_subnet());
    // The identity changes where another type, or another identity, is named.
    let wanted = RequestedIdentity::read(body)?;
    let same = RequestedIdentity::read(&before.body).is_ok_and(|was| was == wanted);
    let (identity, shown_identity) = match same {
        true => (identity::read(world, &before.body["identity"]), before.body["identity"].clone()),
        false => identity::of_control_plane(world, request, &wanted)?,
    };
    let fleet = Fleet::new(&id, &group.id, &group.digits, &draft.location, &draft.network, subnet.clone());
    let mut machines = Vec::new();
    for pool in &draft.pools {
        machines.extend(fleet.resize(world, pool)?);
    }
    let mut properties = draft.shown();
    let addresses = group.outbound_addresses(world);
    properties["networkProfile"] =
        network_profile::shown(&draft.network, &draft.properties["networkProfile"], &addresses);
    for name in ["fqdn", "azurePortalFQDN", "resourceUID", "identityProfile"] {
        properties[name] = kept[name].clone();
    }
    properties["provisioningState"] = json!("Updating");
    let mut stored = body.clone();
    stored["properties"] = properties;
    stored["sku"] = draft.sku.clone();
    set_or_remove(&mut stored, "identity", shown_identity);
    world.upsert(&id, MANAGED_CLUSTER, stored);
    for pool in &draft.pools {
        cluster::store_pool(world, &id, pool, "Updating", &draft.location);
    }
    let facts = facts(world, &id, draft, &fqdn, &subnet, (identity, kubelet), &body["tags"]);
    let upgraded: Vec<_> = draft
        .pools
        .iter()
        .filter(|pool| {
            before
                .pools
                .get(&pool.name)
                .is_some_and(|was| was["currentOrchestratorVersion"] != pool.version.to_string())
        })
        .cloned()
        .collect();
    let disabling = before.auto() && !draft.provisioning.auto;
    let before = before.clone();
    let resource = id.clone();
    Ok(Answer::put(false, &resource).when(async move {
        let left = if disabling { engine.nap_state(id.as_str()).await.map(Some) } else { Ok(None) };
        let refusal = match left {
            Ok(Some(left)) => node_provisioning::check_disabling(&left).err(),
            Ok(None) => None,
            Err(error) => Some(failure(&error)),
        };
        let refused = refusal.is_some();
        let access = match refusal {
            Some(refusal) => Err(refusal),
            None => engine.update(facts).await.map_err(|error| failure(&error)),
        };
        Box::new(move |world: &mut World| {
            let access = match access {
                Ok(access) => access,
                Err(error) => {
                    restore(world, &before);
                    // A change that broke off half way is told by the cluster until the next one succeeds; one that was
                    // refused is not.
                    if !refused && let Some(broken) = world.resources_mut().get_mut(&id) {
                        broken.set_provisioning_state("Failed");
                    }
                    return Err(error);
                }
            };
            settle_pools(world, &id, "Succeeded");
            world.state::<Credentials>().set(&id, access);
            scale_set::start(world, machines);
            for pool in &upgraded {
                fleet.reimage(world, pool);
            }
            Ok(())
        }) as Outcome
    }))
}

/// Puts a cluster back to what it was before a change that was refused.
fn restore(world: &mut World, before: &Cluster) {
    world.upsert(&before.id, MANAGED_CLUSTER, before.body.clone());
    let (Ok(fleet), Ok(pools)) = (before.fleet(world), before.read_pools()) else { return };
    let made: Vec<String> = cluster::pools_of(world, &before.id).into_keys().collect();
    for name in made.iter().filter(|name| !before.pools.contains_key(*name)) {
        fleet.remove(world, name);
        world.resources_mut().remove(&before.id.child("agentPools", name));
    }
    for pool in &pools {
        cluster::store_pool(world, &before.id, pool, "Succeeded", before.location());
        if let Ok(machines) = fleet.resize(world, pool) {
            scale_set::start(world, machines);
        }
    }
}

/// Says of every pool of a cluster how far it is.
pub(super) fn settle_pools(world: &mut World, cluster: &ResourceId, state: &str) {
    let ids: Vec<ResourceId> =
        world.resources().within(cluster, super::AGENT_POOL).map(|pool| pool.id.clone()).collect();
    for id in ids {
        if let Some(pool) = world.resources_mut().get_mut(&id) {
            pool.set_provisioning_state(state);
        }
    }
}

pub(super) fn facts(
    world: &World,
    id: &ResourceId,
    draft: &Draft,
    fqdn: &str,
    subnet: &ResourceId,
    (cluster_identity, kubelet_identity): (Identity, Identity),
    tags: &Value,
) -> ManagedCluster {
    let guid = subnet.parent().and_then(|network| {
        world.resources().get(&network)?.properties()["resourceGuid"].as_str()?.parse::<Uuid>().ok()
    });
    let tags = tags.as_object().into_iter().flatten();
    ManagedCluster {
        id: id.to_string(),
        name: id.name().to_owned(),
        subscription_id: world.subscription().to_string(),
        tenant_id: world.tenant().to_string(),
        resource_group: id.resource_group().unwrap_or_default().to_owned(),
        node_resource_group: draft.node_resource_group.clone(),
        location: draft.location.clone(),
        kubernetes_version: draft.version.to_string(),
        fqdn: fqdn.to_owned(),
        node_provisioning: draft.provisioning.auto,
        default_node_pools: draft.provisioning.default_node_pools,
        network: draft.network.clone(),
        subnet_id: subnet.to_string(),
        vnet_guid: guid,
        admin_username: draft.admin_username.clone(),
        ssh_public_key: draft.ssh_public_key.clone(),
        cluster_identity,
        kubelet_identity,
        tags: tags.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect(),
    }
}

pub(super) fn set_or_remove(body: &mut Value, name: &str, value: Value) {
    match body.as_object_mut() {
        Some(fields) if value.is_null() => {
            fields.shift_remove(name);
        }
        _ => body[name] = value,
    }
}

pub(super) fn failure(error: &EngineError) -> ArmError {
    ArmError::bad_request(&error.code, error.message.clone())
}

fn no_engine() -> ArmError {
    ArmError::new(
        http::StatusCode::NOT_IMPLEMENTED,
        "ClusterEngineMissing",
        "this fake Azure has nobody who makes Kubernetes clusters: its owner set no cluster engine",
    )
}
