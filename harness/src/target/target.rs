//! What a target is.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::access::AzureAccess;
use super::capability::{Capabilities, CapabilityKind};
use super::start_error::StartError;
use crate::clock::{ClockKind, LabClock};
use crate::cluster::pool::RunLender;
use crate::expect::Witness;
use crate::history::History;
use crate::jobs::default_jobs;
use crate::report::ProgressWriter;
use crate::settings::Settings;

/// A kind of place where labs can be.
#[async_trait]
pub trait Target: Debug + Send + Sync {
    /// What `--target` and `CATNAP_TARGET` call it.
    fn name(&self) -> &'static str;

    /// What it is made of, in one line.
    fn summary(&self) -> &'static str;

    /// What a scenario may ask for here. A lab can have fewer: its clock may be a real one.
    fn capabilities(&self) -> &'static [CapabilityKind];

    /// Whether labs here are made of the real parts that catnap builds, so that a run makes these ready first.
    fn is_built_here(&self) -> bool;

    /// Whether labs can be here, with clusters of these versions of Kubernetes: asked before a run makes anything ready.
    ///
    /// # Errors
    /// What is in the way, with the remedy.
    async fn check(&self, _kubernetes_versions: &[String]) -> Result<(), String> {
        Ok(())
    }

    /// How many labs at a time this machine bears, with such a clock.
    fn default_labs(&self, clock: ClockKind) -> usize {
        default_jobs(clock)
    }

    /// Who lends clusters to the scenarios of a run, so many in number, with so many labs at a time; `None` where each
    /// scenario makes its own.
    ///
    /// # Errors
    /// Why nobody can.
    async fn lender(&self, _scenarios: usize, _labs: usize) -> Result<Option<Box<dyn RunLender>>, String> {
        Ok(None)
    }

    /// Makes everything ready that has to be there before a lab begins: programs, a place on the machine, the time that it
    /// lives in.
    ///
    /// # Errors
    /// [`StartError`], with the remedy.
    async fn enter(&self, settings: &Settings, progress: &ProgressWriter) -> Result<Box<dyn Entered>, StartError>;
}

/// A lab's place on a target, where nothing stands yet.
#[async_trait]
pub trait Entered: Send {
    /// The time that the lab lives in.
    fn clock(&self) -> LabClock;

    /// Stands up an Azure, and what makes clusters for it. Called in the lab's runtime: what is started here goes on until
    /// the lab ends.
    ///
    /// # Errors
    /// [`StartError`], with the remedy.
    async fn stand_up(self: Box<Self>, surroundings: Surroundings) -> Result<Box<dyn Site>, StartError>;
}

/// What a lab gives its target to work with.
#[derive(Debug)]
pub struct Surroundings {
    /// The lab's settings.
    pub settings: Settings,
    /// Where the lab writes its logs.
    pub folder: PathBuf,
    /// Where what is observed is recorded: requests to Azure, its resources and machines.
    pub history: History,
    /// Who is told when the lab is broken.
    pub witness: Witness,
    /// The kernel's numbers of the lab's own threads.
    pub threads: Arc<Mutex<Vec<i32>>>,
}

/// What a target has stood up for one lab.
#[async_trait]
pub trait Site: Debug + Send + Sync {
    /// How the scenario reaches Azure.
    fn azure(&self) -> &AzureAccess;

    /// What a scenario can ask for.
    fn capabilities(&self) -> &Capabilities;

    /// Makes sure that clusters can have this version of Kubernetes.
    ///
    /// # Errors
    /// Why they cannot.
    async fn has_kubernetes(&self, version: &str) -> Result<(), String>;

    /// Makes sure that clusters can have this version of the provisioner.
    ///
    /// # Errors
    /// Why they cannot.
    async fn has_provisioner(&self, version: &str) -> Result<(), String>;

    /// The most by which a process of the lab that starts now tells another time than the lab.
    ///
    /// # Errors
    /// When no process can be started, or tells no time.
    async fn clock_drift(&self) -> Result<Duration, String> {
        Err("the target starts no processes".to_owned())
    }

    /// Memory of the lab's processes in bytes, by name.
    fn memory(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    /// CPU time, user and system, of the lab's processes so far, also of those that ended, by name.
    fn cpu_time(&self) -> BTreeMap<String, Duration> {
        BTreeMap::new()
    }

    /// How long the API server of the first cluster took to be usable; `None` before there is one, and where nobody
    /// measures it.
    fn api_server_start(&self) -> Option<Duration> {
        None
    }

    /// A kubectl of the cluster's version; `None` where the target has none of its own.
    fn kubectl(&self) -> Option<&Path> {
        None
    }

    /// Ends what acts, now, and takes away what the lab has made elsewhere. The lab's threads still run, nobody is going to
    /// look at anything any more. Called once.
    ///
    /// # Errors
    /// What is left.
    fn stop(&self) -> Result<(), String>;

    /// Leaves the place: the lab's threads are over.
    fn leave(&self) {}
}
