//! What AKS puts into the node resource group: a load balancer, a network security group, the kubelets' identity, and a
//! virtual network where none is given.

use serde_json::{Value, json};
use uuid::Uuid;

use super::draft::Draft;
use crate::arm::{ArmError, ResourceId};
use crate::engine::Identity;
use crate::provider::internal_put;
use crate::world::World;

/// Type name of a resource group in the store.
const GROUP: &str = "Microsoft.Resources/subscriptions/resourceGroups";

/// Address space of a network that AKS makes, and of the one subnet in it.
const MANAGED_NETWORK: &str = "10.224.0.0/12";
const MANAGED_SUBNET: &str = "10.224.0.0/16";

/// The node resource group of one cluster.
#[derive(Debug, Clone)]
pub(super) struct NodeResourceGroup {
    pub(super) id: ResourceId,
    location: String,
    /// Eight digits that the names of a cluster's resources share.
    pub(super) digits: String,
}

impl NodeResourceGroup {
    /// The group of a cluster: its name and digits, whether it exists or not.
    pub(super) fn of(world: &World, cluster: &ResourceId, draft: &Draft) -> Self {
        Self {
            id: ResourceId::group_of(world.subscription(), &draft.node_resource_group),
            location: draft.location.clone(),
            digits: digits(cluster),
        }
    }

    /// Makes the group with the resources that every cluster has. Returns the kubelets' identity.
    ///
    /// # Errors
    /// 409 where a group of that name exists.
    pub(super) fn create(&self, world: &mut World, cluster: &ResourceId) -> Result<Identity, ArmError> {
        if world.resources().contains(&self.id) {
            return Err(ArmError::bad_request(
                "ResourceGroupInUse",
                format!("The node resource group '{}' exists already; give a name that does not.", self.id.name()),
            )
            .target("properties.nodeResourceGroup"));
        }
        let tags = json!({
            "aks-managed-cluster-name": cluster.name(),
            "aks-managed-cluster-rg": cluster.resource_group(),
        });
        let body = json!({
            "location": self.location,
            "managedBy": cluster,
            "tags": tags,
            "properties": { "provisioningState": "Succeeded" },
        });
        world.upsert(&self.id, GROUP, body);
        let group = format!("aks-agentpool-{}-nsg", self.digits);
        self.put(world, "Microsoft.Network/networkSecurityGroups", &group, json!({ "securityRules": [] }))?;
        self.load_balancer(world)?;
        self.kubelet_identity(world, cluster)
    }

    /// A virtual network for a cluster that names none: `aks-vnet-<digits>` with `aks-subnet`. Returns the subnet's id.
    ///
    /// # Errors
    /// Whatever the network provider refuses.
    pub(super) fn network(&self, world: &mut World) -> Result<ResourceId, ArmError> {
        let name = format!("aks-vnet-{}", self.digits);
        let body = json!({
            "addressSpace": { "addressPrefixes": [MANAGED_NETWORK] },
            "subnets": [{ "name": "aks-subnet", "properties": { "addressPrefix": MANAGED_SUBNET } }],
        });
        let network = self.put(world, "Microsoft.Network/virtualNetworks", &name, body)?;
        Ok(network.child("subnets", "aks-subnet"))
    }

    /// Makes a resource of the group through its own provider.
    pub(super) fn put(
        &self,
        world: &mut World,
        resource_type: &str,
        name: &str,
        properties: Value,
    ) -> Result<ResourceId, ArmError> {
        let id = self.id.resource(resource_type, name);
        let mut body = json!({ "location": self.location, "properties": properties });
        if resource_type.ends_with("publicIPAddresses") || resource_type.ends_with("loadBalancers") {
            body["sku"] = json!({ "name": "Standard" });
        }
        internal_put(world, &id, resource_type, body)?;
        Ok(id)
    }

    /// The Standard load balancer `kubernetes` with its outbound address and the two pools that nodes join.
    fn load_balancer(&self, world: &mut World) -> Result<(), ArmError> {
        let name = world.uuid().to_string();
        let address = self.put(
            world,
            "Microsoft.Network/publicIPAddresses",
            &name,
            json!({ "publicIPAllocationMethod": "Static" }),
        )?;
        let balancer = self.id.resource("Microsoft.Network/loadBalancers", "kubernetes");
        let frontend = balancer.child("frontendIPConfigurations", &name);
        let outbound = balancer.child("backendAddressPools", "aksOutboundBackendPool");
        let body = json!({
            "frontendIPConfigurations": [{ "name": name, "properties": { "publicIPAddress": { "id": address } } }],
            "backendAddressPools": [
                { "name": "aksOutboundBackendPool", "properties": {} },
                { "name": "kubernetes", "properties": {} },
            ],
            "outboundRules": [{
                "name": "aksOutboundRule",
                "properties": {
                    "protocol": "All",
                    "idleTimeoutInMinutes": 30,
                    "frontendIPConfigurations": [{ "id": frontend }],
                    "backendAddressPool": { "id": outbound },
                },
            }],
        });
        self.put(world, "Microsoft.Network/loadBalancers", "kubernetes", body)?;
        Ok(())
    }

    /// The user-assigned identity `<cluster>-agentpool` that nodes run under.
    fn kubelet_identity(&self, world: &mut World, cluster: &ResourceId) -> Result<Identity, ArmError> {
        let name = format!("{}-agentpool", cluster.name());
        let id = self.put(world, "Microsoft.ManagedIdentity/userAssignedIdentities", &name, json!({}))?;
        let properties = world.resources().require(&id)?.properties().clone();
        let uuid = |field: &str| properties[field].as_str().and_then(|text| text.parse().ok()).unwrap_or(Uuid::nil());
        Ok(Identity { resource_id: id.to_string(), client_id: uuid("clientId"), object_id: uuid("principalId") })
    }
}

/// Eight decimal digits out of the cluster's id. AKS derives them from the API server's host name; which digits they are
/// does not matter to anyone, only that all of a cluster's resources share them (see FIDELITY.md).
fn digits(cluster: &ResourceId) -> String {
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_URL, cluster.folded().as_bytes()).as_u128() % 90_000_000;
    format!("{}", 10_000_000 + hash)
}
