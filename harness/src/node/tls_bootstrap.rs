//! TLS bootstrap: a machine shows its bootstrap token, asks the cluster for a client certificate in its own name and
//! waits for it, as a kubelet does before it registers.

use std::time::Duration;

use futures::{StreamExt as _, pin_mut};
use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use kube::api::{Api, PostParams, WatchEvent, WatchParams};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::json;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The signer of kubelet client certificates.
const SIGNER: &str = "kubernetes.io/kube-apiserver-client-kubelet";

/// How long a kubelet waits for its certificate before it starts over.
const PATIENCE: Duration = Duration::from_secs(15);

/// A certificate that makes its holder `system:node:<name>`.
pub(super) struct NodeCertificate {
    /// Certificate chain, PEM.
    pub(super) certificate_pem: Vec<u8>,
    /// Private key, PEM.
    pub(super) key_pem: String,
}

/// Why no certificate came.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The request could not be made.
    #[error("no certificate request could be made: {0}")]
    Request(#[from] rcgen::Error),
    /// The API server said no, or could not be reached.
    #[error("{0}")]
    Api(#[from] kube::Error),
    /// The request was denied or could not be signed.
    #[error("certificate signing request {name} was refused: {reason}")]
    Refused {
        /// Name of the request.
        name: String,
        /// What its condition says.
        reason: String,
    },
    /// Nobody signed.
    #[error(
        "certificate signing request {name} was not signed within {}s; are the csrapproving and csrsigning controllers \
         of kube-controller-manager on, and may the token's group use the nodeclient profile?",
        PATIENCE.as_secs()
    )]
    Unsigned {
        /// Name of the request.
        name: String,
    },
}

/// Asks for the client certificate of the node `name`, with a client that shows a bootstrap token.
///
/// # Errors
/// [`CertificateError`]; the API server's own answer where the token is not accepted.
pub(super) async fn request_certificate(client: kube::Client, name: &str) -> Result<NodeCertificate, CertificateError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "system:nodes");
    params.distinguished_name.push(DnType::CommonName, format!("system:node:{name}"));
    let request = params.serialize_request(&key)?.pem()?;

    let requests: Api<CertificateSigningRequest> = Api::all(client);
    let request: CertificateSigningRequest = serde_json::from_value(json!({
        "metadata": {"generateName": "csr-"},
        "spec": {
            "signerName": SIGNER,
            "request": STANDARD.encode(request),
            "usages": ["digital signature", "client auth"],
        },
    }))
    .expect("a certificate signing request is built of the fields that it has");
    let created = requests.create(&PostParams::default(), &request).await?;
    let csr = created.metadata.name.clone().unwrap_or_default();
    let certificate_pem = tokio::time::timeout(PATIENCE, signed(&requests, &csr, created))
        .await
        .map_err(|_| CertificateError::Unsigned { name: csr })??;
    Ok(NodeCertificate { certificate_pem, key_pem: key.serialize_pem() })
}

/// Waits until the request is answered. It watches from the version that was created, so that nothing is missed and
/// nothing is listed; when the watch ends, it looks again.
async fn signed(
    requests: &Api<CertificateSigningRequest>,
    name: &str,
    mut seen: CertificateSigningRequest,
) -> Result<Vec<u8>, CertificateError> {
    loop {
        if let Some(answer) = answer(&seen) {
            return answer;
        }
        let only = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(30);
        let version = seen.metadata.resource_version.clone().unwrap_or_default();
        let events = requests.watch(&only, &version).await?;
        pin_mut!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(WatchEvent::Added(request) | WatchEvent::Modified(request)) => {
                    if let Some(answer) = answer(&request) {
                        return answer;
                    }
                }
                Ok(WatchEvent::Deleted(_)) => {
                    return Err(CertificateError::Refused { name: name.to_owned(), reason: "it was deleted".into() });
                }
                Ok(WatchEvent::Bookmark(_)) => {}
                Ok(WatchEvent::Error(_)) | Err(_) => break,
            }
        }
        seen = requests.get(name).await?;
    }
}

fn answer(request: &CertificateSigningRequest) -> Option<Result<Vec<u8>, CertificateError>> {
    let status = request.status.as_ref()?;
    if let Some(certificate) = &status.certificate {
        return Some(Ok(certificate.0.clone()));
    }
    let refused = status
        .conditions
        .iter()
        .flatten()
        .find(|condition| ["Denied", "Failed"].contains(&condition.type_.as_str()))?;
    let text = [&refused.reason, &refused.message].into_iter().flatten().cloned().collect::<Vec<_>>().join(": ");
    let name = request.metadata.name.clone().unwrap_or_default();
    Some(Err(CertificateError::Refused { name, reason: format!("{} {text}", refused.type_) }))
}
