//! What a cluster of kind is made with and cannot be changed afterwards.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::cluster::ClusterSpec;

/// What a cluster of kind is made with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindShape {
    /// The node image.
    pub image: String,
    /// Version of Kubernetes in it, without `v`.
    pub kubernetes_version: String,
    /// Range of Services.
    pub service_cidr: IpNet,
    /// Range of IPv6 Services, where the cluster has both families.
    pub service_cidr_v6: Option<IpNet>,
    /// Range of pods.
    pub pod_cidr: Option<IpNet>,
    /// Address of the Service kube-system/kube-dns.
    pub dns_service_ip: IpAddr,
    /// Folder of the provisioner's custom resource definitions, `*.yaml`.
    pub crds: PathBuf,
}

/// The configuration of kind, with what is to be filled in.
const CONFIGURATION: &str = include_str!("../../../../manifests/kind/cluster.yaml");

/// kubeadm gives nodes a range each in any case. Where pods get their addresses from the nodes' subnet none of them is used;
/// they are out of what AKS allows for neither Services nor pods nor networks.
const NOBODYS: &str = "172.30.0.0/15";

/// The same for IPv6 where only Services have two families.
const NOBODYS_V6: &str = "fd00:172:30::/56";

impl KindShape {
    /// What a cluster is to be, with this image.
    #[must_use]
    pub fn of(spec: &ClusterSpec, image: String) -> Self {
        Self {
            image,
            kubernetes_version: spec.kubernetes_version.clone(),
            service_cidr: spec.service_cidr,
            service_cidr_v6: spec.service_cidr_v6,
            pod_cidr: spec.pod_cidr,
            dns_service_ip: spec.dns_service_ip,
            crds: spec.binaries.crds.clone(),
        }
    }

    /// The configuration of kind for it.
    #[must_use]
    pub fn configuration(&self) -> String {
        let pods = self.pod_cidr.map_or_else(|| NOBODYS.to_owned(), |range| range.to_string());
        let (family, pods, services, masks) = match self.service_cidr_v6 {
            None if self.service_cidr.addr().is_ipv6() => {
                ("ipv6", pods, self.service_cidr.to_string(), "node-cidr-mask-size-ipv6: \"64\"")
            }
            None => ("ipv4", pods, self.service_cidr.to_string(), "node-cidr-mask-size: \"24\""),
            Some(second) => (
                "dual",
                format!("{pods},{NOBODYS_V6}"),
                format!("{},{second}", self.service_cidr),
                "node-cidr-mask-size-ipv4: \"24\"",
            ),
        };
        let filled =
            [("FAMILY", family), ("PODS", &pods), ("SERVICES", &services), ("MASKS", masks), ("IMAGE", &self.image)];
        filled.iter().fold(CONFIGURATION.to_owned(), |text, (name, value)| text.replace(&format!("%{name}%"), value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> KindShape {
        KindShape {
            image: "kindest/node:v1.34.4".into(),
            kubernetes_version: "1.34.4".into(),
            service_cidr: "10.0.0.0/16".parse().unwrap(),
            service_cidr_v6: None,
            pod_cidr: Some("10.244.0.0/16".parse().unwrap()),
            dns_service_ip: "10.0.0.10".parse().unwrap(),
            crds: "/crds".into(),
        }
    }

    #[test]
    fn the_configuration_is_yaml_with_everything_filled_in() {
        let dual = KindShape { service_cidr_v6: Some("fd12::/108".parse().unwrap()), pod_cidr: None, ..shape() };
        for (shape, family, pods) in
            [(shape(), "ipv4", "10.244.0.0/16"), (dual, "dual", "172.30.0.0/15,fd00:172:30::/56")]
        {
            let text = shape.configuration();
            assert!(!text.contains('%'), "{text}");
            let yaml: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
            assert_eq!(yaml["networking"]["ipFamily"], family);
            assert_eq!(yaml["networking"]["podSubnet"], pods);
            assert_eq!(yaml["nodes"][0]["image"], "kindest/node:v1.34.4");
        }
    }
}
