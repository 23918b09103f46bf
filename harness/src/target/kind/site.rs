//! Stands up a lab with clusters of kind.

use std::sync::Arc;

use async_trait::async_trait;

use crate::clock::{ClockKind, LabClock};
use crate::cluster::kind::{KindBorrower, KindClusterMaker, KindMaker, KindTools};
use crate::cluster::pool::{RunLender, TimeWish, connect};
use crate::jobs::default_jobs;
use crate::process::{Processes, probe_namespaces};
use crate::report::ProgressWriter;
use crate::settings::{ClusterSource, Settings};
use crate::target::fake::{LocalParts, LocalSite, Programs, Slot};
use crate::target::{CapabilityKind, Entered, Site, StartError, Surroundings, Target};

/// Clusters of kind on this machine.
#[derive(Debug)]
pub struct Kind;

impl Kind {
    /// kind and the container runtime.
    async fn tools(&self) -> Result<KindTools, StartError> {
        KindTools::find().await.map_err(|error| StartError::NotHere { target: self.name(), why: error.to_string() })
    }
}

#[async_trait]
impl Target for Kind {
    fn name(&self) -> &'static str {
        "kind"
    }

    fn summary(&self) -> &'static str {
        "fake-arm in this process, clusters of kind in containers on this machine, real time"
    }

    fn capabilities(&self) -> &'static [CapabilityKind] {
        &[
            CapabilityKind::Machines,
            CapabilityKind::Region,
            CapabilityKind::Tenant,
            CapabilityKind::Network,
            CapabilityKind::Provisioner,
        ]
    }

    fn is_built_here(&self) -> bool {
        true
    }

    async fn check(&self, kubernetes_versions: &[String]) -> Result<(), String> {
        let tools = KindTools::find().await.map_err(|error| error.to_string())?;
        for version in kubernetes_versions {
            tools.image(version).await.map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Each has a control plane of kubeadm, which is busier than one that was made for a lab.
    fn default_labs(&self, _clock: ClockKind) -> usize {
        default_jobs(ClockKind::Movable)
    }

    /// Also for a single one: the run waits until its cluster is deleted.
    async fn lender(&self, _scenarios: usize, labs: usize) -> Result<Option<Box<dyn RunLender>>, String> {
        let tools = KindTools::find().await.map_err(|error| error.to_string())?;
        let lender = KindClusterMaker::lender(tools, labs).and_then(|lender| lender.for_a_run());
        lender.map_err(|error| error.to_string())
    }

    async fn enter(&self, settings: &Settings, progress: &ProgressWriter) -> Result<Box<dyn Entered>, StartError> {
        progress.step("find kind and the real parts");
        let tools = self.tools().await?;
        let programs = Programs::find(settings).await?;
        probe_namespaces()?;
        let slot = Slot::wait_for(settings.slots, progress).await?;
        progress.step("start fake-arm");
        let stream = match &settings.clusters {
            // What it keeps goes with this process.
            ClusterSource::Fresh | ClusterSource::ThisProcess => {
                KindClusterMaker::lender_of_this_process(tools.clone(), settings.slots)
                    .map_err(StartError::Lender)?
                    .line()
            }
            ClusterSource::Run(name) => connect(name),
        };
        let stream = stream.map_err(|error| StartError::Lender(error.to_string()))?;
        let entered = KindBorrower::enter(stream, &settings.scenario, TimeWish::Real).await;
        let (lender, _) = entered.map_err(StartError::Lender)?;
        let fresh = settings.clusters == ClusterSource::Fresh;
        Ok(Box::new(Place { programs, slot, maker: KindMaker::new(tools, lender, fresh) }))
    }
}

/// A place on this machine, and what is to be started there.
struct Place {
    programs: Programs,
    slot: Slot,
    maker: KindMaker,
}

#[async_trait]
impl Entered for Place {
    fn clock(&self) -> LabClock {
        LabClock::real()
    }

    async fn stand_up(self: Box<Self>, surroundings: Surroundings) -> Result<Box<dyn Site>, StartError> {
        let Self { programs, slot, maker } = *self;
        let Surroundings { settings, folder, history, witness, .. } = surroundings;
        let processes = Processes::new(folder.join("logs"), history.clone())?;
        let site = LocalSite::stand_up(LocalParts {
            settings,
            clock: LabClock::real(),
            processes,
            history,
            witness,
            programs,
            maker: Arc::new(maker),
            slot,
        });
        Ok(Box::new(site.await?))
    }
}
