//! A running control plane.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::FutureExt;
use futures::future::{join_all, select_all, try_join_all};
use ipnet::IpNet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::Api;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::authority::{Authority, Credential, signing_key};
use super::flags::{self, Files};
use super::kubeconfig::kubeconfig;
use super::{
    BootstrapToken, ClusterError, ControlPlaneBinaries, ControlPlaneSpec, Identity, PROVISIONER_TOKEN, custom_resource,
    kwok, object,
};
use crate::history::Event;
use crate::process::{Child, ChildSpec, Exit, PortLease, Probe, Processes};

/// How often a port is chosen anew when a stranger was quicker.
const ATTEMPTS: usize = 5;

/// Between two questions to the API server whether it is healthy.
const HEALTH_PAUSE: Duration = Duration::from_millis(50);

/// A running control plane. Its processes belong to the [`Processes`](crate::process::Processes) it was started with
/// and end with them at the latest.
#[derive(Debug)]
pub struct ControlPlane {
    spec: ControlPlaneSpec,
    authority: Arc<Authority>,
    credentials: Arc<HashMap<Identity, Credential>>,
    folder: PathBuf,
    port: Arc<PortLease>,
    children: Vec<Child>,
    controllers: Controllers,
    start_up: StartUp,
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
        let task = tokio::spawn(async move {
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
type Started = Arc<Mutex<Vec<Child>>>;

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
        for _ in 0..ATTEMPTS {
            let started = Started::default();
            let error = match Self::attempt(&spec, &started).await {
                Ok(control_plane) => return Ok(control_plane),
                Err(error) => error,
            };
            let children = std::mem::take(&mut *started.lock().unwrap_or_else(PoisonError::into_inner));
            join_all(children.iter().map(Child::kill)).await;
            if !error.is_port_taken() {
                return Err(error);
            }
        }
        Err(ClusterError::PortsTaken { attempts: ATTEMPTS })
    }

    async fn attempt(spec: &ControlPlaneSpec, started: &Started) -> Result<Self, ClusterError> {
        let began = Instant::now();
        let port = PortLease::take()?;
        let folder = spec.processes.folder("control-plane")?;
        let files = Files(&folder);
        let authority = Authority::new()?;
        let credentials = write_files(spec, &authority, &port, files)?;
        let crds = spec.binaries.crds.clone();
        let definitions = tokio::task::spawn_blocking(move || custom_resource::read(&crds));

        let start = |child| async {
            let child = spec.processes.start(child).await?;
            started.lock().unwrap_or_else(PoisonError::into_inner).push(child);
            Ok::<(), ClusterError>(())
        };
        let admin = &credentials[&Identity::Admin];
        let ready = Probe::https(url(&port) + flags::READY_FOR_MASTERS, &authority.own().certificate)
            .identity(&admin.certificate, &admin.key);
        tokio::try_join!(start(flags::etcd(spec, files)), start(flags::kube_apiserver(spec, files, &port, ready)),)?;
        let usable = began.elapsed();

        let client = client(&kubeconfig(
            &url(&port),
            &authority.own().certificate,
            Identity::Admin.user(),
            &credentials[&Identity::Admin],
        ))
        .await?;
        let controllers =
            Controllers::start(client.clone(), spec.processes.clone(), flags::kube_controller_manager(spec, files));
        let mut control_plane = Self {
            spec: spec.clone(),
            authority: Arc::new(authority),
            credentials: Arc::new(credentials),
            folder: folder.clone(),
            port: Arc::new(port),
            children: Vec::new(),
            controllers,
            start_up: StartUp { usable, complete: usable },
        };
        let definitions = definitions.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        tokio::try_join!(
            async {
                for object in object::objects(spec) {
                    object::create(&client, &object).await?;
                }
                Ok(())
            },
            try_join_all(definitions.iter().map(|definition| custom_resource::establish(&client, definition))),
            start(flags::kube_scheduler(spec, files)),
            start(flags::kwok(spec, files)),
        )?;
        control_plane.start_up.complete = began.elapsed();
        control_plane.children.clone_from(&started.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(control_plane)
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
        let replaced = |child: &&Child| child.name().starts_with("kube-");
        let processes = self.processes();
        let (old, kept): (Vec<&Child>, Vec<&Child>) = processes.iter().partition(replaced);
        // The API server last: the others would only complain.
        let (server, users): (Vec<&Child>, Vec<&Child>) =
            old.into_iter().partition(|child| child.name().starts_with("kube-apiserver"));
        join_all(users.into_iter().map(Child::stop)).await;
        join_all(server.into_iter().map(Child::stop)).await;

        let files = Files(&self.folder);
        let admin = &self.credentials[&Identity::Admin];
        let ready =
            Probe::https(self.url() + flags::READY_FOR_MASTERS, self.ca_pem()).identity(&admin.certificate, &admin.key);
        let server = spec.processes.start(flags::kube_apiserver(&spec, files, &self.port, ready)).await?;
        let usable = began.elapsed();
        let scheduler = spec.processes.start(flags::kube_scheduler(&spec, files)).await?;
        let children = kept.into_iter().cloned().chain([server, scheduler]).collect();
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
        let manager = flags::kube_controller_manager(&spec, Files(&self.folder));
        let controllers = Controllers::start(self.client(Identity::Admin).await?, spec.processes.clone(), manager);
        Ok(Self {
            spec,
            authority: self.authority.clone(),
            credentials: self.credentials.clone(),
            folder: self.folder.clone(),
            port: self.port.clone(),
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
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = missing;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = settling => Ok(()),
            death = self.died() => Err(ClusterError::Died { death }),
            () = tokio::time::sleep(within) => Err(ClusterError::NotInTime {
                what: "the control plane did not settle".to_owned(),
                within,
                seen: seen.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            }),
        }
    }

    /// Waits until one of the processes ends without having been stopped; for good where none does.
    pub async fn died(&self) -> Death {
        let early = self.children.iter().map(|child| death(child.clone()).boxed());
        let late = async { death(self.controllers.started().await).await }.boxed();
        select_all(early.chain([late])).await.0
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
        Ok(kubeconfig(&self.url(), self.ca_pem(), user, &self.authority.client(user, group)?))
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
        url(&self.port)
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

    /// Its processes.
    #[must_use]
    pub fn processes(&self) -> Vec<Child> {
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
    /// are not: what they would put in order on their way out is removed anyway.
    pub async fn stop(&self) {
        let is_base = |child: &&Child| child.name().starts_with("etcd") || child.name().starts_with("kube-apiserver");
        self.controllers.task.abort();
        let processes = self.processes();
        let (base, users): (Vec<&Child>, Vec<&Child>) = processes.iter().partition(is_base);
        join_all(users.into_iter().map(Child::stop)).await;
        join_all(base.into_iter().map(Child::kill)).await;
    }
}

/// When and how a process ended by itself; for good where it was stopped.
async fn death(child: Child) -> Death {
    let exit = child.exited().await;
    if child.was_stopped() {
        return std::future::pending().await;
    }
    Death { name: child.name().to_owned(), exit, log: child.log().to_owned(), tail: child.log_tail(20) }
}

/// A client with a kubeconfig's rights. It belongs to the runtime it is made in.
async fn client(kubeconfig: &str) -> Result<kube::Client, ClusterError> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| ClusterError::Client(error);
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).map_err(|error| failed(error.into()))?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let config = config.map_err(|error| failed(error.into()))?;
    kube::Client::try_from(config).map_err(|error| failed(error.into()))
}

fn url(port: &PortLease) -> String {
    format!("https://{}", port.address())
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

/// Makes the certificates and writes what the processes read.
fn write_files(
    spec: &ControlPlaneSpec,
    authority: &Authority,
    port: &PortLease,
    files: Files<'_>,
) -> Result<HashMap<Identity, Credential>, ClusterError> {
    let names = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "127.0.0.1",
    ];
    let mut names = names.map(str::to_owned).to_vec();
    names.push(spec.kubernetes_service_ip()?.to_string());
    let server = authority.server("kube-apiserver", &names)?;
    let (accounts_key, accounts) = signing_key()?;
    write(files, Files::CA, &authority.own().certificate)?;
    write(files, Files::CA_KEY, &authority.own().key)?;
    write(files, Files::SERVER, &server.certificate)?;
    write(files, Files::SERVER_KEY, &server.key)?;
    write(files, Files::ACCOUNTS, &accounts)?;
    write(files, Files::ACCOUNTS_KEY, &accounts_key)?;
    write(files, Files::TOKENS, &provisioners_token())?;
    write(files, Files::KWOK, &kwok::configuration(spec.pod_cidr.is_some()))?;
    let mut credentials = HashMap::new();
    for identity in Identity::ALL {
        let credential = authority.client(identity.user(), identity.group())?;
        let text = kubeconfig(&url(port), &authority.own().certificate, identity.user(), &credential);
        write(files, identity.file_name(), &text)?;
        credentials.insert(identity, credential);
    }
    Ok(credentials)
}

/// The one static token that the API server knows (`token,user,uid,groups`): what the provisioner finds where a pod finds
/// that of its service account.
fn provisioners_token() -> String {
    let (user, group) = (Identity::Provisioner.user(), Identity::Provisioner.group());
    format!("{PROVISIONER_TOKEN},{user},catnap-provisioner,\"{group}\"\n")
}

fn write(files: Files<'_>, name: &str, text: &str) -> Result<(), ClusterError> {
    let path = files.0.join(name);
    std::fs::write(&path, text).map_err(|source| ClusterError::File { path, source })
}
