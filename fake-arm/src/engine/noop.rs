//! Managed clusters of a fake on its own: everything that Azure Resource Manager has of them, and no Kubernetes inside.

use super::{ClusterAccess, ClusterEngine, EngineError, ManagedCluster};

/// Makes clusters that are up at once, have nothing in them, and answer nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoopEngine;

#[async_trait::async_trait]
impl ClusterEngine for NoopEngine {
    async fn create(&self, cluster: ManagedCluster) -> Result<ClusterAccess, EngineError> {
        Ok(access(&cluster))
    }

    async fn update(&self, cluster: ManagedCluster) -> Result<ClusterAccess, EngineError> {
        Ok(access(&cluster))
    }

    async fn delete(&self, _: &str) -> Result<(), EngineError> {
        Ok(())
    }
}

fn access(cluster: &ManagedCluster) -> ClusterAccess {
    ClusterAccess {
        admin_kubeconfig: kubeconfig(cluster, "clusterAdmin", &format!("{}-admin", cluster.name)),
        user_kubeconfig: kubeconfig(cluster, "clusterUser", &cluster.name),
    }
}

/// A kubeconfig in the form and with the names of AKS's, for a host that does not answer. It has no certificate to trust.
fn kubeconfig(cluster: &ManagedCluster, role: &str, context: &str) -> String {
    // Names of groups may have brackets and dots; a JSON text is a YAML text.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let user = quoted(&format!("{role}_{}_{}", cluster.resource_group, cluster.name));
    let (name, context) = (quoted(&cluster.name), quoted(context));
    format!(
        "apiVersion: v1
kind: Config
preferences: {{}}
clusters:
- name: {name}
  cluster:
    server: https://{fqdn}:443
users:
- name: {user}
  user:
    token: this-cluster-has-no-kubernetes
contexts:
- name: {context}
  context:
    cluster: {name}
    user: {user}
current-context: {context}
",
        fqdn = cluster.fqdn
    )
}
