//! What AKS puts into the node resource group: a load balancer or a gateway, a network security group, the kubelets'
//! identity, and a virtual network with its route table where the request names no network.

use serde_json::{Value, json};
use uuid::Uuid;

use super::draft::Draft;
use super::refusal::refused;
use super::site;
use crate::engine::Identity;
use crate::provider::{Registry, internal_put};
use crate::world::World;
use arm::{ArmError, ResourceId};

/// Type name of a resource group in the store.
const GROUP: &str = "Microsoft.Resources/subscriptions/resourceGroups";

/// Address space of a network that AKS makes, and of the subnets in it.
const MANAGED_NETWORK: &str = "10.224.0.0/12";
const MANAGED_SUBNET: &str = "10.224.0.0/16";
const MANAGED_API_SERVER_SUBNET: &str = "10.226.0.0/28";
/// The same for IPv6, in dual-stack clusters.
const MANAGED_NETWORK_V6: &str = "fd6d:656c:61b0::/48";
const MANAGED_SUBNET_V6: &str = "fd6d:656c:61b0:1::/64";

/// The node resource group of one cluster.
#[derive(Debug, Clone)]
pub(super) struct NodeResourceGroup {
    pub(super) id: ResourceId,
    location: String,
    /// Eight digits that the names of a cluster's resources share.
    pub(super) digits: String,
}

/// The subnets of a network that AKS made.
#[derive(Debug, Clone)]
pub(super) struct ManagedNetwork {
    pub(super) nodes: ResourceId,
    pub(super) api_server: Option<ResourceId>,
}

impl NodeResourceGroup {
    /// The group of a cluster: its name and digits, whether it exists or not.
    pub(super) fn of(world: &World, cluster: &ResourceId, name: &str, location: &str) -> Self {
        Self {
            id: ResourceId::group_of(world.subscription(), name),
            location: location.to_owned(),
            digits: digits(cluster),
        }
    }

    /// Makes the group with the resources that every cluster has. `tags` are the cluster's.
    ///
    /// # Errors
    /// `NodeResourceGroupAlreadyExists`.
    pub(super) fn create(
        &self,
        world: &mut World,
        cluster: &ResourceId,
        draft: &Draft,
        tags: &Value,
    ) -> Result<(), ArmError> {
        if world.resources().contains(&self.id) {
            return Err(refused(
                "NodeResourceGroupAlreadyExists",
                "properties.nodeResourceGroup",
                format!("The node resource group '{}' exists already; give a name that does not.", self.id.name()),
            ));
        }
        let mut tags = tags.as_object().cloned().unwrap_or_default();
        tags.insert("aks-managed-cluster-name".into(), json!(cluster.name()));
        tags.insert("aks-managed-cluster-rg".into(), json!(cluster.resource_group()));
        let body = json!({
            "location": self.location,
            "managedBy": cluster,
            "tags": tags,
            "properties": { "provisioningState": "Succeeded" },
        });
        world.upsert(&self.id, GROUP, body);
        let security = format!("aks-agentpool-{}-nsg", self.digits);
        self.put(world, "Microsoft.Network/networkSecurityGroups", &security, json!({ "securityRules": [] }))?;
        match draft.network.outbound_type.as_str() {
            "loadBalancer" => self.load_balancer(world, draft),
            "managedNATGateway" => self.gateway(world),
            // The user's routes and gateways lead out; AKS makes its load balancer with the first Service.
            _ => Ok(()),
        }
    }

    /// A virtual network for a cluster that names no network: `aks-vnet-<digits>` with `aks-subnet`, which has the group's
    /// security group and route table, and a subnet for the API server where it is integrated.
    ///
    /// # Errors
    /// Whatever the network provider refuses.
    pub(super) fn network(&self, world: &mut World, draft: &Draft) -> Result<ManagedNetwork, ArmError> {
        let name = format!("aks-vnet-{}", self.digits);
        let dual = draft.network.service_cidrs.len() > 1;
        let security = self.resource("Microsoft.Network/networkSecurityGroups", "nsg");
        let mut nodes = json!({ "networkSecurityGroup": { "id": security } });
        if let Some(table) = self.route_table(world)? {
            nodes["routeTable"] = json!({ "id": table });
        }
        if draft.network.outbound_type == "managedNATGateway" {
            nodes["natGateway"] = json!({ "id": self.resource("Microsoft.Network/natGateways", "natgateway") });
        }
        let (space, prefix) = match dual {
            true => (
                json!([MANAGED_NETWORK, MANAGED_NETWORK_V6]),
                ("addressPrefixes", json!([MANAGED_SUBNET, MANAGED_SUBNET_V6])),
            ),
            false => (json!([MANAGED_NETWORK]), ("addressPrefix", json!(MANAGED_SUBNET))),
        };
        nodes[prefix.0] = prefix.1;
        let mut subnets = vec![json!({ "name": "aks-subnet", "properties": nodes })];
        let integrated = draft.properties["apiServerAccessProfile"]["enableVnetIntegration"] == true;
        if integrated {
            subnets.push(json!({
                "name": "aks-apiserver-subnet",
                "properties": {
                    "addressPrefix": MANAGED_API_SERVER_SUBNET,
                    "delegations": [{ "name": "aks-delegation", "properties": { "serviceName": site::DELEGATION } }],
                },
            }));
        }
        let body = json!({ "addressSpace": { "addressPrefixes": space }, "subnets": subnets });
        let network = self.put(world, "Microsoft.Network/virtualNetworks", &name, body)?;
        let api_server = integrated.then(|| network.child("subnets", "aks-apiserver-subnet"));
        Ok(ManagedNetwork { nodes: network.child("subnets", "aks-subnet"), api_server })
    }

    /// The subnet of a network that AKS made.
    pub(super) fn managed_subnet(&self) -> ResourceId {
        let network = format!("aks-vnet-{}", self.digits);
        self.id.resource("Microsoft.Network/virtualNetworks", &network).child("subnets", "aks-subnet")
    }

    /// Ids of the load balancer's outbound addresses.
    pub(super) fn outbound_addresses(&self, world: &World) -> Vec<Value> {
        let balancer = self.id.resource("Microsoft.Network/loadBalancers", "kubernetes");
        let Some(found) = world.resources().get(&balancer) else { return Vec::new() };
        let frontends = found.properties()["frontendIPConfigurations"].as_array().into_iter().flatten();
        frontends
            .map(|frontend| json!({ "id": frontend["properties"]["publicIPAddress"]["id"] }))
            .filter(|address| !address["id"].is_null())
            .collect()
    }

    /// The internal load balancer through which nodes reach an API server in a subnet, and the addresses that the server
    /// keeps there.
    ///
    /// # Errors
    /// Whatever the network provider refuses.
    pub(super) fn api_server(
        &self,
        world: &mut World,
        cluster: &ResourceId,
        subnet: &ResourceId,
    ) -> Result<(), ArmError> {
        let holder = cluster.child("apiServers", "default");
        for n in 1..site::API_SERVER_ADDRESSES {
            let configuration = holder.child("ipConfigurations", &format!("ipconfig{n}"));
            crate::providers::network::allocate(world, subnet, configuration.as_str())?;
        }
        let frontend = json!({
            "name": "kube-apiserver-frontend",
            "properties": { "privateIPAllocationMethod": "Dynamic", "subnet": { "id": subnet } },
        });
        let body = json!({
            "frontendIPConfigurations": [frontend],
            "backendAddressPools": [{ "name": "kube-apiserver-backendpool", "properties": {} }],
        });
        let balancer = self.put(world, "Microsoft.Network/loadBalancers", "kube-apiserver", body)?;
        // The ninth is the frontend's; a load balancer provider that takes addresses itself has given it one already.
        let configuration = balancer.child("frontendIPConfigurations", "kube-apiserver-frontend");
        crate::providers::network::allocate(world, subnet, configuration.as_str())?;
        Ok(())
    }

    /// Gives back the addresses of an API server.
    pub(super) fn release_api_server(&self, world: &mut World, cluster: &ResourceId) {
        crate::providers::network::release(world, cluster.child("apiServers", "default").as_str());
        let balancer = self.id.resource("Microsoft.Network/loadBalancers", "kube-apiserver");
        crate::providers::network::release(world, balancer.as_str());
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
        if ["publicIPAddresses", "loadBalancers", "natGateways"].iter().any(|kind| resource_type.ends_with(kind)) {
            body["sku"] = json!({ "name": "Standard" });
        }
        internal_put(world, &id, resource_type, body)?;
        Ok(id)
    }

    /// `aks-agentpool-<digits>-<kind>`.
    fn resource(&self, resource_type: &str, kind: &str) -> ResourceId {
        self.id.resource(resource_type, &format!("aks-agentpool-{}-{kind}", self.digits))
    }

    /// The route table, where the network provider has them.
    fn route_table(&self, world: &mut World) -> Result<Option<ResourceId>, ArmError> {
        const TYPE: &str = "Microsoft.Network/routeTables";
        if Registry::get().find(TYPE).is_none() {
            return Ok(None);
        }
        let id = self.resource(TYPE, "routetable");
        self.put(world, TYPE, id.name(), json!({ "routes": [] })).map(Some)
    }

    /// A public address under a name of its own, by which the nodes reach the Internet.
    fn outbound_address(&self, world: &mut World) -> Result<ResourceId, ArmError> {
        let name = world.uuid().to_string();
        let body = json!({ "publicIPAllocationMethod": "Static" });
        self.put(world, "Microsoft.Network/publicIPAddresses", &name, body)
    }

    /// The gateway of the outbound type `managedNATGateway`, where the network provider has them.
    fn gateway(&self, world: &mut World) -> Result<(), ArmError> {
        const TYPE: &str = "Microsoft.Network/natGateways";
        if Registry::get().find(TYPE).is_none() {
            return Ok(());
        }
        let address = self.outbound_address(world)?;
        let id = self.resource(TYPE, "natgateway");
        let body = json!({ "publicIpAddresses": [{ "id": address }], "idleTimeoutInMinutes": 4 });
        self.put(world, TYPE, id.name(), body).map(|_| ())
    }

    /// The load balancer `kubernetes` with its outbound address and the two pools that nodes join, one of each per family.
    fn load_balancer(&self, world: &mut World, draft: &Draft) -> Result<(), ArmError> {
        let address = self.outbound_address(world)?;
        let balancer = self.id.resource("Microsoft.Network/loadBalancers", "kubernetes");
        let frontend = balancer.child("frontendIPConfigurations", address.name());
        let outbound = balancer.child("backendAddressPools", "aksOutboundBackendPool");
        let mut pools = vec!["aksOutboundBackendPool", "kubernetes"];
        if draft.network.service_cidrs.len() > 1 {
            pools.extend(["aksOutboundBackendPool-ipv6", "kubernetes-ipv6"]);
        }
        let pools: Vec<Value> = pools.into_iter().map(|pool| json!({ "name": pool, "properties": {} })).collect();
        let body = json!({
            "frontendIPConfigurations": [{ "name": address.name(), "properties": { "publicIPAddress": { "id": address } } }],
            "backendAddressPools": pools,
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
    ///
    /// # Errors
    /// Whatever the identity provider refuses.
    pub(super) fn kubelet_identity(&self, world: &mut World, cluster: &ResourceId) -> Result<Identity, ArmError> {
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
