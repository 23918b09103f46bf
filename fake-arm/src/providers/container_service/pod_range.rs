//! Growing the pod range of a cluster that exists.

use ipnet::IpNet;
use serde_json::Value;

use super::refusal::{refused, unchangeable};
use super::version::Version;
use crate::engine::NetworkProfile;
use arm::ArmError;

/// The preview feature that Azure asks for.
pub(super) const FEATURE: &str = "EnableAzureCNIOverlayPodCIDRExpansion";
/// The first minor version that can do it. The document says «only supported with Kubernetes version 1.33».
const FIRST_MINOR: u32 = 33;

/// What decides about a change of the pod range besides the ranges.
#[derive(Debug, Clone, Copy)]
pub(super) struct PodRangeFacts {
    pub(super) version: Version,
    pub(super) windows_pools: bool,
}

/// Puts a changed `podCidr` into `podCidrs` where the request has it in one of the two only: a client that reads a
/// cluster, changes one field and writes it back leaves the other as it was.
pub(super) fn align(given: &mut Value, before: &Value) {
    let (one, list) = (given["podCidr"].clone(), given["podCidrs"][0].clone());
    if one == list || list.is_null() || one.is_null() {
        return;
    }
    if list == before["podCidr"] {
        given["podCidrs"][0] = one;
    } else if one == before["podCidr"] {
        given["podCidr"] = list;
    }
}

/// Whether the pod range changes: `false` where it stays.
///
/// # Errors
/// The documents' rules, in this order: overlay only; one range at a time, IPv4 only; no Windows pools; Kubernetes 1.33 or
/// later; the new range holds the old one and starts where it starts. Codes are ours but for `PropertyChangeNotAllowed`.
pub(super) fn changes(now: &NetworkProfile, before: &NetworkProfile, cluster: PodRangeFacts) -> Result<bool, ArmError> {
    if now.pod_cidrs == before.pod_cidrs {
        return Ok(false);
    }
    if now.plugin_mode != "overlay" || before.pod_cidrs.is_empty() || now.pod_cidrs.len() != before.pod_cidrs.len() {
        return Err(unchangeable("networkProfile.podCidr"));
    }
    let refuse = |message: String| Err(refused("PodCIDRExpansionNotAllowed", "networkProfile.podCidr", message));
    let changed: Vec<(&IpNet, &IpNet)> = before.pod_cidrs.iter().zip(&now.pod_cidrs).filter(|(a, b)| a != b).collect();
    let [(old, new)] = changed.as_slice() else {
        return refuse("Changing multiple Pod CIDR blocks is not supported.".to_owned());
    };
    let (IpNet::V4(old), IpNet::V4(new)) = (old, new) else {
        return refuse("IPv6 Pod CIDR expansion is not supported.".to_owned());
    };
    if cluster.windows_pools {
        return refuse("Pod CIDR expansion is not supported on clusters with Windows node pools.".to_owned());
    }
    if !cluster.version.at_least(FIRST_MINOR) {
        return refuse(format!(
            "Pod CIDR expansion requires Kubernetes version 1.{FIRST_MINOR} or later, the cluster has {}.",
            cluster.version
        ));
    }
    if old.contains(new) {
        return refuse(format!("Shrinking the Pod CIDR from {old} to {new} is not supported."));
    }
    if !new.contains(old) {
        return refuse(format!(
            "The new Pod CIDR {new} must be a larger superset that completely contains the original range {old}."
        ));
    }
    if new.network() != old.network() {
        return refuse(format!("Only expansion without changing the base IP is supported: {old} to {new}."));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn profile(pods: &[&str]) -> NetworkProfile {
        let mut given = json!({"podCidrs": pods});
        if pods.len() == 2 {
            given["ipFamilies"] = json!(["IPv4", "IPv6"]);
        }
        super::super::network_profile::complete(&given).unwrap()
    }

    fn cluster(version: &str) -> PodRangeFacts {
        PodRangeFacts { version: version.parse().unwrap(), windows_pools: false }
    }

    #[track_caller]
    fn refusal(now: &[&str], before: &[&str], cluster: PodRangeFacts) -> String {
        changes(&profile(now), &profile(before), cluster).unwrap_err().message().to_owned()
    }

    #[test]
    fn the_documents_expansion_is_taken() {
        assert!(changes(&profile(&["10.244.0.0/16"]), &profile(&["10.244.0.0/18"]), cluster("1.33.13")).unwrap());
        assert!(!changes(&profile(&["10.244.0.0/16"]), &profile(&["10.244.0.0/16"]), cluster("1.32.12")).unwrap());
    }

    #[test]
    fn every_limitation_of_the_document_is_refused() {
        let at_33 = cluster("1.33.13");
        let windows = PodRangeFacts { windows_pools: true, ..at_33 };
        for (now, before, cluster, words) in [
            (&["10.244.0.0/18"][..], &["10.244.0.0/16"][..], at_33, "Shrinking"),
            (&["10.100.0.0/16"], &["10.244.0.0/16"], at_33, "superset"),
            (&["10.244.128.0/17"], &["10.244.0.0/18"], at_33, "superset"),
            (&["10.244.0.0/16"], &["10.244.64.0/18"], at_33, "base IP"),
            (&["10.244.0.0/16"], &["10.244.0.0/18"], cluster("1.32.12"), "requires Kubernetes version 1.33"),
            (&["10.244.0.0/16"], &["10.244.0.0/18"], windows, "Windows"),
            (&["10.244.0.0/16", "fd12::/60"], &["10.244.0.0/16", "fd12::/64"], at_33, "IPv6"),
            (&["10.244.0.0/16", "fd12::/60"], &["10.244.0.0/18", "fd12::/64"], at_33, "multiple"),
        ] {
            let message = refusal(now, before, cluster);
            assert!(message.contains(words), "{now:?} {before:?}: {message}");
        }
    }

    #[test]
    fn one_changed_field_changes_the_other() {
        let before = json!({"podCidr": "10.244.0.0/18", "podCidrs": ["10.244.0.0/18"]});
        let mut given = json!({"podCidr": "10.244.0.0/16", "podCidrs": ["10.244.0.0/18"]});
        align(&mut given, &before);
        assert_eq!(given["podCidrs"], json!(["10.244.0.0/16"]));
        let mut given = json!({"podCidr": "10.244.0.0/18", "podCidrs": ["10.244.0.0/16"]});
        align(&mut given, &before);
        assert_eq!(given["podCidr"], "10.244.0.0/16");
    }

    proptest! {
        #[test]
        fn what_is_taken_grows_in_place(a in 0_u32..64, old in 14_u8..=24, new in 14_u8..=24) {
            let at = |length: u8| ipnet::Ipv4Net::new(std::net::Ipv4Addr::from(0x6440_0000 + (a << 14)), length).unwrap().trunc();
            let (before, now) = (at(old).to_string(), at(new).to_string());
            let taken = changes(&profile(&[&now]), &profile(&[&before]), cluster("1.34.4"));
            let expected = at(new).network() == at(old).network() && new < old;
            prop_assert_eq!(matches!(taken, Ok(true)), expected);
            prop_assert_eq!(matches!(taken, Ok(false)), now == before);
        }
    }
}
