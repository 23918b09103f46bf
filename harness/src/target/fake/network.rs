//! The model of the network, as a judge.

use std::sync::Arc;

use fake_arm::FakeArm;
use fake_arm::arm::ResourceId;
use fake_arm::providers::container_service::ClusterNetwork;

use crate::expect::Failure;
use crate::kubernetes::Cluster;
use crate::target::{Capability, CapabilityKind};

/// The networks of a lab whose Azure is fake-arm.
#[derive(Clone)]
pub struct NetworkModel {
    fake: Arc<FakeArm>,
}

impl std::fmt::Debug for NetworkModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NetworkModel").finish_non_exhaustive()
    }
}

impl Capability for NetworkModel {
    const KIND: CapabilityKind = CapabilityKind::Network;
}

impl NetworkModel {
    pub(in crate::target) fn new(fake: Arc<FakeArm>) -> Self {
        Self { fake }
    }

    /// Who reaches whom in the network of a cluster as it is now, and which address ranges get in each other's way.
    ///
    /// # Errors
    /// When there is no such cluster.
    pub fn of(&self, cluster: &Cluster) -> Result<ClusterNetwork, Failure> {
        let id = ResourceId::parse(cluster.id())?;
        let network = self.fake.with(|world| ClusterNetwork::of(world, &id));
        network.ok_or_else(|| Failure::new(format!("there is no network of {}", cluster.id())))
    }
}
