//! A managed cluster as the store has it, with its pools.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::draft::PresentCluster;
use super::network_profile;
use super::node_resource_group::NodeResourceGroup;
use super::pool::{Pool, PoolContext};
use super::pool_rules;
use super::refusal::linked;
use super::scale_set::Fleet;
use super::version::Version;
use super::{AGENT_POOL, MANAGED_CLUSTER};
use crate::engine::NetworkProfile;
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

/// States in which something is under way.
const BUSY: [&str; 8] =
    ["Creating", "Updating", "Deleting", "Upgrading", "Scaling", "Starting", "Stopping", "UpgradingNodeImageVersion"];

/// One cluster, read out of the store.
#[derive(Debug, Clone)]
pub(super) struct Cluster {
    pub(super) id: ResourceId,
    pub(super) body: Value,
    /// Properties of its pools, by name.
    pub(super) pools: BTreeMap<String, Value>,
}

impl Cluster {
    /// The cluster with this id; `None` where there is no such cluster.
    pub(super) fn find(world: &World, id: &ResourceId) -> Option<Self> {
        let found = world.resources().get(id).filter(|r| r.resource_type == MANAGED_CLUSTER)?;
        Some(Self { id: found.id.clone(), body: found.body.clone(), pools: pools_of(world, id) })
    }

    /// The cluster with this id.
    ///
    /// # Errors
    /// `ResourceNotFound`.
    pub(super) fn require(world: &World, id: &ResourceId) -> Result<Self, ArmError> {
        world.resources().require(id)?;
        Self::find(world, id).ok_or_else(|| ArmError::not_found("ResourceNotFound", format!("'{id}' is no cluster.")))
    }

    pub(super) fn properties(&self) -> &Value {
        &self.body["properties"]
    }

    pub(super) fn location(&self) -> &str {
        self.body["location"].as_str().unwrap_or_default()
    }

    /// Kubernetes version of its control plane.
    pub(super) fn version(&self) -> Version {
        let text = self.properties()["currentKubernetesVersion"].as_str().unwrap_or_default();
        text.parse().unwrap_or(Version { major: 1, minor: 0, patch: 0 })
    }

    /// Its network profile.
    ///
    /// # Errors
    /// It fails only where what is stored was not checked when it came in.
    pub(super) fn network(&self) -> Result<NetworkProfile, ArmError> {
        network_profile::complete(&self.properties()["networkProfile"])
    }

    /// Node auto-provisioning is on.
    pub(super) fn auto(&self) -> bool {
        self.properties()["nodeProvisioningProfile"]["mode"] == "Auto"
    }

    /// It is stopped.
    pub(super) fn stopped(&self) -> bool {
        self.properties()["powerState"]["code"] == "Stopped"
    }

    pub(super) fn before(&self) -> PresentCluster {
        PresentCluster { version: self.version(), pools: self.pools.clone() }
    }

    pub(super) fn group(&self, world: &World) -> NodeResourceGroup {
        let name = self.properties()["nodeResourceGroup"].as_str().unwrap_or_default();
        NodeResourceGroup::of(world, &self.id, name, self.location())
    }

    /// The machines of its pools.
    ///
    /// # Errors
    /// As [`Cluster::network`].
    pub(super) fn fleet(&self, world: &World) -> Result<Fleet, ArmError> {
        let group = self.group(world);
        let network = self.network()?;
        Ok(Fleet::new(&self.id, &group.id, &group.digits, self.location(), &network, self.subnet(world)))
    }

    /// The subnet of its first pool: what node auto-provisioning uses where nothing else is said.
    pub(super) fn subnet(&self, world: &World) -> ResourceId {
        let given = self.pools.values().find_map(|pool| pool["vnetSubnetID"].as_str());
        given.and_then(|id| linked(id).ok()).unwrap_or_else(|| self.group(world).managed_subnet())
    }

    /// Its pools, read as they are.
    ///
    /// # Errors
    /// As [`Cluster::network`].
    pub(super) fn read_pools(&self) -> Result<Vec<Pool>, ArmError> {
        let network = self.network()?;
        let context = PoolContext { location: self.location(), version: self.version(), network: &network };
        self.pools.iter().map(|(name, properties)| Pool::read(name, &json!({}), Some(properties), context)).collect()
    }

    /// Nothing is under way on it or on one of its pools.
    ///
    /// # Errors
    /// 409 `OperationNotAllowed`, in Azure's words.
    pub(super) fn check_idle(&self) -> Result<(), ArmError> {
        let state = self.properties()["provisioningState"].as_str().unwrap_or_default();
        if BUSY.contains(&state) {
            return Err(busy("operation", state));
        }
        let state_of = |pool: &Value| pool["provisioningState"].as_str().unwrap_or_default().to_owned();
        match self.pools.iter().find(|(_, pool)| BUSY.contains(&state_of(pool).as_str())) {
            Some((name, pool)) => Err(busy("agentpool operation", &format!("{name} - {}", state_of(pool)))),
            None => Ok(()),
        }
    }

    /// It runs.
    ///
    /// # Errors
    /// `OperationNotAllowed`. Our words.
    pub(super) fn check_running(&self) -> Result<(), ArmError> {
        if !self.stopped() {
            return Ok(());
        }
        let message =
            format!("The managed cluster {} is stopped. Start it before starting another operation.", self.id.name());
        Err(super::refusal::not_allowed(message))
    }

    /// The pools as `agentPoolProfiles` shows them.
    pub(super) fn shown_pools(pools: &BTreeMap<String, Value>) -> Value {
        let shown = pools.iter().map(|(name, properties)| {
            let mut shown = Map::from_iter([("name".to_owned(), json!(name))]);
            shown.extend(properties.as_object().cloned().unwrap_or_default());
            Value::Object(shown)
        });
        shown.collect()
    }
}

/// Properties of a cluster's pools, by name.
pub(super) fn pools_of(world: &World, id: &ResourceId) -> BTreeMap<String, Value> {
    let pools = world.resources().within(id, AGENT_POOL);
    pools.map(|pool| (pool.name().to_owned(), shown_pool(pool))).collect()
}

/// Properties of a pool as they are shown, with their `eTag`.
pub(super) fn shown_pool(pool: &Resource) -> Value {
    let mut shown = pool.properties().clone();
    shown["eTag"] = json!(pool.etag);
    shown
}

/// Writes a pool into the store.
pub(super) fn store_pool(world: &mut World, cluster: &ResourceId, pool: &Pool, state: &str, location: &str) -> bool {
    let id = cluster.child("agentPools", &pool.name);
    world.upsert(&id, AGENT_POOL, json!({ "properties": pool.shown(state, location) }))
}

/// Checks pools with each other and against their cluster's ranges.
///
/// # Errors
/// See [`pool_rules::check_together`] and [`address_range::room_for_pods`](super::address_range::room_for_pods).
pub(super) fn check_pools(network: &NetworkProfile, pools: &[Pool]) -> Result<(), ArmError> {
    pool_rules::check_together(pools)?;
    super::address_range::room_for_pods(network, pools)
}

fn busy(kind: &str, what: &str) -> ArmError {
    ArmError::conflict(
        "OperationNotAllowed",
        format!(
            "Operation is not allowed: Another {kind} ({what}) is in progress, please wait for it to finish before \
             starting a new operation. See https://aka.ms/aks-pending-operation for more details"
        ),
    )
}
