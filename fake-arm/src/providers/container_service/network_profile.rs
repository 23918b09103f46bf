//! `properties.networkProfile`: which plugin, mode, data plane and policy go together, and what Azure fills in.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde_json::{Value, json};

use super::address_range;
use super::refusal::{invalid, refused};
use crate::engine::NetworkProfile;
use arm::ArmError;

/// Default pod ranges of overlay networking, IPv4 and IPv6.
const POD_CIDRS: [&str; 2] = ["10.244.0.0/16", "fd12:3456:789a::/64"];
/// Default service ranges.
const SERVICE_CIDRS: [&str; 2] = ["10.0.0.0/16", "fd12:3456:789a:1::/108"];
/// Default address of the DNS service. Azure does not move it with the service range.
const DNS_SERVICE_IP: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 10);

/// Fills in what the request leaves out and checks what it says, without regard to the virtual network around.
///
/// # Errors
/// What AKS refuses of a network profile, each with its code; FIDELITY.md tells which of them were seen.
pub(super) fn complete(given: &Value) -> Result<NetworkProfile, ArmError> {
    let text = |name: &str| given[name].as_str().unwrap_or_default();
    let plugin = one_of(given, "networkPlugin", &["azure", "kubenet", "none"])?;
    // Who names neither plugin nor mode gets what Azure recommends.
    let default_mode = if text("networkPlugin").is_empty() { "overlay" } else { "" };
    let mode = match text("networkPluginMode") {
        "" => default_mode.to_owned(),
        _ => one_of(given, "networkPluginMode", &["overlay"])?,
    };
    let dataplane = one_of(given, "networkDataplane", &["azure", "cilium"])?;
    if !mode.is_empty() && plugin != "azure" {
        return Err(refused(
            "NetworkModeNotSupported",
            "networkProfile.networkPluginMode",
            format!("Network plugin mode '{mode}' is only supported with network plugin 'azure'."),
        ));
    }
    if dataplane == "cilium" && plugin != "azure" {
        return Err(invalid(
            "networkProfile.networkDataplane",
            "Network dataplane 'cilium' is only supported with network plugin 'azure'.",
        ));
    }
    let policy = policy(given, &plugin, &dataplane)?;
    let families = families(given)?;
    let dual = families == 2;
    if dual {
        dual_stack(given, &plugin, &mode, &policy)?;
    }
    let pods = match (mode.as_str(), plugin.as_str()) {
        ("overlay", _) | (_, "kubenet") => ranges(given, "podCidr", &POD_CIDRS[..families])?,
        (_, "none") => ranges(given, "podCidr", &[])?,
        _ if text("podCidr").is_empty() && given["podCidrs"].as_array().is_none_or(Vec::is_empty) => Vec::new(),
        _ => {
            return Err(invalid(
                "networkProfile.podCidr",
                "Pod CIDR can only be set with network plugin 'kubenet', 'none', or 'azure' with plugin mode 'overlay'.",
            ));
        }
    };
    let services = ranges(given, "serviceCidr", &SERVICE_CIDRS[..families])?;
    address_range::check(&pods, &services, families)?;
    let dns_service_ip = dns_service_ip(text("dnsServiceIP"), services[0])?;
    let outbound_type = one_of_or(
        given,
        "outboundType",
        &["loadBalancer", "managedNATGateway", "userAssignedNATGateway", "userDefinedRouting", "none", "block"],
        "UnsupportedOutboundType",
    )?;
    one_of_or(given, "loadBalancerSku", &["standard", "basic"], "InvalidLoadBalancerSku")?;
    Ok(NetworkProfile {
        plugin,
        plugin_mode: mode,
        dataplane,
        policy,
        pod_cidr: pods.first().copied(),
        service_cidr: services[0],
        dns_service_ip,
        pod_cidrs: pods,
        service_cidrs: services,
        outbound_type,
    })
}

/// The profile as the resource shows it. `addresses` are the ids of the load balancer's outbound addresses.
pub(super) fn shown(profile: &NetworkProfile, given: &Value, addresses: &[Value]) -> Value {
    let mut shown = given.as_object().cloned().unwrap_or_default();
    shown.retain(|_, value| !value.is_null());
    let families = if profile.service_cidrs.len() == 2 { json!(["IPv4", "IPv6"]) } else { json!(["IPv4"]) };
    for (name, value) in [
        ("networkPlugin", json!(profile.plugin)),
        ("networkDataplane", json!(profile.dataplane)),
        ("networkPolicy", json!(if profile.policy.is_empty() { "none" } else { &profile.policy })),
        ("serviceCidr", json!(profile.service_cidr)),
        ("serviceCidrs", json!(profile.service_cidrs)),
        ("dnsServiceIP", json!(profile.dns_service_ip)),
        ("outboundType", json!(profile.outbound_type)),
        ("ipFamilies", families),
    ] {
        shown.insert(name.into(), value);
    }
    if !profile.plugin_mode.is_empty() {
        shown.insert("networkPluginMode".into(), json!(profile.plugin_mode));
    }
    if let Some(pods) = profile.pod_cidr {
        shown.insert("podCidr".into(), json!(pods));
        shown.insert("podCidrs".into(), json!(profile.pod_cidrs));
    }
    shown.entry("loadBalancerSku").or_insert(json!("standard"));
    if profile.outbound_type == "loadBalancer" && !addresses.is_empty() {
        let balancer = shown.entry("loadBalancerProfile").or_insert(json!({}));
        let own = ["outboundIPs", "outboundIPPrefixes"].iter().any(|name| !balancer[name].is_null());
        if !own && balancer["managedOutboundIPs"].is_null() {
            balancer["managedOutboundIPs"] = json!({ "count": 1 });
        }
        balancer["effectiveOutboundIPs"] = json!(addresses);
        if balancer["backendPoolType"].is_null() {
            balancer["backendPoolType"] = json!("nodeIPConfiguration");
        }
    }
    Value::Object(shown)
}

/// The policy engine, empty without one. The Cilium data plane brings its own.
fn policy(given: &Value, plugin: &str, dataplane: &str) -> Result<String, ArmError> {
    const TARGET: &str = "networkProfile.networkPolicy";
    let policy =
        one_of_or(given, "networkPolicy", &["none", "azure", "calico", "cilium"], "NetworkPolicyNotSupported")?;
    let named = given["networkPolicy"].as_str().is_some_and(|policy| !policy.is_empty());
    match (policy.as_str(), plugin, dataplane) {
        ("none", "none", _) => Ok(String::new()),
        (other, "none", _) => Err(refused(
            "NetworkPolicyNotSupportedForNone",
            TARGET,
            format!("Network policy '{other}' is not supported with network plugin 'none'."),
        )),
        ("azure", "kubenet", _) => Err(refused(
            "NetworkPolicyAzureNotSupportedForKubenet",
            TARGET,
            "Network policy 'azure' is not supported with network plugin 'kubenet'.",
        )),
        ("none", _, "cilium") if !named => Ok("cilium".to_owned()),
        ("none", ..) => Ok(String::new()),
        ("cilium", _, "cilium") | ("azure" | "calico", _, "azure") => Ok(policy),
        (other, _, other_plane) => Err(refused(
            "NetworkPolicyNotSupported",
            TARGET,
            format!("Network policy '{other}' is not supported with network dataplane '{other_plane}'."),
        )),
    }
}

/// How many families: IPv4, or IPv4 and IPv6. The CLI writes them in lower case.
fn families(given: &Value) -> Result<usize, ArmError> {
    let list: Vec<&str> = given["ipFamilies"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let is =
        |wanted: &[&str]| list.len() == wanted.len() && list.iter().zip(wanted).all(|(a, b)| a.eq_ignore_ascii_case(b));
    if list.is_empty() || is(&["IPv4"]) {
        return Ok(1);
    }
    if is(&["IPv4", "IPv6"]) {
        return Ok(2);
    }
    Err(invalid(
        "networkProfile.ipFamilies",
        format!("The value [{}] is not one of the allowed values: [IPv4], [IPv4, IPv6].", list.join(", ")),
    ))
}

/// What the documents exclude from dual-stack clusters.
fn dual_stack(given: &Value, plugin: &str, mode: &str, policy: &str) -> Result<(), ArmError> {
    let refuse = |name: &str, what: String| {
        Err(invalid(&format!("networkProfile.{name}"), format!("{what} is not supported with dual-stack networking.")))
    };
    if plugin == "azure" && mode != "overlay" {
        return refuse("ipFamilies", "Network plugin 'azure' without plugin mode 'overlay'".to_owned());
    }
    if ["azure", "calico"].contains(&policy) {
        return refuse("networkPolicy", format!("Network policy '{policy}'"));
    }
    let outbound = given["outboundType"].as_str().unwrap_or_default();
    if outbound.to_ascii_lowercase().ends_with("natgateway") {
        return refuse("outboundType", format!("Outbound type '{outbound}'"));
    }
    Ok(())
}

/// The ranges of a name (`podCidr`) and its list (`podCidrs`), `defaults` where neither is given.
fn ranges(given: &Value, name: &str, defaults: &[&str]) -> Result<Vec<IpNet>, ArmError> {
    let target = format!("networkProfile.{name}");
    let list: Vec<&str> =
        given[format!("{name}s")].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let one = given[name].as_str().filter(|one| !one.is_empty());
    let texts = match (one, list.as_slice()) {
        (None, []) => defaults.to_vec(),
        // A dual-stack cluster whose request names the IPv4 range only keeps the default of the other family.
        (Some(one), []) => std::iter::once(one).chain(defaults.iter().skip(1).copied()).collect(),
        (Some(one), [first, ..]) if one != *first => {
            let message = format!("The value '{one}' differs from the first of the list, '{first}'.");
            return Err(invalid(&target, message));
        }
        (_, list) => list.to_vec(),
    };
    texts.into_iter().map(|text| address_range::parse(&target, text)).collect()
}

/// The DNS address must lie in the service range and must be neither its first address, which is the API server's, nor
/// its last.
fn dns_service_ip(given: &str, services: IpNet) -> Result<IpAddr, ArmError> {
    const TARGET: &str = "networkProfile.dnsServiceIP";
    let address = if given.is_empty() {
        IpAddr::V4(DNS_SERVICE_IP)
    } else {
        given.parse::<IpAddr>().map_err(|_| {
            refused(
                "DnsServiceIpParseError",
                TARGET,
                format!("The DNS service IP '{given}' is not a valid IP address."),
            )
        })?
    };
    if !services.contains(&address) {
        return Err(refused(
            "DnsServiceIpOutOfServiceCidr",
            TARGET,
            format!("The DNS service IP {address} is out of the range defined by service CIDR {services}."),
        ));
    }
    let first = services.hosts().next();
    if Some(address) == first || address == services.network() {
        let message = format!("The DNS service IP {address} conflicts with the API server's address in {services}.");
        return Err(refused("DnsServiceIpConflicting", TARGET, message));
    }
    if address == services.broadcast() {
        let message = format!("The DNS service IP {address} conflicts with the broadcast address of {services}.");
        return Err(refused("DnsBroadcastAddressConflicting", TARGET, message));
    }
    Ok(address)
}

fn one_of(given: &Value, name: &str, allowed: &[&str]) -> Result<String, ArmError> {
    one_of_or(given, name, allowed, "InvalidParameter")
}

/// The choice that a property means in any case; the first where it is not given.
fn one_of_or(given: &Value, name: &str, allowed: &[&str], code: &str) -> Result<String, ArmError> {
    let text = given[name].as_str().unwrap_or_default();
    let found = if text.is_empty() { allowed.first() } else { allowed.iter().find(|a| a.eq_ignore_ascii_case(text)) };
    found.map(|&found| found.to_owned()).ok_or_else(|| {
        let message = format!("The value '{text}' is not one of the allowed values: {}.", allowed.join(", "));
        refused(code, &format!("networkProfile.{name}"), message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(more: Value) -> Value {
        let mut profile = json!({"networkPlugin": "azure", "networkPluginMode": "overlay"});
        profile.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        profile
    }

    #[track_caller]
    fn refusal(profile: Value) -> (String, String) {
        let error = complete(&profile).unwrap_err();
        (error.code().to_owned(), error.error.target.clone().unwrap_or_default())
    }

    #[test]
    fn defaults_are_those_of_aks() {
        let profile = complete(&overlay(json!({}))).unwrap();
        assert_eq!(profile.pod_cidr, Some("10.244.0.0/16".parse().unwrap()));
        assert_eq!(profile.service_cidr, "10.0.0.0/16".parse::<IpNet>().unwrap());
        assert_eq!(profile.dns_service_ip.to_string(), "10.0.0.10");
        assert_eq!((profile.outbound_type.as_str(), profile.policy.as_str()), ("loadBalancer", ""));
        let cilium = complete(&overlay(json!({"networkDataplane": "cilium"}))).unwrap();
        assert_eq!(cilium.policy, "cilium");
        assert_eq!(complete(&json!({})).unwrap().plugin_mode, "overlay");
        let node_subnet = complete(&json!({"networkPlugin": "azure"})).unwrap();
        assert_eq!((node_subnet.plugin_mode.as_str(), node_subnet.pod_cidr), ("", None));
    }

    #[test]
    fn dual_stack_defaults_are_those_of_the_documents() {
        let profile = complete(&overlay(json!({"ipFamilies": ["ipv4", "ipv6"]}))).unwrap();
        let shown = shown(&profile, &json!({}), &[]);
        assert_eq!(shown["podCidrs"], json!(["10.244.0.0/16", "fd12:3456:789a::/64"]));
        assert_eq!(shown["serviceCidrs"], json!(["10.0.0.0/16", "fd12:3456:789a:1::/108"]));
        assert_eq!((&shown["ipFamilies"], &shown["podCidr"]), (&json!(["IPv4", "IPv6"]), &json!("10.244.0.0/16")));
    }

    #[test]
    fn dual_stack_lists_match_the_families_in_count_and_order() {
        let dual = |more: Value| {
            let mut profile = overlay(more);
            profile["ipFamilies"] = json!(["IPv4", "IPv6"]);
            profile
        };
        for families in [json!(["IPv6"]), json!(["IPv6", "IPv4"]), json!(["IPv4", "IPv6", "IPv4"]), json!(["x"])] {
            let (code, target) = refusal(overlay(json!({"ipFamilies": families})));
            assert_eq!((code.as_str(), target.as_str()), ("InvalidParameter", "networkProfile.ipFamilies"));
        }
        for (name, list) in [
            ("podCidrs", json!(["10.244.0.0/16"])),
            ("podCidrs", json!(["fd12:3456:789a::/64", "10.244.0.0/16"])),
            ("serviceCidrs", json!(["10.0.0.0/16"])),
            ("serviceCidrs", json!(["fd12::/108", "10.0.0.0/16"])),
            ("serviceCidrs", json!(["10.0.0.0/16", "fd12::/107"])),
        ] {
            let (_, target) = refusal(dual(json!({name: list})));
            assert_eq!(target, format!("networkProfile.{}", name.trim_end_matches('s')), "{list}");
        }
        for smaller in ["fd12::/108", "fd12::/112"] {
            assert!(complete(&dual(json!({"serviceCidrs": ["10.0.0.0/16", smaller]}))).is_ok());
        }
        for (name, value) in [
            ("networkPolicy", "azure"),
            ("networkPolicy", "calico"),
            ("outboundType", "managedNATGateway"),
            ("outboundType", "userAssignedNATGateway"),
        ] {
            assert_eq!(refusal(dual(json!({name: value}))).1, format!("networkProfile.{name}"), "{value}");
        }
        assert!(complete(&dual(json!({"networkDataplane": "cilium"}))).is_ok());
    }

    #[test]
    fn policies_go_with_their_plugin_and_data_plane() {
        for (plugin, dataplane, policy, code) in [
            ("none", "azure", "azure", "NetworkPolicyNotSupportedForNone"),
            ("kubenet", "azure", "azure", "NetworkPolicyAzureNotSupportedForKubenet"),
            ("azure", "azure", "cilium", "NetworkPolicyNotSupported"),
            ("azure", "cilium", "calico", "NetworkPolicyNotSupported"),
            ("azure", "azure", "other", "NetworkPolicyNotSupported"),
            ("kubenet", "cilium", "cilium", "InvalidParameter"),
        ] {
            let profile = json!({"networkPlugin": plugin, "networkDataplane": dataplane, "networkPolicy": policy});
            assert_eq!(refusal(profile).0, code, "{plugin} {dataplane} {policy}");
        }
        let off = overlay(json!({"networkDataplane": "cilium", "networkPolicy": "none"}));
        assert_eq!(complete(&off).unwrap().policy, "");
    }

    #[test]
    fn the_dns_address_lies_in_the_service_range_and_is_not_its_first() {
        for (address, code) in [
            ("", "DnsServiceIpOutOfServiceCidr"),
            ("10.3.0.10", "DnsServiceIpOutOfServiceCidr"),
            ("10.2.0.1", "DnsServiceIpConflicting"),
            ("10.2.0.0", "DnsServiceIpConflicting"),
            ("10.2.255.255", "DnsBroadcastAddressConflicting"),
            ("x", "DnsServiceIpParseError"),
        ] {
            let profile = overlay(json!({"serviceCidr": "10.2.0.0/16", "dnsServiceIP": address}));
            let error = complete(&profile).unwrap_err();
            assert_eq!(error.code(), code, "{address}");
            assert_eq!(error.error.target.as_deref(), Some("networkProfile.dnsServiceIP"));
        }
        let seen = complete(&overlay(json!({"serviceCidr": "10.200.0.0/16"}))).unwrap_err();
        assert_eq!(
            seen.message(),
            "The DNS service IP 10.0.0.10 is out of the range defined by service CIDR 10.200.0.0/16."
        );
    }

    #[test]
    fn a_pod_range_needs_a_plugin_that_has_one() {
        let (code, target) = refusal(json!({"networkPlugin": "azure", "podCidr": "10.244.0.0/16"}));
        assert_eq!((code.as_str(), target.as_str()), ("InvalidParameter", "networkProfile.podCidr"));
        let (_, target) = refusal(overlay(json!({"podCidr": "10.244.0.0/16", "podCidrs": ["10.245.0.0/16"]})));
        assert_eq!(target, "networkProfile.podCidr");
    }
}
