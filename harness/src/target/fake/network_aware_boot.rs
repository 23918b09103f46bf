//! What the network of fake-arm means for machines and pods: a machine that cannot reach its API server does not become a
//! node, and a pod is ready when it reaches what its probe asks for.

use std::sync::{Arc, OnceLock, Weak};

use fake_arm::FakeArm;
use fake_arm::arm::ResourceId;
use fake_arm::events::VirtualMachine;
use fake_arm::net::Place;
use fake_arm::providers::container_service::ClusterNetwork;

use crate::node::{Boot, BootPlan, Machines};

/// Where machines are told what their network lets through. Empty until there is an Azure.
pub(super) type Network = Arc<OnceLock<Weak<FakeArm>>>;

/// Machines boot as the switch says, once the network lets them reach their API server.
pub(super) struct NetworkAwareBoot {
    pub(super) switch: Machines,
    pub(super) network: Network,
}

impl std::fmt::Debug for NetworkAwareBoot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetworkAwareBoot").field("switch", &self.switch).finish_non_exhaustive()
    }
}

impl NetworkAwareBoot {
    /// The network of a cluster as it is now; `None` where there is no such cluster, or no Azure any more.
    fn network_of(&self, cluster: &str) -> Option<ClusterNetwork> {
        let (fake, cluster) = (self.network.get()?.upgrade()?, ResourceId::parse(cluster).ok()?);
        fake.with(|world| ClusterNetwork::of(world, &cluster))
    }
}

impl BootPlan for NetworkAwareBoot {
    fn boot(&self, machine: &VirtualMachine) -> Boot {
        self.switch.boot(machine)
    }

    fn blocked_by(&self, machine: &VirtualMachine, cluster: &str) -> Option<String> {
        if let Some(down) = self.switch.blocked_by(machine, cluster) {
            return Some(down);
        }
        self.network_of(cluster)?.bootstrap(machine.private_ip?).err()
    }

    fn reaches(&self, cluster: &str, from: Place, to: Place, port: u16) -> Result<(), String> {
        self.network_of(cluster).map_or(Ok(()), |network| network.reaches(from, to, port))
    }
}
