//! What a fake Azure starts with, and its start.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum_server::Handle;
use url::Url;
use uuid::Uuid;

use super::admin::{self, Admin};
use super::fake_arm::FakeArm;
use super::saved::Saved;
use super::timer_task;
use crate::clock::{Clock, MovableClock, SystemClock};
use crate::gateway::{Shared, VerifiedTokens};
use crate::ledger::Ledger;
use crate::provider;
use crate::transport::{Authority, ListenError, Socket, serve_machine, serve_main};
use crate::world::{RestoreError, Settings, World};

/// Why a fake Azure did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No port could be had.
    #[error("failed to listen on {address} for {what}")]
    Listen {
        /// Which endpoint.
        what: &'static str,
        /// Where.
        address: SocketAddr,
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
    /// What was saved is not what a fake saves.
    #[error("failed to put the saved state back")]
    Restore(#[from] RestoreError),
}

impl From<ListenError> for StartError {
    fn from(error: ListenError) -> Self {
        Self::Listen { what: error.what, address: error.address, source: error.source }
    }
}

/// What a fake Azure starts with.
#[derive(Debug)]
pub struct Builder {
    clock: Arc<dyn Clock>,
    movable: Option<Arc<MovableClock>>,
    seed: u64,
    subscription: Uuid,
    tenant: Uuid,
    settings: Settings,
    listen: SocketAddr,
    identity_listen: SocketAddr,
    admin_listen: Option<SocketAddr>,
    names: Vec<String>,
    saved: Option<Saved>,
    ledger_limit: Option<usize>,
}

impl Builder {
    pub(super) fn new() -> Self {
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            clock: Arc::new(SystemClock),
            movable: None,
            seed: 0,
            subscription: Uuid::from_u128(0x1234_5678_1234_1234_1234_1234_5678_9012),
            tenant: Uuid::from_u128(0x72f9_88bf_86f1_41af_91ab_2d7c_d011_db47),
            settings: Settings::default(),
            listen: anywhere,
            identity_listen: anywhere,
            admin_listen: None,
            names: Vec::new(),
            saved: None,
            ledger_limit: None,
        }
    }

    /// The time it lives in; the machine's own unless given.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self.movable = None;
        self
    }

    /// The time it lives in, and that the admin API may move on.
    #[must_use]
    pub fn movable_clock(mut self, clock: Arc<MovableClock>) -> Self {
        self.clock = Arc::<MovableClock>::clone(&clock);
        self.movable = Some(clock);
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

    /// Where the main endpoint listens; a free port of 127.0.0.1 unless given.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// Where the endpoint for managed identities listens, plain HTTP; a free port of 127.0.0.1 unless given.
    #[must_use]
    pub fn identity_listen(mut self, address: SocketAddr) -> Self {
        self.identity_listen = address;
        self
    }

    /// Where the admin API listens, plain HTTP and without a password. Without this there is no admin API.
    #[must_use]
    pub fn admin_listen(mut self, address: SocketAddr) -> Self {
        self.admin_listen = Some(address);
        self
    }

    /// A further host name or address under which clients reach the main endpoint.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.names.push(name.into());
        self
    }

    /// Goes on from what [`FakeArm::save`] gave. Tenant, subscription and seed are those of the saved one.
    #[must_use]
    pub fn saved(mut self, saved: Saved) -> Self {
        self.saved = Some(saved);
        self
    }

    /// Keeps the last entries of the ledger only: for a fake that runs for long.
    #[must_use]
    pub fn ledger_limit(mut self, entries: usize) -> Self {
        self.ledger_limit = Some(entries);
        self
    }

    /// Starts it on the runtime on which this is called.
    ///
    /// # Errors
    /// [`StartError`], where the machine gives no port, no random numbers or no certificate.
    pub async fn start(self) -> Result<FakeArm, StartError> {
        let arm = Socket::open("the ARM endpoint", self.listen)?;
        let identity = Socket::open("the managed-identity endpoint", self.identity_listen)?;
        let administration = self.admin_listen.map(|at| Socket::open("the admin API", at)).transpose()?;

        let mut world = World::new(self.clock, self.seed, self.tenant, self.subscription, self.settings)
            .map_err(|_| StartError::SigningKey)?;
        let authority = match self.saved {
            Some(saved) => {
                world.restore(saved.world, provider::remove)?;
                saved.authority
            }
            None => Authority::generate().map_err(StartError::Certificates)?,
        };
        let work = world.take_tasks().expect("a new world has its tasks");
        let host = if self.listen.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { self.listen.ip() };
        let authority_of = |address: SocketAddr, host: IpAddr| SocketAddr::new(host, address.port());
        let endpoint = format!("https://{}", authority_of(arm.address, host));
        let mut names = vec!["localhost".into(), "management.azure.com".into(), "127.0.0.1".into(), "::1".into()];
        names.push(host.to_string());
        names.extend(self.names);
        names.sort();
        names.dedup();
        let tls = authority.server(&names).map_err(StartError::Certificates)?;
        let shared = Arc::new(Shared {
            tokens: VerifiedTokens::new(Arc::clone(world.issuer())),
            body_patience: world.settings().body_patience,
            world: world.into(),
            ledger: self.ledger_limit.map_or_else(Ledger::default, Ledger::with_limit),
            endpoint: endpoint.clone(),
        });

        let url = |text: String| Url::parse(&text).expect("an address makes a URL");
        let mut servers = vec![Handle::new(), Handle::new()];
        let mut tasks = vec![timer_task::start(&shared, work)];
        tasks.push(arm.serve_tls(
            tls,
            Router::new().fallback(serve_main).with_state(Arc::clone(&shared)),
            servers[0].clone(),
        )?);
        let identity_endpoint = url(format!("http://{}/msi/token", identity.address));
        tasks.push(
            identity
                .serve(Router::new().fallback(serve_machine).with_state(Arc::clone(&shared)), servers[1].clone())?,
        );
        let mut admin_endpoint = None;
        if let Some(socket) = administration {
            let handle = Handle::new();
            servers.push(handle.clone());
            admin_endpoint = Some(url(format!("http://{}/", socket.address)));
            let admin =
                Admin { shared: Arc::clone(&shared), clock: self.movable.clone(), authority: authority.clone() };
            tasks.push(socket.serve(Router::new().fallback(admin::serve).with_state(Arc::new(admin)), handle)?);
        }
        Ok(FakeArm {
            shared,
            endpoint: url(endpoint),
            identity_endpoint,
            admin_endpoint,
            authority,
            clock: self.movable,
            servers,
            tasks,
        })
    }
}
