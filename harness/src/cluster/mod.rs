//! Kubernetes clusters: how each kind of cluster is brought up and taken down, and what they have in common.

mod authority;
mod bootstrap_token;
mod client;
mod custom_resource;
pub mod embedded;
mod error;
mod heartbeat;
mod inventory;
pub mod kind;
mod kubeconfig;
mod kwok;
mod object;
pub mod pool;
mod running;

pub use bootstrap_token::BootstrapToken;
pub use error::ClusterError;
pub use heartbeat::Heartbeat;
pub use kubeconfig::Identity;
pub use kwok::{
    COMPLETE_AFTER_ANNOTATION, HOLD_ANNOTATION, IGNORE_SIGTERM_ANNOTATION, NODE_ANNOTATION, SILENT_ANNOTATION,
    SWITCHED_OFF,
};
pub use running::{ClusterMaker, ClusterSpec, RunningCluster};
