//! A Kubernetes cluster as scenarios use it, whoever runs it: what is applied and read, and the watches that record what
//! becomes of it.

mod cluster;
mod cluster_error;
mod watch;

pub use cluster::Cluster;
pub use cluster_error::ClusterError;
pub(crate) use watch::Watches;
