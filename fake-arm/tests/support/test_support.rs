//! What tests of a running fake share: one with a caller, and clients that trust it.

#![allow(dead_code, reason = "each test uses its own part")]

use std::sync::Arc;

use fake_arm::FakeArm;
use fake_arm::clock::MovableClock;
use fake_arm::directory::{Principal, PrincipalKind};
use reqwest::Client;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use uuid::Uuid;

/// A client that trusts this fake and nothing else.
pub(crate) fn client(azure: &FakeArm) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca = reqwest::Certificate::from_pem(azure.ca_pem().as_bytes()).unwrap();
    Client::builder().tls_certs_only([ca]).build().unwrap()
}

/// TLS that trusts this authority and nothing else, for what no HTTP client would say.
pub(crate) fn tls_connector(ca_pem: &str) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

/// The fake, its clock, a client and a caller.
pub(crate) struct TestServer {
    pub(crate) azure: FakeArm,
    pub(crate) client: Client,
    pub(crate) clock: Arc<MovableClock>,
    /// Object id of the caller.
    pub(crate) oid: Uuid,
    /// Client id of the caller.
    pub(crate) client_id: Uuid,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        let clock = Arc::new(MovableClock::default());
        let azure = FakeArm::builder().movable_clock(clock.clone()).seed(7).start().await.unwrap();
        let (oid, client_id) = (Uuid::from_u128(1), Uuid::from_u128(2));
        azure.add_owner(Principal {
            object_id: oid,
            client_id,
            kind: PrincipalKind::ManagedIdentity,
            display_name: "karpenter".into(),
        });
        Self { client: client(&azure), azure, clock, oid, client_id }
    }

    /// `https://127.0.0.1:PORT`.
    pub(crate) fn origin(&self) -> String {
        self.azure.endpoint().as_str().trim_end_matches('/').to_owned()
    }
}
