//! The clusters of labs with a fake-arm in this process: what that asks for when a managed cluster is created, changed or
//! deleted.

mod nap_state;
mod provisioner;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fake_arm::FakeArm;
use fake_arm::engine::{ClusterAccess, ClusterEngine, EngineError, ManagedCluster, NapState};
use fake_arm::events::VmEvent;
use parking_lot::Mutex;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use url::Url;
use uuid::Uuid;

use self::nap_state::nap_state;
use self::provisioner::restart_inputs;
use super::network_aware_boot::{Network, NetworkAwareBoot};
use crate::cluster::{BootstrapToken, ClusterMaker, ClusterSpec, Heartbeat, Identity, RunningCluster};
use crate::expect::Witness;
use crate::history::History;
use crate::node::{BootSettings, Machines, NodeCluster, NodeRunner};
use crate::process::{ChildSpec, Processes};
use crate::provisioner::Provisioner;
use crate::settings::Settings;
use crate::target::{ControlPlaneHost, ProvisionerOverrides, StartError};
use components::{Binaries, FetchDisplay, Program, Source, Store, StoreOptions, Versions};

/// The clusters of a lab, with the provisioner and the machines of each.
#[derive(Debug)]
pub(in crate::target) struct Engine {
    azure: ProvisionerAccess,
    processes: Processes,
    programs: Programs,
    history: History,
    witness: Witness,
    overrides: ProvisionerOverrides,
    nodes: NodeRunner,
    boot: Machines,
    network: Network,
    clusters: Mutex<BTreeMap<String, Running>>,
    maker: Arc<dyn ClusterMaker>,
    seed: u64,
}

/// The real parts that clusters are made of.
#[derive(Debug)]
pub(in crate::target) struct Programs {
    /// Those of the lab's versions; `None` in a lab that is to have no clusters.
    pub binaries: Option<Binaries>,
    /// Where those of other versions are.
    pub store: Store,
}

impl Programs {
    /// Makes those of a lab's versions ready; none where it is to have no clusters.
    pub(in crate::target) async fn find(settings: &Settings) -> Result<Self, StartError> {
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
        Ok(Self { binaries, store })
    }
}

/// How the provisioner reaches Azure, and where its identity comes from.
pub(in crate::target) struct ProvisionerAccess {
    /// Azure Resource Manager.
    pub endpoint: Url,
    /// Token endpoint of managed identities.
    pub identity_endpoint: Url,
    /// File with the certificate authority of the endpoint.
    pub ca: PathBuf,
    /// The secret with which a principal (by object id) gets its tokens.
    pub identity_header: Box<dyn Fn(Uuid) -> String + Send + Sync>,
}

impl std::fmt::Debug for ProvisionerAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProvisionerAccess").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Running {
    control_plane: Arc<dyn RunningCluster>,
    provisioner: Option<Provisioner>,
    facts: ManagedCluster,
}

impl Engine {
    /// An engine without clusters. Its processes live in `processes`; `maker` makes what they
    /// are connected to.
    #[must_use]
    #[allow(clippy::too_many_arguments)] // Each is a part of the world that it stands in, and is named once.
    pub(in crate::target) fn new(
        azure: ProvisionerAccess,
        processes: Processes,
        programs: Programs,
        history: History,
        witness: Witness,
        overrides: ProvisionerOverrides,
        maker: Arc<dyn ClusterMaker>,
        seed: u64,
    ) -> Self {
        let boot = Machines::default();
        let network = Network::default();
        let boot_plan = NetworkAwareBoot { switch: boot.clone(), network: network.clone() };
        let settings = BootSettings { plan: Arc::new(boot_plan), ..BootSettings::default() };
        let nodes = NodeRunner::new(history.clone(), settings);
        let clusters = Mutex::default();
        Self { boot, network, azure, processes, programs, history, witness, overrides, nodes, clusters, maker, seed }
    }

    /// Machines ask this Azure what their network lets through.
    pub(in crate::target) fn join(&self, fake: &Arc<FakeArm>) {
        // Azure knows this engine, so it is not held by it.
        let _ = self.network.set(Arc::downgrade(fake));
    }

    /// Takes in what becomes of machines. Whoever is called lets them boot.
    pub(in crate::target) fn machines_change(&self) -> impl Fn(VmEvent) + Send + use<> {
        let nodes = self.nodes.clone();
        move |event| nodes.handle(event)
    }

    /// The most by which a process that starts now tells another time than the lab: it must tell one between the moment
    /// before its start and the one after its end.
    pub(in crate::target) async fn clock_drift(&self) -> Result<Duration, String> {
        let date = ChildSpec::new("date", "/bin/date").arg("+%s%N");
        let before = self.history.now();
        let child = self.processes.start(date).await.map_err(|error| error.to_string())?;
        child.exited().await;
        let after = self.history.now();
        let told = child.log_tail(1);
        let nanoseconds: i128 = told.trim().parse().map_err(|_| format!("date said {told:?}"))?;
        let outside = (before.as_nanosecond() - nanoseconds).max(nanoseconds - after.as_nanosecond()).max(0);
        Ok(Duration::from_nanos(u64::try_from(outside).unwrap_or(u64::MAX)))
    }

    /// How machines boot.
    pub(in crate::target) fn machines(&self) -> &Machines {
        &self.boot
    }

    /// Memory of all processes in bytes, by name.
    #[must_use]
    pub(in crate::target) fn memory(&self) -> Vec<(String, u64)> {
        let running = self.processes.running();
        let own = running.iter().map(|child| (child.name().to_owned(), child.memory()));
        let neighbours = self.processes.neighbours();
        let lent = neighbours.iter().map(|other| (other.name.clone(), other.memory()));
        own.chain(lent).filter_map(|(name, memory)| Some((name, memory?))).collect()
    }

    /// CPU time, user and system, of all processes so far, also of those that ended, by name.
    #[must_use]
    pub(in crate::target) fn cpu_time(&self) -> BTreeMap<String, Duration> {
        self.processes.cpu_time()
    }

    /// How long the API server of the first cluster took to be usable; `None` before there is one.
    #[must_use]
    pub(in crate::target) fn api_server_start(&self) -> Option<Duration> {
        self.lock().values().next().map(|running| running.control_plane.usable_after())
    }

    /// The kubectl of the cluster's version, where there is one.
    #[must_use]
    pub(in crate::target) fn kubectl(&self) -> Option<&Path> {
        self.programs.binaries.as_ref()?.kubectl.as_deref()
    }

    /// Ends all processes now, without asking them.
    pub(in crate::target) fn stop_now(&self) {
        self.processes.end_now();
    }

    /// Gives back what was lent. Nothing of the lab may write to its clusters any more.
    pub(in crate::target) fn give_back(&self) {
        for running in std::mem::take(&mut *self.lock()).into_values() {
            running.control_plane.give_back();
        }
        self.maker.leave();
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, BTreeMap<String, Running>> {
        self.clusters.lock()
    }

    async fn bring_up(&self, facts: ManagedCluster) -> Result<ClusterAccess, EngineError> {
        let binaries = self.programs_of(&facts.kubernetes_version, &self.provisioner_version()?).await?;
        let token = BootstrapToken::draw(&mut ChaCha8Rng::seed_from_u64(self.seed));
        let spec = ClusterSpec {
            binaries,
            processes: self.processes.clone(),
            kubernetes_version: facts.kubernetes_version.clone(),
            service_cidr: facts.network.service_cidr,
            service_cidr_v6: facts.network.service_cidrs.get(1).copied(),
            pod_cidr: facts.network.pod_cidr,
            dns_service_ip: facts.network.dns_service_ip,
            bootstrap_token: token.clone(),
            heartbeat: if self.history.clock().is_movable() { Heartbeat::UNHURRIED } else { Heartbeat::KUBELET },
        };
        let control_plane = {
            // Whoever waits for the cluster lets time be moved, and an API server that comes from elsewhere is made, or
            // emptied, without the lab having anything to do.
            let _held = self.history.clock().hold();
            self.maker.make(spec).await.map_err(|error| failed("control plane", &error))?
        };
        self.watch_control_plane(&control_plane);
        let admin = control_plane.client(Identity::Admin).await.map_err(|error| failed("admin client", &error))?;
        self.nodes.connect(NodeCluster {
            server: control_plane.url(),
            ca_pem: control_plane.ca_pem().to_owned(),
            tls_server_name: None,
            admin,
            facts: facts.clone(),
            bootstrap_token: token.to_string(),
        });
        let access = ClusterAccess {
            admin_kubeconfig: control_plane.kubeconfig(Identity::Admin),
            user_kubeconfig: control_plane.kubeconfig(Identity::User),
        };
        let id = facts.id.to_lowercase();
        self.lock()
            .insert(id, Running { control_plane: control_plane.clone(), provisioner: None, facts: facts.clone() });
        if facts.node_provisioning {
            self.start_provisioner(&control_plane, facts).await?;
        }
        Ok(access)
    }

    /// The programs of the lab's versions.
    fn own_programs(&self) -> Result<&Binaries, EngineError> {
        self.programs.binaries.as_ref().ok_or_else(|| EngineError {
            code: "NoClustersInThisLab".into(),
            message:
                "the scenario says `#[scenario(azure_only)]`, that it creates no cluster, and creates one; without the \
                      word `azure_only` it gets one"
                    .into(),
        })
    }

    /// The programs of a cluster with these versions of Kubernetes and the provisioner, where they need not be built: that
    /// would take minutes in the middle of a scenario.
    async fn programs_of(&self, kubernetes: &str, provisioner: &str) -> Result<Binaries, EngineError> {
        let own = self.own_programs()?;
        let versions =
            Versions { kubernetes: kubernetes.to_owned(), provisioner: provisioner.to_owned(), ..own.versions.clone() };
        if own.versions == versions {
            return Ok(own.clone());
        }
        let refused = |message: String| EngineError { code: "K8sVersionNotSupported".into(), message };
        match self.programs.store.resolve_at_hand(&versions).await {
            Ok(Some(binaries)) => Ok(binaries),
            Ok(None) => Err(refused(format!(
                "the programs of Kubernetes {kubernetes} with the provisioner {provisioner} are not at hand; `catnap \
                 components fetch --kubernetes {kubernetes} --provisioner-version {provisioner}` builds them"
            ))),
            Err(error) => Err(refused(crate::causes::error_chain(&error))),
        }
    }

    /// Whether a cluster can have this version of Kubernetes; else why not.
    pub(in crate::target) async fn has_kubernetes(&self, version: &str) -> Result<(), String> {
        let provisioner = self.provisioner_version().map_err(|error| error.message)?;
        self.programs_of(version, &provisioner).await.map_err(|error| error.message)?;
        self.maker.has_version(version).await
    }

    /// Whether a cluster can have this version of the provisioner; else why not.
    pub(in crate::target) async fn has_provisioner(&self, version: &str) -> Result<(), String> {
        let own = self.own_programs().map_err(|error| error.message)?;
        if own.sources.get(&Program::Karpenter) == Some(&Source::Given) {
            return Err("the provisioner of this lab was given as a path, so that it has no other version".to_owned());
        }
        self.programs_of(&own.versions.kubernetes, version).await.map(drop).map_err(|error| error.message)
    }

    /// Gives a cluster the programs of another version of Kubernetes. Time stands still meanwhile: on Azure the API server
    /// of a cluster is not away while it is upgraded.
    async fn upgrade(
        &self,
        control_plane: &dyn RunningCluster,
        cluster: &ManagedCluster,
    ) -> Result<Arc<dyn RunningCluster>, EngineError> {
        let binaries = self.programs_of(&cluster.kubernetes_version, &self.provisioner_version()?).await?;
        let _held = self.history.clock().hold();
        let upgraded = control_plane.upgrade(&binaries, &cluster.kubernetes_version).await;
        let upgraded = upgraded.map_err(|error| failed("other version", &error))?;
        Ok(self.put_in_place(upgraded, cluster))
    }

    /// Gives a cluster another range of pods.
    async fn regrow(
        &self,
        control_plane: &dyn RunningCluster,
        cluster: &ManagedCluster,
    ) -> Result<Arc<dyn RunningCluster>, EngineError> {
        let regrown = control_plane.with_pod_range(cluster.network.pod_cidr).await;
        Ok(self.put_in_place(regrown.map_err(|error| failed("other pod range", &error))?, cluster))
    }

    /// What a cluster's control plane has become.
    fn put_in_place(
        &self,
        control_plane: Arc<dyn RunningCluster>,
        cluster: &ManagedCluster,
    ) -> Arc<dyn RunningCluster> {
        self.watch_control_plane(&control_plane);
        if let Some(running) = self.lock().get_mut(&cluster.id.to_lowercase()) {
            running.control_plane = control_plane.clone();
        }
        self.nodes.follow(cluster);
        control_plane
    }

    /// A lab whose control plane dies is broken; whoever waits in it learns so at once.
    fn watch_control_plane(&self, control_plane: &Arc<dyn RunningCluster>) {
        let (witness, control_plane) = (self.witness.clone(), control_plane.clone());
        tokio::spawn(async move {
            witness.give_up(control_plane.died().await);
        });
    }
}

#[async_trait]
impl ControlPlaneHost for Engine {
    async fn run_version(&self, cluster: &str, version: &str) -> Result<(), String> {
        let known = self.lock().get(&cluster.to_lowercase()).map(|it| (it.control_plane.clone(), it.facts.clone()));
        let (control_plane, facts) = known.ok_or_else(|| format!("there is no cluster {cluster}"))?;
        let facts = ManagedCluster { kubernetes_version: version.to_owned(), ..facts };
        self.upgrade(&*control_plane, &facts).await.map(drop).map_err(|error| error.message)
    }
}

#[async_trait]
impl ClusterEngine for Engine {
    async fn create(&self, cluster: ManagedCluster) -> Result<ClusterAccess, EngineError> {
        self.bring_up(cluster).await
    }

    async fn update(&self, cluster: ManagedCluster) -> Result<ClusterAccess, EngineError> {
        let id = cluster.id.to_lowercase();
        let known = self
            .lock()
            .get(&id)
            .map(|running| (running.control_plane.clone(), running.provisioner.clone(), running.facts.clone()));
        let Some((control_plane, provisioner, before)) = known else { return self.bring_up(cluster).await };
        let mut control_plane = control_plane;
        if before.kubernetes_version != cluster.kubernetes_version {
            control_plane = self.upgrade(&*control_plane, &cluster).await?;
        }
        if before.network.pod_cidr != cluster.network.pod_cidr {
            control_plane = self.regrow(&*control_plane, &cluster).await?;
        }
        match (cluster.node_provisioning, provisioner) {
            (true, None) => self.start_provisioner(&control_plane, cluster.clone()).await?,
            // It reads at its start what it is told of the cluster. That AKS starts it anew is concluded from that a new
            // SSH key takes effect at all; when it does is documented nowhere.
            (true, Some(provisioner)) if restart_inputs(&before) != restart_inputs(&cluster) => {
                provisioner.stop().await;
                // AKS's node pools are there, and the user's by now.
                let facts = ManagedCluster { default_node_pools: false, ..cluster.clone() };
                self.start_provisioner(&control_plane, facts).await?;
            }
            (false, Some(provisioner)) => {
                provisioner.stop().await;
                if let Some(running) = self.lock().get_mut(&id) {
                    running.provisioner = None;
                }
            }
            _ => {}
        }
        if let Some(running) = self.lock().get_mut(&id) {
            running.facts = cluster;
        }
        Ok(ClusterAccess {
            admin_kubeconfig: control_plane.kubeconfig(Identity::Admin),
            user_kubeconfig: control_plane.kubeconfig(Identity::User),
        })
    }

    async fn nap_state(&self, id: &str) -> Result<NapState, EngineError> {
        let known = self.lock().get(&id.to_lowercase()).map(|running| running.control_plane.clone());
        let Some(control_plane) = known else { return Ok(NapState::default()) };
        let client = control_plane.client(Identity::Admin).await.map_err(|error| failed("admin client", &error))?;
        nap_state(client).await.map_err(|error| failed("list of nodes and node pools", &error))
    }

    async fn delete(&self, id: &str) -> Result<(), EngineError> {
        let running = self.lock().remove(&id.to_lowercase());
        self.nodes.disconnect(id);
        if let Some(Running { control_plane, provisioner, .. }) = running {
            if let Some(provisioner) = provisioner {
                provisioner.stop().await;
            }
            control_plane.stop().await;
        }
        Ok(())
    }
}

/// AKS's code for a control plane that does not come up, with the cause and the remedy that the error names.
fn failed(what: &str, error: &(dyn std::error::Error + 'static)) -> EngineError {
    let message =
        format!("the {what} of the managed cluster could not be brought up: {}", crate::causes::error_chain(error));
    EngineError { code: "CreateControlPlaneError".into(), message }
}
