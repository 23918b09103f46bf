//! Stands up an embedded lab.

use std::sync::Arc;

use async_trait::async_trait;

use super::cluster_source;
use super::lab_processes::LabProcesses;
use crate::clock::LabClock;
use crate::cluster::embedded::{ApiServerBorrower, ApiServerMaker, ControlPlaneMaker};
use crate::cluster::pool::RunLender;
use crate::process::{Processes, probe_namespaces};
use crate::report::ProgressWriter;
use crate::settings::Settings;
use crate::target::fake::{LocalParts, LocalSite, Programs, Slot};
use crate::target::{
    CapabilityKind, ControlPlaneControl, Entered, MovableClock, Site, StartError, Surroundings, Target,
};

/// Everything on this machine, without root and docker.
#[derive(Debug)]
pub struct Embedded;

#[async_trait]
impl Target for Embedded {
    fn name(&self) -> &'static str {
        "embedded"
    }

    fn summary(&self) -> &'static str {
        "fake-arm in this process, real control planes as child processes, time that can be moved"
    }

    fn capabilities(&self) -> &'static [CapabilityKind] {
        CapabilityKind::ALL
    }

    fn is_built_here(&self) -> bool {
        true
    }

    async fn lender(&self, scenarios: usize, labs: usize) -> Result<Option<Box<dyn RunLender>>, String> {
        // Each would be the first to have one.
        if scenarios <= labs {
            return Ok(None);
        }
        ApiServerMaker::lender(labs).and_then(|lender| lender.for_a_run()).map_err(|error| error.to_string())
    }

    async fn enter(&self, settings: &Settings, progress: &ProgressWriter) -> Result<Box<dyn Entered>, StartError> {
        progress.step("find the real parts");
        let programs = Programs::find(settings).await?;
        probe_namespaces()?;
        let slot = Slot::wait_for(settings.slots, progress).await?;
        progress.step("start fake-arm");
        let (clock, lender) = cluster_source::enter(settings).await?;
        Ok(Box::new(Place { programs, slot, clock, lender }))
    }
}

/// A place on this machine, and what is to be started there.
struct Place {
    programs: Programs,
    slot: Slot,
    clock: LabClock,
    lender: Option<ApiServerBorrower>,
}

#[async_trait]
impl Entered for Place {
    fn clock(&self) -> LabClock {
        self.clock.clone()
    }

    async fn stand_up(self: Box<Self>, surroundings: Surroundings) -> Result<Box<dyn Site>, StartError> {
        let Self { programs, slot, clock, lender } = *self;
        let Surroundings { settings, folder, history, witness, threads } = surroundings;
        let processes = Processes::new(folder.join("logs"), history.clone())?;
        let lab_processes = LabProcesses { processes: processes.clone(), threads, history: history.clone() };
        let moving = clock.keep_moving(Box::new(lab_processes));
        moving.map_err(|source| StartError::io("start the thread that moves the clock", source))?;
        let site = LocalSite::stand_up(LocalParts {
            settings,
            clock: clock.clone(),
            processes,
            history: history.clone(),
            witness,
            programs,
            maker: Arc::new(ControlPlaneMaker::new(lender)),
            slot,
        })
        .await?;
        let control_planes = ControlPlaneControl::new(site.engine().clone(), history);
        let site = site.with(control_planes);
        Ok(if clock.is_movable() { Box::new(site.with(MovableClock)) } else { Box::new(site) })
    }
}
