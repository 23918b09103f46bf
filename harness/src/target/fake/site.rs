//! A lab on this machine: a fake-arm in this process, and clusters of one kind.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::engine::{Engine, Programs, ProvisionerAccess};
use super::host::Host;
use super::network::NetworkModel;
use super::region::Region;
use super::slot::Slot;
use super::tenant::Tenant;
use crate::clock::LabClock;
use crate::cluster::ClusterMaker;
use crate::expect::Witness;
use crate::history::History;
use crate::process::Processes;
use crate::settings::Settings;
use crate::target::{
    AzureAccess, Capabilities, Capability, ProvisionerControl, ProvisionerOverrides, Site, StartError,
};

/// A lab's fake-arm and its clusters.
#[derive(Debug)]
pub(in crate::target) struct LocalSite {
    azure: AzureAccess,
    capabilities: Capabilities,
    engine: Arc<Engine>,
    _host: Host,
    /// Given up last.
    _slot: Slot,
}

/// What a lab on this machine is made of.
pub(in crate::target) struct LocalParts {
    pub(in crate::target) settings: Settings,
    pub(in crate::target) clock: LabClock,
    pub(in crate::target) processes: Processes,
    pub(in crate::target) history: History,
    pub(in crate::target) witness: Witness,
    pub(in crate::target) programs: Programs,
    pub(in crate::target) maker: Arc<dyn ClusterMaker>,
    pub(in crate::target) slot: Slot,
}

impl LocalSite {
    /// Starts a fake-arm, and lets it ask for clusters. Called in the lab's runtime.
    ///
    /// # Errors
    /// When the fake does not start, or its certificate cannot be written.
    pub(in crate::target) async fn stand_up(parts: LocalParts) -> Result<Self, StartError> {
        let LocalParts { settings, clock, processes, history, witness, programs, maker, slot } = parts;
        let host = Host::start(clock, settings.seed).await?;
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
            processes,
            programs,
            history.clone(),
            witness,
            overrides.clone(),
            maker,
            seed_of(&settings),
        ));
        engine.join(&fake);
        host.follow(&history, engine.machines_change());
        fake.set_engine(engine.clone());
        let capabilities = Capabilities::default()
            .with(engine.machines().clone())
            .with(Region::new(fake.clone(), history.clone(), &azure.location))
            .with(Tenant::new(fake.clone(), history.clone()))
            .with(NetworkModel::new(fake))
            .with(ProvisionerControl::new(overrides, engine.clone(), history));
        Ok(Self { azure, capabilities, engine, _host: host, _slot: slot })
    }

    /// The same with one more capability.
    pub(in crate::target) fn with<C: Capability>(mut self, capability: C) -> Self {
        self.capabilities = self.capabilities.with(capability);
        self
    }

    /// What makes its clusters.
    pub(in crate::target) fn engine(&self) -> &Arc<Engine> {
        &self.engine
    }
}

/// What secrets of a lab are drawn from: its own, so that what one scenario was let in with is nothing to another one in
/// the same cluster.
fn seed_of(settings: &Settings) -> u64 {
    let scenario = Uuid::new_v5(&Uuid::NAMESPACE_OID, settings.scenario.as_bytes());
    settings.seed ^ scenario.as_u64_pair().0
}

#[async_trait]
impl Site for LocalSite {
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
