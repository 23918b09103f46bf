//! The life of each machine: it boots, joins its cluster, and when it is deleted its Node goes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fake_arm::engine::ManagedCluster;
use fake_arm::events::{StopReason, VirtualMachine, VmEvent};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::boot::BootSettings;
use super::cluster::NodeCluster;
use super::join::{JoinError, Joiner, Removal, backoff, complete, remove};
use super::pod_probe::probe_pods;
use super::silence::{break_silence, keep_silent};
use crate::clock::LabClock;
use crate::history::{BootStage, Event, History};

/// Between two attempts of a bootstrap script to reach the API server, in cluster time.
const BOOTSTRAP_RETRY: Duration = Duration::from_secs(15);

/// Turns virtual machines into nodes. Clones share the machines.
///
/// Machines may start before their cluster is known: they wait for [`NodeRunner::connect`]. Each machine lives in a
/// task of its own, so any number of them boot side by side; with the last clone all of them stop where they are.
#[derive(Debug, Clone)]
pub struct NodeRunner(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: Arc<World>,
    machines: Mutex<Machines>,
}

/// What the machines' lives take place in.
#[derive(Debug)]
struct World {
    history: History,
    settings: BootSettings,
    clusters: watch::Sender<Vec<Arc<NodeCluster>>>,
}

impl World {
    fn clock(&self) -> &LabClock {
        self.history.clock()
    }
}

#[derive(Debug, Default)]
struct Machines {
    /// By id in lower case: tells the machine's task what has become of the machine.
    running: HashMap<String, watch::Sender<Power>>,
    /// By cluster id in lower case: decides whether its pods are ready, until it is dropped.
    probers: HashMap<String, JoinSet<()>>,
    tasks: JoinSet<()>,
}

/// What a machine is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    On,
    /// It exists and does not run.
    Off,
    Gone,
}

/// Why a machine does not become a node.
enum End {
    /// It is off, or gone.
    Stopped,
    Refused(String),
}

impl NodeRunner {
    /// A runner without clusters.
    #[must_use]
    pub fn new(history: History, settings: BootSettings) -> Self {
        let world = World { history, settings, clusters: watch::Sender::new(Vec::new()) };
        Self(Arc::new(Inner { world: world.into(), machines: Mutex::default() }))
    }

    /// Makes a cluster known. Machines that wait for it go on; a cluster of the same id is replaced. Must be called within a
    /// tokio runtime.
    pub fn connect(&self, cluster: NodeCluster) {
        let id = cluster.facts.id.clone();
        let cluster = Arc::new(cluster);
        self.0.world.clusters.send_modify(|clusters| {
            clusters.retain(|known| !known.facts.id.eq_ignore_ascii_case(&id));
            clusters.push(cluster.clone());
        });
        let World { history, settings, .. } = &*self.0.world;
        let mut prober = JoinSet::new();
        prober.spawn(probe_pods(history.clone(), settings.plan.clone(), cluster));
        self.machines().probers.insert(id.to_lowercase(), prober);
    }

    /// Takes note of what a cluster is now.
    pub fn follow(&self, facts: &ManagedCluster) {
        self.0.world.clusters.send_modify(|clusters| {
            for known in clusters.iter_mut().filter(|known| known.facts.id.eq_ignore_ascii_case(&facts.id)) {
                *known = Arc::new(NodeCluster { facts: facts.clone(), ..NodeCluster::clone(known) });
            }
        });
    }

    /// Forgets a cluster that is going away: its machines' Nodes vanish with it and are not removed one by one.
    pub fn disconnect(&self, id: &str) {
        self.0.world.clusters.send_modify(|clusters| clusters.retain(|known| !known.facts.id.eq_ignore_ascii_case(id)));
        self.machines().probers.remove(&id.to_lowercase());
    }

    /// Takes note of a change. Must be called within a tokio runtime.
    pub fn handle(&self, event: VmEvent) {
        match event {
            VmEvent::Started(machine) => self.start(machine),
            // What a machine could still do in its notice is its kubelet's affair, which is not imitated.
            VmEvent::Evicting { .. } => {}
            // One that boots again at once has no time to be missed.
            VmEvent::Stopped { reason: StopReason::Restarted, .. } => {}
            VmEvent::Stopped { id, .. } => {
                if let Some(power) = self.machines().running.get(&id.to_lowercase()) {
                    power.send_replace(Power::Off);
                }
            }
            VmEvent::Deleted { id } => {
                let mut machines = self.machines();
                if let Some(power) = machines.running.remove(&id.to_lowercase()) {
                    power.send_replace(Power::Gone);
                }
            }
        }
    }

    /// Number of machines that exist, nodes or not, on or off.
    #[must_use]
    pub fn running(&self) -> usize {
        self.machines().running.len()
    }

    /// Stops all machines where they are and leaves their Nodes, for the end of a lab.
    pub async fn stop(&self) {
        let mut tasks = {
            let mut machines = self.machines();
            machines.running.clear();
            machines.probers.clear();
            std::mem::take(&mut machines.tasks)
        };
        tasks.shutdown().await;
    }

    fn machines(&self) -> MutexGuard<'_, Machines> {
        self.0.machines.lock()
    }

    fn start(&self, machine: Arc<VirtualMachine>) {
        let mut machines = self.machines();
        while machines.tasks.try_join_next().is_some() {}
        // A machine that starts again under the same id was off, or runs already (a PUT on an existing one).
        if let Some(power) = machines.running.get(&machine.id.to_lowercase()) {
            power.send_replace(Power::On);
            return;
        }
        let (switch, power) = watch::channel(Power::On);
        machines.running.insert(machine.id.to_lowercase(), switch);
        let life = Life { world: self.0.world.clone(), machine, power };
        machines.tasks.spawn(life.live());
    }
}

/// One machine from its start to its end.
struct Life {
    world: Arc<World>,
    machine: Arc<VirtualMachine>,
    power: watch::Receiver<Power>,
}

impl Life {
    async fn live(mut self) {
        loop {
            match self.boot().await {
                Ok((cluster, node)) => return self.serve(&cluster, &node).await,
                Err(End::Refused(reason)) => return self.record(BootStage::Refused, reason),
                Err(End::Stopped) => {}
            }
            // Off before it was a node: when it is on again, it boots from the beginning.
            if self.turn(|power| power != Power::Off).await == Power::Gone {
                return;
            }
        }
    }

    /// Is a node until the machine is gone, a silent one while it is off.
    async fn serve(&mut self, cluster: &Arc<NodeCluster>, node: &Node) {
        while self.turn(|power| power != Power::On).await == Power::Off {
            self.be_silent(cluster, node).await;
        }
        self.world.clock().sleep(self.world.settings.removal_after).await;
        self.remove(cluster, node).await;
    }

    /// Off: until it is on again, or gone.
    async fn be_silent(&mut self, cluster: &Arc<NodeCluster>, node: &Node) {
        self.record(BootStage::SwitchedOff, "the kubelet says nothing from here on".to_owned());
        let name = node.metadata.name.clone().unwrap_or_default();
        let (silent, clock) = (cluster.clone(), self.world.clock().clone());
        let silence = async {
            for wait in backoff() {
                if let Err(error) = keep_silent(&silent, &clock, &name).await {
                    tracing::debug!(machine = name, %error, "the node could not be kept silent, trying again");
                }
                clock.sleep(wait).await;
            }
        };
        let now = tokio::select! {
            now = self.turn(|power| power != Power::Off) => now,
            () = silence => Power::Gone,
        };
        if now == Power::On {
            self.record(BootStage::SwitchedOn, "the kubelet speaks again".to_owned());
            if let Err(error) = break_silence(cluster, &name).await {
                tracing::warn!(machine = name, %error, "the node stays silent");
            }
            // It may have been switched off before it was complete.
            self.complete(cluster, node).await;
        }
    }

    /// Boots up to a completed Node. Every wait ends when the machine is stopped; only the registration itself is not
    /// torn off, because a Node could come of it that nobody would remove.
    async fn boot(&mut self) -> Result<(Arc<NodeCluster>, Node), End> {
        let boot = self.world.settings.plan.boot(&self.machine);
        self.record(BootStage::Booting, String::new());
        let started = self.world.history.now();
        let Some(kubelet_after) = boot.kubelet_after else {
            self.stop().await;
            return Err(End::Stopped);
        };
        let clock = self.world.clock().clone();
        self.unless_stopped(clock.sleep(kubelet_after)).await?;
        let mut clusters = self.world.clusters.subscribe();
        let machine = self.machine.clone();
        let found = async {
            let known = clusters.wait_for(|known| known.iter().any(|cluster| cluster.owns(&machine))).await;
            known.ok().and_then(|known| known.iter().find(|cluster| cluster.owns(&machine)).cloned())
        };
        let Some(cluster) = self.unless_stopped(found).await? else { return Err(End::Stopped) };

        self.reach_api_server(&cluster).await?;
        let network_now = boot.network_after.is_some_and(|after| after.is_zero());
        let (joiner, node) = self.join(&cluster, network_now).await?;
        self.complete(&cluster, &node).await;
        let took = self.world.history.now().duration_since(started).as_millis();
        let name = node.metadata.name.as_deref().unwrap_or_default();
        self.record(BootStage::Registered, format!("as node {name}, {took} ms after the machine's start"));
        if let Some(after) = boot.network_after.filter(|_| !network_now) {
            self.bring_up_network(&joiner, after).await;
        }
        Ok((cluster, node))
    }

    /// The bootstrap script tries until it gets through.
    async fn reach_api_server(&mut self, cluster: &NodeCluster) -> Result<(), End> {
        let mut told = None;
        while let Some(obstacle) = self.world.settings.plan.obstacle(&self.machine, &cluster.facts.id) {
            if told.as_ref() != Some(&obstacle) {
                self.record(BootStage::CutOff, obstacle.clone());
                told = Some(obstacle);
            }
            let clock = self.world.clock().clone();
            self.unless_stopped(clock.sleep(BOOTSTRAP_RETRY)).await?;
        }
        Ok(())
    }

    async fn join(&mut self, cluster: &Arc<NodeCluster>, network_now: bool) -> Result<(Joiner, Node), End> {
        let mut refused_since = None;
        let mut waits = backoff();
        loop {
            let bootstrap = Joiner::bootstrap(self.machine.clone(), cluster.clone());
            let attempt = match self.unless_stopped(bootstrap).await? {
                Ok(joiner) => {
                    let device_plugin = self.world.settings.device_plugin;
                    let registered = joiner.register(self.world.history.now(), network_now, device_plugin).await;
                    registered.map(|node| (joiner, node))
                }
                Err(error) => Err(error),
            };
            let error = match attempt {
                Ok(joined) => return Ok(joined),
                Err(error) => error,
            };
            match error.patience() {
                // The API server was away; when it is back, it is new to it all.
                Some(Duration::MAX) => refused_since = None,
                Some(patience) if self.refused_for(&mut refused_since) < patience => {}
                _ => return Err(End::Refused(error.to_string())),
            }
            tracing::debug!(machine = self.machine.name, %error, "joining failed, trying again");
            let clock = self.world.clock().clone();
            self.unless_stopped(clock.sleep(waits.next().unwrap_or_default())).await?;
        }
    }

    /// The cloud node manager's part. It ends early when the machine is stopped.
    async fn complete(&mut self, cluster: &NodeCluster, node: &Node) {
        let (machine, clock) = (self.machine.clone(), self.world.clock().clone());
        let work = persist(&clock, &machine.name, || complete(cluster, &machine, node.clone()));
        let _ = self.unless_stopped(work).await;
    }

    async fn bring_up_network(&mut self, joiner: &Joiner, after: Duration) {
        let (machine, clock) = (self.machine.clone(), self.world.clock().clone());
        let work = async {
            clock.sleep(after).await;
            persist(&clock, &machine.name, || joiner.release()).await;
        };
        let _ = self.unless_stopped(work).await;
    }

    async fn remove(&self, cluster: &Arc<NodeCluster>, node: &Node) {
        for wait in backoff() {
            let known = self.world.clusters.borrow().iter().any(|known| known.facts.id == cluster.facts.id);
            if !known {
                return;
            }
            match remove(cluster, node).await {
                Ok(how) => {
                    let message = match how {
                        Removal::Deleted => "the cloud node lifecycle controller deleted the node",
                        Removal::UnderWay => "the node was being deleted already",
                        Removal::Gone => "the node was gone already",
                    };
                    return self.record(BootStage::Removed, message.into());
                }
                Err(error) => tracing::debug!(machine = self.machine.name, %error, "removing the node failed"),
            }
            self.world.clock().sleep(wait).await;
        }
    }

    /// For how long it was refused, beginning with the first time that this is asked.
    fn refused_for(&self, since: &mut Option<Timestamp>) -> Duration {
        let now = self.world.history.now();
        Duration::try_from(now.duration_since(*since.get_or_insert(now))).unwrap_or_default()
    }

    /// Waits until the machine is as asked for, and says what it is then.
    async fn turn(&mut self, wanted: impl Fn(Power) -> bool) -> Power {
        let now = self.power.wait_for(|power| wanted(*power)).await.map(|power| *power);
        match now {
            Ok(power) => power,
            // The runner was stopped: nothing is told any more.
            Err(_) => std::future::pending().await,
        }
    }

    /// Returns when the machine is off or gone.
    async fn stop(&mut self) {
        self.turn(|power| power != Power::On).await;
    }

    async fn unless_stopped<T>(&mut self, work: impl Future<Output = T>) -> Result<T, End> {
        tokio::select! {
            biased;
            () = self.stop() => Err(End::Stopped),
            done = work => Ok(done),
        }
    }

    fn record(&self, stage: BootStage, message: String) {
        self.world.history.record(Event::Boot { machine: self.machine.name.clone(), stage, message });
    }
}

/// Repeats work until it is done or trying again is of no use.
async fn persist<F: Future<Output = Result<(), JoinError>>>(clock: &LabClock, machine: &str, work: impl Fn() -> F) {
    for wait in backoff() {
        match work().await {
            Ok(()) => return,
            Err(error) if error.patience().is_some() => tracing::debug!(machine, %error, "trying again"),
            Err(error) => return tracing::warn!(machine, %error, "the node stays incomplete"),
        }
        clock.sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use fake_arm::events::AgentPoolMembership;

    use super::super::boot::{Boot, EvenBoot};
    use super::super::custom_data::tests::script;
    use super::super::machine::tests::machine;
    use super::super::trial::{FQDN, TOKEN, authority, boots, encoded, facts, history, reached, started};
    use super::*;

    /// A cluster whose API server does not answer.
    fn silent_cluster(ca_pem: String) -> NodeCluster {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = "https://127.0.0.1:9".to_owned();
        NodeCluster {
            admin: kube::Client::try_from(kube::Config::new(server.parse().expect("url"))).expect("client"),
            server,
            ca_pem,
            tls_server_name: None,
            facts: facts(),
            bootstrap_token: TOKEN.into(),
        }
    }

    fn runner(history: &History) -> NodeRunner {
        NodeRunner::new(history.clone(), BootSettings::after(Duration::ZERO))
    }

    fn stages(history: &History, machine: &str) -> Vec<BootStage> {
        boots(history, machine).into_iter().map(|(stage, _)| stage).collect()
    }

    #[tokio::test]
    async fn what_a_machine_was_given_is_checked_before_anyone_is_asked() {
        let history = history();
        let runner = runner(&history);
        let ca = authority();
        runner.connect(silent_cluster(ca.clone()));
        let right = script(&ca, TOKEN, FQDN);
        for (name, custom_data, reason) in [
            ("aks-none", None, "no custom data"),
            ("aks-garbled", Some("%%%".into()), "not base64"),
            ("aks-server", encoded(&script(&ca, TOKEN, "other.example")), "names the API server other.example"),
            ("aks-authority", encoded(&script(&authority(), TOKEN, FQDN)), "not the certificate authority"),
            ("aks-flags", encoded(&right.replace("--max-pods=250", "--max-pods=many")), "no value for --max-pods"),
        ] {
            runner.handle(started(machine(name, custom_data)).0);
            let refused = reached(&history, name, BootStage::Refused).await;
            assert!(refused.contains(reason), "{name}: {refused}");
        }
        runner.stop().await;
    }

    #[tokio::test]
    async fn a_taint_of_an_agent_pool_that_is_none_is_refused() {
        let history = history();
        let runner = runner(&history);
        runner.connect(silent_cluster(authority()));
        let pool = AgentPoolMembership {
            cluster_id: facts().id,
            pool: "nodepool1".into(),
            mode: "System".into(),
            labels: [].into(),
            taints: vec!["nonsense".into()],
            max_pods: 30,
        };
        runner.handle(started(VirtualMachine { agent_pool: Some(pool), ..machine("aks-pool", None) }).0);
        assert!(reached(&history, "aks-pool", BootStage::Refused).await.contains("nonsense"));
    }

    #[tokio::test]
    async fn a_machine_waits_for_an_api_server_that_is_away_and_its_deletion_ends_the_wait() {
        let history = history();
        let runner = runner(&history);
        let ca = authority();
        let (start, gone) = started(machine("aks-patient", encoded(&script(&ca, TOKEN, FQDN))));
        runner.connect(silent_cluster(ca));
        runner.handle(start);
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(stages(&history, "aks-patient"), [BootStage::Booting]);
        runner.handle(gone);
        assert_eq!(runner.running(), 0);
        let tasks = std::mem::take(&mut runner.machines().tasks);
        tokio::time::timeout(Duration::from_secs(5), tasks.join_all()).await.expect("its life is over");
        assert_eq!(stages(&history, "aks-patient"), [BootStage::Booting]);
    }

    #[tokio::test]
    async fn a_machine_outside_of_any_cluster_and_one_that_never_boots_stay_what_they_are() {
        let history = history();
        let never = EvenBoot(Boot { kubelet_after: None, network_after: None });
        let dead = NodeRunner::new(history.clone(), BootSettings { plan: Arc::new(never), ..BootSettings::default() });
        let living = runner(&history);
        let ca = authority();
        let stranger = machine("aks-stranger", encoded(&script(&ca, TOKEN, "other.example")));
        let stranger = VirtualMachine { id: stranger.id.replace("MC_lab_lab_eastus", "elsewhere"), ..stranger };
        for (runner, machine) in [(&dead, machine("aks-dead", None)), (&living, stranger)] {
            runner.connect(silent_cluster(ca.clone()));
            let name = machine.name.clone();
            let (start, gone) = started(machine);
            runner.handle(start.clone());
            runner.handle(start);
            assert_eq!(runner.running(), 1, "a second start of a running machine is none");
            reached(&history, &name, BootStage::Booting).await;
            runner.handle(gone);
            let tasks = std::mem::take(&mut runner.machines().tasks);
            tokio::time::timeout(Duration::from_secs(5), tasks.join_all()).await.expect("its life is over");
        }
        assert_eq!(stages(&history, "aks-dead"), [BootStage::Booting]);
        assert_eq!(stages(&history, "aks-stranger"), [BootStage::Booting]);
    }
}
