//! The world of one scenario: Azure, cluster, history and seed on a target, stood up before it and taken down after it,
//! whichever way it ends.

mod costs;
mod managed_cluster;
mod start;
#[cfg(test)]
mod tests;

pub use crate::kubernetes::{Cluster, ClusterError};
pub use fake_arm::catalog::{Catalog, VmSize};
pub use fake_arm::providers::compute::ShortageKind;
pub use managed_cluster::{CreateError, ManagedClusterBuilder, NodeProvisioning};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use std::time::Duration;

use fake_arm::providers::container_service::ClusterNetwork;
use kube::config::Kubeconfig;
use parking_lot::Mutex;
use serde_json::Value;

use crate::azure::{ArmError, Azure, PrincipalId, Subnet, api_version};
use crate::clock::LabClock;
use crate::expect::{Failure, Outcome, Signature, Witness, differences};
use crate::history::{AzureEvent, Event, History, MachineChange};
use crate::kubernetes::Watches;
use crate::manifest::{ManifestError, Manifests};
use crate::node::{CustomData, Machines};
use crate::preflight::{self, Plan};
use crate::provisioner::ProvisionerVersion;
use crate::report::ProgressWriter;
use crate::settings::Settings;
use crate::target::{Capability, MovableClock, NetworkModel, ProvisionerControl, Site, Target, Tenant};

/// The world of one scenario. Dropping it takes everything down.
#[derive(Debug)]
pub struct Lab {
    settings: Settings,
    folder: PathBuf,
    history: History,
    witness: Witness,
    azure: Azure,
    target: &'static dyn Target,
    watches: Mutex<Vec<Watches>>,
    progress: ProgressWriter,
    shown_fault: Mutex<Option<(String, String)>>,
    keep_folder: bool,
    // Fields are dropped in this order: what runs on the runtime before the runtime, the place on the target last.
    runtime: Option<tokio::runtime::Runtime>,
    site: Box<dyn Site>,
}

impl Lab {
    /// Azure, as the scenario sees it.
    #[must_use]
    pub fn azure(&self) -> &Azure {
        &self.azure
    }

    /// A managed cluster to be created.
    pub fn managed_cluster(&self) -> ManagedClusterBuilder<'_> {
        ManagedClusterBuilder::new(self)
    }

    /// What only some targets can do: how machines boot ([`Machines`]), what the region has to give
    /// ([`Region`](crate::target::Region)), and so on. The name of the type says what is wanted:
    ///
    /// ```no_run
    /// # use catnap::expect::minutes;
    /// # fn scenario(lab: &catnap::lab::Lab) -> catnap::expect::Outcome {
    /// use catnap::prelude::*;
    ///
    /// lab.require::<Machines>()?.after(minutes(4));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The reason for which the scenario is skipped, where the lab does not have it.
    pub fn require<C: Capability>(&self) -> Result<&C, Failure> {
        self.site.capabilities().get().ok_or_else(|| {
            let (target, wanted) = (self.target.name(), C::KIND);
            Failure::skipped(format!("the target {target} has no {wanted}: it cannot {}", wanted.purpose()))
        })
    }

    /// The same without being skipped.
    pub(crate) fn capability<C: Capability>(&self) -> Option<&C> {
        self.site.capabilities().get()
    }

    /// The target that this lab is on.
    #[must_use]
    pub fn target(&self) -> &'static dyn Target {
        self.target
    }

    /// Who reaches whom in the network of a cluster as it is now, and which address ranges get in each other's way. Requires
    /// the [`NetworkModel`].
    ///
    /// # Errors
    /// The reason for which the scenario is skipped, where there is no model; when there is no such cluster.
    pub fn network(&self, cluster: &Cluster) -> Result<ClusterNetwork, Failure> {
        self.require::<NetworkModel>()?.of(cluster)
    }

    /// What `catnap check` finds in the way of nodes of a cluster in these subnets: the bad findings, each with the rule
    /// that decided.
    ///
    /// # Errors
    /// When the cluster or its network cannot be looked at.
    pub async fn in_the_way(&self, cluster: &Cluster, subnets: &[&Subnet]) -> Result<Vec<String>, Failure> {
        let subnets = subnets.iter().map(|subnet| subnet.id().to_owned()).collect();
        let plan = Plan { cluster: Some(cluster.id().to_owned()), subnets, ..Plan::default() };
        let report = preflight::check(self.azure.client(), &plan).await?;
        Ok(report.bad().map(|finding| finding.text.clone()).collect())
    }

    /// Azure as another principal sees it, with that one's rights. Requires the [`Tenant`], which gives tokens for everyone.
    ///
    /// # Errors
    /// The reason for which the scenario is skipped, where there is no tenant to order; when the lab's certificate cannot be
    /// read.
    pub fn azure_as(&self, principal: impl Into<PrincipalId>) -> Result<Azure, Failure> {
        let credential = self.require::<Tenant>()?.credential_of(principal);
        let client = self.site.azure().client_as(credential, self.clock())?;
        Ok(self.azure.seen_through(client))
    }

    /// Turns node auto-provisioning of a cluster on or off, as `az aks update --node-provisioning-mode` does.
    ///
    /// # Errors
    /// What Azure answers, and why the provisioner did not start.
    pub async fn set_node_provisioning(&self, cluster: &Cluster, mode: NodeProvisioning) -> Result<(), ArmError> {
        self.history.record(Event::Step { text: format!("node provisioning mode {}", mode.as_str()) });
        self.put_changed(cluster, |properties| properties["nodeProvisioningProfile"]["mode"] = mode.as_str().into())
            .await
            .map(|_| ())
    }

    /// Changes the properties of a managed cluster as `az aks update` does: what Azure shows of it goes back with
    /// something else in it. The cluster as it is afterwards.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn update(&self, cluster: &Cluster, change: impl FnOnce(&mut Value)) -> Result<Value, ArmError> {
        self.history.record(Event::Step { text: "change the managed cluster".to_owned() });
        self.put_changed(cluster, change).await
    }

    async fn put_changed(&self, cluster: &Cluster, change: impl FnOnce(&mut Value)) -> Result<Value, ArmError> {
        let mut resource = self.azure.client().get(cluster.id(), api_version::CONTAINER_SERVICE).await?;
        change(&mut resource["properties"]);
        self.azure.client().put(cluster.id(), api_version::CONTAINER_SERVICE, &resource).await
    }

    /// The managed cluster as Azure shows it now.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn shown(&self, cluster: &Cluster) -> Result<Value, ArmError> {
        self.azure.client().get(cluster.id(), api_version::CONTAINER_SERVICE).await
    }

    /// The handle of a managed cluster that was made in another way than through [`managed_cluster`](Self::managed_cluster),
    /// by a deployment for example.
    ///
    /// # Errors
    /// What Azure answers, and why its credentials cannot be used.
    pub async fn existing_cluster(&self, id: &str) -> Result<Cluster, CreateError> {
        let resource = self.azure.client().get(id, api_version::CONTAINER_SERVICE).await?;
        managed_cluster::open(self, resource, managed_cluster::Credential::Admin).await
    }

    /// The same cluster with the credentials that `az aks get-credentials` asks for, those of a user.
    ///
    /// # Errors
    /// What Azure answers, and why its credentials cannot be used.
    pub async fn with_user_credentials(&self, cluster: &Cluster) -> Result<Cluster, CreateError> {
        let credential = managed_cluster::Credential::User;
        let opened = managed_cluster::open(self, cluster.resource().clone(), credential).await?;
        Ok(opened.seen_by(cluster.sight()))
    }

    /// Kubernetes version of this lab, without `v`.
    #[must_use]
    pub fn kubernetes_version(&self) -> &str {
        &self.settings.versions.kubernetes
    }

    /// The settings of this lab.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The lab's time.
    #[must_use]
    pub fn clock(&self) -> &LabClock {
        self.history.clock()
    }

    /// The most by which a process of the lab that starts now tells another time than the lab.
    ///
    /// # Errors
    /// When no process can be started, or tells no time.
    pub async fn clock_drift(&self) -> Result<Duration, String> {
        self.site.clock_drift().await
    }

    /// Makes sure that the scenario can wait this long here. Where time can be moved it always can; elsewhere it depends on
    /// the patience of the run:
    ///
    /// ```no_run
    /// # fn scenario(lab: &catnap::lab::Lab) -> catnap::expect::Outcome {
    /// lab.wait_of(catnap::expect::minutes(16))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The reason for which the scenario is skipped, where it cannot.
    pub fn wait_of(&self, waits: Duration) -> Outcome {
        self.witness.wait_of(waits)
    }

    /// Makes sure that the lab began when its scenario has to begin.
    pub(crate) fn can_begin(&self) -> Outcome {
        match self.settings.begin {
            Some(begin) => self.require::<MovableClock>().map(drop).map_err(|failure| {
                failure.with_note(&format!("It has to begin at {begin}, and this lab's clock is real."))
            }),
            None => Ok(()),
        }
    }

    /// Makes sure that clusters can have this version of Kubernetes here.
    ///
    /// # Errors
    /// The reason for which the scenario is skipped, where they cannot.
    pub async fn needs_kubernetes(&self, version: &str) -> Outcome {
        self.site.has_kubernetes(version).await.map_err(Failure::skipped)
    }

    /// Makes sure that clusters can have this version of the provisioner here.
    ///
    /// # Errors
    /// The reason for which the scenario is skipped, where they cannot.
    pub async fn needs_provisioner(&self, version: &str) -> Outcome {
        self.site.has_provisioner(version).await.map_err(Failure::skipped)
    }

    /// Makes sure that the provisioner of this lab is of this version or a newer one; `what` is there from that version on
    /// only.
    ///
    /// # Errors
    /// The reason for which the scenario is skipped, where it is older.
    ///
    /// # Panics
    /// If `version` is not a version.
    pub fn needs_provisioner_since(&self, version: &str, what: &str) -> Outcome {
        if self.provisioner_is_since(version) {
            return Ok(());
        }
        let here = &self.settings.versions.provisioner;
        Err(Failure::skipped(format!("{what} only from provisioner {version} on, and this is {here}")))
    }

    /// Whether the provisioner of this lab is of this version or a newer one, where a scenario has something to say of both.
    ///
    /// # Panics
    /// If `version` is not a version.
    #[must_use]
    pub fn provisioner_is_since(&self, version: &str) -> bool {
        let since: ProvisionerVersion = version.parse().expect("a scenario names a version as 1.7.0");
        !self.settings.versions.provisioner.parse::<ProvisionerVersion>().is_ok_and(|here| here < since)
    }

    /// Runs a part of a scenario in which a known fault of these `versions` of the provisioner breaks an assertion. `fault`
    /// is its name in `suites/FINDINGS.md`, and `signature` tells its failure from any other. Where such a version runs, the
    /// scenario is reported as one that fails as is known, if nothing else fails; and it fails when the fault does not
    /// show: then the mark is out of date. With another version it is a scenario like any other.
    ///
    /// # Errors
    /// When the part fails in another way than the fault's, or, with one of `versions`, when it does not fail.
    pub async fn known_fault(
        &self,
        fault: &str,
        versions: &[&str],
        signature: Signature,
        part: impl Future<Output = Outcome>,
    ) -> Outcome {
        let version = self.settings.versions.provisioner.as_str();
        let outcome = part.await;
        if !versions.contains(&version) {
            return outcome;
        }
        let Err(failure) = outcome else {
            return Err(self.witness.failure(&format!(
                "expected: the known fault {fault} shows in {version}\n    seen: all that it was to break held; if it \
                 is mended, take {version} from this scenario and from suites/FINDINGS.md"
            )));
        };
        // A lab that is broken, or has no provisioner, breaks everything.
        if self.witness.fatal().is_some() || self.no_provisioner().is_some() {
            return Err(failure);
        }
        if let Err(why) = signature.is_of(&failure, &self.witness.state()) {
            return Err(failure.with_note(&format!("This is not the known fault {fault}: {why}.")));
        }
        let message = failure.headline();
        self.history.record(Event::Step { text: format!("known fault {fault}: {message}") });
        *self.shown_fault.lock() = Some((fault.to_owned(), message));
        Ok(())
    }

    /// Why what was given as the provisioner is none that can be run here, if so: then nothing can be said of it.
    pub(crate) fn no_provisioner(&self) -> Option<String> {
        self.capability::<ProvisionerControl>()?.no_provisioner()
    }

    /// The known fault that has shown, and how.
    pub(crate) fn shown_fault(&self) -> Option<(String, String)> {
        self.shown_fault.lock().clone()
    }

    /// Whoever evaluates what is expected in this lab.
    pub(crate) fn witness(&self) -> &Witness {
        &self.witness
    }

    /// The folder is not to go with the lab: what is in it tells why a scenario failed.
    pub(crate) fn keep_folder(&mut self) {
        self.keep_folder = true;
    }

    /// Everything seen in this lab.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The folder in which the lab keeps its logs and its history.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Memory of all processes of the lab in bytes, by name.
    #[must_use]
    pub fn memory(&self) -> Vec<(String, u64)> {
        self.site.memory()
    }

    /// CPU time, user and system, that the lab's processes have used so far, by name.
    #[must_use]
    pub fn cpu_time(&self) -> BTreeMap<String, Duration> {
        self.site.cpu_time()
    }

    /// How long the API server of the first cluster took to be usable; `None` before there is one.
    #[must_use]
    pub fn api_server_start(&self) -> Option<Duration> {
        self.site.api_server_start()
    }

    /// What a machine was given to boot with, as its first boot reads it; `None` for a machine that never started, and
    /// for those of agent pools, whose script AKS keeps to itself. Requires the [`Machines`]: Azure tells no one.
    ///
    /// # Errors
    /// The reason for which the scenario is skipped, where nobody is told.
    pub fn custom_data_of(&self, machine: &str) -> Result<Option<CustomData>, Failure> {
        self.require::<Machines>()?;
        Ok(self.history.since(0).iter().find_map(|record| match &record.event {
            Event::Azure { what: AzureEvent::Machine(MachineChange::Started(started)) } if started.name == machine => {
                CustomData::decode(started.custom_data.as_deref()).ok()
            }
            _ => None,
        }))
    }

    /// File with the certificates of the ARM endpoint; `None` where they are the system's.
    #[must_use]
    pub fn azure_ca(&self) -> Option<&Path> {
        self.site.azure().ca_file.as_deref()
    }

    /// The kubectl of the cluster's version, where the target has one.
    #[must_use]
    pub fn kubectl(&self) -> Option<&Path> {
        self.site.kubectl()
    }

    /// A file of the project's `manifests` folder.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn manifest(&self, name: &str) -> Result<Manifests, ManifestError> {
        Manifests::named(name)
    }

    /// Asserts that a value is what it should be: `what` is its name in the history and in the failure.
    ///
    /// # Errors
    /// When it is not.
    pub fn verify<T: PartialEq + std::fmt::Debug>(&self, what: &str, expected: T, seen: T) -> Outcome {
        self.witness.verify(what, expected, seen)
    }

    /// Asserts that something which Azure or the API server shows is as it was: `what` is its name in the history and in
    /// the failure, which tells each place that differs.
    ///
    /// # Errors
    /// When it is not.
    pub fn verify_unchanged(&self, what: &str, before: &Value, after: &Value) -> Outcome {
        let changes: Vec<String> = differences(before, after);
        self.witness.verify(&format!("changes of {what}"), Vec::new(), changes)
    }

    /// Writes the administrator's kubeconfig of a cluster into a file.
    ///
    /// # Errors
    /// What Azure answers, or why the file cannot be written.
    pub async fn write_kubeconfig(&self, cluster: &Cluster, path: &Path) -> Result<(), String> {
        let text = managed_cluster::admin_kubeconfig(self.azure.client(), cluster.id())
            .await
            .map_err(|error| error.to_string())?;
        std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    /// Opens a cluster with a kubeconfig: watches it from here on and gives the scenario its handle.
    async fn open(&self, resource: Value, kubeconfig: Kubeconfig) -> Result<Cluster, String> {
        let config = managed_cluster::client_config(kubeconfig).await?;
        // One client for the watches, on the lab's own threads, and one for the scenario, on its own.
        let runtime = self.runtime.as_ref().ok_or("the lab is over")?.handle().clone();
        let (watched, history) = (config.clone(), self.history.clone());
        let watches = runtime
            .spawn(async move {
                let client = kube::Client::try_from(watched).map_err(|error| error.to_string())?;
                Ok::<_, String>(Watches::start(&client, &history))
            })
            .await
            .map_err(|error| error.to_string())??;
        let sight = watches.sight();
        self.watches.lock().push(watches);
        let client = kube::Client::try_from(config).map_err(|error| error.to_string())?;
        let cluster = Cluster::new(client, self.witness.clone(), self.history.clone(), resource);
        Ok(cluster.seen_by(Some(sight)))
    }

    /// Another handle of a cluster that is watched already.
    async fn open_again(&self, resource: Value, kubeconfig: Kubeconfig) -> Result<Cluster, String> {
        let config = managed_cluster::client_config(kubeconfig).await?;
        let client = kube::Client::try_from(config).map_err(|error| error.to_string())?;
        Ok(Cluster::new(client, self.witness.clone(), self.history.clone(), resource))
    }

    /// Takes everything down, in the order in which it depends on each other. A second time does nothing.
    ///
    /// # Errors
    /// What is left.
    pub(crate) fn take_down(&mut self) -> Result<(), String> {
        let Some(runtime) = self.runtime.take() else { return Ok(()) };
        self.watches.lock().clear();
        let stopped = self.site.stop();
        // Dropping a runtime is not allowed where another one is running, which is where scenarios end.
        let ending = std::thread::Builder::new().spawn(move || runtime.shutdown_timeout(ENDING));
        // What the lab's own threads have not written by now they never will.
        let _ = ending.map(std::thread::JoinHandle::join);
        self.site.leave();
        stopped
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Err(left) = self.take_down() {
            eprintln!("{left}");
        }
        if !self.keep_folder && !self.settings.keep && self.settings.artefacts.is_none() {
            // What could not be removed is in the system's temporary folder; nothing depends on it.
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

/// How long the lab's own threads may take to end, in real time. They do at their next wait, which is at once.
const ENDING: Duration = Duration::from_secs(5);

/// How often the counts of the live display are told.
const TELLING: Duration = Duration::from_millis(500);

/// Tells steps and counts to whoever displays them, until the history is dropped.
async fn tell_progress(history: History, witness: Witness, progress: ProgressWriter) {
    let mut told = 0;
    let mut ticks = tokio::time::interval(TELLING);
    loop {
        ticks.tick().await;
        for record in history.since(told) {
            told += 1;
            match &record.event {
                Event::Step { text } => progress.step(text),
                Event::Assertion { expected, held: true, .. } => progress.step(&format!("holds: {expected}")),
                _ => {}
            }
        }
        let (nodes, pods, machines) = witness.glance(|state| {
            let machines = state.resources("Microsoft.Compute/virtualMachines").count();
            let pods =
                state.objects(crate::expect::Kind::Pod).filter(|pod| pod["metadata"]["namespace"] == "default").count();
            (state.objects(crate::expect::Kind::Node).count(), pods, machines)
        });
        progress.counts(nodes, pods, machines);
    }
}
