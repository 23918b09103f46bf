//! `nodeProvisioningProfile`: what the mode Auto cannot be combined with.

use serde_json::{Value, json};

use super::pool::Pool;
use super::refusal::{invalid, not_allowed};
use crate::engine::{NapState, NetworkProfile};
use arm::{ApiVersion, ArmError};

/// The first stable api-version that knows the profile; previews had it since late 2023.
const KNOWN_SINCE: (&str, &str) = ("2025-05-01", "2023-10-02");

/// The profile of a managed cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeProvisioning {
    /// The mode is Auto.
    pub(super) auto: bool,
    /// AKS applies its own node pools.
    pub(super) default_node_pools: bool,
}

impl NodeProvisioning {
    /// Reads the profile; `Manual` where the body has no profile.
    ///
    /// # Errors
    /// `InvalidParameter` where a value is not one of the profile's.
    pub(super) fn read(properties: &Value) -> Result<Self, ArmError> {
        let profile = &properties["nodeProvisioningProfile"];
        let choice = |name: &str, choices: [&str; 2], default: bool| match &profile[name] {
            Value::Null => Ok(default),
            given if given == choices[0] => Ok(true),
            given if given == choices[1] => Ok(false),
            given => Err(invalid(
                &format!("nodeProvisioningProfile.{name}"),
                format!("The value {given} is not one of the allowed values: {}.", choices.join(", ")),
            )),
        };
        Ok(Self {
            auto: choice("mode", ["Auto", "Manual"], false)?,
            default_node_pools: choice("defaultNodePools", ["Auto", "None"], true)?,
        })
    }

    /// The profile as the resource shows it.
    pub(super) fn shown(self) -> Value {
        json!({
            "mode": if self.auto { "Auto" } else { "Manual" },
            "defaultNodePools": if self.default_node_pools { "Auto" } else { "None" },
        })
    }
}

/// The api-version has the profile: older ones leave what is there alone.
pub(super) fn known_to(version: &ApiVersion) -> bool {
    let preview = version.as_str().len() > 10;
    version.at_least(if preview { KNOWN_SINCE.1 } else { KNOWN_SINCE.0 })
}

/// Something that stands against the mode Auto, with the end of the sentence that AKS says about it.
type Guard = (fn(&Value, &NetworkProfile, &[Pool]) -> bool, &'static str);

/// In the form of the sentences that public reports quote: autoscaling, families, public access and Azure AD are theirs,
/// the others are made likewise out of the documents' lists of what is not supported.
const GUARDS: &[Guard] = &[
    (
        |_, _, pools| pools.iter().any(|pool| pool.scaling.is_some()),
        "unless all AgentPools have property .properties.enableAutoScaling set to one of [false]",
    ),
    (
        |_, _, pools| pools.iter().any(|pool| pool.windows),
        "unless all AgentPools have property .properties.osType set to one of [Linux]",
    ),
    (
        |_, _, pools| pools.iter().any(|pool| pool.text("podIPAllocationMode") == "StaticBlock"),
        "unless all AgentPools have property .properties.podIPAllocationMode set to one of [DynamicIndividual]",
    ),
    (
        |_, _, pools| pools.iter().any(|pool| !pool.text("podSubnetID").is_empty()),
        "if any AgentPool has property .properties.podSubnetID specified.",
    ),
    (
        |_, network, _| network.service_cidrs.len() > 1,
        "unless .properties.networkProfile.ipFamilies is set to one of [IPv4].",
    ),
    (
        |_, network, _| network.plugin == "kubenet",
        "unless .properties.networkProfile.networkPlugin is set to one of [azure, none].",
    ),
    (
        |_, network, _| network.policy == "calico",
        "unless .properties.networkProfile.networkPolicy is set to one of [none, azure, cilium].",
    ),
    (
        |given, _, _| is(&given["networkProfile"]["loadBalancerSku"], "basic"),
        "unless .properties.networkProfile.loadBalancerSku is set to one of [Standard].",
    ),
    (|given, _, _| has_service_principal(given), "if .properties.servicePrincipalProfile is specified."),
    (|given, _, _| filled(&given["diskEncryptionSetID"]), "if .properties.diskEncryptionSetID is specified."),
    (
        |given, _, _| filled(&given["securityProfile"]["customCATrustCertificates"]),
        "if .properties.securityProfile.customCATrustCertificates is specified.",
    ),
    (
        |given, _, _| filled(&given["httpProxyConfig"]) && given["httpProxyConfig"]["enabled"] != false,
        "if .properties.httpProxyConfig is specified.",
    ),
    (
        |given, _, _| given["apiServerAccessProfile"]["enablePrivateCluster"] == true,
        "unless .properties.apiServerAccessProfile.enablePrivateCluster is set to one of [false].",
    ),
    (
        |given, _, _| is(&given["publicNetworkAccess"], "disabled"),
        "unless .properties.publicNetworkAccess is set to one of [Enabled].",
    ),
];

/// Refuses the mode Auto where something stands against it.
///
/// # Errors
/// `OperationNotAllowed` with AKS's sentence about the first that does.
pub(super) fn guard(properties: &Value, network: &NetworkProfile, pools: &[Pool]) -> Result<(), ArmError> {
    match GUARDS.iter().find(|(met, _)| met(properties, network, pools)) {
        Some((_, why)) => Err(not_allowed(format!(".properties.nodeProvisioningProfile.mode cannot be Auto {why}"))),
        None => Ok(()),
    }
}

/// Refuses the mode Manual as long as something of node auto-provisioning is left in the cluster.
///
/// # Errors
/// `OperationNotAllowed` that names the nodes, or the node pools that could still make some. Our words: the documents
/// state the rule, and nobody has published the answer.
pub(super) fn check_disabling(state: &NapState) -> Result<(), ArmError> {
    const MODE: &str = ".properties.nodeProvisioningProfile.mode cannot be changed from Auto to Manual";
    if !state.nodes.is_empty() {
        return Err(not_allowed(format!(
            "{MODE} while nodes managed by node auto-provisioning exist: [{}]. Delete them first, see \
             https://aka.ms/aks/nap/disable.",
            state.nodes.join(", ")
        )));
    }
    if !state.unlimited_node_pools.is_empty() {
        return Err(not_allowed(format!(
            "{MODE} unless all NodePools have .spec.limits.cpu set to 0: [{}]. See https://aka.ms/aks/nap/disable.",
            state.unlimited_node_pools.join(", ")
        )));
    }
    Ok(())
}

/// A principal of the user's own; `msi` stands for the cluster's managed identity.
fn has_service_principal(properties: &Value) -> bool {
    let client = properties["servicePrincipalProfile"]["clientId"].as_str();
    client.is_some_and(|client| !client.is_empty() && client != "msi")
}

fn filled(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => fields.values().any(filled),
        _ => true,
    }
}

fn is(value: &Value, text: &str) -> bool {
    value.as_str().is_some_and(|value| value.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_two_words() {
        let read = |profile: Value| NodeProvisioning::read(&json!({"nodeProvisioningProfile": profile}));
        assert!(read(json!({"mode": "Auto"})).unwrap().auto);
        assert!(!read(json!({"mode": "Manual"})).unwrap().auto);
        assert!(!read(json!({})).unwrap().auto);
        assert!(!read(json!({"defaultNodePools": "None"})).unwrap().default_node_pools);
        for wrong in
            [json!({"mode": "auto"}), json!({"mode": "On"}), json!({"mode": 1}), json!({"defaultNodePools": "x"})]
        {
            assert_eq!(read(wrong).unwrap_err().code(), "InvalidParameter");
        }
    }

    #[test]
    fn api_versions_know_the_profile_from_some_date_on() {
        for (version, known) in [
            ("2025-05-01", true),
            ("2025-04-01", false),
            ("2023-10-02-preview", true),
            ("2023-09-02-preview", false),
            ("2026-06-01", true),
        ] {
            assert_eq!(known_to(&version.parse().unwrap()), known, "{version}");
        }
    }

    #[test]
    fn disabling_names_what_is_left() {
        assert!(check_disabling(&NapState::default()).is_ok());
        let nodes = NapState { nodes: vec!["aks-default-abc".into()], ..NapState::default() };
        assert!(check_disabling(&nodes).unwrap_err().message().contains("[aks-default-abc]"));
        let pools = NapState { unlimited_node_pools: vec!["system-surge".into()], ..NapState::default() };
        assert!(check_disabling(&pools).unwrap_err().message().contains("[system-surge]"));
    }

    #[test]
    fn empty_objects_and_the_clusters_own_identity_do_not_count() {
        assert!(!filled(&json!({"httpProxy": "", "noProxy": []})));
        assert!(filled(&json!({"httpProxy": "http://p"})));
        assert!(!has_service_principal(&json!({"servicePrincipalProfile": {"clientId": "msi"}})));
    }
}
