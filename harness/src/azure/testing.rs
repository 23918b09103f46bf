//! A fake Azure for tests of what speaks to Azure.

use std::sync::Arc;

use fake_arm::FakeArm;
use fake_arm::directory::{Principal, PrincipalKind};
use uuid::Uuid;

use super::{ArmClient, Azure};
use crate::clock::LabClock;
use crate::history::History;

/// A fake subscription, and Azure as its owner sees it.
pub(crate) async fn owned() -> (Arc<FakeArm>, Azure) {
    let fake = Arc::new(FakeArm::builder().start().await.expect("fake"));
    let owner = Uuid::from_u128(1);
    fake.add_owner(Principal {
        object_id: owner,
        client_id: owner,
        kind: PrincipalKind::User,
        display_name: "owner".into(),
    });
    let azure = seen_by(&fake, owner);
    (fake, azure)
}

/// Azure as `who` sees it.
pub(crate) fn seen_by(fake: &Arc<FakeArm>, who: Uuid) -> Azure {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let issuer = fake.clone();
    let token = Arc::new(move || issuer.token_for(who));
    let client = ArmClient::new(fake.endpoint().clone(), Some(fake.ca_pem()), token, LabClock::real()).expect("client");
    let history = History::new(LabClock::real(), None).expect("history");
    Azure::new(client, history, &fake.subscription_id().to_string(), "eastus", "rg")
}
