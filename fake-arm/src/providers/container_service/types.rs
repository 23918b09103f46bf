//! Names of the resource types of `Microsoft.ContainerService`.

/// The type of managed clusters.
pub const MANAGED_CLUSTER: &str = "Microsoft.ContainerService/managedClusters";
/// The type of agent pools.
pub const AGENT_POOL: &str = "Microsoft.ContainerService/managedClusters/agentPools";
