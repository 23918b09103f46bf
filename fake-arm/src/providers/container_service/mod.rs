//! `Microsoft.ContainerService`: managed clusters. The ARM side of a cluster is modelled here: validation, defaults, the
//! node resource group and what AKS puts there, identities, the machines of agent pools. The cluster itself is made by
//! whoever serves as [`ClusterEngine`](crate::engine::ClusterEngine).

mod address_range;
mod agent_pool;
mod auto_upgrade;
mod change;
mod cluster;
mod cluster_network;
mod creation;
mod credential;
mod draft;
mod feature;
mod identity;
mod links;
mod machine;
mod maintenance_configuration;
mod maintenance_window;
mod managed_cluster;
mod network_profile;
mod node_provisioning;
mod node_resource_group;
mod pod_range;
mod pool;
mod pool_rules;
mod power_state;
mod refusal;
mod registration;
mod scale_set;
mod site;
#[cfg(test)]
mod tests;
mod types;
mod version;

pub use cluster_network::ClusterNetwork;
pub use types::{AGENT_POOL, MANAGED_CLUSTER};
