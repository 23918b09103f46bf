//! Reads what there is into a world of its own, so that the model can be asked about it.

use std::sync::Arc;

use fake_arm::Settings;
use fake_arm::arm::ResourceId;
use fake_arm::clock::SystemClock;
use fake_arm::engine::NetworkProfile;
use fake_arm::providers::container_service::{AGENT_POOL, ClusterNetwork, MANAGED_CLUSTER};
use fake_arm::providers::network::{PEERING, ROUTE_TABLE, SECURITY_GROUP, SUBNET, VIRTUAL_NETWORK};
use fake_arm::world::World;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{CheckError, Level, Plan, Report};
use crate::azure::{ArmClient, ArmError, api_version};

/// A cluster that is or is to be, with the network around it.
pub(super) struct Survey {
    /// What was read.
    pub(super) world: World,
    /// The cluster.
    pub(super) cluster: ResourceId,
    /// Its network profile.
    pub(super) profile: NetworkProfile,
    /// The subnets that nodes may come to and that are there, the system pool's first.
    pub(super) subnets: Vec<ResourceId>,
    /// Object id of the cluster's identity.
    pub(super) identity: Option<Uuid>,
    /// The node resource group of a cluster that is there.
    pub(super) node_resource_group: Option<ResourceId>,
}

impl Survey {
    /// Reads all that the plan names. What is missing is a finding; `None` where nothing is left to look at.
    pub(super) async fn take(azure: &ArmClient, plan: &Plan, report: &mut Report) -> Result<Option<Self>, CheckError> {
        let mut reader = Reader { azure, world: empty_world()?, report };
        let mut subnets = Vec::new();
        for text in &plan.subnets {
            subnets.push(subnet_id(text)?);
        }
        let (cluster, node_resource_group) = match &plan.cluster {
            Some(id) => {
                let id = parse(id, "a managed cluster", MANAGED_CLUSTER)?;
                let Some((default, group)) = reader.existing_cluster(&id).await? else { return Ok(None) };
                subnets.insert(0, default);
                (id, Some(group))
            }
            None => (reader.planned_cluster(plan, subnets.first())?, None),
        };
        // The system pool's may be named once more.
        let mut seen = std::collections::BTreeSet::new();
        subnets.retain(|subnet| seen.insert(subnet.folded().to_owned()));
        let Some(network) = subnets[0].parent() else { unreachable!("checked by subnet_id") };
        if !reader.network(&network).await? {
            return Ok(None);
        }
        let mut there = Vec::new();
        for subnet in subnets {
            if reader.subnet(&subnet, &network).await? {
                there.push(subnet);
            }
        }
        reader.neighbours(&network).await?;
        let body = reader.world.resources().get(&cluster).map(|found| found.properties().clone()).unwrap_or_default();
        let profile = ClusterNetwork::profile(&body["networkProfile"])
            .map_err(|refusal| CheckError::Plan(format!("AKS refuses this network profile: {}", refusal.message())))?;
        let identity = reader.identity(plan, &cluster).await?;
        let world = reader.world;
        if there.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self { world, cluster, profile, subnets: there, identity, node_resource_group }))
    }
}

fn empty_world() -> Result<World, CheckError> {
    World::new(Arc::new(SystemClock), 0, Uuid::nil(), Uuid::nil(), Settings::default())
        .map_err(|_| CheckError::Plan("this machine has no source of random numbers".into()))
}

fn parse(text: &str, what: &str, resource_type: &str) -> Result<ResourceId, CheckError> {
    let wrong = |why: &str| {
        let form = format!("/subscriptions/…/resourceGroups/…/providers/{resource_type}/…");
        CheckError::Plan(format!("{text:?} is not the id of {what}{why}; ids look like {form}"))
    };
    let id = ResourceId::parse(text).map_err(|_| wrong(""))?;
    if !id.is_type(resource_type) {
        return Err(wrong(&format!(" but of {}", id.resource_type())));
    }
    Ok(id)
}

fn subnet_id(text: &str) -> Result<ResourceId, CheckError> {
    parse(text, "a subnet", SUBNET)
}

struct Reader<'a> {
    azure: &'a ArmClient,
    world: World,
    report: &'a mut Report,
}

impl Reader<'_> {
    /// A resource as Azure shows it. That it is not there, or may not be read, is a finding.
    async fn get(&mut self, id: &str, api: &str, for_what: &str) -> Result<Option<Value>, CheckError> {
        match self.azure.get(id, api).await {
            Ok(found) => Ok(Some(found)),
            Err(ArmError::Refused(fault)) if fault.status == 404 => {
                self.report.add(Level::Bad, "network", format!("{id} is not there: {}", fault.message), None);
                Ok(None)
            }
            Err(ArmError::Refused(fault)) if fault.status == 403 => {
                let text = format!("{id} may not be read by whoever asks here, so {for_what} cannot be judged");
                self.report.add(Level::Caution, "network", text, Some("ask as someone with the role Reader".into()));
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The cluster's body in the world; its system pool's subnet and its node resource group.
    async fn existing_cluster(&mut self, id: &ResourceId) -> Result<Option<(ResourceId, ResourceId)>, CheckError> {
        let Some(found) = self.get(id.as_str(), api_version::CONTAINER_SERVICE, "the cluster").await? else {
            return Ok(None);
        };
        let properties = &found["properties"];
        let group = properties["nodeResourceGroup"].as_str().unwrap_or_default();
        let group = ResourceId::group_of(id.subscription().unwrap_or_default(), group);
        let mut pools: Vec<Value> = properties["agentPoolProfiles"].as_array().cloned().unwrap_or_default();
        let named = pools.iter().find_map(|pool| pool["vnetSubnetID"].as_str());
        let subnet = match named {
            Some(named) => subnet_id(named)?,
            None => self.managed_subnet(&group).await?,
        };
        for pool in &mut pools {
            let name = pool["name"].as_str().unwrap_or("pool").to_owned();
            if pool["vnetSubnetID"].is_null() {
                pool["vnetSubnetID"] = json!(subnet);
            }
            self.world.upsert(&id.child("agentPools", &name), AGENT_POOL, json!({ "properties": pool }));
        }
        self.put(id, MANAGED_CLUSTER, &found);
        Ok(Some((subnet, group)))
    }

    /// The subnet that AKS made for a cluster that was given none: `aks-subnet` of the network in the node resource
    /// group.
    async fn managed_subnet(&self, group: &ResourceId) -> Result<ResourceId, CheckError> {
        let list = format!("{group}/providers/{VIRTUAL_NETWORK}");
        let networks = self.azure.list(&list, api_version::NETWORK).await?;
        let network = networks.first().and_then(|network| network["id"].as_str());
        let network = network.ok_or_else(|| CheckError::Plan(format!("no virtual network is in {group}")))?;
        subnet_id(&format!("{network}/subnets/aks-subnet"))
    }

    /// Writes a cluster that is to be into the world.
    fn planned_cluster(&mut self, plan: &Plan, subnet: Option<&ResourceId>) -> Result<ResourceId, CheckError> {
        let subnet = subnet.ok_or_else(|| CheckError::Plan("neither a cluster nor a subnet is named".into()))?;
        let group = subnet.group().unwrap_or_else(ResourceId::tenant);
        let id = group.resource(MANAGED_CLUSTER, "planned");
        let mut properties = json!({ "networkProfile": plan.network_profile });
        if let Some(inside) = &plan.api_server_subnet {
            properties["apiServerAccessProfile"] = json!({ "subnetId": subnet_id(inside)? });
        }
        self.world.upsert(&id, MANAGED_CLUSTER, json!({ "properties": properties }));
        let pool = json!({ "properties": { "mode": "System", "vnetSubnetID": subnet } });
        self.world.upsert(&id.child("agentPools", "system"), AGENT_POOL, pool);
        Ok(id)
    }

    /// A virtual network with its subnets and peerings.
    async fn network(&mut self, id: &ResourceId) -> Result<bool, CheckError> {
        let Some(found) = self.get(id.as_str(), api_version::NETWORK, "the network").await? else { return Ok(false) };
        for (array, kind, resource_type) in
            [("subnets", "subnets", SUBNET), ("virtualNetworkPeerings", "virtualNetworkPeerings", PEERING)]
        {
            for child in found["properties"][array].as_array().into_iter().flatten() {
                let child_id = id.child(kind, child["name"].as_str().unwrap_or_default());
                self.put(&child_id, resource_type, child);
            }
        }
        self.put(id, VIRTUAL_NETWORK, &found);
        Ok(true)
    }

    /// Whether a subnet is there and where it can serve.
    async fn subnet(&mut self, id: &ResourceId, network: &ResourceId) -> Result<bool, CheckError> {
        if id.parent().as_ref() != Some(network) {
            let text =
                format!("{id} is not in the cluster's network {}, where all of its nodes must be", network.name());
            self.report.add(Level::Bad, "network", text, Some("take a subnet of that network".into()));
            return Ok(false);
        }
        if self.world.resources().contains(id) {
            return Ok(true);
        }
        let there: Vec<_> = self.world.resources().within(network, SUBNET).map(|subnet| subnet.name()).collect();
        let text = format!("{id} is not there; {} has {}", network.name(), there.join(", "));
        self.report.add(Level::Bad, "network", text, Some("create it, or name one that is there".into()));
        Ok(false)
    }

    /// The security groups and route tables of a network's subnets.
    async fn neighbours(&mut self, network: &ResourceId) -> Result<(), CheckError> {
        for (property, resource_type) in [("networkSecurityGroup", SECURITY_GROUP), ("routeTable", ROUTE_TABLE)] {
            let subnets = self.world.resources().within(network, SUBNET);
            let ids: std::collections::BTreeSet<String> =
                subnets.filter_map(|subnet| subnet.properties()[property]["id"].as_str().map(str::to_owned)).collect();
            for text in ids {
                let Ok(id) = ResourceId::parse(&text) else { continue };
                if let Some(found) = self.get(&text, api_version::NETWORK, "what passes through it").await? {
                    self.put(&id, resource_type, &found);
                }
            }
        }
        Ok(())
    }

    /// The object id of the identity that the provisioner works as.
    async fn identity(&mut self, plan: &Plan, cluster: &ResourceId) -> Result<Option<Uuid>, CheckError> {
        const TYPE: &str = "Microsoft.ManagedIdentity/userAssignedIdentities";
        if let Some(named) = &plan.identity {
            if let Ok(object) = named.parse() {
                return Ok(Some(object));
            }
            let id = parse(named, "a user-assigned identity, nor an object id,", TYPE)?;
            let found = self.get(id.as_str(), api_version::MANAGED_IDENTITY, "its rights").await?;
            return Ok(found.and_then(|found| found["properties"]["principalId"].as_str()?.parse().ok()));
        }
        let Some(found) = self.world.resources().get(cluster) else { return Ok(None) };
        let identity = &found.body["identity"];
        let assigned = identity["userAssignedIdentities"].as_object().into_iter().flatten();
        let mut ids = assigned.map(|(_, one)| &one["principalId"]).chain([&identity["principalId"]]);
        Ok(ids.find_map(|id| id.as_str()?.parse().ok()))
    }

    /// Keeps a resource as Azure shows it.
    fn put(&mut self, id: &ResourceId, resource_type: &str, shown: &Value) {
        let mut body = shown.clone();
        if let Some(fields) = body.as_object_mut() {
            fields.retain(|name, _| !matches!(name.as_str(), "id" | "name" | "type" | "etag"));
        }
        self.world.upsert(id, resource_type, body);
    }
}
