//! What the ContainerService provider asks of whoever can make a Kubernetes cluster. fake-arm does the ARM side of a
//! managed cluster (validation, node resource group, identities, agent pool addresses); the engine does the rest.

mod cluster_engine;
mod managed_cluster;
mod noop;

pub use cluster_engine::{ClusterAccess, ClusterEngine, EngineError, NapState};
pub use managed_cluster::{Identity, ManagedCluster, NetworkProfile};
pub use noop::NoopEngine;
