//! A Kubernetes control plane of real parts as child processes on loopback: etcd, kube-apiserver,
//! kube-controller-manager, kube-scheduler, and KWOK in the kubelets' place. [`ControlPlane::start`] brings it up.

mod api_server;
mod control_plane;
mod flags;
mod maker;
mod spec;
#[cfg(test)]
mod tests;

pub use api_server::{ApiServer, ApiServerMaker, ApiServerPlace, ApiServerShape, KeptApiServer};
pub use control_plane::{ControlPlane, Death, StartUp};
pub use maker::ControlPlaneMaker;
pub use spec::{ControlPlaneBinaries, ControlPlaneSpec};

/// Borrows API servers.
pub type ApiServerBorrower = crate::cluster::pool::Borrower<KeptApiServer>;
