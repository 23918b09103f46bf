//! What the ContainerService provider asks of whoever can make a Kubernetes cluster. fake-arm does the ARM side of a
//! managed cluster (validation, node resource group, identities, agent pool addresses); the engine does the rest.

mod hollow;

pub use hollow::HollowEngine;

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Makes, changes and removes the Kubernetes cluster behind a managed cluster.
#[async_trait::async_trait]
pub trait ClusterEngine: Send + Sync + 'static {
    /// Brings the cluster up: control plane ready to serve, the provisioner started where the mode is `Auto`.
    async fn create(&self, cluster: ManagedCluster) -> Result<ClusterAccess, EngineError>;
    /// Applies a changed managed cluster (mode, version, network profile).
    async fn update(&self, cluster: ManagedCluster) -> Result<ClusterAccess, EngineError>;
    /// Takes the cluster down.
    async fn delete(&self, id: &str) -> Result<(), EngineError>;
    /// What node auto-provisioning has in the live cluster: AKS turns it off only where nothing of it is left.
    ///
    /// An engine without a live cluster has nothing.
    async fn nap_state(&self, id: &str) -> Result<NapState, EngineError> {
        let _ = id;
        Ok(NapState::default())
    }
    /// Stops the control plane of a cluster whose machines are gone, keeping what is in it. By default nothing happens:
    /// the cluster goes on serving.
    async fn stop(&self, id: &str) -> Result<(), EngineError> {
        let _ = id;
        Ok(())
    }
    /// Starts the control plane of a stopped cluster.
    async fn start(&self, id: &str) -> Result<(), EngineError> {
        let _ = id;
        Ok(())
    }
}

/// What node auto-provisioning has in a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NapState {
    /// Names of the nodes that carry the label `karpenter.sh/nodepool`.
    pub nodes: Vec<String>,
    /// Names of the node pools whose `spec.limits.cpu` is not zero, or that have no such limit.
    pub unlimited_node_pools: Vec<String>,
}

/// Why an engine could not do what was asked. It becomes the error of the long-running operation.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct EngineError {
    /// Azure-style code, for example `CreateControlPlaneError`.
    pub code: String,
    /// One sentence that names the cause and the remedy.
    pub message: String,
}

/// How to reach a cluster.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ClusterAccess {
    /// kubeconfig that `listClusterAdminCredential` hands out.
    pub admin_kubeconfig: String,
    /// kubeconfig that `listClusterUserCredential` hands out.
    pub user_kubeconfig: String,
}

/// The facts of a `Microsoft.ContainerService/managedClusters` resource after validation and defaulting.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ManagedCluster {
    /// Full ARM id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Subscription of the cluster.
    pub subscription_id: String,
    /// Entra tenant.
    pub tenant_id: String,
    /// Resource group of the cluster.
    pub resource_group: String,
    /// Resource group of its machines (`MC_<group>_<cluster>_<region>` unless given).
    pub node_resource_group: String,
    /// ARM region, lower case.
    pub location: String,
    /// Kubernetes version, without `v`.
    pub kubernetes_version: String,
    /// Host name of the API server (`<dnsPrefix>-<hash>.hcp.<region>.azmk8s.io`).
    pub fqdn: String,
    /// `nodeProvisioningProfile.mode` is `Auto`.
    pub node_provisioning: bool,
    /// `nodeProvisioningProfile.defaultNodePools` is `Auto`: AKS applies its own node pools.
    pub default_node_pools: bool,
    /// `networkProfile`.
    pub network: NetworkProfile,
    /// Subnet of the system pool, given or made by AKS.
    pub subnet_id: String,
    /// `resourceGuid` of that subnet's virtual network.
    pub vnet_guid: Option<Uuid>,
    /// `linuxProfile.adminUsername`.
    pub admin_username: String,
    /// First key of `linuxProfile.ssh`.
    pub ssh_public_key: String,
    /// Identity of the control plane, under which the provisioner works.
    pub cluster_identity: Identity,
    /// `identityProfile.kubeletidentity`.
    pub kubelet_identity: Identity,
    /// Resource tags.
    pub tags: BTreeMap<String, String>,
}

/// A managed identity.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    /// ARM id of a user-assigned identity, empty for a system-assigned one.
    pub resource_id: String,
    /// Application (client) id.
    pub client_id: Uuid,
    /// Object (principal) id.
    pub object_id: Uuid,
}

/// `networkProfile` of a managed cluster, defaults filled in.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkProfile {
    /// `azure`, `none`.
    pub plugin: String,
    /// `overlay` or empty.
    pub plugin_mode: String,
    /// `azure`, `cilium` or empty.
    pub dataplane: String,
    /// `azure`, `cilium`, `calico`, `none` or empty.
    pub policy: String,
    /// Pod range; none in node subnet networking.
    pub pod_cidr: Option<ipnet::IpNet>,
    /// Service range.
    pub service_cidr: ipnet::IpNet,
    /// Address of the cluster DNS Service, inside the service range.
    pub dns_service_ip: IpAddr,
    /// Pod ranges, one per family, IPv4 first; empty in node subnet networking.
    #[serde(default)]
    pub pod_cidrs: Vec<ipnet::IpNet>,
    /// Service ranges, one per family, IPv4 first.
    #[serde(default)]
    pub service_cidrs: Vec<ipnet::IpNet>,
    /// `loadBalancer`, `managedNATGateway`, `userAssignedNATGateway`, `userDefinedRouting`, `none` or `block`.
    #[serde(default)]
    pub outbound_type: String,
}
