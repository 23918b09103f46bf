//! `Microsoft.ContainerService`: managed clusters. The ARM side of a cluster is modelled here: validation, defaults, the
//! node resource group and what AKS puts there, identities, the machines of agent pools. The cluster itself is made by
//! whoever serves as [`ClusterEngine`](crate::engine::ClusterEngine).

mod agent_pool;
mod credential;
mod draft;
mod links;
mod managed_cluster;
mod network_profile;
mod node_resource_group;

use crate::provider::{ResourceType, submit};

/// Api-versions of `managedClusters` that the documents, the az CLI and the provisioner's SDK use.
const API_VERSIONS: &[&str] = &[
    "2024-05-01",
    "2024-09-01",
    "2025-01-01",
    "2025-05-01",
    "2025-06-02-preview",
    "2025-07-01",
    "2025-10-01",
    "2025-10-02-preview",
];

submit! {
    ResourceType::new("Microsoft.ContainerService/managedClusters", API_VERSIONS, &managed_cluster::ManagedClusters)
        .tracked()
}
