//! `properties.networkProfile`: defaults, and what AKS refuses.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use serde_json::{Value, json};

use crate::arm::ArmError;
use crate::engine::NetworkProfile;
use crate::net;

/// Default pod range of overlay networking.
const POD_CIDR: &str = "10.244.0.0/16";

/// Default service range.
const SERVICE_CIDR: &str = "10.0.0.0/16";

/// Where the nodes of the system pool are to live.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    /// Address prefixes of the virtual network.
    pub(super) network: Vec<Ipv4Net>,
    /// Address prefixes of all its subnets.
    pub(super) subnets: Vec<Ipv4Net>,
}

/// Fills in what the request leaves out and checks what it says.
///
/// # Errors
/// `InvalidParameter`, `ServiceCidrOverlapExistingSubnetsCidr`, `NetworkProfileCIDROverlapVNET`; the latter two as
/// public reports quote them.
pub(super) fn complete(given: &Value, surroundings: Option<&Surroundings>) -> Result<NetworkProfile, ArmError> {
    let text = |name: &str| given[name].as_str().unwrap_or_default().to_owned();
    let plugin = one_of(given, "networkPlugin", &["azure", "kubenet", "none"], "azure")?;
    let plugin_mode = one_of(given, "networkPluginMode", &["", "overlay"], "")?;
    let dataplane = one_of(given, "networkDataplane", &["azure", "cilium"], "azure")?;
    if !plugin_mode.is_empty() && plugin != "azure" {
        return Err(invalid(
            "networkPluginMode",
            format!("Network plugin mode '{plugin_mode}' is only supported with network plugin 'azure'."),
        ));
    }
    let overlay = plugin_mode == "overlay";
    let pod_cidr = match text("podCidr").as_str() {
        "" if overlay => Some(range("podCidr", POD_CIDR)?),
        "" => None,
        given if overlay || plugin != "azure" => Some(range("podCidr", given)?),
        _ => {
            return Err(invalid(
                "podCidr",
                "Pod CIDR can only be set with network plugin 'kubenet', 'none', or 'azure' with plugin mode 'overlay'."
                    .into(),
            ));
        }
    };
    let service_cidr = match text("serviceCidr").as_str() {
        "" => range("serviceCidr", SERVICE_CIDR)?,
        given => range("serviceCidr", given)?,
    };
    let dns_service_ip = dns_service_ip(&text("dnsServiceIP"), service_cidr)?;
    if let Some(surroundings) = surroundings {
        apart(surroundings, pod_cidr, service_cidr)?;
    }
    if let Some(pods) = pod_cidr.filter(|pods| net::overlap(*pods, service_cidr)) {
        return Err(invalid("podCidr", format!("The pod CIDR {pods} overlaps with the service CIDR {service_cidr}.")));
    }
    Ok(NetworkProfile {
        plugin,
        plugin_mode,
        dataplane,
        policy: text("networkPolicy"),
        pod_cidr: pod_cidr.map(IpNet::V4),
        service_cidr: IpNet::V4(service_cidr),
        dns_service_ip,
    })
}

/// The profile as the resource shows it.
pub(super) fn shown(profile: &NetworkProfile, given: &Value) -> Value {
    let mut shown = given.as_object().cloned().unwrap_or_default();
    shown.insert("networkPlugin".into(), json!(profile.plugin));
    if !profile.plugin_mode.is_empty() {
        shown.insert("networkPluginMode".into(), json!(profile.plugin_mode));
    }
    shown.insert("networkDataplane".into(), json!(profile.dataplane));
    if let Some(pods) = profile.pod_cidr {
        shown.insert("podCidr".into(), json!(pods));
        shown.insert("podCidrs".into(), json!([pods]));
    }
    shown.insert("serviceCidr".into(), json!(profile.service_cidr));
    shown.insert("serviceCidrs".into(), json!([profile.service_cidr]));
    shown.insert("dnsServiceIP".into(), json!(profile.dns_service_ip));
    for (name, default) in [
        ("loadBalancerSku", json!("standard")),
        ("outboundType", json!("loadBalancer")),
        ("ipFamilies", json!(["IPv4"])),
    ] {
        shown.entry(name).or_insert(default);
    }
    Value::Object(shown)
}

/// The service range must not contain a subnet of the network, the pod range must not meet the network at all.
fn apart(surroundings: &Surroundings, pods: Option<Ipv4Net>, services: Ipv4Net) -> Result<(), ArmError> {
    if let Some(subnet) = surroundings.subnets.iter().find(|subnet| net::overlap(**subnet, services)) {
        return Err(ArmError::bad_request(
            "ServiceCidrOverlapExistingSubnetsCidr",
            format!(
                "The specified service CIDR {services} is conflicted with an existing subnet CIDR {subnet}. Please see \
                 https://aka.ms/aks/service-cidr-overlap for how to fix the error."
            ),
        )
        .target("networkProfile.serviceCIDR"));
    }
    let met =
        pods.and_then(|pods| surroundings.network.iter().find(|range| net::overlap(**range, pods)).map(|r| (pods, r)));
    match met {
        Some((pods, range)) => Err(ArmError::bad_request(
            "NetworkProfileCIDROverlapVNET",
            format!("NetworkProfile CIDR {pods} overlaps with reserved VNET CIDR {range}"),
        )
        .target("networkProfile.podCIDR")),
        None => Ok(()),
    }
}

/// The DNS address must lie in the service range and must not be its first address, which is the API server's.
fn dns_service_ip(given: &str, services: Ipv4Net) -> Result<IpAddr, ArmError> {
    let nth = |n: u32| Ipv4Addr::from(u32::from(services.network()).saturating_add(n));
    if given.is_empty() {
        return Ok(IpAddr::V4(nth(10)));
    }
    let refused = |why: &str| invalid("dnsServiceIP", format!("The DNS service IP '{given}' {why}."));
    let address: Ipv4Addr = given.parse().map_err(|_| refused("is not a valid IP address"))?;
    if !services.contains(&address) {
        return Err(refused(&format!("is not within the service CIDR {services}")));
    }
    if address == nth(1) || address == services.network() {
        return Err(refused("is reserved in the service CIDR; the first address belongs to the Kubernetes service"));
    }
    Ok(IpAddr::V4(address))
}

fn range(name: &str, text: &str) -> Result<Ipv4Net, ArmError> {
    text.parse::<Ipv4Net>()
        .ok()
        .filter(|range| range.trunc() == *range)
        .ok_or_else(|| invalid(name, format!("'{text}' is not a valid CIDR.")))
}

fn one_of(given: &Value, name: &str, allowed: &[&str], default: &str) -> Result<String, ArmError> {
    match given[name].as_str() {
        None => Ok(default.to_owned()),
        Some(text) => {
            allowed.iter().find(|one| one.eq_ignore_ascii_case(text)).map(|&one| one.to_owned()).ok_or_else(|| {
                invalid(name, format!("The value '{text}' is not one of the allowed values: {}.", allowed.join(", ")))
            })
        }
    }
}

/// Azure's code for a parameter that AKS validates itself. The texts below it are ours; see FIDELITY.md.
fn invalid(name: &str, message: String) -> ArmError {
    ArmError::bad_request("InvalidParameter", message).target(format!("networkProfile.{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vnet() -> Surroundings {
        Surroundings {
            network: vec!["10.0.0.0/16".parse().unwrap()],
            subnets: vec!["10.0.1.0/24".parse().unwrap(), "10.0.2.0/24".parse().unwrap()],
        }
    }

    #[test]
    fn the_documents_walkthrough_overlaps_the_default_service_range() {
        let error = complete(&json!({}), Some(&vnet())).unwrap_err();
        assert_eq!(error.code(), "ServiceCidrOverlapExistingSubnetsCidr");
        assert_eq!(error.error.target.as_deref(), Some("networkProfile.serviceCIDR"));
    }

    #[test]
    fn a_pod_range_inside_the_network_is_refused() {
        let profile = json!({"networkPluginMode": "overlay", "podCidr": "10.0.64.0/18", "serviceCidr": "10.2.0.0/16"});
        assert_eq!(complete(&profile, Some(&vnet())).unwrap_err().code(), "NetworkProfileCIDROverlapVNET");
    }

    #[test]
    fn defaults_are_those_of_aks() {
        let profile = complete(&json!({"networkPluginMode": "overlay"}), None).unwrap();
        assert_eq!(profile.pod_cidr, Some("10.244.0.0/16".parse().unwrap()));
        assert_eq!(profile.service_cidr, "10.0.0.0/16".parse::<IpNet>().unwrap());
        assert_eq!(profile.dns_service_ip.to_string(), "10.0.0.10");
    }

    #[test]
    fn the_dns_address_lies_in_the_service_range_and_is_not_its_first() {
        for address in ["10.3.0.10", "10.2.0.1", "10.2.0.0", "x"] {
            let profile = json!({"serviceCidr": "10.2.0.0/16", "dnsServiceIP": address});
            assert_eq!(complete(&profile, None).unwrap_err().code(), "InvalidParameter", "{address}");
        }
    }
}
