//! The resource types of this namespace, and their api-versions.

use super::{AGENT_POOL, MANAGED_CLUSTER, agent_pool, machine, maintenance_configuration, managed_cluster, version};
use crate::provider::{ResourceType, submit};

/// Api-versions of managed clusters and what is below them. AKS has a new one each month, stable and preview in turn;
/// these are the ones that the documents, the az CLI, the SDKs and the provisioner use, and those between.
const API_VERSIONS: &[&str] = &[
    "2023-10-01",
    "2023-10-02-preview",
    "2023-11-01",
    "2023-11-02-preview",
    "2024-01-01",
    "2024-01-02-preview",
    "2024-02-01",
    "2024-02-02-preview",
    "2024-03-02-preview",
    "2024-04-02-preview",
    "2024-05-01",
    "2024-05-02-preview",
    "2024-06-02-preview",
    "2024-07-01",
    "2024-07-02-preview",
    "2024-08-01",
    "2024-09-01",
    "2024-09-02-preview",
    "2024-10-01",
    "2024-10-02-preview",
    "2025-01-01",
    "2025-01-02-preview",
    "2025-02-01",
    "2025-02-02-preview",
    "2025-03-01",
    "2025-03-02-preview",
    "2025-04-01",
    "2025-04-02-preview",
    "2025-05-01",
    "2025-05-02-preview",
    "2025-06-02-preview",
    "2025-07-01",
    "2025-07-02-preview",
    "2025-08-01",
    "2025-08-02-preview",
    "2025-09-01",
    "2025-09-02-preview",
    "2025-10-01",
    "2025-10-02-preview",
    "2026-01-01",
    "2026-01-02-preview",
    "2026-02-01",
    "2026-02-02-preview",
    "2026-03-01",
    "2026-03-02-preview",
    "2026-04-01",
    "2026-04-02-preview",
    "2026-05-01",
    "2026-05-02-preview",
    "2026-06-01",
    "2026-06-02-preview",
    "2026-07-01",
    "2026-07-02-preview",
    "2026-08-01",
    "2026-08-02-preview",
];

submit! { ResourceType::new(MANAGED_CLUSTER, API_VERSIONS, &managed_cluster::ManagedClusters).tracked() }
submit! { ResourceType::new(AGENT_POOL, API_VERSIONS, &agent_pool::AgentPools) }
submit! { ResourceType::new(machine::MACHINE, API_VERSIONS, &machine::Machines).computed() }
submit! {
    ResourceType::new(
        maintenance_configuration::MAINTENANCE,
        API_VERSIONS,
        &maintenance_configuration::MaintenanceConfigurations,
    )
}
submit! {
    ResourceType::new(
        "Microsoft.ContainerService/managedClusters/upgradeProfiles",
        API_VERSIONS,
        &agent_pool::ClusterUpgradeProfiles,
    )
    .computed()
}
submit! {
    ResourceType::new(
        "Microsoft.ContainerService/managedClusters/agentPools/upgradeProfiles",
        API_VERSIONS,
        &agent_pool::UpgradeProfiles,
    )
    .computed()
}
submit! {
    ResourceType::new(
        "Microsoft.ContainerService/managedClusters/availableAgentPoolVersions",
        API_VERSIONS,
        &agent_pool::AvailableVersions,
    )
    .computed()
}
submit! {
    ResourceType::new(
        "Microsoft.ContainerService/locations/kubernetesVersions",
        API_VERSIONS,
        &version::KubernetesVersions,
    )
    .computed()
}
