//! A Kubernetes control plane of real parts as child processes on loopback: etcd, kube-apiserver,
//! kube-controller-manager, kube-scheduler, and KWOK in the kubelets' place. [`ControlPlane::start`] brings it up.

mod api_server;
mod authority;
mod bootstrap_token;
mod control_plane;
mod custom_resource;
mod error;
mod flags;
mod heartbeat;
mod inventory;
mod kubeconfig;
mod kwok;
mod lender;
mod object;
mod spec;
#[cfg(test)]
mod tests;

pub use api_server::{ApiServer, ApiServerPlace, ApiServerShape, KeptApiServer};
pub use bootstrap_token::BootstrapToken;
pub use control_plane::{ControlPlane, Death, StartUp};
pub use error::ClusterError;
pub use heartbeat::Heartbeat;
pub use kubeconfig::{Identity, PROVISIONER_TOKEN};
pub use kwok::{
    COMPLETE_AFTER_ANNOTATION, HOLD_ANNOTATION, IGNORE_SIGTERM_ANNOTATION, NODE_ANNOTATION, SILENT_ANNOTATION,
    SWITCHED_OFF,
};
pub use lender::{Lender, Listening, connect};
pub use spec::{ControlPlaneBinaries, ControlPlaneSpec};

/// Borrows API servers.
pub type ApiServerBorrower = crate::cluster::pool::Borrower<KeptApiServer>;
