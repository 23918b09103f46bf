//! Clients of API servers.

use kube::config::{Config, KubeConfigOptions, Kubeconfig};

use super::ClusterError;

/// A client with a kubeconfig's rights. It belongs to the runtime it is made in.
pub(super) async fn client(kubeconfig: &str) -> Result<kube::Client, ClusterError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| ClusterError::Client(error);
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).map_err(|error| failed(error.into()))?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let config = config.map_err(|error| failed(error.into()))?;
    kube::Client::try_from(config).map_err(|error| failed(error.into()))
}
