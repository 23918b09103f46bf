//! What the ContainerService provider asks of whoever can make a Kubernetes cluster. fake-arm does the ARM side of a
//! managed cluster (validation, node resource group, identities, agent pool addresses); the engine does the rest.

mod cluster_engine;
mod hollow;
mod managed_cluster;

pub use cluster_engine::{ClusterAccess, ClusterEngine, EngineError, NapState};
pub use hollow::HollowEngine;
pub use managed_cluster::{Identity, ManagedCluster, NetworkProfile};
