//! How machines boot in the modelled world: when their kubelet comes up, and when pods get a network.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use fake_arm::events::VirtualMachine;
use fake_arm::net::Place;
use parking_lot::Mutex;

/// Decides how each machine boots. A fault plan is another implementation.
pub trait BootPlan: std::fmt::Debug + Send + Sync + 'static {
    /// How this machine boots.
    fn boot(&self, machine: &VirtualMachine) -> Boot;

    /// What keeps this machine from reaching the API server of its cluster, by the cluster's id, at present. It tries
    /// again until nothing does.
    fn blocked_by(&self, machine: &VirtualMachine, cluster: &str) -> Option<String> {
        let _ = (machine, cluster);
        None
    }

    /// Whether a TCP connection comes about in the network of a cluster, by the cluster's id, at present.
    ///
    /// # Errors
    /// The rule that keeps it from doing so.
    fn reaches(&self, cluster: &str, from: Place, to: Place, port: u16) -> Result<(), String> {
        let _ = (cluster, from, to, port);
        Ok(())
    }
}

/// How one machine boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    /// Time from the machine's start until its kubelet runs; `None`: never.
    pub kubelet_after: Option<Duration>,
    /// Time from registration until the node is Ready; `None`: never.
    pub network_after: Option<Duration>,
}

/// Every machine boots alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UniformBoot(pub Boot);

impl BootPlan for UniformBoot {
    fn boot(&self, _machine: &VirtualMachine) -> Boot {
        self.0
    }
}

/// What holds for all machines of a lab.
#[derive(Debug, Clone)]
pub struct BootSettings {
    /// How machines boot.
    pub plan: Arc<dyn BootPlan>,
    /// Time from a machine's end until the cloud node lifecycle controller removes its Node. On AKS that takes about
    /// a minute (the node must turn NotReady first); the provisioner does not wait for it.
    pub removal_after: Duration,
    /// GPU nodes run a device plugin.
    pub device_plugin: bool,
}

impl Default for BootSettings {
    /// Kubelets run 200 ms after the start, nodes are Ready at once and removed at once.
    fn default() -> Self {
        Self::after(Duration::from_millis(200))
    }
}

impl BootSettings {
    /// Every machine takes this long from its start to its kubelet's; nodes are Ready as they register.
    #[must_use]
    pub fn after(boot: Duration) -> Self {
        Self {
            plan: Arc::new(UniformBoot(Boot { kubelet_after: Some(boot), network_after: Some(Duration::ZERO) })),
            removal_after: Duration::ZERO,
            device_plugin: false,
        }
    }
}

/// How machines boot from here on; can be changed while machines come and go. Where machines are modelled, a scenario
/// [requires](crate::lab::Lab::require) it. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Machines(Arc<Mutex<Switched>>);

#[derive(Debug)]
struct Switched {
    boot: Boot,
    /// Availability zones that are down.
    down: BTreeSet<String>,
}

/// Time from a node's registration until its network is up and it is Ready; on AKS it is some seconds as well, until the
/// network plugin has written its configuration.
///
/// The provisioner takes its taint `karpenter.sh/unregistered` off within that time, so that `node.kubernetes.io/not-ready`
/// is the last one to go, and the one who lifts it is the one who evicts. Were it the other way round, the scheduler might
/// bind a pod before the taint eviction controller has seen the node without its NoExecute taint, and the pod that was
/// just bound would be evicted again.
const NETWORK_AFTER: Duration = Duration::from_secs(5);

impl Default for Switched {
    /// Kubelets run 200 ms after the start, nodes are Ready [some seconds](NETWORK_AFTER) after they register.
    fn default() -> Self {
        let boot = Boot { kubelet_after: Some(Duration::from_millis(200)), network_after: Some(NETWORK_AFTER) };
        Self { boot, down: BTreeSet::new() }
    }
}

impl Machines {
    /// Machines that start from here on take this long until their kubelet runs.
    pub fn after(&self, boot: Duration) {
        self.lock().boot.kubelet_after = Some(boot);
    }

    /// Machines that start from here on never get as far as a kubelet.
    pub fn never(&self) {
        self.lock().boot.kubelet_after = None;
    }

    /// Nodes of machines that start from here on are Ready this long after they register; `None`: never.
    pub fn ready_after(&self, network: Option<Duration>) {
        self.lock().boot.network_after = network;
    }

    /// An availability zone, `1` for example, is down from here on: Azure takes orders for machines in it, and none that
    /// starts there gets as far as a node before the zone [is back](Self::zone_is_back). Those that run are left alone.
    pub fn zone_is_down(&self, zone: &str) {
        self.lock().down.insert(zone.to_owned());
    }

    /// An availability zone is back: machines that started in it meanwhile come up.
    pub fn zone_is_back(&self, zone: &str) {
        self.lock().down.remove(zone);
    }

    fn lock(&self) -> parking_lot::MutexGuard<'_, Switched> {
        self.0.lock()
    }
}

impl BootPlan for Machines {
    fn boot(&self, _machine: &VirtualMachine) -> Boot {
        self.lock().boot
    }

    fn blocked_by(&self, machine: &VirtualMachine, _cluster: &str) -> Option<String> {
        let zone = machine.zone.as_ref()?;
        self.lock().down.contains(zone).then(|| format!("availability zone {zone} is down"))
    }
}
