//! Security rules: what Azure refuses of them, and what they mean.

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::{Map, Value, json};

use super::reference::{list, one_of};
use crate::world::World;
use arm::{ArmError, ResourceId};
use net::{Access, Direction, Peer, PortRange, Protocol, SecurityRule};

/// Names of service tags that Azure knows in every region. A tag may have a region's name behind it, `Storage.EastUS`.
const TAGS: [&str; 44] = [
    "VirtualNetwork",
    "AzureLoadBalancer",
    "Internet",
    "ActionGroup",
    "ApiManagement",
    "AppConfiguration",
    "AppService",
    "AppServiceManagement",
    "AzureActiveDirectory",
    "AzureAdvancedThreatProtection",
    "AzureArcInfrastructure",
    "AzureBackup",
    "AzureBotService",
    "AzureCloud",
    "AzureCognitiveSearch",
    "AzureConnectors",
    "AzureContainerRegistry",
    "AzureCosmosDB",
    "AzureDatabricks",
    "AzureDevOps",
    "AzureEventGrid",
    "AzureFrontDoor",
    "AzureInformationProtection",
    "AzureIoTHub",
    "AzureKeyVault",
    "AzureMachineLearning",
    "AzureMonitor",
    "AzurePlatformDNS",
    "AzurePlatformIMDS",
    "AzurePlatformLKM",
    "AzurePortal",
    "AzureResourceManager",
    "AzureSiteRecovery",
    "AzureTrafficManager",
    "BatchNodeManagement",
    "CognitiveServicesManagement",
    "DataFactory",
    "EventHub",
    "GatewayManager",
    "MicrosoftContainerRegistry",
    "MicrosoftDefenderForEndpoint",
    "ServiceBus",
    "Sql",
    "Storage",
];

/// Tags of the platform's own services, which rules can only deny.
const PLATFORM_TAGS: [&str; 3] = ["AzurePlatformDNS", "AzurePlatformIMDS", "AzurePlatformLKM"];

/// Holds the rules of a group against Azure's limits, and fills in what Azure does. No two rules of a direction may have
/// one priority.
pub(super) fn check(_: &World, group: &ResourceId, properties: &mut Map<String, Value>) -> Result<(), ArmError> {
    let mut seen: BTreeMap<(Direction, u64), String> = BTreeMap::new();
    let rules = properties.get_mut("securityRules").and_then(Value::as_array_mut);
    for rule in rules.into_iter().flatten() {
        let name = rule["name"].as_str().unwrap_or_default().to_owned();
        let id = group.child("securityRules", &name);
        check_one(&mut rule["properties"], &id)?;
        let body = &rule["properties"];
        let key = (direction(body)?, body["priority"].as_u64().unwrap_or_default());
        if let Some(other) = seen.insert(key, name.clone()) {
            return Err(ArmError::bad_request(
                "SecurityRuleConflict",
                format!(
                    "Security rule {other} conflicts with rule {name}. Rules cannot have the same Priority and \
                     Direction. To learn more, see aka.ms/nsgrules."
                ),
            ));
        }
    }
    Ok(())
}

fn check_one(rule: &mut Value, id: &ResourceId) -> Result<(), ArmError> {
    let access = one_of(rule, "access", &["Allow", "Deny"])?;
    let protocol = one_of(rule, "protocol", &["*", "Tcp", "Udp", "Icmp", "Esp", "Ah"])?;
    for (field, value) in [("direction", direction_name(direction(rule)?)), ("access", access), ("protocol", protocol)]
    {
        if !rule[field].is_string() {
            return Err(missing(id, &[field]));
        }
        rule[field] = json!(value);
    }
    let priority = rule["priority"].as_u64().filter(|number| (100..=4096).contains(number));
    if priority.is_none() {
        let text = if rule["priority"].is_null() { "0".to_owned() } else { rule["priority"].to_string() };
        return Err(ArmError::bad_request(
            "SecurityRuleInvalidPriority",
            format!("Security rule has invalid Priority. Value provided: {text} Allowed range 100-4096."),
        ));
    }
    for (one, many) in [("sourcePortRange", "sourcePortRanges"), ("destinationPortRange", "destinationPortRanges")] {
        if rule[one].is_null() && list(&rule[many]).is_empty() {
            return Err(missing(id, &[many, one]));
        }
        for text in texts(rule, one, many) {
            if PortRange::parse(text).is_none() {
                return Err(ArmError::bad_request(
                    "SecurityRuleInvalidPortRange",
                    format!(
                        "Security rule has invalid Port range. Value provided: {text}. Value should be an integer OR \
                         integer range with '-' delimiter. Valid range 0-65535."
                    ),
                ));
            }
        }
    }
    for (one, many, groups) in [
        ("sourceAddressPrefix", "sourceAddressPrefixes", "sourceApplicationSecurityGroups"),
        ("destinationAddressPrefix", "destinationAddressPrefixes", "destinationApplicationSecurityGroups"),
    ] {
        check_peers(rule, id, access, (one, many, groups))?;
    }
    for many in ["sourcePortRanges", "destinationPortRanges", "sourceAddressPrefixes", "destinationAddressPrefixes"] {
        if rule[many].is_null() {
            rule[many] = json!([]);
        }
    }
    Ok(())
}

fn check_peers(rule: &Value, id: &ResourceId, access: &str, fields: (&str, &str, &str)) -> Result<(), ArmError> {
    let (one, many, groups) = fields;
    if rule[one].is_null() && list(&rule[many]).is_empty() && list(&rule[groups]).is_empty() {
        return Err(missing(id, &[many, one, groups]));
    }
    for text in list(&rule[many]).iter().filter_map(Value::as_str) {
        if read_prefix(text).is_none() && (text == "*" || tag(text).is_some()) {
            let parameter = format!("{}{}", many[..1].to_uppercase(), &many[1..]);
            return Err(ArmError::bad_request(
                "SecurityRuleParameterContainsUnsupportedValue",
                format!(
                    "Security rule parameter {parameter} for rule with Id {id} cannot specify existing VIRTUALNETWORK, \
                     INTERNET, AZURELOADBALANCER, '*' or system tags. Unsupported value used: {text}."
                ),
            ));
        }
    }
    for text in texts(rule, one, many) {
        if peer(text).is_none() {
            return Err(ArmError::bad_request(
                "SecurityRuleInvalidAddressPrefix",
                format!("Security rule has invalid Address prefix. Value provided: {text}."),
            ));
        }
        if access == "Allow" && PLATFORM_TAGS.iter().any(|tag| tag.eq_ignore_ascii_case(text)) {
            return Err(ArmError::bad_request(
                "SecurityRuleInvalidAccessType",
                format!(
                    "Security rule {id} has invalid Access type for service tag {text}. Value provided: Allow. Allowed \
                     values: Deny."
                ),
            ));
        }
    }
    Ok(())
}

fn missing(id: &ResourceId, fields: &[&str]) -> ArmError {
    let upper = |field: &&str| format!("{}{}", field[..1].to_uppercase(), &field[1..]);
    let fields: Vec<String> = fields.iter().map(upper).collect();
    ArmError::bad_request(
        "SecurityRuleParametersMissing",
        format!(
            "Required security rule parameters are missing for security rule with Id: {id}. Security rule must specify {}.",
            fields.join(", or ")
        ),
    )
}

/// What the singular and the plural form of a field say, taken together.
fn texts<'v>(rule: &'v Value, one: &str, many: &str) -> Vec<&'v str> {
    rule[one]
        .as_str()
        .filter(|text| !text.is_empty())
        .into_iter()
        .chain(list(&rule[many]).iter().filter_map(Value::as_str))
        .collect()
}

fn direction(rule: &Value) -> Result<Direction, ArmError> {
    Ok(match one_of(rule, "direction", &["Inbound", "Outbound"])? {
        "Outbound" => Direction::Outbound,
        _ => Direction::Inbound,
    })
}

fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "Inbound",
        Direction::Outbound => "Outbound",
    }
}

/// A prefix in CIDR notation without host bits, or an address.
fn read_prefix(text: &str) -> Option<IpNet> {
    if let Ok(address) = text.parse::<std::net::IpAddr>() {
        return Some(address.into());
    }
    text.parse::<IpNet>().ok().filter(|prefix| prefix.trunc() == *prefix)
}

/// A service tag, in Azure's case where it is known without a region.
fn tag(text: &str) -> Option<&'static str> {
    let name = text.split('.').next().unwrap_or_default();
    TAGS.iter().find(|known| known.eq_ignore_ascii_case(name)).copied()
}

fn peer(text: &str) -> Option<Peer> {
    if let Some(prefix) = read_prefix(text) {
        return Some(Peer::Prefix(prefix));
    }
    // The forms of the time before tags had names.
    let folded = text.to_ascii_lowercase();
    Some(match folded.as_str() {
        "*" | "any" => Peer::Any,
        "virtualnetwork" | "virtual_network" => Peer::VirtualNetwork,
        "azureloadbalancer" | "azure_loadbalancer" => Peer::AzureLoadBalancer,
        "internet" => Peer::Internet,
        _ => Peer::Tag(tag(text).map(|_| text.to_owned())?),
    })
}

/// Reads a stored rule, one of the group's own or a default one; `None` where it was stored without checks and means
/// nothing.
pub(super) fn read(rule: &Value) -> Option<SecurityRule> {
    let body = &rule["properties"];
    let peers = |one, many, groups: &str| {
        let named = texts(body, one, many).into_iter().filter_map(peer);
        let groups = list(&body[groups]).iter().filter_map(|g| g["id"].as_str());
        named.chain(groups.map(|id| Peer::Group(id.to_ascii_lowercase()))).collect()
    };
    let ports = |one, many| texts(body, one, many).into_iter().filter_map(PortRange::parse).collect();
    Some(SecurityRule {
        name: rule["name"].as_str()?.to_owned(),
        priority: body["priority"].as_u64()?.try_into().ok()?,
        direction: direction(body).ok()?,
        access: if body["access"] == "Deny" { Access::Deny } else { Access::Allow },
        protocol: body["protocol"].as_str().and_then(Protocol::parse),
        sources: peers("sourceAddressPrefix", "sourceAddressPrefixes", "sourceApplicationSecurityGroups"),
        source_ports: ports("sourcePortRange", "sourcePortRanges"),
        destinations: peers(
            "destinationAddressPrefix",
            "destinationAddressPrefixes",
            "destinationApplicationSecurityGroups",
        ),
        destination_ports: ports("destinationPortRange", "destinationPortRanges"),
    })
}
