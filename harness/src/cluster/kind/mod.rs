//! Clusters of kind: Kubernetes in containers on this machine. The control plane of each is the real one of kubeadm, in a
//! container of its own; its machine is hidden, as AKS hides those of its control planes, so that the nodes of the cluster are
//! those that machines of the lab become. KWOK is in the place of their kubelets.
//!
//! `kind` and the container runtime (docker, unless `KIND_EXPERIMENTAL_PROVIDER` says podman or nerdctl) are driven as
//! commands, so that what works by hand works here. Whatever a run makes goes with it, however the run ends: each cluster has a
//! small process beside it that deletes it when we are gone.

mod cluster;
mod error;
mod kept;
mod maker;
mod remains;
mod shape;
mod tools;

pub use cluster::KindCluster;
pub use error::KindError;
pub use kept::{KeptKindCluster, KindClusterMaker, KindPlace};
pub use maker::{KindBorrower, KindMaker};
pub use remains::{Remains, remains};
pub use shape::KindShape;
pub use tools::KindTools;
