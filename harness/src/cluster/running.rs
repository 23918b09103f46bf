//! What everybody above knows of a cluster that runs, however it is made.

use std::fmt::Debug;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use components::Binaries;
use ipnet::IpNet;

use super::client::client;
use super::{BootstrapToken, ClusterError, Heartbeat, Identity};
use crate::process::Processes;

/// What a cluster is to be.
#[derive(Debug, Clone)]
pub struct ClusterSpec {
    /// The real parts that it may be made of.
    pub binaries: Binaries,
    /// Where processes and files that are made for it are to live; their history is written to.
    pub processes: Processes,
    /// Version of the Kubernetes programs, without `v`.
    pub kubernetes_version: String,
    /// Range of Services.
    pub service_cidr: IpNet,
    /// Range of IPv6 Services, where the cluster has both families.
    pub service_cidr_v6: Option<IpNet>,
    /// Range of pods, of which each node gets a /24 (overlay networking); `None` where pods get their addresses from the
    /// nodes' subnet.
    pub pod_cidr: Option<IpNet>,
    /// Address of the Service kube-system/kube-dns, inside the service range.
    pub dns_service_ip: IpAddr,
    /// What new nodes authenticate with.
    pub bootstrap_token: BootstrapToken,
    /// How nodes say that they are alive.
    pub heartbeat: Heartbeat,
}

/// Makes clusters of one kind.
#[async_trait]
pub trait ClusterMaker: Debug + Send + Sync {
    /// Brings a cluster up: on return the API server serves, the provisioner's custom resources are established, the
    /// Service kube-dns and the bootstrap token exist, and the controllers are on their way.
    ///
    /// # Errors
    /// Why it does not come up. Nothing of the attempt goes on running then.
    async fn make(&self, spec: ClusterSpec) -> Result<Arc<dyn RunningCluster>, ClusterError>;

    /// Whether it could make a cluster with this version of Kubernetes; asked before one is needed.
    ///
    /// # Errors
    /// Why it could not.
    async fn has_version(&self, version: &str) -> Result<(), String>;

    /// The lab is over, and nothing of it writes to its clusters any more.
    fn leave(&self);
}

/// A cluster that runs.
#[async_trait]
pub trait RunningCluster: Debug + Send + Sync {
    /// Where its API server listens, as it is reached from this machine.
    fn url(&self) -> String;

    /// The certificate of its authority.
    fn ca_pem(&self) -> &str;

    /// A kubeconfig that needs no other file.
    fn kubeconfig(&self, identity: Identity) -> String;

    /// A file that holds [`kubeconfig`](Self::kubeconfig).
    fn kubeconfig_path(&self, identity: Identity) -> PathBuf;

    /// What the provisioner shows in the place of the token of its service account.
    fn provisioner_token(&self) -> String;

    /// What a new node authenticates with.
    fn bootstrap_token(&self) -> &BootstrapToken;

    /// Version of the Kubernetes programs, without `v`.
    fn kubernetes_version(&self) -> &str;

    /// From the first line of its start until the API server was usable; that of an earlier lab where it was lent.
    fn usable_after(&self) -> Duration;

    /// A client. It belongs to the runtime that it is made in.
    ///
    /// # Errors
    /// When the client cannot be made.
    async fn client(&self, identity: Identity) -> Result<kube::Client, ClusterError> {
        client(&self.kubeconfig(identity)).await
    }

    /// Puts the provisioner's custom resource definitions of a folder in the place of those that are there; objects stay.
    ///
    /// # Errors
    /// When the folder holds none, or the API server refuses one.
    async fn replace_custom_resources(&self, folder: &Path) -> Result<(), ClusterError>;

    /// The same cluster with the programs of another version of Kubernetes; all objects stay.
    ///
    /// # Errors
    /// When it cannot have them. The cluster may be broken then.
    async fn upgrade(&self, binaries: &Binaries, version: &str) -> Result<Arc<dyn RunningCluster>, ClusterError>;

    /// The same cluster with another range of pods, out of which also nodes without a block get theirs.
    ///
    /// # Errors
    /// When it cannot have one.
    async fn with_pod_range(&self, range: Option<IpNet>) -> Result<Arc<dyn RunningCluster>, ClusterError>;

    /// Returns when it has ended by itself, and tells how.
    async fn died(&self) -> String;

    /// Takes it down for good.
    async fn stop(&self);

    /// Gives it back to whoever lent it, when all processes of the lab that stand on it have ended.
    fn give_back(&self);
}
