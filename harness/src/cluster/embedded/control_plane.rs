//! A running control plane.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{join_all, select_all, try_join_all};
use ipnet::IpNet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::api_server::{authority_in, ready};
use super::flags::{self, Files};
use super::{ApiServer, ApiServerPlace, ControlPlaneBinaries, ControlPlaneSpec, KeptApiServer};
use crate::cluster::authority::Authority;
use crate::cluster::client::client;
use crate::cluster::kubeconfig::{Proof, kubeconfig};
use crate::cluster::pool::Loan;
use crate::cluster::{BootstrapToken, ClusterError, Identity, custom_resource, kwok, object};
use crate::history::Event;
use crate::process::{Child, ChildSpec, Exit, Processes};

/// Between two questions to the API server whether it is healthy.
const HEALTH_PAUSE: Duration = Duration::from_millis(50);

/// A running control plane. Its processes belong to the [`Processes`](crate::process::Processes) it was started with
/// and end with them at the latest.
#[derive(Debug)]
pub struct ControlPlane {
    spec: ControlPlaneSpec,
    authority: Arc<Authority>,
    credentials: Arc<HashMap<Identity, Proof>>,
    folder: PathBuf,
    base: Arc<Base>,
    /// What was started on top of the base.
    children: Vec<Child>,
    controllers: Controllers,
    start_up: StartUp,
}

/// The API server with its etcd, on which everything else stands.
#[derive(Debug)]
enum Base {
    /// One of its own.
    Own(Box<ApiServer>),
    /// One that a pool has lent.
    Lent { loan: Loan<KeptApiServer>, processes: Processes },
}

impl Base {
    async fn get(spec: &ControlPlaneSpec) -> Result<Self, ClusterError> {
        let shape = spec.shape();
        let Some(lender) = &spec.lender else {
            return ApiServer::start(&shape, &spec.processes).await.map(|own| Self::Own(Box::new(own)));
        };
        let loan = lender.lend(shape).await.map_err(ClusterError::NotLent)?;
        spec.processes.work_with(&loan.place().processes);
        Ok(Self::Lent { loan, processes: spec.processes.clone() })
    }

    fn place(&self) -> ApiServerPlace {
        match self {
            Self::Own(server) => server.place(),
            Self::Lent { loan, .. } => loan.place().clone(),
        }
    }

    fn authority(&self) -> Result<Arc<Authority>, ClusterError> {
        match self {
            Self::Own(server) => Ok(server.authority()),
            Self::Lent { loan, .. } => authority_in(&loan.place().folder).map(Arc::new),
        }
    }

    /// Its processes, where they are the lab's own.
    fn children(&self) -> Vec<Child> {
        match self {
            Self::Own(server) => server.children().map(Child::clone).to_vec(),
            Self::Lent { .. } => Vec::new(),
        }
    }

    /// Waits until one of its processes ends without having been stopped.
    async fn died(&self) -> String {
        match self {
            Self::Own(server) => server.ended().await.to_string(),
            Self::Lent { loan, .. } => loan.died().await,
        }
    }

    /// Ends kube-apiserver for good; etcd stays. A lent one is nobody else's afterwards.
    async fn stop_server(&self, why: &str) -> Result<(), ClusterError> {
        match self {
            Self::Own(server) => {
                server.stop_server().await;
                Ok(())
            }
            Self::Lent { loan, .. } => loan.halt(why).await.map_err(ClusterError::NotLent),
        }
    }

    /// Gives a lent one back. Who still writes to it must have ended.
    fn give_back(&self) {
        if let Self::Lent { loan, processes } = self {
            processes.part_from(&loan.place().processes);
            loan.give_back();
        }
    }
}

/// kube-controller-manager, which comes after the others: at its start it gives the API server ten seconds to call
/// itself healthy, then ends. On a busy machine the API server's own start-up hooks can take longer than that.
#[derive(Debug)]
struct Controllers {
    child: watch::Receiver<Option<Child>>,
    task: AbortHandle,
}

impl Controllers {
    /// Starts it when the API server is healthy.
    fn start(client: kube::Client, processes: Processes, child: ChildSpec) -> Self {
        let (started, receiver) = watch::channel(None);
        // What the API server writes for itself at its start it writes after a second of the machine's time. Until then nodes
        // are refused, and days must not go by.
        let held = processes.history().clock().hold();
        let task = tokio::spawn(async move {
            let _held = held;
            while !is_healthy(&client).await {
                tokio::time::sleep(HEALTH_PAUSE).await;
            }
            match processes.start(child).await {
                Ok(child) => {
                    started.send_replace(Some(child));
                }
                // Whoever waits for what the controllers do says that they do not; this says why.
                Err(error) => {
                    let name = "kube-controller-manager".to_owned();
                    let message = format!("could not be started: {error}");
                    processes.history().record(Event::Process { name, message });
                }
            }
        });
        Self { child: receiver, task: task.abort_handle() }
    }

    /// The process, once it was started; for good where it never is.
    async fn started(&self) -> Child {
        let mut child = self.child.clone();
        match child.wait_for(Option::is_some).await.ok().and_then(|child| child.clone()) {
            Some(child) => child,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Controllers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn is_healthy(client: &kube::Client) -> bool {
    match http_get("/healthz") {
        Ok(request) => client.request_text(request).await.is_ok(),
        Err(_) => false,
    }
}

/// How long a control plane took to come up, from the first line of its start.
#[derive(Debug, Clone, Copy)]
pub struct StartUp {
    /// Until the API server was usable by a client in `system:masters`.
    pub usable: Duration,
    /// Until the custom resources were served and the objects of every cluster were there.
    pub complete: Duration,
}

/// A process that ended by itself.
#[derive(Debug, Clone)]
pub struct Death {
    /// Its name.
    pub name: String,
    /// How.
    pub exit: Exit,
    /// Its log.
    pub log: PathBuf,
    /// The end of it.
    pub tail: String,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} by itself; the end of {}:\n{}", self.name, self.exit, self.log.display(), self.tail)
    }
}

/// Children of a start that is under way: they end when it fails.
#[derive(Debug, Default)]
pub(super) struct Started(Mutex<Vec<Child>>);

impl Started {
    pub(super) async fn start(&self, processes: &Processes, child: ChildSpec) -> Result<Child, ClusterError> {
        let child = processes.start(child).await?;
        self.0.lock().push(child.clone());
        Ok(child)
    }

    pub(super) async fn end(&self) {
        let children = std::mem::take(&mut *self.0.lock());
        join_all(children.iter().map(Child::kill)).await;
    }
}

impl ControlPlane {
    /// Brings a control plane up: on return the API server serves, the provisioner's custom resources are established,
    /// the Service kube-dns and the bootstrap token exist, and the controllers are on their way. What needs them to have
    /// arrived waits for [`settled`](Self::settled).
    ///
    /// # Errors
    /// When a program cannot be run or ends early, when a file or range is wrong, or when something does not come about
    /// in time. Nothing of the attempt goes on running then.
    pub async fn start(spec: ControlPlaneSpec) -> Result<Self, ClusterError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        spec.check()?;
        let began = Instant::now();
        let base = Base::get(&spec).await?;
        let started = Started::default();
        match Self::on(base, &spec, &started, began).await {
            Ok(control_plane) => Ok(control_plane),
            Err((base, error)) => {
                started.end().await;
                match &base {
                    Base::Own(server) => server.stop().await,
                    Base::Lent { loan, .. } => {
                        // The controllers may have begun; they end with the lab's processes, and write until then.
                        loan.damage("its control plane did not come up");
                        base.give_back();
                    }
                }
                Err(error)
            }
        }
    }

    /// Brings up all that stands on an API server; with the error comes the API server back.
    async fn on(
        base: Base,
        spec: &ControlPlaneSpec,
        started: &Started,
        began: Instant,
    ) -> Result<Self, (Base, ClusterError)> {
        let parts = async {
            let place = base.place();
            let authority = base.authority()?;
            let folder = spec.processes.folder("cluster")?;
            let (files, server) = (Files(&folder), Files(&place.folder));
            let credentials = write_files(spec, &authority, place.port, files)?;
            let ca = &authority.own().certificate;
            let admin = kubeconfig(&url(place.port), ca, Identity::Admin.user(), &credentials[&Identity::Admin]);
            let client = client(&admin).await?;
            let manager = flags::kube_controller_manager(spec, files, server);
            let controllers = Controllers::start(client.clone(), spec.processes.clone(), manager);
            let objects = object::of(spec.dns_service_ip, &spec.bootstrap_token);
            tokio::try_join!(
                try_join_all(objects.iter().map(|object| object::create(&client, object))),
                started.start(&spec.processes, flags::kube_scheduler(spec, files)),
                started.start(&spec.processes, flags::kwok(spec, files)),
            )
            .map(|(_, scheduler, kwok)| (authority, credentials, folder.clone(), controllers, vec![scheduler, kwok]))
        };
        match parts.await {
            Ok((authority, credentials, folder, controllers, children)) => Ok(Self {
                spec: spec.clone(),
                authority,
                credentials: Arc::new(credentials),
                folder,
                start_up: StartUp { usable: base.place().usable, complete: began.elapsed() },
                base: Arc::new(base),
                children,
                controllers,
            }),
            Err(error) => Err((base, error)),
        }
    }

    /// The same control plane with the programs of another version of Kubernetes: its API server, controllers and scheduler
    /// end, and others begin on the same etcd, address and certificates. etcd, KWOK and all objects stay. On return the new
    /// API server serves.
    ///
    /// # Errors
    /// When a program cannot be run or ends early. The control plane is broken then.
    pub async fn upgrade(&self, binaries: ControlPlaneBinaries, version: &str) -> Result<Self, ClusterError> {
        let began = Instant::now();
        let mut spec = self.spec.clone();
        version.clone_into(&mut spec.kubernetes_version);
        spec.binaries = ControlPlaneBinaries {
            kube_apiserver: binaries.kube_apiserver,
            kube_controller_manager: binaries.kube_controller_manager,
            kube_scheduler: binaries.kube_scheduler,
            ..spec.binaries
        };
        self.controllers.task.abort();
        let is_replaced = |child: &Child| child.name().starts_with("kube-");
        let (users, kept): (Vec<Child>, Vec<Child>) = self.started().into_iter().partition(is_replaced);
        // The API server last: the others would only complain.
        let (own_server, users): (Vec<Child>, Vec<Child>) =
            users.into_iter().partition(|child| child.name().starts_with("kube-apiserver"));
        join_all(users.iter().map(Child::stop)).await;
        if own_server.is_empty() {
            self.base.stop_server(&format!("its control plane has become one of Kubernetes {version}")).await?;
        }
        join_all(own_server.iter().map(Child::stop)).await;

        let place = self.base.place();
        let admin = self.authority.client(Identity::Admin.user(), Identity::Admin.group())?;
        let ready = ready(place.port, self.ca_pem(), &admin);
        let server = flags::kube_apiserver(&spec.shape(), Files(&place.folder), place.port, ready);
        let server = spec.processes.start(server).await?;
        let usable = began.elapsed();
        let scheduler = spec.processes.start(flags::kube_scheduler(&spec, Files(&self.folder))).await?;
        let children = kept.into_iter().chain([server, scheduler]).collect();
        self.with_controllers(spec, children, StartUp { usable, complete: began.elapsed() }).await
    }

    /// The same control plane with another range of pods: its controllers are started anew and give nodes their blocks out
    /// of it, those that they could not give before among them. Everything else stays.
    ///
    /// # Errors
    /// When no client can be made.
    pub async fn with_pod_range(&self, range: Option<IpNet>) -> Result<Self, ClusterError> {
        let began = Instant::now();
        let spec = ControlPlaneSpec { pod_cidr: range, ..self.spec.clone() };
        self.controllers.task.abort();
        let controllers = self.controllers.child.borrow().clone();
        if let Some(child) = controllers {
            child.stop().await;
        }
        let complete = began.elapsed();
        self.with_controllers(spec, self.children.clone(), StartUp { usable: complete, complete }).await
    }

    /// The same control plane as another spec says, with these processes, and with controllers that begin now.
    async fn with_controllers(
        &self,
        spec: ControlPlaneSpec,
        children: Vec<Child>,
        start_up: StartUp,
    ) -> Result<Self, ClusterError> {
        let place = self.base.place();
        let manager = flags::kube_controller_manager(&spec, Files(&self.folder), Files(&place.folder));
        let controllers = Controllers::start(self.client(Identity::Admin).await?, spec.processes.clone(), manager);
        Ok(Self {
            spec,
            authority: self.authority.clone(),
            credentials: self.credentials.clone(),
            folder: self.folder.clone(),
            base: self.base.clone(),
            children,
            controllers,
            start_up,
        })
    }

    /// Puts the provisioner's custom resource definitions of a folder in the place of those that are there; objects stay.
    ///
    /// # Errors
    /// When the folder holds none, or the API server refuses one.
    pub async fn replace_custom_resources(&self, folder: &Path) -> Result<(), ClusterError> {
        let client = self.client(Identity::Admin).await?;
        let definitions = custom_resource::read(folder)?;
        try_join_all(definitions.iter().map(|definition| custom_resource::replace(&client, definition))).await?;
        Ok(())
    }

    /// Waits until the controllers work and what the API server writes for itself (bootstrap roles, priority classes)
    /// is there, which takes a second or two after [`start`](Self::start).
    ///
    /// # Errors
    /// When a process dies meanwhile, or after two minutes.
    pub async fn settled(&self) -> Result<(), ClusterError> {
        let within = Duration::from_secs(120);
        let client = self.client(Identity::Admin).await?;
        let maps: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
        let seen = Mutex::new(String::new());
        let settling = async {
            loop {
                let missing = match hooks_and_controllers(&client, &maps).await {
                    Ok(()) => return,
                    Err(missing) => missing,
                };
                *seen.lock() = missing;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = settling => Ok(()),
            how = self.died() => Err(ClusterError::Died { how }),
            () = tokio::time::sleep(within) => Err(ClusterError::NotInTime {
                what: "the control plane did not settle".to_owned(),
                within,
                seen: seen.lock().clone(),
            }),
        }
    }

    /// Waits until one of the processes ends without having been stopped, and tells how; for good where none does.
    pub async fn died(&self) -> String {
        let started = self.children.iter().map(|child| death(child.clone()).boxed());
        let late = async { death(self.controllers.started().await).await }.boxed();
        tokio::select! {
            death = select_all(started.chain([late])) => death.0.to_string(),
            how = self.base.died() => how,
        }
    }

    /// A kubeconfig that needs no other file.
    #[must_use]
    pub fn kubeconfig(&self, identity: Identity) -> String {
        kubeconfig(&self.url(), self.ca_pem(), identity.user(), &self.credentials[&identity])
    }

    /// The file that holds [`kubeconfig`](Self::kubeconfig), in the lab's temporary folder.
    #[must_use]
    pub fn kubeconfig_path(&self, identity: Identity) -> PathBuf {
        self.folder.join(identity.file_name())
    }

    /// A kubeconfig for a new certificate: `user` in `group`.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub fn kubeconfig_for(&self, user: &str, group: &str) -> Result<String, ClusterError> {
        let proof = Proof::Certificate(self.authority.client(user, group)?);
        Ok(kubeconfig(&self.url(), self.ca_pem(), user, &proof))
    }

    /// A client. It belongs to the runtime it is made in.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub async fn client(&self, identity: Identity) -> Result<kube::Client, ClusterError> {
        client(&self.kubeconfig(identity)).await
    }

    /// Where the API server listens.
    #[must_use]
    pub fn url(&self) -> String {
        url(self.base.place().port)
    }

    /// The certificate of the cluster's authority.
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.authority.own().certificate
    }

    /// What a new node authenticates with.
    #[must_use]
    pub fn bootstrap_token(&self) -> &BootstrapToken {
        &self.spec.bootstrap_token
    }

    /// Version of the Kubernetes programs, without `v`.
    #[must_use]
    pub fn kubernetes_version(&self) -> &str {
        &self.spec.kubernetes_version
    }

    /// What it was started from.
    #[must_use]
    pub fn spec(&self) -> &ControlPlaneSpec {
        &self.spec
    }

    /// How long it took to come up.
    #[must_use]
    pub fn start_up(&self) -> StartUp {
        self.start_up
    }

    /// Its processes, but those of an API server that was lent.
    #[must_use]
    pub fn processes(&self) -> Vec<Child> {
        self.base.children().into_iter().chain(self.started()).collect()
    }

    /// What was started on top of the base.
    fn started(&self) -> Vec<Child> {
        self.children.iter().cloned().chain(self.controllers.child.borrow().clone()).collect()
    }

    /// The process of this name, for example `kube-scheduler`.
    #[must_use]
    pub fn process(&self, name: &str) -> Option<Child> {
        self.processes().into_iter().find(|child| child.name() == name)
    }

    /// The memory that each process holds, in bytes, where the system tells.
    #[must_use]
    pub fn memory(&self) -> Vec<(String, u64)> {
        self.processes().iter().filter_map(|child| Some((child.name().to_owned(), child.memory()?))).collect()
    }

    /// Takes it down: first those who use the API server, which are given a moment, then the API server and etcd, which
    /// are not: what they would put in order on their way out is removed anyway. Nobody gets an API server again that was
    /// lent; [`give_back`](Self::give_back) is for those that somebody may have.
    pub async fn stop(&self) {
        let is_server = |child: &Child| child.name().starts_with("kube-apiserver");
        self.controllers.task.abort();
        let (servers, users): (Vec<Child>, Vec<Child>) = self.started().into_iter().partition(is_server);
        join_all(users.iter().map(Child::stop)).await;
        join_all(servers.iter().map(Child::kill)).await;
        match &*self.base {
            Base::Own(server) => server.stop().await,
            Base::Lent { loan, .. } => {
                // Nobody is to find somebody else's cluster where this one was. One whose pool is gone is gone too.
                let _ = loan.halt("its cluster was deleted").await;
                self.base.give_back();
            }
        }
    }

    /// Gives back what was lent, when all processes that stand on it have ended.
    pub fn give_back(&self) {
        self.base.give_back();
    }
}

/// When and how a process ended by itself; for good where it was stopped.
pub(super) async fn death(child: Child) -> Death {
    let exit = child.exited().await;
    if child.was_stopped() {
        return std::future::pending().await;
    }
    Death { name: child.name().to_owned(), exit, log: child.log().to_owned(), tail: child.log_tail(20) }
}

pub(super) fn url(port: u16) -> String {
    format!("https://127.0.0.1:{port}")
}

/// What is still missing of a settled control plane.
async fn hooks_and_controllers(client: &kube::Client, maps: &Api<ConfigMap>) -> Result<(), String> {
    let request = http_get("/readyz")?;
    client.request_text(request).await.map_err(|error| format!("/readyz: {error}"))?;
    // Published by kube-controller-manager.
    match maps.get_opt("kube-root-ca.crt").await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err("kube-controller-manager has not published the ConfigMap kube-root-ca.crt".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn http_get(path: &str) -> Result<http::Request<Vec<u8>>, String> {
    http::Request::get(path).body(Vec::new()).map_err(|error| error.to_string())
}

/// Makes the certificates of those who use the API server and writes what they read.
fn write_files(
    spec: &ControlPlaneSpec,
    authority: &Authority,
    port: u16,
    files: Files<'_>,
) -> Result<HashMap<Identity, Proof>, ClusterError> {
    write(files, Files::KWOK, &kwok::configuration(spec.pod_cidr.is_some(), spec.heartbeat.report))?;
    let mut credentials = HashMap::new();
    for identity in Identity::ALL {
        let proof = match identity.token() {
            Some(token) => Proof::Token(token.to_owned()),
            None => Proof::Certificate(authority.client(identity.user(), identity.group())?),
        };
        let text = kubeconfig(&url(port), &authority.own().certificate, identity.user(), &proof);
        write(files, identity.file_name(), &text)?;
        credentials.insert(identity, proof);
    }
    Ok(credentials)
}

pub(super) fn write(files: Files<'_>, name: &str, text: &str) -> Result<(), ClusterError> {
    let path = files.0.join(name);
    std::fs::write(&path, text).map_err(|source| ClusterError::File { path, source })
}
