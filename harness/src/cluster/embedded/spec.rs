//! What a control plane is to be.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use super::{BootstrapToken, ClusterError};
use crate::process::Processes;

/// The programs of a control plane.
#[derive(Debug, Clone)]
pub struct ControlPlaneBinaries {
    /// etcd.
    pub etcd: PathBuf,
    /// kube-apiserver.
    pub kube_apiserver: PathBuf,
    /// kube-controller-manager.
    pub kube_controller_manager: PathBuf,
    /// kube-scheduler.
    pub kube_scheduler: PathBuf,
    /// KWOK's controller.
    pub kwok: PathBuf,
    /// Folder of the provisioner's custom resource definitions, `*.yaml`.
    pub crds: PathBuf,
}

/// What a control plane is to be.
#[derive(Debug, Clone)]
pub struct ControlPlaneSpec {
    /// The programs.
    pub binaries: ControlPlaneBinaries,
    /// Where its processes and files are to live; its history is written to.
    pub processes: Processes,
    /// Version of the Kubernetes programs, without `v`.
    pub kubernetes_version: String,
    /// Range of Services.
    pub service_cidr: IpNet,
    /// Range of pods, of which each node gets a /24 (overlay networking); none where pods get their addresses from the
    /// nodes' subnet.
    pub pod_cidr: Option<IpNet>,
    /// Address of the Service kube-system/kube-dns, inside the service range.
    pub dns_service_ip: IpAddr,
    /// What new nodes authenticate with.
    pub bootstrap_token: BootstrapToken,
}

impl ControlPlaneSpec {
    /// The first address of the service range, that of the Service default/kubernetes.
    pub(super) fn kubernetes_service_ip(&self) -> Result<IpAddr, ClusterError> {
        let refused = |problem: String| ClusterError::ServiceRange { service_cidr: self.service_cidr, problem };
        if !self.service_cidr.contains(&self.dns_service_ip) {
            return Err(refused(format!("the DNS service address {} is outside", self.dns_service_ip)));
        }
        let first = self.service_cidr.hosts().next().ok_or_else(|| refused("it has no addresses".to_owned()))?;
        if first == self.dns_service_ip {
            let problem =
                format!("{first}, its first address, belongs to the Service default/kubernetes and not to DNS");
            return Err(refused(problem));
        }
        Ok(first)
    }
}
