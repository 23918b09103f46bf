//! A fake Azure with a caller, and a client that trusts it.

#![allow(dead_code, reason = "each test uses its own part of the lab")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use fake_arm::FakeArm;
use fake_arm::clock::Clock;
use fake_arm::directory::{Principal, PrincipalKind};
use jiff::{SignedDuration, Timestamp};
use reqwest::Client;
use uuid::Uuid;

/// The machine's clock, moved on by hand.
#[derive(Debug, Default)]
pub(crate) struct Movable(AtomicI64);

impl Movable {
    /// Moves it on by seconds.
    pub(crate) fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Movable {
    fn now(&self) -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// The fake, its clock, a client and a caller.
pub(crate) struct Lab {
    pub(crate) azure: FakeArm,
    pub(crate) client: Client,
    pub(crate) clock: Arc<Movable>,
    /// Object id of the caller.
    pub(crate) oid: Uuid,
    /// Client id of the caller.
    pub(crate) client_id: Uuid,
}

impl Lab {
    pub(crate) async fn start() -> Self {
        let clock = Arc::new(Movable::default());
        let azure = FakeArm::builder().clock(clock.clone()).seed(7).start().await.unwrap();
        let (oid, client_id) = (Uuid::from_u128(1), Uuid::from_u128(2));
        azure.add_owner(Principal {
            object_id: oid,
            client_id,
            kind: PrincipalKind::ManagedIdentity,
            display_name: "karpenter".into(),
        });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let ca = reqwest::Certificate::from_pem(azure.ca_pem().as_bytes()).unwrap();
        let client = Client::builder().tls_certs_only([ca]).build().unwrap();
        Self { azure, client, clock, oid, client_id }
    }

    /// `https://127.0.0.1:PORT`.
    pub(crate) fn origin(&self) -> String {
        self.azure.endpoint().as_str().trim_end_matches('/').to_owned()
    }
}
