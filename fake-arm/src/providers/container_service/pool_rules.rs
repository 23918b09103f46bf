//! What AKS refuses of one agent pool, whatever the rest of its cluster is like.

use super::pool::{Mode, Pool, PoolContext};
use super::refusal::{invalid, refused};
use crate::catalog::Catalog;
use arm::ArmError;

/// Nodes of one pool at most.
const MOST_NODES: u32 = 1000;
/// Nodes of all pools of a cluster at most.
const MOST_NODES_OF_CLUSTER: u32 = 5000;
/// Pools of a cluster at most.
const MOST_POOLS: usize = 100;
/// A system pool's size has at least so much.
const LEAST_VCPUS: u32 = 2;
const LEAST_MEMORY_GIB: f64 = 4.0;

/// Checks one pool.
///
/// # Errors
/// The code of the first rule that it breaks.
pub(super) fn check(pool: &Pool, context: PoolContext<'_>) -> Result<(), ArmError> {
    name(pool)?;
    size(pool, context.location)?;
    numbers(pool)?;
    let kubenet = context.network.plugin == "kubenet";
    if pool.windows && kubenet {
        return Err(refused(
            "AzureCNIOnlyForWindows",
            "agentPoolProfile.osType",
            "Windows agent pools are only supported with network plugin 'azure'.",
        ));
    }
    if pool.windows && context.network.dataplane == "cilium" {
        return Err(invalid(
            "agentPoolProfile.osType",
            "Windows agent pools are not supported with network dataplane 'cilium'.",
        ));
    }
    taints_and_labels(pool)?;
    if pool.mode == Mode::System { system(pool, context.location) } else { Ok(()) }
}

/// Checks what a cluster's pools must be together.
///
/// # Errors
/// `MustDefineAtLeastOneSystemPool`, and our own for subnets of several networks, too many pools and nodes.
pub(super) fn check_together(pools: &[Pool]) -> Result<(), ArmError> {
    if !pools.iter().any(|pool| pool.mode == Mode::System) {
        return Err(refused(
            "MustDefineAtLeastOneSystemPool",
            "agentPoolProfiles",
            "Must define at least one system pool.",
        ));
    }
    if pools.len() > MOST_POOLS {
        let message = format!("The cluster has {} agent pools; {MOST_POOLS} are allowed.", pools.len());
        return Err(refused("MaxAgentPoolCountReached", "agentPoolProfiles", message));
    }
    let nodes: u32 = pools.iter().map(|pool| pool.count).sum();
    if nodes > MOST_NODES_OF_CLUSTER {
        let message = format!("The cluster has {nodes} nodes; {MOST_NODES_OF_CLUSTER} are allowed.");
        return Err(refused("AgentPoolMaxCountExceeded", "agentPoolProfile.count", message));
    }
    for (index, pool) in pools.iter().enumerate() {
        if pools[..index].iter().any(|other| other.name == pool.name) {
            let message = format!("Agent pool name '{}' is used more than once.", pool.name);
            return Err(invalid("agentPoolProfile.name", message));
        }
    }
    let with = pools.iter().filter(|pool| pool.subnet.is_some()).count();
    if with != 0 && with != pools.len() {
        let message = "If one agent pool has a custom VNet subnet, all agent pools must have one.";
        return Err(refused("AgentPoolsWithEmptySubnetError", "agentPoolProfile.vnetSubnetID", message));
    }
    let mut networks = pools.iter().filter_map(|pool| pool.subnet.as_ref()?.parent());
    let first = networks.next();
    if let Some(other) = networks.find(|network| Some(network) != first.as_ref()) {
        let first = first.map(|id| id.to_string()).unwrap_or_default();
        return Err(invalid(
            "agentPoolProfile.vnetSubnetID",
            format!("All agent pools of a cluster must be in the same virtual network; found '{first}' and '{other}'."),
        ));
    }
    Ok(())
}

fn name(pool: &Pool) -> Result<(), ArmError> {
    let name = &pool.name;
    let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let letters = name.bytes().all(lower) && name.starts_with(|first: char| first.is_ascii_lowercase());
    if !letters || name.len() > 12 {
        return Err(invalid(
            "agentPoolProfile.name",
            format!(
                "The value of parameter agentPoolProfile.name is invalid: '{name}' must begin with a lowercase letter, \
                 contain only lowercase letters and numbers and be between 1 and 12 characters in length."
            ),
        ));
    }
    if pool.windows && name.len() > 6 {
        return Err(refused(
            "WindowsAgentPoolNameTooLong",
            "agentPoolProfile.name",
            format!("Windows agent pool name '{name}' can not be longer than 6 characters."),
        ));
    }
    Ok(())
}

fn size(pool: &Pool, location: &str) -> Result<(), ArmError> {
    const TARGET: &str = "agentPoolProfile.vmSize";
    let Some(size) = pool.vm_size(location) else {
        let known: Vec<&str> = Catalog::builtin().sizes(location).iter().map(|size| size.name.as_str()).collect();
        return Err(refused(
            "VMSizeNotSupported",
            TARGET,
            format!(
                "The VM size of {} is not allowed in your subscription in location '{location}'. The available VM sizes \
                 are '{}'.",
                pool.size,
                known.join(",")
            ),
        ));
    };
    let offered = Catalog::builtin().zones(location, &size.name);
    match pool.zones.iter().find(|zone| !offered.contains(zone)) {
        Some(zone) => Err(refused(
            "AvailabilityZoneNotSupported",
            "agentPoolProfile.availabilityZones",
            format!("The zone(s) '{zone}' for resource '{}' is not supported in location '{location}'.", pool.name),
        )),
        None => Ok(()),
    }
}

fn numbers(pool: &Pool) -> Result<(), ArmError> {
    if pool.count > MOST_NODES {
        let message = format!("Agent pool '{}' has {} nodes; {MOST_NODES} are allowed.", pool.name, pool.count);
        return Err(refused("AgentPoolMaxCountExceeded", "agentPoolProfile.count", message));
    }
    if pool.max_pods < 10 {
        let message = format!("The value {} of maxPods is too small: the minimum is 10.", pool.max_pods);
        return Err(refused("InsufficientMaxPods", "agentPoolProfile.maxPods", message));
    }
    if pool.max_pods > 250 {
        let message = format!("The value {} of maxPods is too large: the maximum is 250.", pool.max_pods);
        return Err(refused("MaxPodsLimitExceeded", "agentPoolProfile.maxPods", message));
    }
    let bounded = |name: &str| pool.given.get(name).and_then(serde_json::Value::as_u64).is_some_and(|n| n > 0);
    match pool.scaling {
        None if bounded("minCount") || bounded("maxCount") => Err(invalid(
            "agentPoolProfile.enableAutoScaling",
            "minCount and maxCount can only be set where enableAutoScaling is true.",
        )),
        None => Ok(()),
        Some((min, max)) => {
            let least = u32::from(pool.mode == Mode::System);
            let wrong = |name: &str, message: String| Err(invalid(&format!("agentPoolProfile.{name}"), message));
            if max == 0 || max > MOST_NODES {
                return wrong("maxCount", format!("The value {max} of maxCount must be between 1 and {MOST_NODES}."));
            }
            if min < least {
                return wrong("minCount", format!("The value {min} of minCount must be at least {least}."));
            }
            if min > max {
                return wrong("minCount", format!("The value {min} of minCount is larger than maxCount {max}."));
            }
            if !(min..=max).contains(&pool.count) {
                return wrong("count", format!("The value {} of count must be between {min} and {max}.", pool.count));
            }
            Ok(())
        }
    }
}

fn taints_and_labels(pool: &Pool) -> Result<(), ArmError> {
    for taint in &pool.taints {
        let (key, effect) = taint.rsplit_once(':').unwrap_or((taint, ""));
        let effects = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        if key.is_empty() || key.starts_with('=') || !effects.contains(&effect) {
            let message =
                format!("The taint '{taint}' is invalid: expected 'key=value:effect', effect one of {effects:?}.");
            return Err(invalid("agentPoolProfile.nodeTaints", message));
        }
    }
    // AKS keeps this prefix for itself; one label in it is the user's to set.
    let kept = |key: &&String| {
        let domain = key.split('/').next().unwrap_or_default();
        domain == "kubernetes.azure.com" && !key.ends_with("/scalesetpriority")
    };
    match pool.labels.keys().find(kept) {
        Some(key) => Err(refused(
            "NodeLabelKeyNotAllowed",
            "agentPoolProfile.nodeLabels",
            format!("The label key '{key}' is not allowed: the prefix 'kubernetes.azure.com' is reserved."),
        )),
        None => Ok(()),
    }
}

fn system(pool: &Pool, location: &str) -> Result<(), ArmError> {
    let name = &pool.name;
    if pool.windows {
        let message = format!("System node pool must be of OS type Linux. Nodepool name: {name}.");
        return Err(refused("SystemPoolMustBeLinux", "agentPoolProfile.osType", message));
    }
    if pool.spot {
        let message = format!("System node pool must be regular priority. Nodepool name: {name}.");
        return Err(refused("SystemPoolMustBeRegular", "agentPoolProfile.scaleSetPriority", message));
    }
    if pool.vm_size(location).is_some_and(|s| s.vcpus < LEAST_VCPUS || s.memory_gib < LEAST_MEMORY_GIB) {
        return Err(refused(
            "SystemPoolSkuTooLow",
            "agentPoolProfile.vmSize",
            format!("System node pool must use VM sku with more than 2 cores and 4GB memory. Nodepool name: {name}."),
        ));
    }
    let soft = |taint: &&String| taint.starts_with("CriticalAddonsOnly") || taint.ends_with(":PreferNoSchedule");
    if pool.taints.iter().any(|taint| !soft(&taint)) {
        return Err(refused(
            "SystemPoolHasRestrictedTaint",
            "agentPoolProfile.nodeTaints",
            "Placing custom taints on system pool is not supported (except 'CriticalAddonsOnly' taint or taint effect is \
             'PreferNoSchedule').",
        ));
    }
    if pool.count == 0 {
        let message = format!("System node pool must have at least one node. Nodepool name: {name}.");
        return Err(invalid("agentPoolProfile.count", message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::network_profile;
    use super::*;

    fn read(name: &str, properties: Value) -> Result<Pool, ArmError> {
        let network = network_profile::complete(&json!({"networkPlugin": "azure", "networkPluginMode": "overlay"}))?;
        let context = PoolContext { location: "eastus", version: "1.34.4".parse().unwrap(), network: &network };
        Pool::read(name, &properties, None, context)
    }

    #[test]
    fn each_rule_has_its_code() {
        for (name, properties, code) in [
            ("Pool", json!({}), "InvalidParameter"),
            ("nodepoolnodepool", json!({}), "InvalidParameter"),
            ("winpool1", json!({"osType": "Windows"}), "WindowsAgentPoolNameTooLong"),
            ("p", json!({"vmSize": "Standard_Nope"}), "VMSizeNotSupported"),
            ("p", json!({"availabilityZones": ["9"]}), "AvailabilityZoneNotSupported"),
            ("p", json!({"count": 1001}), "AgentPoolMaxCountExceeded"),
            ("p", json!({"maxPods": 9}), "InsufficientMaxPods"),
            ("p", json!({"maxPods": 251}), "MaxPodsLimitExceeded"),
            ("p", json!({"minCount": 1}), "InvalidParameter"),
            ("p", json!({"enableAutoScaling": true, "minCount": 5, "maxCount": 3}), "InvalidParameter"),
            ("p", json!({"enableAutoScaling": true, "minCount": 1, "maxCount": 3, "count": 4}), "InvalidParameter"),
            (
                "p",
                json!({"enableAutoScaling": true, "minCount": 0, "maxCount": 3, "mode": "System"}),
                "InvalidParameter",
            ),
            ("p", json!({"nodeTaints": ["a=b"]}), "InvalidParameter"),
            ("p", json!({"nodeLabels": {"kubernetes.azure.com/mine": "x"}}), "NodeLabelKeyNotAllowed"),
            ("p", json!({"mode": "System", "osType": "Windows"}), "SystemPoolMustBeLinux"),
            ("p", json!({"mode": "System", "scaleSetPriority": "Spot"}), "SystemPoolMustBeRegular"),
            ("p", json!({"mode": "System", "vmSize": "Standard_B1s"}), "SystemPoolSkuTooLow"),
            ("p", json!({"mode": "System", "nodeTaints": ["a=b:NoSchedule"]}), "SystemPoolHasRestrictedTaint"),
            ("p", json!({"mode": "System", "count": 0}), "InvalidParameter"),
            ("p", json!({"mode": "Sometimes"}), "InvalidParameter"),
            ("p", json!({"orchestratorVersion": "1.2.3"}), "AgentPoolK8sVersionNotSupported"),
        ] {
            let refused = read(name, properties.clone()).unwrap_err();
            assert_eq!(refused.code(), code, "{name} {properties}: {refused}");
            assert!(refused.error.target.is_some(), "{refused}");
        }
    }

    #[test]
    fn soft_taints_zero_user_nodes_and_small_user_sizes_are_taken() {
        let soft = json!(["CriticalAddonsOnly=true:NoSchedule", "a=b:PreferNoSchedule"]);
        assert!(read("p", json!({"mode": "System", "nodeTaints": soft})).is_ok());
        assert!(read("p", json!({"count": 0})).is_ok());
        let spot = read("p", json!({"scaleSetPriority": "Spot"})).unwrap();
        assert_eq!(spot.node_taints(), ["kubernetes.azure.com/scalesetpriority=spot:NoSchedule"]);
    }

    #[test]
    fn pools_are_of_one_network_and_one_is_the_system() {
        let id = |network: &str| json!({"mode": "System", "vnetSubnetID": format!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/{network}/subnets/a")});
        let user = read("u", json!({})).unwrap();
        assert_eq!(check_together(std::slice::from_ref(&user)).unwrap_err().code(), "MustDefineAtLeastOneSystemPool");
        let (a, b) = (read("a", id("one")).unwrap(), read("b", id("two")).unwrap());
        assert_eq!(check_together(&[a.clone(), b]).unwrap_err().code(), "InvalidParameter");
        assert_eq!(check_together(&[a.clone(), user]).unwrap_err().code(), "AgentPoolsWithEmptySubnetError");
        assert_eq!(check_together(&[a.clone(), a.clone()]).unwrap_err().code(), "InvalidParameter");
        assert!(check_together(&[a]).is_ok());
    }
}
