//! What load balancers do with their frontends and pools: balancing, outbound and NAT rules, and probes.

use serde_json::{Map, Value, json};

use super::inline;
use super::reference::{self, is_to, list, missing_reference, one_of};
use arm::{ArmError, ResourceId};

/// Which array of the load balancer each reference of a rule leads into.
const REFERENCES: [(&str, &str); 4] = [
    ("frontendIPConfiguration", "frontendIPConfigurations"),
    ("backendAddressPool", "backendAddressPools"),
    ("backendAddressPools", "backendAddressPools"),
    ("probe", "probes"),
];

/// Holds the rules and probes of a load balancer against each other and against what its SKU can.
pub(super) fn check(sku: &str, balancer: &ResourceId, properties: &mut Map<String, Value>) -> Result<(), ArmError> {
    let all = Value::Object(properties.clone());
    for array in ["loadBalancingRules", "outboundRules", "inboundNatRules", "inboundNatPools"] {
        for rule in list(&all[array]) {
            check_references(balancer, &all, rule)?;
        }
    }
    check_probes(sku, &all)?;
    check_balancing(sku, &all)?;
    check_outbound(sku, balancer, &all)?;
    fill_in(properties);
    Ok(())
}

/// Everything that a rule names is in the same load balancer.
fn check_references(balancer: &ResourceId, all: &Value, rule: &Value) -> Result<(), ArmError> {
    let properties = &rule["properties"];
    let from = rule["id"].as_str().unwrap_or_default();
    let mut named: Vec<(&Value, &str)> = Vec::new();
    for (field, array) in REFERENCES {
        match &properties[field] {
            Value::Array(several) => named.extend(several.iter().map(|one| (one, array))),
            Value::Object(_) => named.push((&properties[field], array)),
            _ => {}
        }
    }
    named.extend(list(&properties["frontendIPConfigurations"]).iter().map(|f| (f, "frontendIPConfigurations")));
    for (value, array) in named {
        let Some(id) = reference::id_of(value)? else { continue };
        let here = id.parent().as_ref() == Some(balancer) && inline::find(list(&all[array]), id.name()).is_some();
        if !here {
            return Err(missing_reference(id.as_str(), from));
        }
    }
    Ok(())
}

fn check_probes(sku: &str, all: &Value) -> Result<(), ArmError> {
    for probe in list(&all["probes"]) {
        let (id, properties) = (&probe["id"], &probe["properties"]);
        let protocol = one_of(properties, "protocol", &["Tcp", "Http", "Https"])?;
        let fault = if protocol == "Https" && sku == "Basic" {
            "Https is not supported by Basic sku load balancers"
        } else if protocol != "Tcp" && properties["requestPath"].as_str().is_none_or(str::is_empty) {
            "a request path is required with Http and Https"
        } else if matches!(port(properties, "port"), None | Some(0)) {
            "its port must be between 1 and 65535"
        } else {
            continue;
        };
        return Err(ArmError::bad_request("LoadBalancerProbeInvalid", format!("Probe {id} is invalid: {fault}.")));
    }
    Ok(())
}

fn port(properties: &Value, field: &str) -> Option<u64> {
    properties[field].as_u64().filter(|port| *port <= 65535)
}

fn check_balancing(sku: &str, all: &Value) -> Result<(), ArmError> {
    let rules = list(&all["loadBalancingRules"]);
    for rule in rules {
        let properties = &rule["properties"];
        let protocol = one_of(properties, "protocol", &["Tcp", "Udp", "All"])?;
        let ports = (port(properties, "frontendPort"), port(properties, "backendPort"));
        let sound = if protocol == "All" {
            sku != "Basic" && ports == (Some(0), Some(0))
        } else {
            !matches!(ports, (None | Some(0), _) | (_, None | Some(0)))
        };
        if !sound {
            return Err(ArmError::bad_request(
                "LoadBalancingRuleInvalidPort",
                format!(
                    "Load balancing rule {} has invalid ports. They are 1 to 65535; 0 and protocol All are for rules of \
                     Standard sku load balancers that balance all ports.",
                    rule["id"].as_str().unwrap_or_default()
                ),
            ));
        }
    }
    for (at, one) in rules.iter().enumerate() {
        for other in &rules[at + 1..] {
            check_pair(one, other)?;
        }
    }
    Ok(())
}

/// What two balancing rules may not share.
fn check_pair(one: &Value, other: &Value) -> Result<(), ArmError> {
    let (a, b) = (&one["properties"], &other["properties"]);
    let id = |rule: &Value| rule["id"].as_str().unwrap_or_default().to_owned();
    let same = |field: &str| a[field] == b[field];
    let same_id = |field: &str| same_reference(&a[field], &b[field]);
    if !a["protocol"].as_str().unwrap_or_default().eq_ignore_ascii_case(b["protocol"].as_str().unwrap_or_default()) {
        return Ok(());
    }
    let protocol = a["protocol"].as_str().unwrap_or_default();
    if same("frontendPort") && same_id("frontendIPConfiguration") {
        return Err(ArmError::bad_request(
            "RulesUseSameFrontendPortProtocolAndIPConfig",
            format!(
                "Load balancing rules {} and {} use the same frontend port {} and protocol {protocol} with the same \
                 frontend IP configuration.",
                id(one),
                id(other),
                a["frontendPort"]
            ),
        ));
    }
    let floating = |rule: &Value| rule["enableFloatingIP"] == json!(true);
    if same("backendPort") && same_id("backendAddressPool") && !floating(a) && !floating(b) {
        return Err(ArmError::bad_request(
            "RulesUseSameBackendPortProtocolAndPool",
            format!(
                "Load balancing rules {} and {} with floating IP disabled use the same protocol {protocol} and backend \
                 port {}, and must not be used with the same backend address pool {}.",
                id(one),
                id(other),
                a["backendPort"],
                a["backendAddressPool"]["id"].as_str().unwrap_or_default()
            ),
        ));
    }
    Ok(())
}

fn same_reference(a: &Value, b: &Value) -> bool {
    match (a["id"].as_str(), b["id"].as_str()) {
        (Some(a), Some(b)) => a.eq_ignore_ascii_case(b),
        _ => false,
    }
}

fn check_outbound(sku: &str, balancer: &ResourceId, all: &Value) -> Result<(), ArmError> {
    let outbound = list(&all["outboundRules"]);
    if sku == "Basic" && !outbound.is_empty() {
        return Err(ArmError::bad_request(
            "OutboundRulesNotSupportedForBasicSku",
            format!("Basic sku load balancer {balancer} cannot have outbound rules."),
        ));
    }
    for rule in list(&all["loadBalancingRules"]) {
        let properties = &rule["properties"];
        let shared = outbound.iter().find(|out| {
            let frontends = list(&out["properties"]["frontendIPConfigurations"]);
            frontends.iter().any(|f| same_reference(f, &properties["frontendIPConfiguration"]))
                && same_reference(&out["properties"]["backendAddressPool"], &properties["backendAddressPool"])
        });
        if let Some(out) = shared.filter(|_| properties["disableOutboundSnat"] != json!(true)) {
            return Err(ArmError::bad_request(
                "LoadBalancingRuleMustDisableSNATSinceSameFrontendIPConfigurationIsReferencedByOutboundRule",
                format!(
                    "Load balancing rule {} must disable SNAT (set disableOutboundSnat to true) since the same frontend IP \
                     configuration is referenced by outbound rule {}.",
                    rule["id"].as_str().unwrap_or_default(),
                    out["id"].as_str().unwrap_or_default()
                ),
            ));
        }
    }
    Ok(())
}

/// What Azure adds to rules and probes.
fn fill_in(properties: &mut Map<String, Value>) {
    let defaults = [
        (
            "loadBalancingRules",
            json!({
                "enableFloatingIP": false, "idleTimeoutInMinutes": 4, "enableTcpReset": false,
                "loadDistribution": "Default", "disableOutboundSnat": false,
            }),
        ),
        ("probes", json!({ "protocol": "Tcp", "intervalInSeconds": 15, "numberOfProbes": 2, "probeThreshold": 1 })),
        ("outboundRules", json!({ "protocol": "All", "allocatedOutboundPorts": 0, "enableTcpReset": false })),
        ("inboundNatRules", json!({ "enableFloatingIP": false, "idleTimeoutInMinutes": 4, "enableTcpReset": false })),
    ];
    for (array, defaults) in defaults {
        for item in properties.get_mut(array).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(item) = item["properties"].as_object_mut() else { continue };
            for (field, default) in defaults.as_object().into_iter().flatten() {
                item.entry(field).or_insert_with(|| default.clone());
            }
            // A rule names its pool either way and shows both.
            if array == "loadBalancingRules"
                && let Some(pool) = item.get("backendAddressPool").filter(|pool| pool.is_object()).cloned()
            {
                item.entry("backendAddressPools").or_insert_with(|| json!([pool]));
            }
        }
    }
}

/// Fills in which rules use a load balancer's frontends, pools and probes.
pub(super) fn show_uses(shown: &mut Value) {
    let all = shown["properties"].clone();
    let rules = [
        ("loadBalancingRules", "frontendIPConfigurations", "frontendIPConfiguration"),
        ("outboundRules", "frontendIPConfigurations", "frontendIPConfigurations"),
        ("inboundNatRules", "frontendIPConfigurations", "frontendIPConfiguration"),
        ("loadBalancingRules", "backendAddressPools", "backendAddressPool"),
        ("outboundRules", "backendAddressPools", "backendAddressPool"),
        ("loadBalancingRules", "probes", "probe"),
    ];
    for (rules, array, field) in rules {
        for item in shown["properties"][array].as_array_mut().into_iter().flatten() {
            let Some(id) = item["id"].as_str().and_then(|id| ResourceId::parse(id).ok()) else { continue };
            let uses = |rule: &&Value| {
                let named = &rule["properties"][field];
                is_to(named, &id) || list(named).iter().any(|one| is_to(one, &id))
            };
            let users: Vec<Value> = list(&all[rules]).iter().filter(uses).map(|r| json!({ "id": r["id"] })).collect();
            if !users.is_empty() {
                item["properties"][rules] = json!(users);
            }
        }
    }
}
