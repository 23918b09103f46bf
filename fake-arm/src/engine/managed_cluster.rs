//! What an engine is told of a managed cluster.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

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
    /// Pod range; `None` in node subnet networking.
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
