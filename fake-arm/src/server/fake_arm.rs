//! Starting, holding and stopping a fake Azure.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Handle, Server};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinHandle;
use url::Url;
use uuid::Uuid;

use super::pipeline::{self, Shared};
use super::tls::Certificates;
use super::{connection, keeper};
use crate::clock::{Clock, SystemClock};
use crate::engine::ClusterEngine;
use crate::entra::{Principal, VerifiedTokens};
use crate::events::ArmEvent;
use crate::ledger::Ledger;
use crate::world::{Settings, World};

/// Why a fake Azure did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No port could be had.
    #[error("failed to listen on 127.0.0.1 for {what}")]
    Listen {
        /// Which endpoint.
        what: &'static str,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// No certificates could be made.
    #[error("failed to make the lab's certificates")]
    Certificates(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No key could be made to sign tokens with.
    #[error("failed to make a key to sign tokens with: the system has no random numbers")]
    SigningKey,
}

/// What a fake Azure starts with.
#[derive(Debug)]
pub struct Builder {
    clock: Arc<dyn Clock>,
    seed: u64,
    subscription: Uuid,
    tenant: Uuid,
    settings: Settings,
}

/// A running fake Azure on loopback. Dropping it stops it. Several can run in one process.
pub struct FakeArm {
    shared: Arc<Shared>,
    endpoint: Url,
    identity_endpoint: Url,
    ca_pem: String,
    servers: [Handle<SocketAddr>; 2],
    tasks: Vec<JoinHandle<()>>,
}

impl Builder {
    /// The time it lives in; the machine's own unless given.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// The source of every random choice that a scenario can see; 0 unless given.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The id of its one subscription.
    #[must_use]
    pub fn subscription(mut self, subscription: Uuid) -> Self {
        self.subscription = subscription;
        self
    }

    /// The id of its Entra tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: Uuid) -> Self {
        self.tenant = tenant;
        self
    }

    /// Durations, page size and the like.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Starts it on the runtime on which this is called.
    ///
    /// # Errors
    /// [`StartError`], where the machine gives no port, no random numbers or no certificate.
    pub async fn start(self) -> Result<FakeArm, StartError> {
        let listen = |what| {
            let open = || {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                listener.set_nonblocking(true)?;
                let address = listener.local_addr()?;
                Ok((listener, address))
            };
            open().map_err(|source| StartError::Listen { what, source })
        };
        let (arm_listener, arm_address) = listen("the ARM endpoint")?;
        let (identity_listener, identity_address) = listen("the managed-identity endpoint")?;
        let certificates = Certificates::generate().map_err(StartError::Certificates)?;
        let mut world = World::new(self.clock, self.seed, self.tenant, self.subscription, self.settings)
            .map_err(|_| StartError::SigningKey)?;
        let work = world.take_tasks().expect("a new world has its tasks");
        let endpoint = format!("https://{arm_address}");
        let shared = Arc::new(Shared {
            tokens: VerifiedTokens::new(Arc::clone(world.issuer())),
            body_patience: world.settings().body_patience,
            world: world.into(),
            ledger: Ledger::default(),
            endpoint: endpoint.clone(),
        });

        let servers = [Handle::new(), Handle::new()];
        let mut tasks = vec![keeper::start(&shared, work)];
        let arm = Router::new().fallback(pipeline::arm).with_state(Arc::clone(&shared));
        let tls = RustlsConfig::from_config(certificates.config);
        let mut server = axum_server::from_tcp_rustls(arm_listener, tls)
            .map_err(|source| StartError::Listen { what: "the ARM endpoint", source })?
            .map(|tls| tls.acceptor(NoDelayAcceptor::new()))
            .handle(servers[0].clone());
        connection::limit(server.http_builder());
        tasks.push(tokio::spawn(async move { ended(server.serve(arm.into_make_service()).await) }));
        let identity = Router::new().fallback(pipeline::managed_identity).with_state(Arc::clone(&shared));
        let mut server: Server<SocketAddr> = axum_server::from_tcp(identity_listener)
            .map_err(|source| StartError::Listen { what: "the managed-identity endpoint", source })?
            .handle(servers[1].clone());
        connection::limit(server.http_builder());
        tasks.push(tokio::spawn(async move { ended(server.serve(identity.into_make_service()).await) }));

        let url = |text: String| Url::parse(&text).expect("an address makes a URL");
        Ok(FakeArm {
            shared,
            endpoint: url(endpoint),
            identity_endpoint: url(format!("http://{identity_address}/msi/token")),
            ca_pem: certificates.ca_pem,
            servers,
            tasks,
        })
    }
}

fn ended(result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::error!(%error, "failed to go on serving a fake Azure's endpoint");
    }
}

impl FakeArm {
    /// What it starts with: the machine's clock, seed 0, fixed subscription and tenant ids.
    pub fn builder() -> Builder {
        Builder {
            clock: Arc::new(SystemClock),
            seed: 0,
            subscription: Uuid::from_u128(0x1234_5678_1234_1234_1234_1234_5678_9012),
            tenant: Uuid::from_u128(0x72f9_88bf_86f1_41af_91ab_2d7c_d011_db47),
            settings: Settings::default(),
        }
    }

    /// `https://127.0.0.1:PORT/`: the `resourceManagerEndpoint`. A token's audience is this without the last `/`.
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// The authority that signed the endpoint's certificate, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
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

    /// Adds someone to the directory.
    pub fn add_principal(&self, principal: Principal) {
        self.with(|world| world.add_principal(principal));
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
                kind: crate::entra::PrincipalKind::ServicePrincipal,
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

    /// Every event from now on, in order, none lost.
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
