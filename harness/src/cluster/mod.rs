//! Kubernetes clusters: how each kind of cluster is brought up and taken down.

pub mod embedded;
pub mod pool;
