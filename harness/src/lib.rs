//! The harness of catnap: stands up an AKS-shaped world, lets the real provisioner work in it and judges what became
//! of the nodes. Scenarios (crate `suites`) are written against [`prelude`].

pub mod azure;
mod causes;
pub mod cli;
pub mod clock;
pub mod cluster;
pub mod coverage;
mod duration;
pub mod expect;
pub mod format;
pub mod history;
mod jobs;
pub mod kubernetes;
pub mod lab;
pub mod manifest;
pub mod mutants;
pub mod net {
    //! The model of the network that judges who reaches whom.

    pub use fake_arm::net::{Conflict, Place, Purpose, Range};
    pub use fake_arm::providers::container_service::ClusterNetwork;
}
pub mod node;
mod object;
pub mod preflight;
pub mod process;
pub mod provisioner;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod settings;
pub mod source;
pub mod target;
#[cfg(test)]
mod test_support;

pub mod prelude {
    //! Everything that a scenario needs.

    pub use crate::azure::{
        ArmError, Azure, Identity, PrincipalId, RoleAssignment, RoleDefinition, Scope, Subnet, Vnet, lies_within,
    };
    pub use crate::expect::breaks;
    pub use crate::expect::{
        Expectation, Failure, Kind, Mark, Outcome, all_requests, days, disks, events, hours, minutes, nics,
        node_claims, nodes, pods, requests, rights_of, seconds, token_requests, vms,
    };
    pub use crate::lab::NodeProvisioning::{Auto, Manual};
    pub use crate::lab::{Catalog, Cluster, ClusterError, Lab, ManagedClusterBuilder, ShortageKind, VmSize};
    pub use crate::manifest::{
        Budget, Deployment, Manifests, Named, NodeClass, NodePool, deployment, disruption_budget, node_class, node_pool,
    };
    pub use crate::node::Machines;
    pub use crate::target::{ControlPlaneControl, NetworkModel, ProvisionerControl, Region, SecurityGroup, Tenant};
    pub use catnap_macros::scenario;
}
