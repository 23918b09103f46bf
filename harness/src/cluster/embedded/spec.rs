//! What a control plane is to be.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use super::{ApiServerBorrower, ApiServerShape};
use crate::cluster::{BootstrapToken, ClusterError, Heartbeat};
use crate::process::Processes;
use components::Binaries;

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

impl From<&Binaries> for ControlPlaneBinaries {
    fn from(binaries: &Binaries) -> Self {
        Self {
            etcd: binaries.etcd.clone(),
            kube_apiserver: binaries.kube_apiserver.clone(),
            kube_controller_manager: binaries.kube_controller_manager.clone(),
            kube_scheduler: binaries.kube_scheduler.clone(),
            kwok: binaries.kwok.clone(),
            crds: binaries.crds.clone(),
        }
    }
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
    /// Range of IPv6 Services, where the cluster has both families.
    pub service_cidr_v6: Option<IpNet>,
    /// Range of pods, of which each node gets a /24 (overlay networking); `None` where pods get their addresses from the
    /// nodes' subnet. There, KWOK gives them addresses outside of every range an AKS cluster can have, as placeholders.
    pub pod_cidr: Option<IpNet>,
    /// Address of the Service kube-system/kube-dns, inside the service range.
    pub dns_service_ip: IpAddr,
    /// What new nodes authenticate with.
    pub bootstrap_token: BootstrapToken,
    /// How nodes say that they are alive.
    pub heartbeat: Heartbeat,
    /// Who lends an API server; `None` where the control plane is to have one of its own.
    pub lender: Option<ApiServerBorrower>,
}

impl ControlPlaneSpec {
    /// Makes sure that what must be in the service range fits in there.
    pub(super) fn check(&self) -> Result<(), ClusterError> {
        check_dns(self.service_cidr, self.dns_service_ip)
            .map_err(|problem| ClusterError::ServiceRange { service_cidr: self.service_cidr, problem })
    }

    /// What its API server is started with.
    pub(super) fn shape(&self) -> ApiServerShape {
        ApiServerShape {
            etcd: self.binaries.etcd.clone(),
            kube_apiserver: self.binaries.kube_apiserver.clone(),
            crds: self.binaries.crds.clone(),
            kubernetes_version: self.kubernetes_version.clone(),
            service_cidr: self.service_cidr,
            service_cidr_v6: self.service_cidr_v6,
        }
    }
}

/// The first address of a range of Services, that of the Service default/kubernetes.
pub(super) fn first_address(services: IpNet) -> Result<IpAddr, String> {
    // IPv6 counts the network itself among the hosts.
    services.hosts().find(|host| *host != services.network()).ok_or_else(|| "it has no addresses".to_owned())
}

fn check_dns(services: IpNet, dns: IpAddr) -> Result<(), String> {
    if !services.contains(&dns) {
        return Err(format!("the DNS service address {dns} is outside"));
    }
    let first = first_address(services)?;
    if first == dns {
        return Err(format!("{first}, its first address, belongs to the Service default/kubernetes and not to DNS"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(services: &str, dns: &str) -> Result<(), String> {
        check_dns(services.parse().unwrap(), dns.parse().unwrap())
    }

    #[test]
    fn the_first_service_address_is_that_of_kubernetes() {
        let first = |services: &str| first_address(services.parse().unwrap()).map(|ip| ip.to_string());
        assert_eq!(first("10.0.0.0/16"), Ok("10.0.0.1".to_owned()));
        assert_eq!(first("fd00::/108"), Ok("fd00::1".to_owned()));
    }

    #[test]
    fn a_dns_address_outside_the_range_or_at_its_start_is_refused() {
        assert_eq!(check("10.0.0.0/16", "10.0.0.10"), Ok(()));
        assert_eq!(check("10.2.0.0/16", "10.0.0.10"), Err("the DNS service address 10.0.0.10 is outside".to_owned()));
        let refused = check("10.2.0.0/16", "10.2.0.1").unwrap_err();
        assert!(refused.starts_with("10.2.0.1, its first address, belongs to"), "{refused}");
    }
}
