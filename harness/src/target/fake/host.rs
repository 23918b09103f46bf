//! Starts a fake-arm in this process and follows it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fake_arm::FakeArm;
use fake_arm::directory::{Principal, PrincipalKind};
use fake_arm::events::VmEvent;
use uuid::Uuid;

use super::observed;
use crate::clock::LabClock;
use crate::history::{Event, History};
use crate::target::{AzureAccess, Names, StartError};

/// Region of a scenario's resources, that of the documents.
const LOCATION: &str = "eastus";

/// A fake-arm that runs in this process.
#[derive(Debug)]
pub(in crate::target) struct Host {
    pub(in crate::target) fake: Arc<FakeArm>,
}

impl Host {
    /// Starts one in the time of `clock`. What it draws comes from `seed`.
    pub(in crate::target) async fn start(clock: LabClock, seed: u64) -> Result<Self, StartError> {
        let started = FakeArm::builder().clock(Arc::new(clock)).seed(seed).start().await;
        let fake = started.map_err(|error| StartError::Azure(format!("fake-arm does not start: {error}")))?;
        Ok(Self { fake: Arc::new(fake) })
    }

    /// How a user who owns the subscription reaches it. `ca_file` is where its certificates are written to.
    pub(in crate::target) fn access(&self, seed: u64, ca_file: &Path) -> Result<AzureAccess, StartError> {
        let fake = &self.fake;
        let written = std::fs::write(ca_file, fake.ca_pem());
        written.map_err(|source| StartError::io(&format!("write {}", ca_file.display()), source))?;
        let user = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("scenario {seed}").as_bytes());
        fake.add_owner(Principal {
            object_id: user,
            client_id: Uuid::new_v5(&user, b"client"),
            kind: PrincipalKind::User,
            display_name: "the scenario".into(),
        });
        let issuer = fake.clone();
        Ok(AzureAccess {
            endpoint: fake.endpoint().clone(),
            ca: Some(fake.ca_pem().to_owned()),
            ca_file: Some(ca_file.to_path_buf()),
            credential: Arc::new(move || issuer.token_for(user)),
            subscription: fake.subscription_id().to_string(),
            location: LOCATION.to_owned(),
            names: Names::documented(),
        })
    }

    /// Records what it tells, and tells `machines` what becomes of machines. Called in the lab's runtime.
    pub(in crate::target) fn follow(&self, history: &History, machines: impl Fn(VmEvent) + Send + 'static) {
        let ledger = self.fake.ledger();
        let (told_before, mut events) = ledger.subscribe_from();
        let recorded = Arc::new(AtomicU64::new(told_before));
        let known = recorded.clone();
        history.behind_while(move || known.load(Ordering::Acquire) < ledger.told());
        let history = history.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                history.record(Event::Azure { what: observed(&event) });
                recorded.fetch_add(1, Ordering::AcqRel);
                if let fake_arm::events::ArmEvent::Vm(event) = event {
                    machines(event);
                }
            }
        });
    }
}
