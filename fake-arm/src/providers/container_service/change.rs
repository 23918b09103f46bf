//! A request that changes a managed cluster: what it leaves unsaid, and what it may not touch.

use serde_json::{Map, Value};

use super::address_range;
use super::cluster::Cluster;
use super::draft::Draft;
use super::feature::pod_range_expansion;
use super::node_provisioning;
use super::refusal::{refused, unchangeable};
use super::site;
use crate::provider::Request;
use crate::world::World;
use arm::ArmError;

/// Properties that only the service writes.
const READ_ONLY: [&str; 10] = [
    "provisioningState",
    "powerState",
    "fqdn",
    "privateFQDN",
    "azurePortalFQDN",
    "currentKubernetesVersion",
    "maxAgentPools",
    "resourceUID",
    "eTag",
    "status",
];

/// Properties of a cluster that stay as they were made, by their paths below `properties`.
const SETTLED: [&str; 14] = [
    "nodeResourceGroup",
    "dnsPrefix",
    "fqdnSubdomain",
    "enableRBAC",
    "diskEncryptionSetID",
    "linuxProfile.adminUsername",
    "apiServerAccessProfile.enablePrivateCluster",
    "apiServerAccessProfile.subnetId",
    "networkProfile.networkPlugin",
    "networkProfile.serviceCidr",
    "networkProfile.serviceCidrs",
    "networkProfile.dnsServiceIP",
    "networkProfile.ipFamilies",
    "networkProfile.loadBalancerSku",
];

/// The body of a PUT, complete: read-only properties are dropped, and where it is silent it says what is.
pub(super) fn complete(request: &Request, before: Option<&Cluster>) -> Value {
    let mut body = request.resource_body();
    let knows_provisioning = node_provisioning::known_to(&request.api_version);
    let properties = body["properties"].as_object_mut().map(std::mem::take).unwrap_or_default();
    let mut properties: Map<String, Value> = properties
        .into_iter()
        .filter(|(name, value)| !READ_ONLY.contains(&name.as_str()) && !value.is_null())
        .collect();
    if !knows_provisioning {
        properties.remove("nodeProvisioningProfile");
    }
    let Some(before) = before else {
        body["properties"] = Value::Object(properties);
        return body;
    };
    let was = before.properties();
    for (name, value) in was.as_object().into_iter().flatten() {
        if READ_ONLY.contains(&name.as_str()) {
            continue;
        }
        let silent = properties.get(name).is_none_or(|now| name == "kubernetesVersion" && now == "");
        if silent {
            properties.insert(name.clone(), value.clone());
        }
    }
    // The same one level down, where clients send a part only.
    for name in ["networkProfile", "apiServerAccessProfile", "linuxProfile", "nodeProvisioningProfile"] {
        for (inner, value) in was[name].as_object().into_iter().flatten() {
            let Some(Value::Object(now)) = properties.get_mut(name) else { continue };
            if now.get(inner).is_none_or(Value::is_null) {
                now.insert(inner.clone(), value.clone());
            }
        }
    }
    if let Some(network) = properties.get_mut("networkProfile") {
        super::pod_range::align(network, &was["networkProfile"]);
    }
    for name in ["identity", "sku"] {
        if body[name].is_null() {
            body[name] = before.body[name].clone();
        }
    }
    body["properties"] = Value::Object(properties);
    body
}

/// Refuses other values of what stays as it was made. `body` is complete.
///
/// # Errors
/// `PropertyChangeNotAllowed`.
pub(super) fn check_settled(body: &Value, before: &Cluster) -> Result<(), ArmError> {
    for path in SETTLED {
        let pointer = format!("/{}", path.replace('.', "/"));
        let (now, was) = (body["properties"].pointer(&pointer), before.properties().pointer(&pointer));
        if !equal(now, was) {
            return Err(unchangeable(&format!("properties.{path}")));
        }
    }
    Ok(())
}

/// Refuses changes that depend on more than one property.
///
/// # Errors
/// `PropertyChangeNotAllowed`; `UpdatingOutboundTypeNotAllowed`; what [`pod_range::changes`](super::pod_range::changes)
/// refuses, the preview feature that growing the pod range needs, and a network that the grown range would meet.
pub(super) fn check(world: &World, draft: &Draft, before: &Cluster) -> Result<(), ArmError> {
    let network = before.network()?;
    // Node subnet networking can become overlay, and the data plane Cilium; neither goes back.
    if draft.network.plugin_mode != network.plugin_mode && draft.network.plugin_mode.is_empty() {
        return Err(unchangeable("properties.networkProfile.networkPluginMode"));
    }
    if draft.network.dataplane != network.dataplane && network.dataplane == "cilium" {
        return Err(unchangeable("properties.networkProfile.networkDataplane"));
    }
    outbound(draft, before, &network.outbound_type)?;
    if draft.network.plugin_mode != network.plugin_mode {
        return Ok(());
    }
    let cluster = super::pod_range::PodRangeFacts {
        version: before.version(),
        windows_pools: draft.pools.iter().any(|pool| pool.windows),
    };
    if super::pod_range::changes(&draft.network, &network, cluster)? {
        pod_range_expansion(world)?;
        let subnet = draft.subnet().cloned().unwrap_or_else(|| before.subnet(world));
        address_range::pods_apart(&draft.network, &site::occupied_ranges(world, &subnet)?)?;
    }
    Ok(())
}

/// With node auto-provisioning the way out is settled; without it AKS moves clusters between some ways only.
fn outbound(draft: &Draft, before: &Cluster, was: &str) -> Result<(), ArmError> {
    let now = draft.network.outbound_type.as_str();
    if now == was {
        return Ok(());
    }
    let refuse =
        |message: String| Err(refused("UpdatingOutboundTypeNotAllowed", "networkProfile.outboundType", message));
    if draft.provisioning.auto || before.auto() {
        return refuse(format!(
            "Changing .properties.networkProfile.outboundType from {was} to {now} is not allowed since the cluster enables \
             .properties.nodeProvisioningProfile.mode 'Auto'"
        ));
    }
    let own = draft.subnet().is_some();
    let possible = match now {
        "managedNATGateway" => !own,
        "userAssignedNATGateway" | "userDefinedRouting" => own,
        _ => true,
    };
    if possible { Ok(()) } else { refuse(format!("Changing the outbound type from {was} to {now} is not allowed.")) }
}

fn equal(now: Option<&Value>, was: Option<&Value>) -> bool {
    let missing = |value: &Value| value.is_null() || value == "" || *value == Value::Bool(false);
    match (now, was) {
        (Some(Value::String(now)), Some(Value::String(was))) => now.eq_ignore_ascii_case(was),
        (Some(Value::Array(now)), Some(Value::Array(was))) => {
            now.len() == was.len() && now.iter().zip(was).all(|(now, was)| equal(Some(now), Some(was)))
        }
        (Some(now), Some(was)) => now == was,
        (Some(one), None) | (None, Some(one)) => missing(one),
        (None, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn case_and_what_means_nothing_are_no_change() {
        assert!(equal(Some(&json!("Standard")), Some(&json!("standard"))));
        assert!(equal(Some(&json!(["ipv4"])), Some(&json!(["IPv4"]))));
        assert!(equal(Some(&json!(false)), None) && equal(None, Some(&json!(""))));
        assert!(!equal(Some(&json!(true)), None) && !equal(Some(&json!(["a"])), Some(&json!([]))));
    }
}
