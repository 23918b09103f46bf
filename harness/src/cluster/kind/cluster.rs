//! One cluster of kind, from its making to its end.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use kube::api::{Api, DeleteParams, ListParams};
use kube::config::Kubeconfig;
use parking_lot::Mutex;
use rand::Rng;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use super::error::KindError;
use super::shape::KindShape;
use super::tools::{KindTools, machine_of, told};
use crate::cluster::client::client;
use crate::cluster::inventory::Inventory;
use crate::cluster::{ClusterError, Identity, custom_resource, object};

/// How all our clusters are called: `catnap-<process>-<eight hexadecimal digits>`.
pub(super) const PREFIX: &str = "catnap-";

/// Between two looks at something that kubeadm's parts do, in real time.
const LOOK: Duration = Duration::from_millis(200);

/// How long they may take for it; mostly a few seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// A cluster of kind. It is deleted when this is dropped, or our process ends.
pub struct KindCluster {
    tools: KindTools,
    name: String,
    shape: KindShape,
    kubeconfig: String,
    /// Until its API server answered.
    usable: Duration,
    guardian: Mutex<Option<Child>>,
    /// What it holds while nobody uses it.
    pristine: OnceCell<Inventory>,
}

impl std::fmt::Debug for KindCluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KindCluster").field("name", &self.name).field("shape", &self.shape).finish_non_exhaustive()
    }
}

impl KindCluster {
    /// Makes a cluster; takes half a minute. On return its API server serves, its own machine is hidden, the provisioner's
    /// custom resources are established and its service account is there. `folder` is for kind's configuration.
    ///
    /// # Errors
    /// Why it does not come about. Nothing of the attempt is left then.
    pub async fn create(tools: &KindTools, shape: &KindShape, folder: &Path) -> Result<Self, ClusterError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let began = Instant::now();
        let name = format!("{PREFIX}{}-{:08x}", std::process::id(), rand::rng().random::<u32>());
        let path = folder.join(format!("{name}.yaml"));
        let written = std::fs::write(&path, shape.configuration());
        written.map_err(|source| ClusterError::File { path: path.clone(), source })?;
        // From here on it goes with us, whatever becomes of what follows.
        let guardian = guard(tools, &name)?;
        let mut cluster = Self {
            tools: tools.clone(),
            name,
            shape: shape.clone(),
            kubeconfig: String::new(),
            usable: Duration::ZERO,
            guardian: Mutex::new(Some(guardian)),
            pristine: OnceCell::new(),
        };
        let kubeconfig = folder.join(format!("{}.kubeconfig", cluster.name));
        let arguments = ["create", "cluster", "--name", &cluster.name, "--config"].map(std::ffi::OsStr::new);
        let further = [path.as_os_str(), "--kubeconfig".as_ref(), kubeconfig.as_os_str()];
        cluster.make(arguments.into_iter().chain(further)).await?;
        cluster.usable = began.elapsed();
        let read = std::fs::read_to_string(&kubeconfig);
        cluster.kubeconfig = read.map_err(|source| ClusterError::Unreadable { path: kubeconfig, source })?;
        let client = client(&cluster.kubeconfig).await?;
        cluster.furnish(&client).await?;
        Ok(cluster)
    }

    /// Runs kind to make it. It is ended before the cluster is deleted, should we go before it is done.
    async fn make<S: AsRef<std::ffi::OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Result<(), KindError> {
        let mut command = self.tools.making(arguments);
        let told = told(command.as_std());
        let not_run = |cause: std::io::Error| KindError::NotRun { command: told.clone(), cause: cause.to_string() };
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(not_run)?;
        self.tell_guardian(&child.id().map(|group| group.to_string()).unwrap_or_default());
        let output = child.wait_with_output().await.map_err(not_run)?;
        self.tell_guardian("");
        self.tools.outcome(told, &output).map(drop)
    }

    /// Which process group is making it; empty for none.
    fn tell_guardian(&self, group: &str) {
        if let Some(pipe) = self.guardian.lock().as_mut().and_then(|guardian| guardian.stdin.as_mut()) {
            // One that is gone deletes nothing.
            let _ = writeln!(pipe, "{group}");
        }
    }

    /// Makes of what kubeadm has made what a lab finds.
    async fn furnish(&self, client: &kube::Client) -> Result<(), ClusterError> {
        let definitions = custom_resource::read(&self.shape.crds)?;
        // What would wait for a machine to run on: the provisioner would make one for it.
        let deployments = [("kube-system", "coredns"), ("local-path-storage", "local-path-provisioner")];
        for (namespace, name) in deployments {
            let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
            removed(api.delete(name, &DeleteParams::background()).await, "Deployment", name)?;
        }
        // Its kubelet registers it once, at its start, and runs the control plane's pods whether or not it is a node.
        let nodes: Api<Node> = Api::all(client.clone());
        let machine = machine_of(&self.name);
        self.until("its own machine has not registered", || async {
            nodes.get_opt(&machine).await.map(|it| it.is_some())
        })
        .await?;
        removed(nodes.delete(&machine, &DeleteParams::default()).await, "Node", &machine)?;
        let services: Api<Service> = Api::namespaced(client.clone(), "kube-system");
        let dns = services.get_opt("kube-dns").await.map_err(|source| object_error("Service", "kube-dns", source))?;
        let address = dns.and_then(|dns| dns.spec).and_then(|spec| spec.cluster_ip);
        let wanted = self.shape.dns_service_ip;
        if address.as_deref() != Some(&wanted.to_string()) {
            removed(services.delete("kube-dns", &DeleteParams::default()).await, "Service", "kube-dns")?;
            object::create(client, &object::dns_service(wanted)).await?;
        }
        for object in of_the_provisioner() {
            object::create(client, &object).await?;
        }
        try_join_all(definitions.iter().map(|definition| custom_resource::establish(client, definition))).await?;
        // The pods of the machine that is hidden, which nobody else would remove before a minute has gone by.
        let pods: Api<Pod> = Api::all(client.clone());
        let at_once = DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() };
        self.until("pods of its own machine are left", || async {
            let left = pods.list_metadata(&ListParams::default()).await?.items;
            for pod in &left {
                let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
                let api: Api<Pod> = Api::namespaced(client.clone(), namespace);
                let _ = api.delete(pod.metadata.name.as_deref().unwrap_or_default(), &at_once).await;
            }
            Ok(left.is_empty())
        })
        .await
    }

    async fn until<F>(&self, not_yet: &str, is_so: impl Fn() -> F) -> Result<(), ClusterError>
    where
        F: Future<Output = kube::Result<bool>>,
    {
        let began = Instant::now();
        loop {
            let seen = match is_so().await {
                Ok(true) => return Ok(()),
                Ok(false) => String::new(),
                Err(error) => error.to_string(),
            };
            if began.elapsed() > PATIENCE {
                let what = format!("of the cluster {}, {not_yet}", self.name);
                return Err(ClusterError::NotInTime { what, within: PATIENCE, seen });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Takes note of what it holds now: what it must hold again before somebody else may have it. Nobody may use it meanwhile.
    ///
    /// # Errors
    /// When it does not come to rest, or cannot be listed.
    pub async fn take_inventory(&self) -> Result<(), ClusterError> {
        let definitions = custom_resource::read(&self.shape.crds)?;
        let inventory = Inventory::of_fresh(&client(&self.kubeconfig).await?, &definitions).await?;
        // A second time it would hold what others have made.
        let _ = self.pristine.set(inventory);
        Ok(())
    }

    /// Removes all that was not there when its inventory was taken.
    ///
    /// # Errors
    /// What differs afterwards.
    pub async fn restore(&self) -> Result<(), String> {
        let Some(pristine) = self.pristine.get() else {
            return Err("nobody knows what it held when it was fresh".to_owned());
        };
        let client = client(&self.kubeconfig).await.map_err(|error| crate::causes::error_chain(&error))?;
        pristine.restore(&client).await
    }

    /// Its name, as kind knows it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A kubeconfig of its administrator that needs no other file.
    #[must_use]
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// From the first line of its making until its API server answered.
    #[must_use]
    pub fn usable_after(&self) -> Duration {
        self.usable
    }

    /// Whether its machine runs.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.tools.runs(&self.name)
    }

    /// Returns when its machine has ended, and tells how.
    pub async fn died(&self) -> String {
        let machine = machine_of(&self.name);
        match self.tools.runtime(["wait", &machine]).await {
            Ok(status) => format!("the container {machine} ended with status {}", status.trim()),
            Err(error) => format!("the container {machine} cannot be watched: {error}"),
        }
    }

    /// Stops its machine and leaves it there.
    pub async fn halt(&self) {
        let _ = self.tools.runtime(["stop", "--time", "2", &machine_of(&self.name)]).await;
    }

    /// Deletes it, and waits until it is gone.
    pub async fn delete(&self) {
        let guardian = self.guardian.lock().take();
        if let Some(guardian) = guardian {
            let _ = tokio::task::spawn_blocking(move || dismiss(guardian)).await;
        }
    }
}

impl Drop for KindCluster {
    fn drop(&mut self) {
        if let Some(guardian) = self.guardian.lock().take() {
            dismiss(guardian);
        }
    }
}

/// Starts the process that deletes the cluster when it hears nothing more from us.
fn guard(tools: &KindTools, cluster: &str) -> Result<Child, KindError> {
    let mut command = tools.guardian(cluster);
    command.current_dir("/").process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let not_run = |cause: std::io::Error| KindError::NotRun { command: "/bin/sh".to_owned(), cause: cause.to_string() };
    command.spawn().map_err(not_run)
}

/// Lets a guardian do what it is there for, and waits until it is done.
fn dismiss(mut guardian: Child) {
    drop(guardian.stdin.take());
    let _ = guardian.wait();
}

/// The service account of the provisioner, with all rights, as the one of embedded control planes.
fn of_the_provisioner() -> [Value; 2] {
    [
        json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": PROVISIONER.1, "namespace": PROVISIONER.0},
        }),
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": "catnap:karpenter"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": Identity::Provisioner.user()}],
        }),
    ]
}

/// Namespace and name of the provisioner's service account.
pub(super) const PROVISIONER: (&str, &str) = ("kube-system", "karpenter");

/// The server and the authority of a kubeconfig.
pub(super) fn server_of(kubeconfig: &str) -> Result<(String, String), ClusterError> {
    let wrong = |why: &str| ClusterError::Client(format!("kind's kubeconfig {why}").into());
    let read = Kubeconfig::from_yaml(kubeconfig).map_err(|error| ClusterError::Client(error.into()))?;
    let cluster = read.clusters.into_iter().find_map(|named| named.cluster);
    let cluster = cluster.ok_or_else(|| wrong("names no cluster"))?;
    let data = cluster.certificate_authority_data.ok_or_else(|| wrong("has no authority"))?;
    let data = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data.trim());
    let ca =
        data.ok().and_then(|data| String::from_utf8(data).ok()).ok_or_else(|| wrong("has an unreadable authority"))?;
    Ok((cluster.server.ok_or_else(|| wrong("names no server"))?, ca))
}

fn object_error(kind: &str, name: &str, source: kube::Error) -> ClusterError {
    ClusterError::Object { kind: kind.to_owned(), name: name.to_owned(), source: Box::new(source) }
}

/// What is gone already need not be removed.
fn removed<T>(result: kube::Result<T>, kind: &str, name: &str) -> Result<(), ClusterError> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(object_error(kind, name, error)),
    }
}
