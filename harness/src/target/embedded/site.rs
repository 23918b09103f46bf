//! Stands up an embedded lab.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use components::{Binaries, FetchDisplay, Store, StoreOptions};
use uuid::Uuid;

use super::cluster_source;
use super::lab_processes::LabProcesses;
use super::slot::Slot;
use crate::clock::LabClock;
use crate::cluster::embedded::{ApiServerBorrower, ControlPlaneMaker};
use crate::process::{Processes, probe_namespaces};
use crate::report::ProgressWriter;
use crate::settings::Settings;
use crate::target::fake::{Engine, Host, Programs, ProvisionerAccess};
use crate::target::{
    AzureAccess, Capabilities, CapabilityKind, ControlPlaneControl, Entered, MovableClock, NetworkModel,
    ProvisionerControl, ProvisionerOverrides, Region, Site, StartError, Surroundings, Target, Tenant,
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

    async fn enter(&self, settings: &Settings, progress: &ProgressWriter) -> Result<Box<dyn Entered>, StartError> {
        progress.step("find the real parts");
        let display = FetchDisplay::new();
        let mut options = StoreOptions::from_environment();
        if let Some(path) = &settings.provisioner {
            options = options.provisioner(path);
        }
        let store = Store::open(options)?;
        let binaries = if settings.azure_only {
            None
        } else {
            Some(store.resolve(&settings.versions, |progress| display.report(progress)).await?)
        };
        probe_namespaces()?;
        let waiting = || {
            progress.step("wait for a place on this machine");
            if !progress.is_read() {
                eprintln!("waiting: this machine has as many labs as it may ({}, see CATNAP_LABS)", settings.slots);
            }
        };
        let slot = Slot::take(settings.slots, waiting).await;
        let slot = slot.map_err(|source| StartError::io("take a place on this machine", source))?;
        progress.step("start fake-arm");
        let (clock, lender) = cluster_source::enter(settings).await?;
        Ok(Box::new(Place { binaries, store, slot, clock, lender }))
    }
}

/// A place on this machine, and what is to be started there.
struct Place {
    /// `None` in a lab that is to have no clusters.
    binaries: Option<Binaries>,
    store: Store,
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
        let Self { binaries, store, slot, clock, lender } = *self;
        let Surroundings { settings, folder, history, witness, threads } = surroundings;
        let host = Host::start(clock.clone(), settings.seed).await?;
        let processes = Processes::new(folder.join("logs"), history.clone())?;
        let ca = processes.scratch().join("azure-ca.pem");
        let azure = host.access(settings.seed, &ca)?;
        let fake = host.fake.clone();
        let (secrets, overrides) = (fake.clone(), ProvisionerOverrides::default());
        let engine = Arc::new(Engine::new(
            ProvisionerAccess {
                endpoint: fake.endpoint().clone(),
                identity_endpoint: fake.identity_endpoint().clone(),
                ca,
                identity_header: Box::new(move |principal| secrets.identity_header_for(principal)),
            },
            processes.clone(),
            Programs { binaries, store },
            history.clone(),
            witness,
            overrides.clone(),
            Arc::new(ControlPlaneMaker::new(lender)),
            seed_of(&settings),
        ));
        let lab_processes = LabProcesses { processes, threads, history: history.clone() };
        let moving = clock.keep_moving(Box::new(lab_processes));
        moving.map_err(|source| StartError::io("start the thread that moves the clock", source))?;
        engine.join(&fake);
        host.follow(&history, engine.machines_change());
        fake.set_engine(engine.clone());

        let mut capabilities = Capabilities::default()
            .with(engine.machines().clone())
            .with(Region::new(fake.clone(), history.clone(), &azure.location))
            .with(Tenant::new(fake.clone(), history.clone()))
            .with(NetworkModel::new(fake))
            .with(ProvisionerControl::new(overrides, engine.clone(), history.clone()))
            .with(ControlPlaneControl::new(engine.clone(), history));
        if clock.is_movable() {
            capabilities = capabilities.with(MovableClock);
        }
        Ok(Box::new(EmbeddedSite { azure, capabilities, engine, _host: host, _slot: slot }))
    }
}

/// What secrets of a lab are drawn from: its own, so that what one scenario was let in with is nothing to another one in
/// the same cluster.
fn seed_of(settings: &Settings) -> u64 {
    let scenario = Uuid::new_v5(&Uuid::NAMESPACE_OID, settings.scenario.as_bytes());
    settings.seed ^ scenario.as_u64_pair().0
}

/// A lab's fake-arm and its clusters.
#[derive(Debug)]
struct EmbeddedSite {
    azure: AzureAccess,
    capabilities: Capabilities,
    engine: Arc<Engine>,
    _host: Host,
    /// Given up last.
    _slot: Slot,
}

#[async_trait]
impl Site for EmbeddedSite {
    fn azure(&self) -> &AzureAccess {
        &self.azure
    }

    fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    async fn has_kubernetes(&self, version: &str) -> Result<(), String> {
        self.engine.has_kubernetes(version).await
    }

    async fn has_provisioner(&self, version: &str) -> Result<(), String> {
        self.engine.has_provisioner(version).await
    }

    async fn clock_drift(&self) -> Result<Duration, String> {
        self.engine.clock_drift().await
    }

    fn memory(&self) -> Vec<(String, u64)> {
        self.engine.memory()
    }

    fn cpu_time(&self) -> BTreeMap<String, Duration> {
        self.engine.cpu_time()
    }

    fn api_server_start(&self) -> Option<Duration> {
        self.engine.api_server_start()
    }

    fn kubectl(&self) -> Option<&Path> {
        self.engine.kubectl()
    }

    fn stop(&self) -> Result<(), String> {
        self.engine.stop_now();
        Ok(())
    }

    fn leave(&self) {
        self.engine.give_back();
    }
}
