//! What a scenario can do to a cluster's own processes: how its provisioner is started, its end in the middle of its work
//! and its return, a control plane of another version. For targets that start these processes themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::capability::{Capability, CapabilityKind};
use crate::expect::{Failure, Outcome};
use crate::history::{Event, History};
use crate::kubernetes::Cluster;

/// Whoever starts provisioners. Clusters are named by their ARM ids.
#[async_trait]
pub trait ProvisionerHost: std::fmt::Debug + Send + Sync + 'static {
    /// Kills the provisioner of a cluster, as a machine that loses power would. Whether one was running.
    async fn kill_provisioner(&self, cluster: &str) -> bool;

    /// Starts the provisioner of a cluster, again or for another one, with what the overrides say now.
    ///
    /// # Errors
    /// Why it does not start.
    async fn restart_provisioner(&self, cluster: &str) -> Result<(), String>;
}

/// Whoever runs control planes. Clusters are named by their ARM ids.
#[async_trait]
pub trait ControlPlaneHost: std::fmt::Debug + Send + Sync + 'static {
    /// Gives a cluster the programs of another version of Kubernetes, which Azure does not know of.
    ///
    /// # Errors
    /// Why they do not start.
    async fn run_version(&self, cluster: &str, version: &str) -> Result<(), String>;
}

/// The provisioners of a lab that starts them itself.
#[derive(Debug, Clone)]
pub struct ProvisionerControl {
    overrides: ProvisionerOverrides,
    host: Arc<dyn ProvisionerHost>,
    work: OwnThreads,
    history: History,
}

/// Where the lab's processes live: what follows them must outlive the scenario's own threads.
#[derive(Debug, Clone)]
struct OwnThreads(tokio::runtime::Handle);

impl OwnThreads {
    async fn done<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Result<T, Failure> {
        Ok(self.0.spawn(work).await?)
    }
}

impl Capability for ProvisionerControl {
    const KIND: CapabilityKind = CapabilityKind::Provisioner;
}

impl ProvisionerControl {
    /// The provisioners that `host` starts with what `overrides` say. Called in the lab's runtime.
    #[must_use]
    pub fn new(overrides: ProvisionerOverrides, host: Arc<dyn ProvisionerHost>, history: History) -> Self {
        Self { overrides, host, work: OwnThreads(tokio::runtime::Handle::current()), history }
    }

    /// Kills the provisioner of a cluster, as a machine that loses power would.
    ///
    /// # Errors
    /// When none is running, or the lab is over.
    pub async fn kill(&self, cluster: &Cluster) -> Outcome {
        self.history.record(Event::Step { text: "kill the provisioner".to_owned() });
        let (host, id) = (self.host.clone(), cluster.id().to_owned());
        match self.work.done(async move { host.kill_provisioner(&id).await }).await? {
            true => Ok(()),
            false => Err(Failure::new(format!("the cluster {} has no provisioner that runs", cluster.id()))),
        }
    }

    /// Starts the provisioner of a cluster again, after it was killed or, where it runs, in its place, with what the
    /// overrides say now.
    ///
    /// # Errors
    /// When it does not start, or the lab is over.
    pub async fn restart(&self, cluster: &Cluster) -> Outcome {
        self.history.record(Event::Step { text: "start the provisioner again".to_owned() });
        let (host, id) = (self.host.clone(), cluster.id().to_owned());
        let started = self.work.done(async move { host.restart_provisioner(&id).await }).await?;
        started.map_err(Failure::new)
    }
}

/// What the provisioner of clusters created from here on is started with besides what their managed cluster says.
impl std::ops::Deref for ProvisionerControl {
    type Target = ProvisionerOverrides;

    fn deref(&self) -> &ProvisionerOverrides {
        &self.overrides
    }
}

/// The control planes of a lab that runs them itself.
#[derive(Debug, Clone)]
pub struct ControlPlaneControl {
    host: Arc<dyn ControlPlaneHost>,
    work: OwnThreads,
    history: History,
}

impl Capability for ControlPlaneControl {
    const KIND: CapabilityKind = CapabilityKind::ControlPlane;
}

impl ControlPlaneControl {
    /// The control planes that `host` runs. Called in the lab's runtime.
    #[must_use]
    pub fn new(host: Arc<dyn ControlPlaneHost>, history: History) -> Self {
        Self { host, work: OwnThreads(tokio::runtime::Handle::current()), history }
    }

    /// Gives a cluster's control plane the programs of another version of Kubernetes, an older one too, past Azure, which
    /// would let it be upgraded only and goes on showing the version that it knows: a control plane that was set back.
    ///
    /// # Errors
    /// Where the programs of the version are not at hand
    /// ([`Lab::needs_kubernetes`](crate::lab::Lab::needs_kubernetes) makes sure), or do not start.
    pub async fn run_version(&self, cluster: &Cluster, version: &str) -> Outcome {
        self.history.record(Event::Step { text: format!("the control plane runs Kubernetes {version} from here on") });
        let (host, id, version) = (self.host.clone(), cluster.id().to_owned(), version.to_owned());
        let replaced = self.work.done(async move { host.run_version(&id, &version).await }).await?;
        replaced.map_err(Failure::new)
    }
}

/// What the provisioner is started with besides what its managed cluster says. Clones share the overrides.
#[derive(Debug, Clone, Default)]
pub struct ProvisionerOverrides(Arc<Mutex<Overrides>>);

#[derive(Debug, Clone, Default)]
pub(in crate::target) struct Overrides {
    pub(in crate::target) environment: BTreeMap<String, Option<String>>,
    pub(in crate::target) flags: Vec<String>,
    panics: Vec<String>,
    pub(in crate::target) no_provisioner: Option<String>,
    pub(in crate::target) version: Option<String>,
}

impl ProvisionerOverrides {
    /// Sets an environment variable, also one that the managed cluster would set.
    pub fn env(&self, name: &str, value: &str) -> &Self {
        self.lock().environment.insert(name.to_owned(), Some(value.to_owned()));
        self
    }

    /// Adds a command line flag with its value.
    pub fn flag(&self, name: &str, value: &str) -> &Self {
        self.lock().flags.push(format!("{name}={value}"));
        self
    }

    /// It may panic with a message that holds this text, which otherwise fails a scenario.
    pub fn may_panic(&self, text: &str) -> &Self {
        self.lock().panics.push(text.to_owned());
        self
    }

    /// Another version of the provisioner from here on: the next cluster has it with its custom resources, and one that is
    /// there gets both with [`ProvisionerControl::restart`].
    /// [`Lab::needs_provisioner`](crate::lab::Lab::needs_provisioner) makes sure that it is at hand.
    pub fn version(&self, version: &str) -> &Self {
        self.lock().version = Some(version.to_owned());
        self
    }

    /// A panic with this message is one that the scenario wants to see.
    pub(crate) fn expects_panic(&self, message: &str) -> bool {
        self.lock().panics.iter().any(|text| message.contains(text))
    }

    /// Why what was given as the provisioner is none that can be run here, if so: then nothing can be said of it.
    pub(crate) fn no_provisioner(&self) -> Option<String> {
        self.lock().no_provisioner.clone()
    }

    pub(in crate::target) fn lock(&self) -> parking_lot::MutexGuard<'_, Overrides> {
        self.0.lock()
    }
}
