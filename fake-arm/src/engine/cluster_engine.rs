//! The contract of an engine, and what it answers.

use serde::{Deserialize, Serialize};

use super::ManagedCluster;

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
