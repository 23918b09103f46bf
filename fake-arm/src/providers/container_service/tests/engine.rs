//! An engine that makes no clusters and remembers what it was asked.

use parking_lot::Mutex;

use crate::engine::{ClusterAccess, ClusterEngine, EngineError, ManagedCluster, NapState};

#[derive(Debug, Default)]
pub(super) struct TestEngine {
    /// What was asked, in order.
    pub(super) asked: Mutex<Vec<String>>,
    /// The clusters as they were handed over, in order.
    pub(super) clusters: Mutex<Vec<ManagedCluster>>,
    /// What node auto-provisioning has in every cluster.
    pub(super) nap: Mutex<NapState>,
    /// The error of every further creation and change.
    pub(super) broken: Mutex<Option<EngineError>>,
}

impl TestEngine {
    fn take(&self, verb: &str, cluster: ManagedCluster) -> Result<ClusterAccess, EngineError> {
        self.asked.lock().push(verb.to_owned());
        self.clusters.lock().push(cluster);
        match self.broken.lock().clone() {
            Some(error) => Err(error),
            None => Ok(ClusterAccess { admin_kubeconfig: "admin: yes".into(), user_kubeconfig: "user: yes".into() }),
        }
    }

    /// The cluster as it was handed over last.
    pub(super) fn latest(&self) -> ManagedCluster {
        self.clusters.lock().last().cloned().expect("the engine was asked")
    }

    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().clone()
    }
}

#[async_trait::async_trait]
impl ClusterEngine for TestEngine {
    async fn create(&self, cluster: ManagedCluster) -> Result<ClusterAccess, EngineError> {
        self.take("create", cluster)
    }

    async fn update(&self, cluster: ManagedCluster) -> Result<ClusterAccess, EngineError> {
        self.take("update", cluster)
    }

    async fn delete(&self, _: &str) -> Result<(), EngineError> {
        self.asked.lock().push("delete".into());
        Ok(())
    }

    async fn nap_state(&self, _: &str) -> Result<NapState, EngineError> {
        Ok(self.nap.lock().clone())
    }

    async fn stop(&self, _: &str) -> Result<(), EngineError> {
        self.asked.lock().push("stop".into());
        Ok(())
    }

    async fn start(&self, _: &str) -> Result<(), EngineError> {
        self.asked.lock().push("start".into());
        Ok(())
    }
}
