//! The life of a cluster's provisioner: its start, death and return, and what it is told of its cluster.

use std::sync::Arc;

use async_trait::async_trait;
use fake_arm::engine::{EngineError, ManagedCluster};

use super::{Engine, failed};
use crate::cluster::{Identity, RunningCluster};
use crate::kubernetes::Cluster;
use crate::manifest::Manifests;
use crate::provisioner::{Provisioner, ProvisionerSettings, ProvisionerVersion, ProvisionerWorld};
use crate::target::ProvisionerHost;

impl Engine {
    /// The version of the provisioner that clusters get now.
    pub(super) fn provisioner_version(&self) -> Result<String, EngineError> {
        let other = self.overrides.lock().version.clone();
        other.map_or_else(|| Ok(self.own_programs()?.versions.provisioner.clone()), Ok)
    }

    /// Starts the provisioner under the identity of the managed cluster, as AKS does, and applies the node pools of AKS
    /// where they are asked for.
    pub(super) async fn start_provisioner(
        &self,
        control_plane: &Arc<dyn RunningCluster>,
        facts: ManagedCluster,
    ) -> Result<(), EngineError> {
        let overrides = self.overrides.lock().clone();
        let binaries = self.programs_of(&facts.kubernetes_version, &self.provisioner_version()?).await?;
        let version: ProvisionerVersion =
            binaries.versions.provisioner.parse().map_err(|error| failed("provisioner", &error))?;
        let mut settings = ProvisionerSettings::new(&binaries.karpenter, version);
        settings.environment = overrides.environment;
        settings.arguments = overrides.flags;
        let api_server = control_plane.url().parse().map_err(|error| failed("API server's URL", &error))?;
        let world = ProvisionerWorld {
            arm_endpoint: self.azure.endpoint.clone(),
            arm_ca: self.azure.ca.clone(),
            identity_endpoint: self.azure.identity_endpoint.clone(),
            identity_header: (self.azure.identity_header)(facts.cluster_identity.object_id),
            api_server,
            api_server_ca: control_plane.ca_pem().to_owned(),
            kubeconfig: control_plane.kubeconfig_path(Identity::Provisioner),
            service_account_token: control_plane.provisioner_token(),
            bootstrap_token: control_plane.bootstrap_token().to_string(),
            cluster: facts.clone(),
        };
        let provisioner = Provisioner::start(&self.processes, world, settings).await.map_err(|error| {
            if error.is_no_provisioner() {
                self.overrides.lock().no_provisioner = Some(error.to_string());
            }
            failed("provisioner", &error)
        })?;
        self.watch_provisioner(&provisioner);
        if let Some(running) = self.lock().get_mut(&facts.id.to_lowercase()) {
            running.provisioner = Some(provisioner);
        }
        if facts.default_node_pools {
            self.apply_default_node_pools(&**control_plane, version).await?;
        }
        Ok(())
    }

    async fn apply_default_node_pools(
        &self,
        control_plane: &dyn RunningCluster,
        version: ProvisionerVersion,
    ) -> Result<(), EngineError> {
        let client = control_plane.client(Identity::Admin).await.map_err(|error| failed("admin client", &error))?;
        let pools = Manifests::named("aks-default-node-pools.yaml")
            .map_err(|error| failed("default node pools", &error))?
            .with("IMAGE_FAMILY", version.image_family());
        let cluster = Cluster::new(client, self.witness.clone(), self.history.clone(), serde_json::Value::Null);
        cluster.apply(pools).await.map_err(|error| failed("default node pools", &error))
    }

    fn provisioner_of(&self, cluster: &str) -> Option<Provisioner> {
        self.lock().get(&cluster.to_lowercase()).and_then(|running| running.provisioner.clone())
    }

    fn watch_provisioner(&self, provisioner: &Provisioner) {
        let (witness, provisioner) = (self.witness.clone(), provisioner.clone());
        tokio::spawn(async move {
            let Some(child) = provisioner.child().await else { return };
            drop(provisioner);
            let exit = child.exited().await;
            if !child.was_stopped() {
                witness
                    .give_up(format!("the provisioner ended by itself: {exit}; its log is {}", child.log().display()));
            }
        });
    }
}

#[async_trait]
impl ProvisionerHost for Engine {
    async fn kill_provisioner(&self, cluster: &str) -> bool {
        match self.provisioner_of(cluster) {
            Some(provisioner) => provisioner.kill().await.is_some(),
            None => false,
        }
    }

    /// Where the overrides say another version, that one's custom resources take the place of those that are there.
    async fn restart_provisioner(&self, cluster: &str) -> Result<(), String> {
        let known =
            self.lock().get(&cluster.to_lowercase()).map(|it| (it.control_plane.clone(), it.provisioner.clone()));
        let (control_plane, Some(provisioner)) = known.ok_or_else(|| format!("there is no cluster {cluster}"))? else {
            return Err(format!("the cluster {cluster} has no provisioner"));
        };
        let mut settings = provisioner.settings().await;
        let overrides = self.overrides.lock().clone();
        (settings.environment, settings.arguments) = (overrides.environment, overrides.flags);
        let named = self.provisioner_version().map_err(|error| error.message)?;
        let version: ProvisionerVersion = named.parse().map_err(|error| crate::causes::error_chain(&error))?;
        if version != settings.version {
            let binaries = self.programs_of(control_plane.kubernetes_version(), &named).await;
            let binaries = binaries.map_err(|error| error.message)?;
            provisioner.stop().await;
            let replaced = control_plane.replace_custom_resources(&binaries.crds).await;
            replaced.map_err(|error| crate::causes::error_chain(&error))?;
            (settings.program, settings.version) = (binaries.karpenter, version);
        }
        provisioner.restart_as(settings).await.map_err(|error| crate::causes::error_chain(&error))?;
        self.watch_provisioner(&provisioner);
        Ok(())
    }
}

/// What a provisioner is told of its cluster when it starts and what a change of the cluster can change: the key and the
/// name for its machines, where they go, and who it is.
pub(super) fn restart_inputs(cluster: &ManagedCluster) -> [&str; 5] {
    let ManagedCluster { ssh_public_key, admin_username, subnet_id, cluster_identity, kubelet_identity, .. } = cluster;
    [ssh_public_key, admin_username, subnet_id, &cluster_identity.resource_id, &kubelet_identity.resource_id]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_told_to_the_provisioner_and_a_tag_is_not() {
        let before = crate::provisioner::trial_cluster();
        let tags = [("updated".to_owned(), "yes".to_owned())].into();
        assert_eq!(restart_inputs(&before), restart_inputs(&ManagedCluster { tags, ..before.clone() }));
        assert_ne!(
            restart_inputs(&before),
            restart_inputs(&ManagedCluster { ssh_public_key: "ssh-rsa B".into(), ..before.clone() })
        );
    }
}
