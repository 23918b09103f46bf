//! The cluster that machines join.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fake_arm::engine::ManagedCluster;
use fake_arm::events::VirtualMachine;
use serde_json::{Value, json};

use super::provider_id::resource_group;

/// How the machines of a managed cluster reach it, and what they must agree with it on.
#[derive(Clone)]
pub struct NodeCluster {
    /// URL of the API server as it is reached from here, for example `https://127.0.0.1:6443`.
    pub server: String,
    /// Certificate authority of the API server, PEM.
    pub ca_pem: String,
    /// Name to expect in the API server's certificate, where it is not the host of `server`.
    pub tls_server_name: Option<String>,
    /// Client with the rights of the cloud node manager and the cloud node lifecycle controller.
    pub admin: kube::Client,
    /// The managed cluster; machines must name its `fqdn` as their API server.
    pub facts: ManagedCluster,
    /// Bootstrap token of the cluster's own agent pools, `<id>.<secret>`.
    pub bootstrap_token: String,
}

impl std::fmt::Debug for NodeCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeCluster").field("server", &self.server).field("id", &self.facts.id).finish_non_exhaustive()
    }
}

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no client for the API server at {server}: {reason}")]
pub struct ClientError {
    server: String,
    reason: String,
}

impl NodeCluster {
    /// Whether a machine is one of this cluster: a member of its agent pools, or a machine in its node resource group.
    #[must_use]
    pub fn owns(&self, machine: &VirtualMachine) -> bool {
        match &machine.agent_pool {
            Some(membership) => membership.cluster_id.eq_ignore_ascii_case(&self.facts.id),
            None => resource_group(&machine.id).eq_ignore_ascii_case(&self.facts.node_resource_group),
        }
    }

    /// A client that shows a bootstrap token.
    ///
    /// # Errors
    /// [`ClientError`] where the server's URL or CA is unusable.
    pub fn with_token(&self, token: &str) -> Result<kube::Client, ClientError> {
        self.client(json!({"token": token}))
    }

    /// A client that shows a certificate.
    ///
    /// # Errors
    /// [`ClientError`] where the server's URL, its CA, the certificate or the key is unusable.
    pub fn with_certificate(&self, certificate_pem: &[u8], key_pem: &str) -> Result<kube::Client, ClientError> {
        self.client(json!({
            "client-certificate-data": STANDARD.encode(certificate_pem),
            "client-key-data": STANDARD.encode(key_pem),
        }))
    }

    fn client(&self, auth: Value) -> Result<kube::Client, ClientError> {
        let error = |reason: String| ClientError { server: self.server.clone(), reason };
        let url = self.server.parse().map_err(|reason| error(format!("{reason}")))?;
        let mut config = kube::Config::new(url);
        config.root_cert = Some(certificates(&self.ca_pem).map_err(error)?);
        config.tls_server_name.clone_from(&self.tls_server_name);
        config.auth_info = serde_json::from_value(auth).map_err(|reason| error(reason.to_string()))?;
        kube::Client::try_from(config).map_err(|reason| error(reason.to_string()))
    }
}

/// The certificates of a PEM bundle, DER.
pub(super) fn certificates(pem: &str) -> Result<Vec<Vec<u8>>, String> {
    let blocks: Vec<Vec<u8>> = pem
        .split("-----BEGIN CERTIFICATE-----")
        .skip(1)
        .map(|block| {
            let body = block.split("-----END CERTIFICATE-----").next().unwrap_or_default();
            let body: String = body.split_whitespace().collect();
            STANDARD.decode(body).map_err(|reason| format!("a certificate in the CA bundle is unreadable: {reason}"))
        })
        .collect::<Result<_, _>>()?;
    if blocks.is_empty() { Err("the CA bundle holds no certificate".into()) } else { Ok(blocks) }
}
