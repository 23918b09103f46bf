//! A machine joins its cluster: it reads its custom data, gets a certificate with its bootstrap token, registers its
//! Node in its own name, and the cloud node manager completes it.

use std::sync::Arc;
use std::time::Duration;

use fake_arm::events::VirtualMachine;
use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions, WatchEvent, WatchParams};
use serde_json::json;

use super::agent_pool::kubelet_of;
use super::cluster::{ClientError, NodeCluster, certificates};
use super::custom_data::{CustomData, CustomDataError};
use super::kubelet::{KubeletConfig, KubeletError};
use super::machine::{Registration, cloud_patch};
use super::tls_bootstrap::{CertificateError, request_certificate};
use crate::cluster::HOLD_ANNOTATION;

/// Why a machine does not become a node.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Its custom data does not make sense.
    #[error(transparent)]
    CustomData(#[from] CustomDataError),
    /// Its kubelet would not start.
    #[error(transparent)]
    Kubelet(#[from] KubeletError),
    /// Its custom data names another API server.
    #[error("custom data names the API server {named}, but the cluster's is {expected}")]
    OtherServer {
        /// What the script says.
        named: String,
        /// The cluster's name.
        expected: String,
    },
    /// Its custom data trusts another certificate authority.
    #[error(
        "KUBE_CA_CRT in custom data is not the certificate authority of the cluster, so TLS to its API server fails"
    )]
    OtherAuthority,
    /// No client could be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// TLS bootstrap failed.
    #[error("TLS bootstrap: {}", said(.0))]
    Certificate(#[from] CertificateError),
    /// The Node could not be made.
    #[error("{step}: {}", api_said(.error))]
    Api {
        /// What was being done.
        step: &'static str,
        /// The API server's answer.
        error: kube::Error,
    },
}

fn said(error: &CertificateError) -> String {
    match error {
        CertificateError::Api(error) => api_said(error),
        other => other.to_string(),
    }
}

fn api_said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => {
            format!("the API server answered {} {}: {}", status.code, status.reason, status.message)
        }
        other => other.to_string(),
    }
}

impl JoinError {
    /// How long a machine that meets this error keeps trying; `None` where trying again cannot help.
    ///
    /// A kubelet tries for ever. Here a refusal becomes final, so that it can be told, but not at once: for a moment
    /// after the API server's start its token authenticator knows no tokens yet, and the RBAC rules that let their
    /// holders ask for certificates are written a second or two after that.
    #[must_use]
    pub fn patience(&self) -> Option<Duration> {
        match self {
            Self::Certificate(CertificateError::Api(kube::Error::Api(status))) if status.code == 401 => {
                Some(Duration::from_secs(2))
            }
            Self::Certificate(CertificateError::Api(kube::Error::Api(status))) if status.code == 403 => {
                Some(Duration::from_secs(20))
            }
            Self::Certificate(CertificateError::Api(error)) | Self::Api { error, .. } => match error {
                kube::Error::Api(status) => {
                    (status.code == 429 || status.code >= 500 || status.code == 409).then_some(Duration::MAX)
                }
                kube::Error::SerdeError(_) | kube::Error::BuildRequest(_) => None,
                _ => Some(Duration::MAX),
            },
            Self::Certificate(CertificateError::Unsigned { .. }) => Some(Duration::MAX),
            _ => None,
        }
    }
}

/// What a machine knows before it talks to anyone.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// What its kubelet was told.
    pub kubelet: KubeletConfig,
    /// Version of its kubelet.
    pub version: String,
    /// Bootstrap token.
    pub token: String,
}

impl Intent {
    /// Reads what the machine was given and checks it against the cluster that answers at the address.
    ///
    /// # Errors
    /// [`JoinError`] where it does not fit.
    pub fn of(machine: &VirtualMachine, cluster: &NodeCluster) -> Result<Self, JoinError> {
        let facts = &cluster.facts;
        if let Some(pool) = &machine.agent_pool {
            return Ok(Self {
                kubelet: kubelet_of(machine, pool, facts)?,
                version: facts.kubernetes_version.clone(),
                token: cluster.bootstrap_token.clone(),
            });
        }
        let data = CustomData::decode(machine.custom_data.as_deref())?;
        if !data.api_server_name.eq_ignore_ascii_case(&facts.fqdn) {
            return Err(JoinError::OtherServer { named: data.api_server_name, expected: facts.fqdn.clone() });
        }
        let authorities = |pem: &str| certificates(pem).unwrap_or_default();
        if authorities(&data.ca_pem).is_empty() || authorities(&data.ca_pem) != authorities(&cluster.ca_pem) {
            return Err(JoinError::OtherAuthority);
        }
        Ok(Self {
            kubelet: KubeletConfig::parse(&data.kubelet_flags, &data.node_labels)?,
            version: data.kubernetes_version,
            token: data.bootstrap_token,
        })
    }
}

/// A machine that may speak for its node.
pub(super) struct Joiner {
    machine: Arc<VirtualMachine>,
    intent: Intent,
    nodes: Api<Node>,
}

impl Joiner {
    /// Reads the machine's custom data and gets its certificate.
    ///
    /// # Errors
    /// [`JoinError`].
    pub(super) async fn bootstrap(machine: Arc<VirtualMachine>, cluster: Arc<NodeCluster>) -> Result<Self, JoinError> {
        let intent = Intent::of(&machine, &cluster)?;
        let certificate = request_certificate(cluster.with_token(&intent.token)?, &machine.computer_name).await?;
        let client = cluster.with_certificate(&certificate.certificate_pem, &certificate.key_pem)?;
        Ok(Self { machine, intent, nodes: Api::all(client) })
    }

    /// Creates the Node as the kubelet does. One that is there already is its own, if this machine made it (and never
    /// heard the answer); if a machine of the same name left it behind, this fails until it is gone.
    ///
    /// # Errors
    /// [`JoinError`] with the API server's answer, for example that NodeRestriction forbids a label.
    pub(super) async fn register(
        &self,
        at: jiff::Timestamp,
        network_ready: bool,
        device_plugin: bool,
    ) -> Result<Node, JoinError> {
        let node = Registration {
            machine: &self.machine,
            kubelet: &self.intent.kubelet,
            version: &self.intent.version,
            network_ready,
            device_plugin,
            at,
        }
        .node();
        let fail = |error| JoinError::Api { step: "registering the node", error };
        match self.nodes.create(&PostParams::default(), &node).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {
                let there = self.nodes.get(&self.machine.computer_name).await.map_err(fail)?;
                let hardware = |node: &Node| {
                    let info = node.status.as_ref().and_then(|status| status.node_info.as_ref());
                    info.map(|info| info.system_uuid.clone())
                };
                let own = hardware(&there) == hardware(&node) && there.metadata.deletion_timestamp.is_none();
                if own { Ok(there) } else { Err(fail(kube::Error::Api(status))) }
            }
            created => created.map_err(fail),
        }
    }

    /// Lets a node that registered without a network turn Ready: KWOK, which was told to hold it, reports for it now.
    ///
    /// # Errors
    /// [`JoinError`] with the API server's answer.
    pub(super) async fn release(&self) -> Result<(), JoinError> {
        let released = Patch::Merge(json!({"metadata": {"annotations": {HOLD_ANNOTATION: null}}}));
        let patched = self.nodes.patch(&self.machine.computer_name, &PatchParams::default(), &released).await;
        patched.map(drop).map_err(|error| JoinError::Api { step: "reporting the node ready", error })
    }
}

/// The cloud node manager's work on a new Node. It applies to the version that it saw, and looks again when another
/// controller was faster.
///
/// In a cluster that gives nodes pod ranges it waits for the node's: KWOK would give pods that come earlier addresses
/// from elsewhere, and the taint that this lifts keeps them away.
///
/// # Errors
/// [`JoinError`] with the API server's answer.
pub(super) async fn complete(cluster: &NodeCluster, machine: &VirtualMachine, mut node: Node) -> Result<(), JoinError> {
    let nodes: Api<Node> = Api::all(cluster.admin.clone());
    let fail = |error| JoinError::Api { step: "completing the node with what the cloud knows", error };
    if cluster.facts.network.pod_cidr.is_some() {
        node = with_pod_range(&nodes, node).await.map_err(fail)?;
    }
    loop {
        let patch = Patch::Merge(cloud_patch(machine, &node));
        match nodes.patch(&machine.computer_name, &PatchParams::default(), &patch).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => {
                node = nodes.get(&machine.computer_name).await.map_err(fail)?;
            }
            Err(error) => return Err(fail(error)),
        }
    }
}

/// The node as it is when it has a pod range.
async fn with_pod_range(nodes: &Api<Node>, node: Node) -> Result<Node, kube::Error> {
    once(nodes, node, |node| node.spec.as_ref().is_some_and(|spec| spec.pod_cidr.is_some())).await
}

/// The node as it is when this holds of it. Watches from the version given, so that nothing is missed.
pub(super) async fn once(
    nodes: &Api<Node>,
    mut node: Node,
    holds: impl Fn(&Node) -> bool,
) -> Result<Node, kube::Error> {
    let name = node.metadata.name.clone().unwrap_or_default();
    while !holds(&node) {
        let only = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(60);
        let version = node.metadata.resource_version.clone().unwrap_or_default();
        let events = nodes.watch(&only, &version).await?;
        pin_mut!(events);
        while let Some(Ok(event)) = events.next().await {
            match event {
                WatchEvent::Added(seen) | WatchEvent::Modified(seen) if holds(&seen) => return Ok(seen),
                WatchEvent::Error(_) | WatchEvent::Deleted(_) => break,
                _ => {}
            }
        }
        node = nodes.get(&name).await?;
    }
    Ok(node)
}

/// How a Node went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    /// The controller deleted it.
    Deleted,
    /// Its deletion had begun before (the provisioner's); finalizers decide when it ends.
    UnderWay,
    /// It was gone already.
    Gone,
}

/// The cloud node lifecycle controller's work: deletes the Node whose machine is gone, and no other of its name.
///
/// # Errors
/// The API server's answer.
pub(super) async fn remove(cluster: &NodeCluster, node: &Node) -> Result<Removal, kube::Error> {
    let nodes: Api<Node> = Api::all(cluster.admin.clone());
    let name = node.metadata.name.as_deref().unwrap_or_default();
    let Some(now) = nodes.get_opt(name).await? else { return Ok(Removal::Gone) };
    if now.metadata.uid != node.metadata.uid {
        return Ok(Removal::Gone);
    }
    if now.metadata.deletion_timestamp.is_some() {
        return Ok(Removal::UnderWay);
    }
    let same = Preconditions { uid: node.metadata.uid.clone(), resource_version: None };
    match nodes.delete(name, &DeleteParams { preconditions: Some(same), ..DeleteParams::default() }).await {
        Ok(_) => Ok(Removal::Deleted),
        Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(Removal::Gone),
        Err(error) => Err(error),
    }
}

/// Waiting times between attempts, as a kubelet backs off: from 100 ms, doubled, up to 7 s.
pub(super) fn backoff() -> impl Iterator<Item = Duration> {
    std::iter::successors(Some(Duration::from_millis(100)), |wait| Some((*wait * 2).min(Duration::from_secs(7))))
}
