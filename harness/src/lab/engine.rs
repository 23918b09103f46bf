//! The embedded target's clusters: what fake-arm asks for when a managed cluster is created, changed or deleted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fake_arm::FakeArm;
use fake_arm::engine::{ClusterAccess, ClusterEngine, EngineError, ManagedCluster, NapState};
use fake_arm::events::ArmEvent;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use url::Url;
use uuid::Uuid;

use super::cluster::Cluster;
use super::wiring::{Network, Wired};
use crate::cluster::embedded::{BootstrapToken, ControlPlane, ControlPlaneSpec, Heartbeat, Identity};
use crate::components::{Binaries, Program, Source, Store, Versions};
use crate::expect::Witness;
use crate::history::{Event, History};
use crate::manifest::Manifests;
use crate::node::{BootSettings, BootSwitch, NodeCluster, NodeRunner, Quantity};
use crate::process::{ChildSpec, Processes};
use crate::provisioner::{Provisioner, ProvisionerSettings, ProvisionerVersion, ProvisionerWorld};

/// What the provisioner is started with besides what its managed cluster says. Clones share the knobs.
#[derive(Debug, Clone, Default)]
pub struct ProvisionerKnobs(Arc<Mutex<Knobs>>);

#[derive(Debug, Clone, Default)]
struct Knobs {
    environment: BTreeMap<String, Option<String>>,
    flags: Vec<String>,
    panics: Vec<String>,
    no_provisioner: Option<String>,
    version: Option<String>,
}

impl ProvisionerKnobs {
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
    /// there gets both with [`Lab::restart_provisioner`](super::Lab::restart_provisioner).
    /// [`Lab::has_provisioner`](super::Lab::has_provisioner) says whether it is at hand.
    pub fn version(&self, version: &str) -> &Self {
        self.lock().version = Some(version.to_owned());
        self
    }

    /// A panic with this message is one that the scenario wants to see.
    pub(super) fn expects_panic(&self, message: &str) -> bool {
        self.lock().panics.iter().any(|text| message.contains(text))
    }

    /// Why what was given as the provisioner is none that can be run here, if so: then nothing can be said of it.
    pub(super) fn no_provisioner(&self) -> Option<String> {
        self.lock().no_provisioner.clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Knobs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Clusters made of child processes on this machine.
#[derive(Debug)]
pub struct EmbeddedEngine {
    azure: AzureAccess,
    processes: Processes,
    binaries: Binaries,
    /// Where those of other versions are.
    store: Store,
    history: History,
    witness: Witness,
    knobs: ProvisionerKnobs,
    nodes: NodeRunner,
    boot: BootSwitch,
    network: Network,
    clusters: Mutex<BTreeMap<String, Running>>,
    seed: u64,
}

/// The real parts that clusters are made of.
#[derive(Debug)]
pub struct Programs {
    /// Those of the lab's versions.
    pub binaries: Binaries,
    /// Where those of other versions are.
    pub store: Store,
}

/// How the provisioner reaches Azure, and where its identity comes from.
pub struct AzureAccess {
    /// Azure Resource Manager.
    pub endpoint: Url,
    /// Token endpoint of managed identities.
    pub identity_endpoint: Url,
    /// File with the certificate authority of the endpoint.
    pub ca: PathBuf,
    /// The secret with which a principal (by object id) gets its tokens.
    pub identity_header: Box<dyn Fn(Uuid) -> String + Send + Sync>,
}

impl std::fmt::Debug for AzureAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AzureAccess").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Running {
    control_plane: Arc<ControlPlane>,
    provisioner: Option<Provisioner>,
    facts: ManagedCluster,
}

impl EmbeddedEngine {
    /// An engine without clusters. Its processes live in `processes`.
    #[must_use]
    pub fn new(
        azure: AzureAccess,
        processes: Processes,
        programs: Programs,
        history: History,
        witness: Witness,
        knobs: ProvisionerKnobs,
        seed: u64,
    ) -> Self {
        let Programs { binaries, store } = programs;
        let boot = BootSwitch::default();
        let network = Network::default();
        let wired = Wired { switch: boot.clone(), network: network.clone() };
        let settings = BootSettings { plan: Arc::new(wired), ..BootSettings::default() };
        let nodes = NodeRunner::new(history.clone(), settings);
        let clusters = Mutex::default();
        Self { boot, network, azure, processes, binaries, store, history, witness, knobs, nodes, clusters, seed }
    }

    /// Records what fake-arm tells, and lets its machines boot. Must be called in the runtime that shall do it.
    pub fn follow(&self, fake: &Arc<FakeArm>) {
        // Azure knows this engine, so it is not held by it.
        let _ = self.network.set(Arc::downgrade(fake));
        let ledger = fake.ledger();
        let (told_before, mut events) = ledger.subscribe_from();
        let recorded = Arc::new(AtomicU64::new(told_before));
        let (history, nodes) = (self.history.clone(), self.nodes.clone());
        let known = recorded.clone();
        history.behind_while(move || known.load(Ordering::Acquire) < ledger.told());
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                history.record(Event::Azure { what: event.clone() });
                recorded.fetch_add(1, Ordering::AcqRel);
                if let ArmEvent::Vm(event) = event {
                    nodes.handle(event);
                }
            }
        });
    }

    /// The most by which a process that starts now tells another time than the lab: it must tell one between the moment
    /// before its start and the one after its end.
    pub(super) async fn clock_drift(&self) -> Result<Duration, String> {
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
    pub(super) fn machines(&self) -> &BootSwitch {
        &self.boot
    }

    /// Memory of all processes in bytes, by name.
    #[must_use]
    pub fn memory(&self) -> Vec<(String, u64)> {
        let running = self.processes.running();
        running.iter().filter_map(|child| Some((child.name().to_owned(), child.memory()?))).collect()
    }

    /// How long the API server of the first cluster took to be usable; none before there is one.
    #[must_use]
    pub fn api_server_start(&self) -> Option<Duration> {
        self.lock().values().next().map(|running| running.control_plane.start_up().usable)
    }

    /// File with the certificate authority of the ARM endpoint.
    #[must_use]
    pub fn azure_ca(&self) -> &Path {
        &self.azure.ca
    }

    /// The kubectl of the cluster's version, where there is one.
    #[must_use]
    pub fn kubectl(&self) -> Option<&Path> {
        self.binaries.kubectl.as_deref()
    }

    /// Ends all processes now, without asking them.
    pub fn stop_now(&self) {
        self.lock().clear();
        self.processes.end_now();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Running>> {
        self.clusters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn bring_up(&self, facts: ManagedCluster) -> Result<ClusterAccess, EngineError> {
        let binaries = self.programs_of(&facts.kubernetes_version, &self.provisioner_version()).await?;
        let token = BootstrapToken::draw(&mut ChaCha8Rng::seed_from_u64(self.seed));
        let spec = ControlPlaneSpec {
            binaries: (&binaries).into(),
            processes: self.processes.clone(),
            kubernetes_version: facts.kubernetes_version.clone(),
            service_cidr: facts.network.service_cidr,
            service_cidr_v6: facts.network.service_cidrs.get(1).copied(),
            pod_cidr: facts.network.pod_cidr,
            dns_service_ip: facts.network.dns_service_ip,
            bootstrap_token: token.clone(),
            heartbeat: if self.history.clock().is_movable() { Heartbeat::UNHURRIED } else { Heartbeat::KUBELET },
        };
        let control_plane = Arc::new(ControlPlane::start(spec).await.map_err(|error| failed("control plane", &error))?);
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

    /// The version of the provisioner that clusters get now.
    fn provisioner_version(&self) -> String {
        self.knobs.lock().version.clone().unwrap_or_else(|| self.binaries.versions.provisioner.clone())
    }

    /// The programs of a cluster with these versions of Kubernetes and the provisioner, where they need not be built: that
    /// would take minutes in the middle of a scenario.
    async fn programs_of(&self, kubernetes: &str, provisioner: &str) -> Result<Binaries, EngineError> {
        let versions = Versions {
            kubernetes: kubernetes.to_owned(),
            provisioner: provisioner.to_owned(),
            ..self.binaries.versions.clone()
        };
        if self.binaries.versions == versions {
            return Ok(self.binaries.clone());
        }
        let refused = |message: String| EngineError { code: "K8sVersionNotSupported".into(), message };
        match self.store.resolve_at_hand(&versions).await {
            Ok(Some(binaries)) => Ok(binaries),
            Ok(None) => Err(refused(format!(
                "the programs of Kubernetes {kubernetes} with the provisioner {provisioner} are not at hand; `catnap \
                 components fetch --kubernetes {kubernetes} --provisioner-version {provisioner}` builds them"
            ))),
            Err(error) => Err(refused(crate::causes::told(&error))),
        }
    }

    /// Whether a cluster can have this version of Kubernetes; else why not.
    pub(super) async fn has_kubernetes(&self, version: &str) -> Result<(), String> {
        self.programs_of(version, &self.provisioner_version()).await.map(drop).map_err(|error| error.message)
    }

    /// Whether a cluster can have this version of the provisioner; else why not.
    pub(super) async fn has_provisioner(&self, version: &str) -> Result<(), String> {
        if self.binaries.sources.get(&Program::Karpenter) == Some(&Source::Given) {
            return Err("the provisioner of this lab was given as a path, so that it has no other version".to_owned());
        }
        let kubernetes = &self.binaries.versions.kubernetes;
        self.programs_of(kubernetes, version).await.map(drop).map_err(|error| error.message)
    }

    /// Gives a cluster the programs of another version of Kubernetes. Time stands still meanwhile: on Azure the API server
    /// of a cluster is not away while it is upgraded.
    async fn upgrade(
        &self,
        control_plane: &ControlPlane,
        cluster: &ManagedCluster,
    ) -> Result<Arc<ControlPlane>, EngineError> {
        let binaries = self.programs_of(&cluster.kubernetes_version, &self.provisioner_version()).await?;
        let _held = self.history.clock().hold();
        let upgraded = control_plane.upgrade((&binaries).into(), &cluster.kubernetes_version).await;
        let upgraded = upgraded.map_err(|error| failed("other version", &error))?;
        Ok(self.put_in_place(upgraded, cluster))
    }

    /// Gives a cluster the programs of another version of Kubernetes, which Azure does not know of.
    pub(super) async fn run_version(&self, cluster: &str, version: &str) -> Result<(), String> {
        let known = self.lock().get(&cluster.to_lowercase()).map(|it| (it.control_plane.clone(), it.facts.clone()));
        let (control_plane, facts) = known.ok_or_else(|| format!("there is no cluster {cluster}"))?;
        let facts = ManagedCluster { kubernetes_version: version.to_owned(), ..facts };
        self.upgrade(&control_plane, &facts).await.map(drop).map_err(|error| error.message)
    }

    /// Gives a cluster another range of pods.
    async fn regrow(
        &self,
        control_plane: &ControlPlane,
        cluster: &ManagedCluster,
    ) -> Result<Arc<ControlPlane>, EngineError> {
        let regrown = control_plane.with_pod_range(cluster.network.pod_cidr).await;
        Ok(self.put_in_place(regrown.map_err(|error| failed("other pod range", &error))?, cluster))
    }

    /// What a cluster's control plane has become.
    fn put_in_place(&self, control_plane: ControlPlane, cluster: &ManagedCluster) -> Arc<ControlPlane> {
        let control_plane = Arc::new(control_plane);
        self.watch_control_plane(&control_plane);
        if let Some(running) = self.lock().get_mut(&cluster.id.to_lowercase()) {
            running.control_plane = control_plane.clone();
        }
        self.nodes.follow(cluster);
        control_plane
    }

    /// Starts the provisioner under the identity of the managed cluster, as AKS does, and applies the node pools of AKS
    /// where they are asked for.
    async fn start_provisioner(
        &self,
        control_plane: &Arc<ControlPlane>,
        facts: ManagedCluster,
    ) -> Result<(), EngineError> {
        let knobs = self.knobs.lock().clone();
        let binaries = self.programs_of(&facts.kubernetes_version, &self.provisioner_version()).await?;
        let version: ProvisionerVersion =
            binaries.versions.provisioner.parse().map_err(|error| failed("provisioner", &error))?;
        let mut settings = ProvisionerSettings::new(&binaries.karpenter, version);
        settings.environment = knobs.environment;
        settings.arguments = knobs.flags;
        let api_server = control_plane.url().parse().map_err(|error| failed("API server's URL", &error))?;
        let world = ProvisionerWorld {
            arm_endpoint: self.azure.endpoint.clone(),
            arm_ca: self.azure.ca.clone(),
            identity_endpoint: self.azure.identity_endpoint.clone(),
            identity_header: (self.azure.identity_header)(facts.cluster_identity.object_id),
            api_server,
            api_server_ca: control_plane.ca_pem().to_owned(),
            kubeconfig: control_plane.kubeconfig_path(Identity::Provisioner),
            bootstrap_token: control_plane.bootstrap_token().to_string(),
            cluster: facts.clone(),
        };
        let provisioner = Provisioner::start(&self.processes, world, settings).await.map_err(|error| {
            if error.is_no_provisioner() {
                self.knobs.lock().no_provisioner = Some(error.to_string());
            }
            failed("provisioner", &error)
        })?;
        self.watch_provisioner(&provisioner);
        if let Some(running) = self.lock().get_mut(&facts.id.to_lowercase()) {
            running.provisioner = Some(provisioner);
        }
        if facts.default_node_pools {
            self.apply_default_node_pools(control_plane, version).await?;
        }
        Ok(())
    }

    async fn apply_default_node_pools(
        &self,
        control_plane: &ControlPlane,
        version: ProvisionerVersion,
    ) -> Result<(), EngineError> {
        let client = control_plane.client(Identity::Admin).await.map_err(|error| failed("admin client", &error))?;
        let pools = Manifests::named("aks-default-node-pools.yaml")
            .map_err(|error| failed("default node pools", &error))?
            .with("IMAGE_FAMILY", version.image_family());
        let cluster = Cluster::new(client, self.witness.clone(), self.history.clone(), serde_json::Value::Null);
        cluster.apply(pools).await.map_err(|error| failed("default node pools", &error))
    }

    /// A lab whose control plane dies is broken; whoever waits in it learns so at once.
    fn watch_control_plane(&self, control_plane: &Arc<ControlPlane>) {
        let (witness, control_plane) = (self.witness.clone(), control_plane.clone());
        tokio::spawn(async move {
            witness.give_up(control_plane.died().await.to_string());
        });
    }

    /// Kills the provisioner of a cluster, as a machine that loses power would. Whether one was running.
    pub(super) async fn kill_provisioner(&self, cluster: &str) -> bool {
        match self.provisioner_of(cluster) {
            Some(provisioner) => provisioner.kill().await.is_some(),
            None => false,
        }
    }

    /// Starts the provisioner of a cluster again, with what the knobs say now; one that runs is stopped first. Where they
    /// say another version, that one's custom resources take the place of those that are there.
    pub(super) async fn restart_provisioner(&self, cluster: &str) -> Result<(), String> {
        let known =
            self.lock().get(&cluster.to_lowercase()).map(|it| (it.control_plane.clone(), it.provisioner.clone()));
        let (control_plane, Some(provisioner)) = known.ok_or_else(|| format!("there is no cluster {cluster}"))? else {
            return Err(format!("the cluster {cluster} has no provisioner"));
        };
        let mut settings = provisioner.settings().await;
        let knobs = self.knobs.lock().clone();
        (settings.environment, settings.arguments) = (knobs.environment, knobs.flags);
        let version: ProvisionerVersion =
            self.provisioner_version().parse().map_err(|error| crate::causes::told(&error))?;
        if version != settings.version {
            let binaries = self.programs_of(control_plane.kubernetes_version(), &self.provisioner_version()).await;
            let binaries = binaries.map_err(|error| error.message)?;
            provisioner.stop().await;
            let replaced = control_plane.replace_custom_resources(&binaries.crds).await;
            replaced.map_err(|error| crate::causes::told(&error))?;
            (settings.program, settings.version) = (binaries.karpenter, version);
        }
        provisioner.restart_as(settings).await.map_err(|error| crate::causes::told(&error))?;
        self.watch_provisioner(&provisioner);
        Ok(())
    }

    fn provisioner_of(&self, cluster: &str) -> Option<Provisioner> {
        self.lock().get(&cluster.to_lowercase()).and_then(|running| running.provisioner.clone())
    }

    fn watch_provisioner(&self, provisioner: &Provisioner) {
        let (witness, provisioner) = (self.witness.clone(), provisioner.clone());
        tokio::spawn(async move {
            let Some(child) = provisioner.child().await else { return };
            drop(provisioner);
            let exit = child.exited().await;
            if !child.was_stopped() {
                witness
                    .give_up(format!("the provisioner ended by itself: {exit}; its log is {}", child.log().display()));
            }
        });
    }
}

#[async_trait]
impl ClusterEngine for EmbeddedEngine {
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
            control_plane = self.upgrade(&control_plane, &cluster).await?;
        }
        if before.network.pod_cidr != cluster.network.pod_cidr {
            control_plane = self.regrow(&control_plane, &cluster).await?;
        }
        match (cluster.node_provisioning, provisioner) {
            (true, None) => self.start_provisioner(&control_plane, cluster.clone()).await?,
            // It reads at its start what it is told of the cluster. That AKS starts it anew is concluded from that a new
            // SSH key takes effect at all; when it does is documented nowhere.
            (true, Some(provisioner)) if told(&before) != told(&cluster) => {
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

/// The nodes that node auto-provisioning made, by their label, and the node pools that may still make some.
async fn nap_state(client: kube::Client) -> Result<NapState, kube::Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    let nodes = nodes.list_metadata(&ListParams::default().labels("karpenter.sh/nodepool")).await?;
    let kind = GroupVersionKind::gvk("karpenter.sh", "v1", "NodePool");
    let pools: Api<DynamicObject> = Api::all_with(client, &ApiResource::from_gvk_with_plural(&kind, "nodepools"));
    let pools = match pools.list(&ListParams::default()).await {
        Ok(list) => list.items,
        // A cluster that never had node auto-provisioning does not know the kind.
        Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
        Err(error) => return Err(error),
    };
    let unlimited = pools.iter().filter(|pool| !is_zero(&pool.data["spec"]["limits"]["cpu"]));
    Ok(NapState {
        nodes: nodes.items.iter().map(kube::ResourceExt::name_any).collect(),
        unlimited_node_pools: unlimited.map(kube::ResourceExt::name_any).collect(),
    })
}

/// A quantity of nothing, however it is written: `0`, `"0"`, `"0m"`, `"0.0"`.
fn is_zero(quantity: &serde_json::Value) -> bool {
    match quantity {
        serde_json::Value::Number(number) => number.as_f64() == Some(0.0),
        serde_json::Value::String(text) => {
            text.parse::<Quantity>().is_ok_and(|quantity| quantity == Quantity::units(0))
        }
        _ => false,
    }
}

/// What a provisioner is told of its cluster when it starts and what a change of the cluster can change: the key and the
/// name for its machines, where they go, and who it is.
fn told(cluster: &ManagedCluster) -> [&str; 5] {
    let ManagedCluster { ssh_public_key, admin_username, subnet_id, cluster_identity, kubelet_identity, .. } = cluster;
    [ssh_public_key, admin_username, subnet_id, &cluster_identity.resource_id, &kubelet_identity.resource_id]
}

/// AKS's code for a control plane that does not come up, with the cause and the remedy that the error names.
fn failed(what: &str, error: &(dyn std::error::Error + 'static)) -> EngineError {
    let message = format!("the {what} of the managed cluster could not be brought up: {}", crate::causes::told(error));
    EngineError { code: "CreateControlPlaneError".into(), message }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_new_key_is_told_to_the_provisioner_and_a_tag_is_not() {
        let before = crate::provisioner::trial_cluster();
        let tags = [("updated".to_owned(), "yes".to_owned())].into();
        assert_eq!(told(&before), told(&ManagedCluster { tags, ..before.clone() }));
        assert_ne!(told(&before), told(&ManagedCluster { ssh_public_key: "ssh-rsa B".into(), ..before.clone() }));
    }

    #[test]
    fn zero_is_zero_in_every_spelling() {
        for zero in [json!(0), json!("0"), json!("0m"), json!("0.0")] {
            assert!(is_zero(&zero), "{zero}");
        }
        for more in [json!(null), json!(1), json!("1m"), json!("1000"), json!("nonsense")] {
            assert!(!is_zero(&more), "{more}");
        }
    }
}
