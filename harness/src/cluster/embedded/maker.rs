//! Control planes as clusters of a lab.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use components::Binaries;
use ipnet::IpNet;

use super::{ApiServerBorrower, ControlPlane, ControlPlaneSpec};
use crate::cluster::kubeconfig::PROVISIONER_TOKEN;
use crate::cluster::{BootstrapToken, ClusterError, ClusterMaker, ClusterSpec, Identity, RunningCluster};

/// Makes control planes, on API servers that somebody lends where there is somebody.
#[derive(Debug)]
pub struct ControlPlaneMaker {
    lender: Option<ApiServerBorrower>,
}

impl ControlPlaneMaker {
    /// A maker that borrows from `lender`; without one each cluster has an API server of its own.
    #[must_use]
    pub fn new(lender: Option<ApiServerBorrower>) -> Self {
        Self { lender }
    }
}

#[async_trait]
impl ClusterMaker for ControlPlaneMaker {
    async fn make(&self, spec: ClusterSpec) -> Result<Arc<dyn RunningCluster>, ClusterError> {
        let spec = ControlPlaneSpec {
            binaries: (&spec.binaries).into(),
            processes: spec.processes,
            kubernetes_version: spec.kubernetes_version,
            service_cidr: spec.service_cidr,
            service_cidr_v6: spec.service_cidr_v6,
            pod_cidr: spec.pod_cidr,
            dns_service_ip: spec.dns_service_ip,
            bootstrap_token: spec.bootstrap_token,
            heartbeat: spec.heartbeat,
            lender: self.lender.clone(),
        };
        Ok(Arc::new(ControlPlane::start(spec).await?))
    }

    async fn has_version(&self, _version: &str) -> Result<(), String> {
        // Whoever has the programs has all that is needed.
        Ok(())
    }

    fn leave(&self) {
        if let Some(lender) = &self.lender {
            lender.leave();
        }
    }
}

#[async_trait]
impl RunningCluster for ControlPlane {
    fn url(&self) -> String {
        Self::url(self)
    }

    fn ca_pem(&self) -> &str {
        Self::ca_pem(self)
    }

    fn kubeconfig(&self, identity: Identity) -> String {
        Self::kubeconfig(self, identity)
    }

    fn kubeconfig_path(&self, identity: Identity) -> PathBuf {
        Self::kubeconfig_path(self, identity)
    }

    fn provisioner_token(&self) -> String {
        PROVISIONER_TOKEN.to_owned()
    }

    fn bootstrap_token(&self) -> &BootstrapToken {
        Self::bootstrap_token(self)
    }

    fn kubernetes_version(&self) -> &str {
        Self::kubernetes_version(self)
    }

    fn usable_after(&self) -> Duration {
        self.start_up().usable
    }

    async fn replace_custom_resources(&self, folder: &Path) -> Result<(), ClusterError> {
        Self::replace_custom_resources(self, folder).await
    }

    async fn upgrade(&self, binaries: &Binaries, version: &str) -> Result<Arc<dyn RunningCluster>, ClusterError> {
        Ok(Arc::new(Self::upgrade(self, binaries.into(), version).await?))
    }

    async fn with_pod_range(&self, range: Option<IpNet>) -> Result<Arc<dyn RunningCluster>, ClusterError> {
        Ok(Arc::new(Self::with_pod_range(self, range).await?))
    }

    async fn died(&self) -> String {
        Self::died(self).await
    }

    async fn stop(&self) {
        Self::stop(self).await;
    }

    fn give_back(&self) {
        Self::give_back(self);
    }
}
