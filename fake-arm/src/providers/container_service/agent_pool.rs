//! `managedClusters/agentPools`: pools one by one.

use std::time::Duration;

use serde_json::{Value, json};

use super::cluster::{self, Cluster};
use super::pool::{Mode, Pool, PoolContext};
use super::refusal::{invalid, not_allowed};
use super::{AGENT_POOL, feature, node_provisioning, scale_set, site, version};
use crate::provider::{Answer, Handler, Link, Reply, Request};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

/// How long a change of a pool takes, unless the owner says otherwise. Azure takes minutes.
const DURATION: Duration = Duration::from_millis(400);

pub(super) struct AgentPools;

impl Handler for AgentPools {
    fn show(&self, _: &World, resource: &Resource) -> Value {
        json!({
            "id": resource.id,
            "name": resource.name(),
            "type": AGENT_POOL,
            "properties": cluster::shown_pool(resource),
        })
    }

    fn links(&self) -> &'static [Link] {
        super::links::AGENT_POOL
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let cluster = cluster_of(world, &request.id)?;
        cluster.check_idle()?;
        cluster.check_running()?;
        let name = request.id.name().to_owned();
        let network = cluster.network()?;
        let context = PoolContext { location: cluster.location(), version: cluster.version(), network: &network };
        let before = cluster.pools.get(&name);
        let pool = Pool::read(&name, request.properties(), before, context)?;
        let mut pools = cluster.read_pools()?;
        pools.retain(|other| other.name != name);
        pools.push(pool.clone());
        cluster::check_pools(&network, &pools)?;
        if cluster.auto() {
            node_provisioning::guard(cluster.properties(), &network, &pools)?;
        }
        feature::check(world, &network, &pools)?;
        site::check_pool(world, &network, &pool)?;
        let fleet = cluster.fleet(world)?;
        let state = match before {
            None => "Creating",
            Some(was) if was["currentOrchestratorVersion"] != pool.version.to_string() => "Upgrading",
            Some(was) if was["count"] != pool.count => "Scaling",
            Some(_) => "Updating",
        };
        let machines = fleet.resize(world, &pool)?;
        let new = cluster::store_pool(world, &cluster.id, &pool, state, cluster.location());
        let duration = world.settings().duration(&format!("{AGENT_POOL}/write"), DURATION);
        let id = request.id.clone();
        Ok(Answer::put(new, &request.id).after(duration, move |world| {
            // The pool may have gone meanwhile, with its cluster.
            let Some(stored) = world.resources_mut().get_mut(&id) else { return Ok(()) };
            stored.set_provisioning_state("Succeeded");
            scale_set::start(world, machines);
            if state == "Upgrading" {
                fleet.reimage(world, &pool);
            }
            Ok(())
        }))
    }

    fn patch(&self, _: &mut World, request: &Request) -> Reply {
        Err(ArmError::new(
            http::StatusCode::METHOD_NOT_ALLOWED,
            "HttpMethodNotAllowed",
            format!("The HTTP method 'PATCH' is not supported for resource type '{}'.", request.resource_type.name),
        ))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(parent) = request.id.parent() else { return Ok(Answer::no_content()) };
        if !world.resources().contains(&request.id) {
            return Ok(Answer::no_content());
        }
        let cluster = Cluster::require(world, &parent)?;
        cluster.check_idle()?;
        cluster.check_running()?;
        let name = request.id.name().to_owned();
        let system = |pool: &Pool| pool.mode == Mode::System;
        if !cluster.read_pools()?.iter().any(|pool| pool.name != name && system(pool)) {
            return Err(not_allowed("There has to be at least one system agent pool."));
        }
        world.resources_mut().require_mut(&request.id)?.set_provisioning_state("Deleting");
        let fleet = cluster.fleet(world)?;
        let duration = world.settings().duration(&format!("{AGENT_POOL}/delete"), DURATION);
        let id = request.id.clone();
        Ok(Answer::accepted().after(duration, move |world| {
            fleet.remove(world, &name);
            world.resources_mut().remove(&id);
            Ok(())
        }))
    }

    fn action(&self, world: &mut World, request: &Request, action: &str) -> Option<Reply> {
        match action.to_ascii_lowercase().as_str() {
            "upgradenodeimageversion" => Some(upgrade_image(world, &request.id)),
            "deletemachines" => Some(delete_machines(world, request)),
            _ => None,
        }
    }
}

/// `POST …/upgradeNodeImageVersion`: each machine starts anew from the newest image.
fn upgrade_image(world: &mut World, id: &ResourceId) -> Reply {
    let cluster = cluster_of(world, id)?;
    world.resources().require(id)?;
    cluster.check_idle()?;
    cluster.check_running()?;
    let Some(pool) = cluster.read_pools()?.into_iter().find(|pool| pool.name == id.name()) else {
        return Err(ArmError::not_found("AgentPoolNotFound", format!("Agent pool '{}' is not found.", id.name())));
    };
    let fleet = cluster.fleet(world)?;
    world.resources_mut().require_mut(id)?.set_provisioning_state("UpgradingNodeImageVersion");
    let duration = world.settings().duration(&format!("{AGENT_POOL}/upgradeNodeImageVersion/action"), DURATION);
    let id = id.clone();
    Ok(Answer::accepted().after(duration, move |world| {
        let Some(stored) = world.resources_mut().get_mut(&id) else { return Ok(()) };
        stored.set_provisioning_state("Succeeded");
        fleet.reimage(world, &pool);
        Ok(())
    }))
}

/// `POST …/deleteMachines` with `{"machineNames": […]}`: those machines go, and the pool's count with them.
fn delete_machines(world: &mut World, request: &Request) -> Reply {
    let cluster = cluster_of(world, &request.id)?;
    world.resources().require(&request.id)?;
    cluster.check_idle()?;
    let name = request.id.name().to_owned();
    let fleet = cluster.fleet(world)?;
    let wanted: Vec<&str> =
        request.body["machineNames"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let computer = |instance: &Resource| instance.properties()["osProfile"]["computerName"].clone();
    let found: Vec<ResourceId> = fleet
        .instances(world, &name)
        .into_iter()
        .filter(|instance| wanted.iter().any(|wanted| computer(instance) == *wanted))
        .map(|instance| instance.id.clone())
        .collect();
    if found.is_empty() {
        return Err(invalid(
            "machineNames",
            format!("Cannot find any valid machines to delete in agent pool '{name}'."),
        ));
    }
    let Some(mut pool) = cluster.read_pools()?.into_iter().find(|pool| pool.name == name) else {
        return Err(ArmError::not_found("AgentPoolNotFound", format!("Agent pool '{name}' is not found.")));
    };
    pool.count = pool.count.saturating_sub(u32::try_from(found.len()).unwrap_or(u32::MAX));
    if pool.mode == Mode::System && pool.count == 0 {
        return Err(invalid("machineNames", "A system agent pool keeps at least one machine."));
    }
    cluster::store_pool(world, &cluster.id, &pool, "Updating", cluster.location());
    let duration = world.settings().duration(&format!("{AGENT_POOL}/deleteMachines/action"), DURATION);
    let id = request.id.clone();
    Ok(Answer::accepted().after(duration, move |world| {
        for machine in &found {
            scale_set::remove_instance(world, machine);
        }
        if let Some(stored) = world.resources_mut().get_mut(&id) {
            stored.set_provisioning_state("Succeeded");
        }
        Ok(())
    }))
}

/// The cluster that a pool, or something below it, belongs to.
///
/// # Errors
/// `ResourceNotFound`.
pub(super) fn cluster_of(world: &World, below: &ResourceId) -> Result<Cluster, ArmError> {
    let mut at = below.clone();
    while !at.is_type(super::MANAGED_CLUSTER) {
        at = at
            .parent()
            .ok_or_else(|| ArmError::not_found("ResourceNotFound", format!("'{below}' is in no cluster.")))?;
    }
    Cluster::require(world, &at)
}

/// `agentPools/upgradeProfiles/default`.
pub(super) struct UpgradeProfiles;

impl Handler for UpgradeProfiles {
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        let cluster = cluster_of(world, &request.id)?;
        let pool_id = request.id.parent().unwrap_or_else(ResourceId::tenant);
        let pool = world.resources().require(&pool_id)?.properties();
        let from = pool["currentOrchestratorVersion"].as_str().and_then(|text| text.parse().ok());
        let from = from.unwrap_or_else(|| cluster.version());
        let mut properties = json!({
            "kubernetesVersion": from.to_string(),
            "osType": pool["osType"],
            "latestNodeImageVersion": pool["nodeImageVersion"],
        });
        let upgrades = version::pool_upgrades(cluster.version(), from);
        if !upgrades.is_empty() {
            properties["upgrades"] = Value::Array(upgrades);
        }
        Ok(Answer::json(json!({
            "id": request.id,
            "name": "default",
            "type": request.resource_type.name,
            "properties": properties,
        })))
    }
}

/// `managedClusters/upgradeProfiles/default`.
pub(super) struct ClusterUpgradeProfiles;

impl Handler for ClusterUpgradeProfiles {
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        let cluster = cluster_of(world, &request.id)?;
        let pools: Vec<_> = cluster
            .pools
            .iter()
            .filter_map(|(name, pool)| {
                let version = pool["currentOrchestratorVersion"].as_str()?.parse().ok()?;
                Some((name.clone(), pool["osType"].as_str().unwrap_or("Linux").to_owned(), version))
            })
            .collect();
        Ok(Answer::json(json!({
            "id": request.id,
            "name": "default",
            "type": request.resource_type.name,
            "properties": version::upgrade_profile(cluster.version(), &pools),
        })))
    }
}

/// `managedClusters/availableAgentPoolVersions`.
pub(super) struct AvailableVersions;

impl Handler for AvailableVersions {
    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let cluster = cluster_of(world, &request.id)?;
        Ok(Answer::json(json!({
            "id": format!("{}/availableAgentPoolVersions", cluster.id),
            "name": "default",
            "type": request.resource_type.name,
            "properties": { "agentPoolVersions": version::available_to_pools(cluster.version()) },
        })))
    }
}
