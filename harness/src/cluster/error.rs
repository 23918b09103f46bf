//! What can go wrong with a control plane.

use std::path::PathBuf;
use std::time::Duration;

use crate::process::{PortError, ProcessError};

/// The control plane could not be brought up, or does not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// One of its processes.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// No port for the API server.
    #[error("failed to choose a port for kube-apiserver")]
    Port(#[from] PortError),
    /// Ports were chosen again and again and taken by others each time.
    #[error(
        "failed to start kube-apiserver: {attempts} ports were taken by other programs between choosing and binding"
    )]
    PortsTaken {
        /// How many were tried.
        attempts: usize,
    },
    /// A service range that leaves no room for what must be in it.
    #[error("failed to use {service_cidr} as service range: {problem}")]
    ServiceRange {
        /// The range.
        service_cidr: ipnet::IpNet,
        /// What is wrong with it.
        problem: String,
    },
    /// A key or a certificate.
    #[error("failed to make the certificate of {subject}")]
    Certificate {
        /// Whose.
        subject: String,
        /// The cause.
        source: rcgen::Error,
    },
    /// A file that the processes need.
    #[error("failed to write {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file that is there with a cluster.
    #[error("failed to read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// No API server was lent.
    #[error("failed to get an API server: {0}")]
    NotLent(String),
    /// The provisioner's custom resource definitions.
    #[error("failed to read custom resource definitions from {}: {problem}", path.display())]
    CustomResources {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A client for the API server.
    #[error("failed to make a Kubernetes client")]
    Client(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The API server refused an object that every cluster has.
    #[error("failed to create {kind} {name}")]
    Object {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
        /// What the API server said.
        source: Box<kube::Error>,
    },
    /// Something that must come about did not.
    #[error("{what} within {within:?}: {seen}")]
    NotInTime {
        /// What did not: `the custom resource x was not established`.
        what: String,
        /// How long was waited.
        within: Duration,
        /// What was seen last.
        seen: String,
    },
    /// kind, or the container runtime.
    #[error(transparent)]
    Kind(#[from] super::kind::KindError),
    /// A cluster cannot become what it is to be.
    #[error("the cluster cannot have {what}: {why}")]
    CannotChange {
        /// What it is to have.
        what: String,
        /// Why it cannot.
        why: &'static str,
    },
    /// A process that must run ended by itself.
    #[error("{how}")]
    Died {
        /// Which, and how.
        how: String,
    },
}

impl ClusterError {
    pub(in crate::cluster) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Process(error) if error.is_port_taken())
    }
}
