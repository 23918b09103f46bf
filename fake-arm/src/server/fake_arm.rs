//! Holding and stopping a fake Azure.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum_server::Handle;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use url::Url;
use uuid::Uuid;

use super::builder::Builder;
use super::saved::{Saved, save};
use crate::clock::MovableClock;
use crate::directory::{Principal, PrincipalKind};
use crate::engine::ClusterEngine;
use crate::events::ArmEvent;
use crate::gateway::Shared;
use crate::ledger::Ledger;
use crate::providers::authorization;
use crate::transport::Authority;
use crate::world::{Settings, World};
use arm::{ArmError, ResourceId};
use rbac::BuiltinRole;

/// A running fake Azure on loopback. Dropping it stops it. Several can run in one process.
pub struct FakeArm {
    pub(super) shared: Arc<Shared>,
    pub(super) endpoint: Url,
    pub(super) identity_endpoint: Url,
    pub(super) admin_endpoint: Option<Url>,
    pub(super) authority: Authority,
    pub(super) clock: Option<Arc<MovableClock>>,
    pub(super) servers: Vec<Handle<SocketAddr>>,
    pub(super) tasks: Vec<JoinHandle<()>>,
}

impl FakeArm {
    /// What it starts with: the machine's clock, seed 0, fixed subscription and tenant ids.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// `https://127.0.0.1:PORT/`: the `resourceManagerEndpoint`. A token's audience is this without the last `/`.
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// The authority that signed the endpoint's certificate, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.authority.certificate
    }

    /// `http://127.0.0.1:PORT/msi/token`: what a process finds in `IDENTITY_ENDPOINT`.
    pub fn identity_endpoint(&self) -> &Url {
        &self.identity_endpoint
    }

    /// Id of the subscription.
    pub fn subscription_id(&self) -> Uuid {
        self.with(|world| world.subscription())
    }

    /// Id of the Entra tenant.
    pub fn tenant_id(&self) -> Uuid {
        self.with(|world| world.tenant())
    }

    /// Adds someone to the directory, without a role. See [`add_owner`](Self::add_owner).
    pub fn add_principal(&self, principal: Principal) {
        self.with(|world| world.add_principal(principal));
    }

    /// Gives someone a role (by its name or id) in a scope, effective at once and without a request.
    ///
    /// # Errors
    /// 404 `RoleDefinitionDoesNotExist`, where there is no such role; 400 where the scope is no resource id.
    pub fn assign_role(&self, object_id: Uuid, role: &str, scope: &str) -> Result<(), ArmError> {
        let scope =
            ResourceId::parse(scope).map_err(|error| ArmError::bad_request("InvalidScope", error.to_string()))?;
        self.with(|world| {
            let role = authorization::role_named(world, role).ok_or_else(|| authorization::no_such_role(role))?;
            authorization::grant(world, object_id, role, &scope);
            Ok(())
        })
    }

    /// Makes someone an owner of the subscription, who may do everything in it.
    pub fn add_owner(&self, principal: Principal) {
        self.with(|world| {
            let scope = ResourceId::subscription_of(world.subscription());
            let object_id = principal.object_id;
            world.add_principal(principal);
            authorization::grant(world, object_id, BuiltinRole::Owner.id(), &scope);
        });
    }

    /// What a process finds in `IDENTITY_HEADER`: the secret that makes it this principal. The same each time.
    pub fn identity_header_for(&self, object_id: Uuid) -> String {
        self.with(|world| world.identity_secret(object_id))
    }

    /// A token for ARM that speaks for this principal. For one who is not in the directory it is as Entra would sign
    /// it, and ARM refuses it.
    pub fn token_for(&self, object_id: Uuid) -> String {
        let audience = self.endpoint.as_str().trim_end_matches('/');
        self.with(|world| {
            let unknown = Principal {
                object_id,
                client_id: Uuid::nil(),
                kind: PrincipalKind::ServicePrincipal,
                display_name: String::new(),
            };
            let principal = world.principals().get(object_id).cloned().unwrap_or(unknown);
            let claims = world.issuer().claims(&principal, audience, world.now(), world.settings().token_lifetime);
            world.issuer().sign(&claims)
        })
    }

    /// What was asked and answered.
    pub fn ledger(&self) -> Ledger {
        self.shared.ledger.clone()
    }

    /// Every event from now on, in order and without gaps.
    pub fn subscribe(&self) -> UnboundedReceiver<ArmEvent> {
        self.shared.ledger.subscribe()
    }

    /// Sets who makes the Kubernetes clusters behind managed clusters.
    pub fn set_engine(&self, engine: Arc<dyn ClusterEngine>) {
        self.with(|world| world.set_engine(engine));
    }

    /// Changes durations, page size and the like while it runs.
    pub fn tune(&self, change: impl FnOnce(&mut Settings)) {
        self.with(|world| change(world.settings_mut()));
    }

    /// Looks at the world, or changes it behind ARM's back. Must not block: every request waits meanwhile.
    pub fn with<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        self.shared.with(look)
    }

    /// `http://127.0.0.1:PORT/`, where it has an admin API.
    pub fn admin_endpoint(&self) -> Option<&Url> {
        self.admin_endpoint.as_ref()
    }

    /// Everything that another fake needs to go on from here: see [`Builder::saved`].
    pub fn save(&self) -> Saved {
        save(&self.shared, &self.authority, self.clock.as_deref())
    }

    /// Stops it once what is being answered has been, or after `patience`.
    pub async fn drain(self, patience: Duration) {
        for server in &self.servers {
            server.graceful_shutdown(Some(patience));
        }
        // A connection that idles ends at once, one at work when it is done; then the servers' tasks end by themselves.
        let ended = async {
            while self.servers.iter().any(|server| server.connection_count() > 0) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = tokio::time::timeout(patience, ended).await;
        self.shutdown().await;
    }

    /// Stops it and waits until its ports are free.
    pub async fn shutdown(mut self) {
        self.stop();
        for task in std::mem::take(&mut self.tasks) {
            // It was aborted or has ended; neither is news.
            let _ = task.await;
        }
    }

    fn stop(&self) {
        for server in &self.servers {
            server.shutdown();
        }
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for FakeArm {
    fn drop(&mut self) {
        self.stop();
    }
}

impl std::fmt::Debug for FakeArm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeArm").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}
