//! The address ranges of a cluster: what each must be by itself, and which must be apart.

use std::net::Ipv4Addr;

use ipnet::{IpNet, Ipv4Net};

use super::pool::Pool;
use super::refusal::{invalid, refused};
use crate::engine::NetworkProfile;
use arm::ArmError;
use net;

/// Ranges that no cluster may use: AKS has them itself.
const RESERVED: [(Ipv4Addr, u8); 4] = [
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 30, 0, 0), 16),
    (Ipv4Addr::new(172, 31, 0, 0), 16),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
];
/// The largest service ranges, as prefix lengths: the API server holds no more than 20 bits of addresses.
const LARGEST_SERVICES: (u8, u8) = (12, 108);
/// Each node of an overlay has a /24 of the pod range.
const ADDRESSES_OF_A_NODE: u64 = 256;

/// What the network has already in which the nodes of a cluster are to live.
#[derive(Debug, Clone, Default)]
pub(super) struct OccupiedRanges {
    /// Address prefixes of the virtual network.
    pub(super) network: Vec<Ipv4Net>,
    /// Address prefixes of all its subnets.
    pub(super) subnets: Vec<Ipv4Net>,
}

/// Reads a range in CIDR notation whose host bits are zero.
///
/// # Errors
/// `CidrStringParseError`.
pub(super) fn parse(target: &str, text: &str) -> Result<IpNet, ArmError> {
    text.parse::<IpNet>()
        .ok()
        .filter(|range| range.trunc() == *range)
        .ok_or_else(|| refused("CidrStringParseError", target, format!("'{text}' is not a valid CIDR.")))
}

/// Checks a cluster's own ranges, first each by itself, then against each other.
///
/// # Errors
/// One range per family, IPv4 first; services no larger than /12 and /108; nothing reserved; pods and services apart.
pub(super) fn check(pods: &[IpNet], services: &[IpNet], families: usize) -> Result<(), ArmError> {
    if !pods.is_empty() {
        in_order("networkProfile.podCidr", pods, families)?;
    }
    in_order("networkProfile.serviceCidr", services, families)?;
    for range in services {
        let largest = if matches!(range, IpNet::V4(_)) { LARGEST_SERVICES.0 } else { LARGEST_SERVICES.1 };
        if range.prefix_len() < largest {
            let message = format!("The service CIDR {range} is too large: it can be no larger than a /{largest}.");
            return Err(invalid("networkProfile.serviceCidr", message));
        }
    }
    unreserved("ServiceCidrOverlapping", "networkProfile.serviceCidr", "service CIDR", services.iter().filter_map(v4))?;
    unreserved("PodCidrOverlapping", "networkProfile.podCidr", "pod CIDR", pods.iter().filter_map(v4))?;
    for pod in pods {
        if let Some(service) = services.iter().find(|service| pod.contains(*service) || service.contains(pod)) {
            return Err(refused(
                "PodCidrOverlapServiceCidr",
                "networkProfile.podCIDR",
                format!("The pod CIDR {pod} overlaps with the service CIDR {service}."),
            ));
        }
    }
    Ok(())
}

/// The service range must not meet a subnet of the network, the pod range must not meet the network at all.
///
/// # Errors
/// `ServiceCidrOverlapExistingSubnetsCidr`, `NetworkProfileCIDROverlapVNET`, as public reports quote them.
pub(super) fn apart(profile: &NetworkProfile, around: &OccupiedRanges) -> Result<(), ArmError> {
    unreserved(
        "SubnetCidrOverlapping",
        "agentPoolProfile.vnetSubnetID",
        "virtual network CIDR",
        around.network.iter().copied(),
    )?;
    let services = profile.service_cidrs.iter().filter_map(v4);
    for service in services {
        if let Some(subnet) = around.subnets.iter().find(|subnet| net::overlap(**subnet, service)) {
            return Err(refused(
                "ServiceCidrOverlapExistingSubnetsCidr",
                "networkProfile.serviceCIDR",
                format!(
                    "The specified service CIDR {service} is conflicted with an existing subnet CIDR {subnet}. Please \
                     see https://aka.ms/aks/service-cidr-overlap for how to fix the error."
                ),
            ));
        }
    }
    pods_apart(profile, around)
}

/// The pod range must not meet the network: the part of [`apart`] that a growing pod range has to keep to.
///
/// # Errors
/// `NetworkProfileCIDROverlapVNET`.
pub(super) fn pods_apart(profile: &NetworkProfile, around: &OccupiedRanges) -> Result<(), ArmError> {
    for pods in profile.pod_cidrs.iter().filter_map(v4) {
        if let Some(range) = around.network.iter().find(|range| net::overlap(**range, pods)) {
            return Err(refused(
                "NetworkProfileCIDROverlapVNET",
                "networkProfile.podCIDR",
                format!("NetworkProfile CIDR {pods} overlaps with reserved VNET CIDR {range}"),
            ));
        }
    }
    Ok(())
}

/// The pod range must have a block for each node.
///
/// # Errors
/// `InsufficientSubnetSize`, as public reports quote it.
pub(super) fn room_for_pods(profile: &NetworkProfile, pools: &[Pool]) -> Result<(), ArmError> {
    let Some(range) = profile.pod_cidrs.iter().find_map(v4) else { return Ok(()) };
    // A plugin of the user's own hands out addresses as it likes.
    if profile.plugin == "none" {
        return Ok(());
    }
    let nodes: u64 = pools.iter().map(|pool| u64::from(pool.count)).sum();
    let available = 1_u64 << (32 - u32::from(range.prefix_len()));
    let wanted = nodes * ADDRESSES_OF_A_NODE;
    if wanted <= available {
        return Ok(());
    }
    Err(refused(
        "InsufficientSubnetSize",
        "networkProfile.podCIDR",
        format!("Pre-allocated IPs {wanted} exceeds IPs available in Subnet {available}"),
    ))
}

fn v4(range: &IpNet) -> Option<Ipv4Net> {
    match range {
        IpNet::V4(range) => Some(*range),
        IpNet::V6(_) => None,
    }
}

fn in_order(target: &str, ranges: &[IpNet], families: usize) -> Result<(), ArmError> {
    let fits = ranges.len() == families
        && ranges.iter().enumerate().all(|(index, range)| matches!(range, IpNet::V4(_)) == (index == 0));
    if fits {
        return Ok(());
    }
    let list: Vec<String> = ranges.iter().map(ToString::to_string).collect();
    let message = format!("The ranges [{}] do not match the IP families in count and order.", list.join(", "));
    Err(invalid(target, message))
}

fn unreserved(code: &str, target: &str, what: &str, mut ranges: impl Iterator<Item = Ipv4Net>) -> Result<(), ArmError> {
    let reserved = |range: &Ipv4Net| {
        let all = RESERVED.iter().filter_map(|(start, length)| Ipv4Net::new(*start, *length).ok());
        all.into_iter().find(|kept| net::overlap(*kept, *range))
    };
    match ranges.find_map(|range| Some((range, reserved(&range)?))) {
        Some((range, kept)) => {
            Err(refused(code, target, format!("The {what} {range} overlaps with the reserved CIDR {kept}.")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nets(list: &[&str]) -> Vec<IpNet> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[track_caller]
    fn refusal(pods: &[&str], services: &[&str]) -> String {
        check(&nets(pods), &nets(services), services.len()).unwrap_err().code().to_owned()
    }

    #[test]
    fn reserved_ranges_are_refused_wherever_they_are_used() {
        for range in ["169.254.0.0/16", "172.30.0.0/16", "172.31.64.0/24", "192.0.2.0/24", "172.16.0.0/12"] {
            assert_eq!(refusal(&["10.244.0.0/16"], &[range]), "ServiceCidrOverlapping");
            assert_eq!(refusal(&[range], &["10.0.0.0/16"]), "PodCidrOverlapping");
        }
        let around = OccupiedRanges { network: vec!["172.30.0.0/16".parse().unwrap()], subnets: vec![] };
        let profile = super::super::network_profile::complete(&serde_json::json!({})).unwrap();
        assert_eq!(apart(&profile, &around).unwrap_err().code(), "SubnetCidrOverlapping");
        let around = OccupiedRanges { network: vec!["172.19.0.0/16".parse().unwrap()], subnets: vec![] };
        assert!(apart(&profile, &around).is_ok());
    }

    #[test]
    fn service_ranges_have_a_largest_size() {
        assert_eq!(refusal(&[], &["10.0.0.0/11"]), "InvalidParameter");
        assert!(check(&[], &nets(&["10.0.0.0/12"]), 1).is_ok());
        assert_eq!(refusal(&[], &["10.0.0.0/16", "fd00::/107"]), "InvalidParameter");
    }

    #[test]
    fn pods_and_services_are_apart() {
        assert_eq!(refusal(&["10.0.0.0/8"], &["10.0.0.0/16"]), "PodCidrOverlapServiceCidr");
    }

    #[test]
    fn a_range_is_a_prefix_without_host_bits() {
        for text in ["", "10.0.0.0", "10.0.0.1/16", "10.0.0.0/33", "x/8"] {
            assert_eq!(parse("t", text).unwrap_err().code(), "CidrStringParseError", "{text}");
        }
    }

    proptest! {
        #[test]
        fn apart_refuses_exactly_what_meets(network in 0_u8..=255, pods in 0_u8..=255) {
            let around = OccupiedRanges { network: vec![format!("10.{network}.0.0/16").parse().unwrap()], subnets: vec![] };
            let given = serde_json::json!({"podCidr": format!("10.{pods}.0.0/16"), "serviceCidr": "172.20.0.0/16", "dnsServiceIP": "172.20.0.10"});
            let profile = super::super::network_profile::complete(&given).unwrap();
            prop_assert_eq!(apart(&profile, &around).is_err(), network == pods);
        }
    }
}
