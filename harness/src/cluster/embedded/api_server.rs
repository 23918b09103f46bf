//! An API server with its etcd: what costs most about a control plane, and what can be kept when a scenario has ended.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{join_all, select, try_join_all};
use ipnet::IpNet;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use super::control_plane::{Death, Started, death, url, write};
use super::flags::{self, Files};
use crate::clock::LabClock;
use crate::cluster::authority::{Authority, Credential, signing_key};
use crate::cluster::client::client;
use crate::cluster::inventory::Inventory;
use crate::cluster::kubeconfig::{Proof, kubeconfig, tokens};
use crate::cluster::pool::{Kept, Lender, Maker, OfThisProcess, SharedTime};
use crate::cluster::{ClusterError, Identity, custom_resource, object};
use crate::history::History;
use crate::process::{Child, Neighbour, PortLease, Probe, Processes};

/// How often a port is chosen anew when a stranger was quicker.
const ATTEMPTS: usize = 5;

/// What an API server is started with, and what cannot be changed while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiServerShape {
    /// The program etcd.
    pub etcd: PathBuf,
    /// The program kube-apiserver.
    pub kube_apiserver: PathBuf,
    /// Folder of the provisioner's custom resource definitions, `*.yaml`.
    pub crds: PathBuf,
    /// Version of kube-apiserver, without `v`.
    pub kubernetes_version: String,
    /// Range of Services.
    pub service_cidr: IpNet,
    /// Range of IPv6 Services, where the cluster has both families.
    pub service_cidr_v6: Option<IpNet>,
}

impl ApiServerShape {
    /// The first address of the service range, that of the Service default/kubernetes.
    fn kubernetes_service_ip(&self) -> Result<IpAddr, ClusterError> {
        super::spec::first_address(self.service_cidr)
            .map_err(|problem| ClusterError::ServiceRange { service_cidr: self.service_cidr, problem })
    }
}

/// Where an API server is, for whoever uses one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiServerPlace {
    /// The folder with the keys and certificates of its cluster.
    pub folder: PathBuf,
    /// Its port on loopback.
    pub port: u16,
    /// Its processes: etcd and kube-apiserver.
    pub processes: Vec<Neighbour>,
    /// From the first line of its start until it was usable by a client in `system:masters`.
    pub usable: Duration,
}

/// An API server with its etcd. The custom resources of the provisioner are served, and what every cluster has from the
/// beginning is there. Dropped with the [`Processes`] that it lives in.
pub struct ApiServer {
    shape: ApiServerShape,
    authority: Arc<Authority>,
    folder: PathBuf,
    port: PortLease,
    etcd: Child,
    server: Child,
    admin: kube::Client,
    usable: Duration,
    /// What it holds while nobody uses it.
    pristine: OnceCell<Inventory>,
}

impl std::fmt::Debug for ApiServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiServer").field("folder", &self.folder).field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl ApiServer {
    /// Starts one. On return it serves, and the provisioner's custom resources are established.
    ///
    /// # Errors
    /// When a program cannot be run or ends early, when a file or range is wrong, or when something does not come about
    /// in time. Nothing of the attempt goes on running then.
    pub async fn start(shape: &ApiServerShape, processes: &Processes) -> Result<Self, ClusterError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        for _ in 0..ATTEMPTS {
            let started = Started::default();
            let error = match Self::attempt(shape, processes, &started).await {
                Ok(server) => return Ok(server),
                Err(error) => error,
            };
            started.end().await;
            if !error.is_port_taken() {
                return Err(error);
            }
        }
        Err(ClusterError::PortsTaken { attempts: ATTEMPTS })
    }

    async fn attempt(shape: &ApiServerShape, processes: &Processes, started: &Started) -> Result<Self, ClusterError> {
        let began = Instant::now();
        let port = PortLease::take()?;
        let folder = processes.folder("control-plane")?;
        let files = Files(&folder);
        let authority = Authority::new()?;
        let admin = write_files(shape, &authority, files)?;
        let crds = shape.crds.clone();
        let definitions = tokio::task::spawn_blocking(move || custom_resource::read(&crds));

        let ready = ready(port.port(), &authority.own().certificate, &admin);
        let (etcd, server) = tokio::try_join!(
            started.start(processes, flags::etcd(&shape.etcd, files)),
            started.start(processes, flags::kube_apiserver(shape, files, port.port(), ready)),
        )?;
        let usable = began.elapsed();

        let ca = &authority.own().certificate;
        let admin = Proof::Certificate(admin);
        let admin = client(&kubeconfig(&url(port.port()), ca, Identity::Admin.user(), &admin)).await?;
        let definitions = definitions.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        tokio::try_join!(
            async {
                for object in object::of_every_cluster() {
                    object::create(&admin, &object).await?;
                }
                Ok(())
            },
            try_join_all(definitions.iter().map(|definition| custom_resource::establish(&admin, definition))),
        )?;
        processes.history().clock().jump(custom_resource::YOUNG);
        Ok(Self {
            shape: shape.clone(),
            authority: Arc::new(authority),
            folder,
            port,
            etcd,
            server,
            admin,
            usable,
            pristine: OnceCell::new(),
        })
    }

    /// Takes note of what it holds now, when it has made all that an API server makes for itself: what it must hold again
    /// before somebody else may have it. Nobody may use it meanwhile.
    ///
    /// # Errors
    /// When it does not come to rest, or cannot be listed.
    pub async fn take_inventory(&self) -> Result<(), ClusterError> {
        let definitions = custom_resource::read(&self.shape.crds)?;
        let inventory = Inventory::of_fresh(&self.admin, &definitions).await?;
        // A second time it would hold what others have made.
        let _ = self.pristine.set(inventory);
        Ok(())
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> ApiServerPlace {
        let processes = [&self.etcd, &self.server].map(Child::as_neighbour).to_vec();
        ApiServerPlace { folder: self.folder.clone(), port: self.port.port(), processes, usable: self.usable }
    }

    /// The authority of its cluster.
    pub(super) fn authority(&self) -> Arc<Authority> {
        self.authority.clone()
    }

    /// Its processes: etcd and kube-apiserver.
    #[must_use]
    pub fn children(&self) -> [&Child; 2] {
        [&self.etcd, &self.server]
    }

    /// When and how one of its processes ended by itself; never, where they are stopped.
    pub async fn ended(&self) -> Death {
        select(death(self.etcd.clone()).boxed(), death(self.server.clone()).boxed()).await.factor_first().0
    }

    /// Ends it, without asking: what it would put in order on its way out is removed anyway.
    pub async fn stop(&self) {
        self.signal(Signal::SIGCONT);
        join_all(self.children().map(Child::kill)).await;
    }

    /// Ends kube-apiserver and leaves etcd, so that another version can take its place.
    pub async fn stop_server(&self) {
        self.server.stop().await;
    }

    fn signal(&self, signal: Signal) {
        self.children().iter().for_each(|child| child.signal(signal));
    }
}

/// An API server with the processes that it lives in, as a pool keeps it.
#[derive(Debug)]
pub struct KeptApiServer {
    server: ApiServer,
    /// Ends its processes when it is dropped.
    _processes: Processes,
}

#[async_trait]
impl Kept for KeptApiServer {
    type Shape = ApiServerShape;
    type Place = ApiServerPlace;

    fn place(&self) -> ApiServerPlace {
        self.server.place()
    }

    fn is_alive(&self) -> bool {
        self.server.children().iter().all(|child| child.exit().is_none())
    }

    async fn died(&self) -> String {
        self.server.ended().await.to_string()
    }

    async fn halt(&self) {
        self.server.stop_server().await;
    }

    async fn empty(&self) -> Result<(), String> {
        match self.server.pristine.get() {
            Some(pristine) => pristine.restore(&self.server.admin).await,
            None => Err("nobody knows what it held when it was fresh".to_owned()),
        }
    }

    fn rest(&self) {
        self.server.signal(Signal::SIGSTOP);
    }

    fn resume(&self) {
        self.server.signal(Signal::SIGCONT);
    }

    async fn throw_away(&self) {
        self.server.stop().await;
    }
}

/// Makes API servers for a pool.
#[derive(Debug)]
pub struct ApiServerMaker {
    /// Their logs go to folders in this one.
    logs: PathBuf,
    /// Whose folder that is.
    _home: Processes,
}

impl ApiServerMaker {
    /// A maker with a folder of its own, which goes with this process: what API servers say is kept by the labs that they
    /// work for.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn new() -> std::io::Result<Self> {
        let history = History::new(LabClock::real(), None)?;
        let home = Processes::new(std::env::temp_dir(), history).map_err(std::io::Error::other)?;
        Ok(Self { logs: home.folder("logs").map_err(std::io::Error::other)?, _home: home })
    }

    /// Lends API servers to as many labs at once.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when this is called in no runtime.
    pub fn lender(labs: usize) -> std::io::Result<Lender<Self>> {
        Lender::of(Self::new()?, labs)
    }

    /// Lends them to the tests of this process, which are threads.
    ///
    /// # Errors
    /// Why it does not.
    pub fn lender_of_this_process(labs: usize) -> Result<Lender<Self>, String> {
        static LENDER: OfThisProcess<ApiServerMaker> = OfThisProcess::new();
        Lender::of_this_process(&LENDER, || Self::lender(labs))
    }
}

#[async_trait]
impl Maker for ApiServerMaker {
    type Made = KeptApiServer;

    async fn make(&self, number: u64, shape: ApiServerShape, time: SharedTime) -> Result<KeptApiServer, String> {
        let history = History::new(LabClock::of(time), None).map_err(|error| error.to_string())?;
        let processes = Processes::new(self.logs.join(format!("api-server-{number}")), history)
            .map_err(|error| crate::causes::error_chain(&error))?;
        let made = async {
            let server = ApiServer::start(&shape, &processes).await?;
            server.take_inventory().await?;
            Ok::<_, ClusterError>(server)
        };
        let server = made.await.map_err(|error| crate::causes::error_chain(&error))?;
        Ok(KeptApiServer { server, _processes: processes })
    }
}

/// How to tell that an API server on this port is usable.
pub(super) fn ready(port: u16, ca: &str, admin: &Credential) -> Probe {
    Probe::https(url(port) + flags::READY_FOR_MASTERS, ca).identity(&admin.certificate, &admin.key)
}

/// The authority of a cluster whose files lie in this folder.
pub(super) fn authority_in(folder: &Path) -> Result<Authority, ClusterError> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(|source| ClusterError::Unreadable { path, source })
    };
    Authority::from_pem(read(Files::CA)?, read(Files::CA_KEY)?)
}

/// Makes the certificates and writes what the processes read; an administrator's credential.
fn write_files(shape: &ApiServerShape, authority: &Authority, files: Files<'_>) -> Result<Credential, ClusterError> {
    let names = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "127.0.0.1",
    ];
    let mut names = names.map(str::to_owned).to_vec();
    names.push(shape.kubernetes_service_ip()?.to_string());
    let server = authority.server("kube-apiserver", &names)?;
    let (accounts_key, accounts) = signing_key()?;
    write(files, Files::CA, &authority.own().certificate)?;
    write(files, Files::CA_KEY, &authority.own().key)?;
    write(files, Files::SERVER, &server.certificate)?;
    write(files, Files::SERVER_KEY, &server.key)?;
    write(files, Files::ACCOUNTS, &accounts)?;
    write(files, Files::ACCOUNTS_KEY, &accounts_key)?;
    write(files, Files::TOKENS, &tokens())?;
    authority.client(Identity::Admin.user(), Identity::Admin.group())
}
