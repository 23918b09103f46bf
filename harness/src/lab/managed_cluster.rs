//! A managed cluster to be created.

use std::ops::RangeInclusive;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ipnet::IpNet;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::{Cluster, Lab};
use crate::azure::{ArmClient, ArmError, Azure, Identity, PrincipalId, Subnet, api_version};

/// `nodeProvisioningProfile.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeProvisioning {
    /// Node auto-provisioning makes nodes.
    Auto,
    /// Nodes come from agent pools only.
    Manual,
}

impl NodeProvisioning {
    /// As ARM spells it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "Auto",
            Self::Manual => "Manual",
        }
    }
}

/// Why a managed cluster could not be created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Azure refused.
    #[error(transparent)]
    Arm(#[from] ArmError),
    /// The credentials that Azure handed out cannot be used.
    #[error("the kubeconfig of the managed cluster {id} cannot be used: {reason}")]
    Kubeconfig {
        /// Cluster.
        id: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A managed cluster to be created: Azure CNI overlay with the Cilium data plane (what the documents recommend for node
/// auto-provisioning), one system node, and no node pools but those that the scenario applies.
#[must_use = "nothing is created before `create`"]
pub struct ManagedClusterBuilder<'a> {
    lab: &'a Lab,
    azure: Azure,
    name: String,
    properties: Value,
    service_cidr: Option<String>,
    subnet: Option<String>,
    identity: Option<Identity>,
    subnet_role: bool,
}

impl std::fmt::Debug for ManagedClusterBuilder<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ManagedClusterBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<'a> ManagedClusterBuilder<'a> {
    pub(super) fn new(lab: &'a Lab) -> Self {
        let properties = json!({
            "dnsPrefix": "my-aks-cluster-dns",
            "kubernetesVersion": lab.kubernetes_version(),
            "agentPoolProfiles": [{
                "name": "nodepool1",
                "count": 1,
                "mode": "System",
                "osType": "Linux",
                "type": "VirtualMachineScaleSets",
                "vmSize": "Standard_D2s_v5",
            }],
            "networkProfile": {
                "networkPlugin": "azure",
                "networkPluginMode": "overlay",
                "networkDataplane": "cilium",
                "networkPolicy": "cilium",
                "loadBalancerSku": "standard",
            },
            "nodeProvisioningProfile": { "mode": "Manual", "defaultNodePools": "None" },
            "linuxProfile": {
                "adminUsername": "azureuser",
                "ssh": { "publicKeys": [{ "keyData": "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ catnap" }] },
            },
        });
        Self {
            lab,
            azure: lab.azure().clone(),
            name: "my-aks-cluster".into(),
            properties,
            service_cidr: None,
            subnet: None,
            identity: None,
            subnet_role: true,
        }
    }

    /// Its name; `my-aks-cluster` unless said.
    pub fn name(mut self, name: &str) -> Self {
        self.properties["dnsPrefix"] = json!(format!("{name}-dns"));
        self.name = name.to_owned();
        self
    }

    /// `kubernetesVersion`; that of the lab unless said (`az aks create --kubernetes-version`).
    pub fn kubernetes_version(self, version: &str) -> Self {
        self.property("kubernetesVersion", json!(version))
    }

    /// `nodeProvisioningProfile.mode`.
    pub fn node_provisioning(mut self, mode: NodeProvisioning) -> Self {
        self.properties["nodeProvisioningProfile"]["mode"] = json!(mode.as_str());
        self
    }

    /// `nodeProvisioningProfile.defaultNodePools: Auto`: AKS applies its own node pools `default` and `system-surge`.
    pub fn default_node_pools(mut self) -> Self {
        self.properties["nodeProvisioningProfile"]["defaultNodePools"] = json!("Auto");
        self
    }

    /// The subnet of the system pool, which is also the default subnet of node auto-provisioning
    /// (`az aks create --vnet-subnet-id`).
    pub fn subnet(self, subnet: &Subnet) -> Self {
        self.subnet_id(subnet.id())
    }

    /// The same by id, for example one that does not exist.
    pub fn subnet_id(mut self, id: &str) -> Self {
        self.subnet = Some(id.to_owned());
        self
    }

    /// The user-assigned identity of its control plane and its provisioner (`az aks create --assign-identity`). Without,
    /// it has one of its own that comes into being with it.
    pub fn identity(mut self, identity: &Identity) -> Self {
        self.identity = Some(identity.clone());
        self
    }

    /// Leaves it to the scenario to give the cluster's identity a role on the cluster's subnet
    /// (`az aks create --skip-subnet-role-assignment`).
    pub fn skip_subnet_role_assignment(mut self) -> Self {
        self.subnet_role = false;
        self
    }

    /// `networkProfile.serviceCidr`; the DNS service address becomes the tenth of it.
    pub fn service_cidr(mut self, prefix: &str) -> Self {
        self.service_cidr = Some(prefix.to_owned());
        self
    }

    /// `networkProfile.podCidr`.
    pub fn pod_cidr(mut self, prefix: &str) -> Self {
        self.properties["networkProfile"]["podCidr"] = json!(prefix);
        self
    }

    /// Node subnet networking: pods take their addresses from the nodes' subnet (`--network-plugin azure` without a
    /// plugin mode and data plane, as the custom VNet document creates its cluster).
    pub fn node_subnet_networking(mut self) -> Self {
        self.properties["networkProfile"] = json!({
            "networkPlugin": "azure",
            "networkDataplane": "azure",
            "loadBalancerSku": "standard",
        });
        self
    }

    /// Number of fixed system nodes.
    pub fn node_count(mut self, count: u32) -> Self {
        self.properties["agentPoolProfiles"][0]["count"] = json!(count);
        self
    }

    /// `networkProfile`, all of it.
    pub fn network_profile(self, profile: Value) -> Self {
        self.property("networkProfile", profile)
    }

    /// Sets any property of its system pool, for example `podSubnetID`.
    pub fn pool_property(mut self, name: &str, value: Value) -> Self {
        self.properties["agentPoolProfiles"][0][name] = value;
        self
    }

    /// Sets any other property.
    pub fn property(mut self, name: &str, value: Value) -> Self {
        self.properties[name] = value;
        self
    }

    /// Changes its properties in any other way.
    pub fn change(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.properties);
        self
    }

    /// A service principal instead of an identity (`az aks create --service-principal`).
    pub fn service_principal(mut self, client_id: &str) -> Self {
        self.properties["servicePrincipalProfile"] = json!({ "clientId": client_id, "secret": "a secret" });
        self
    }

    /// Its id, and the body of the PUT that [`create`](Self::create) sends.
    #[must_use]
    pub fn request(mut self) -> (String, Value) {
        if let Some(prefix) = &self.service_cidr {
            self.properties["networkProfile"]["serviceCidr"] = json!(prefix);
            if let Ok(IpNet::V4(range)) = prefix.parse() {
                let address = std::net::Ipv4Addr::from(u32::from(range.network()).wrapping_add(10));
                self.properties["networkProfile"]["dnsServiceIP"] = json!(address.to_string());
            }
        }
        if let Some(id) = &self.subnet {
            self.properties["agentPoolProfiles"][0]["vnetSubnetID"] = json!(id);
        }
        let id = self.azure.id(&format!("Microsoft.ContainerService/managedClusters/{}", self.name));
        let mut body = json!({ "location": self.azure.location() });
        match &self.identity {
            Some(identity) => {
                body["identity"] = json!({ "type": "UserAssigned", "userAssignedIdentities": { identity.id(): {} } });
            }
            None if self.properties["servicePrincipalProfile"].is_null() => {
                body["identity"] = json!({ "type": "SystemAssigned" });
            }
            // A cluster has the one or the other.
            None => {}
        }
        body["properties"] = self.properties;
        (id, body)
    }

    /// Creates it through Azure Resource Manager and waits until it is there, then opens its API server with the
    /// credentials that `listClusterAdminCredential` hands out.
    ///
    /// # Errors
    /// What Azure answers, and why the cluster could not be brought up.
    pub async fn create(self) -> Result<Cluster, CreateError> {
        self.azure.ensure_group().await?;
        self.azure.step(format!("create the managed cluster {}", self.name));
        let (lab, azure, subnet_role) = (self.lab, self.azure.clone(), self.subnet_role);
        let (subnet, identity) = (self.subnet.clone(), self.identity.clone());
        let (id, body) = self.request();
        let client = azure.client();
        let making = client.put(&id, api_version::CONTAINER_SERVICE, &body);
        let subnet = subnet.as_deref().filter(|_| subnet_role);
        let resource = match (subnet, &identity) {
            (Some(subnet), Some(identity)) => {
                give_subnet(&azure, subnet, identity.principal_id().clone()).await;
                making.await?
            }
            // As Azure CLI does it: while the cluster is being made, as soon as it shows its identity.
            (Some(subnet), None) => {
                let giving = async {
                    match own_identity(client, &id, LOOKS).await {
                        Some(principal) => give_subnet(&azure, subnet, principal).await,
                        None => azure.step("the cluster has no identity that could be given its subnet".to_owned()),
                    }
                };
                let (mut making, mut giving) = (std::pin::pin!(making), std::pin::pin!(giving));
                tokio::select! {
                    made = &mut making => {
                        let made = made?;
                        giving.await;
                        made
                    }
                    () = &mut giving => making.await?,
                }
            }
            (None, _) => making.await?,
        };
        open(lab, resource, Credential::Admin).await
    }
}

/// Which of a cluster's kubeconfigs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Credential {
    /// `listClusterAdminCredential`.
    Admin,
    /// `listClusterUserCredential`.
    User,
}

/// Opens the cluster that a resource stands for, with a kubeconfig that Azure hands out.
pub(super) async fn open(lab: &Lab, resource: Value, credential: Credential) -> Result<Cluster, CreateError> {
    let id = resource["id"].as_str().unwrap_or_default().to_owned();
    let text = kubeconfig(lab.azure().client(), &id, credential).await?;
    let unusable = |reason: String| CreateError::Kubeconfig { id: id.clone(), reason };
    let kubeconfig = Kubeconfig::from_yaml(&text).map_err(|error| unusable(error.to_string()))?;
    match credential {
        Credential::Admin => lab.open(resource, kubeconfig).await,
        Credential::User => lab.open_again(resource, kubeconfig).await,
    }
    .map_err(unusable)
}

/// What `az aks create` does where it is given a subnet: it assigns Network Contributor there to the cluster's identity.
/// Where it cannot, it warns and goes on, and so does this.
async fn give_subnet(azure: &Azure, subnet: &str, principal: PrincipalId) {
    if let Err(error) = azure.role("Network Contributor").on(subnet).to(principal).assign().await {
        azure.step(format!("could not assign Network Contributor on the cluster's subnet: {error}"));
    }
}

/// Between two looks at a cluster that is being made: the first pause, which doubles, and the longest. In real time: where
/// time can be moved, a lab that waits for this alone would be moved to the end of the creation.
const LOOKS: RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(5);

/// The identity of a cluster that is being made, as soon as it is shown; `None` for one that is made and has none.
async fn own_identity(client: &ArmClient, id: &str, looks: RangeInclusive<Duration>) -> Option<PrincipalId> {
    let mut pause = *looks.start();
    loop {
        let shown = client.get(id, api_version::CONTAINER_SERVICE).await.unwrap_or_default();
        if let Some(principal) = shown["identity"]["principalId"].as_str() {
            return Some(principal.into());
        }
        if matches!(shown["properties"]["provisioningState"].as_str(), Some("Succeeded" | "Failed" | "Canceled")) {
            return None;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(*looks.end());
    }
}

/// What `listClusterAdminCredential` of a managed cluster hands out, as YAML.
pub(super) async fn admin_kubeconfig(client: &ArmClient, id: &str) -> Result<String, CreateError> {
    kubeconfig(client, id, Credential::Admin).await
}

async fn kubeconfig(client: &ArmClient, id: &str, credential: Credential) -> Result<String, CreateError> {
    let unusable = |reason: String| CreateError::Kubeconfig { id: id.to_owned(), reason };
    let action = match credential {
        Credential::Admin => format!("{id}/listClusterAdminCredential"),
        Credential::User => format!("{id}/listClusterUserCredential"),
    };
    let credential = client.post(&action, api_version::CONTAINER_SERVICE, &Value::Null).await?;
    let encoded = credential["kubeconfigs"][0]["value"].as_str().unwrap_or_default();
    let bytes = BASE64_STANDARD.decode(encoded).map_err(|error| unusable(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| unusable(error.to_string()))
}

/// A client configuration from a kubeconfig's current context.
pub(super) async fn client_config(kubeconfig: Kubeconfig) -> Result<kube::Config, String> {
    kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::Arc;

    use super::*;
    use crate::clock::LabClock;

    const ID: &str = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";

    /// A client of something that answers one request after the other with these bodies.
    fn answered_with(bodies: Vec<Value>) -> ArmClient {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        std::thread::spawn(move || {
            for body in bodies {
                let (mut stream, _) = listener.accept().unwrap();
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                while lines.next().is_some_and(|line| !line.is_empty()) {}
                let (body, head) = (body.to_string(), "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length:");
                write!(stream, "{head} {}\r\n\r\n{body}", body.len()).unwrap();
            }
        });
        ArmClient::new(endpoint, None, Arc::new(String::new), LabClock::real()).unwrap()
    }

    #[tokio::test]
    async fn the_identity_of_a_cluster_is_waited_for_as_long_as_it_is_being_made() {
        let quick = Duration::from_micros(10)..=Duration::from_micros(20);
        let mut bodies = vec![json!({ "properties": { "provisioningState": "Creating" } }); 200];
        bodies.push(json!({ "identity": { "principalId": "p" }, "properties": { "provisioningState": "Creating" } }));
        let client = answered_with(bodies);
        assert_eq!(own_identity(&client, ID, quick.clone()).await, Some("p".into()));

        let client = answered_with(vec![json!({ "properties": { "provisioningState": "Succeeded" } })]);
        assert_eq!(own_identity(&client, ID, quick).await, None);
    }
}
