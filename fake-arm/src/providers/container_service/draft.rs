//! A managed cluster out of a request: everything that can be said before anything is looked up or made.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::network_profile;
use super::node_provisioning::{self, NodeProvisioning};
use super::pool::{Pool, PoolContext};
use super::pool_rules;
use super::refusal::{invalid, refused, required};
use super::version::{self, Version};
use crate::engine::NetworkProfile;
use arm::{ArmError, ResourceId};

/// AKS cuts the name that it makes to this length, the limit of managed resource groups, and refuses longer ones.
const LONGEST_NODE_RESOURCE_GROUP: usize = 80;

/// A validated request.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) location: String,
    pub(super) node_resource_group: String,
    pub(super) dns_prefix: String,
    pub(super) version: Version,
    pub(super) provisioning: NodeProvisioning,
    pub(super) network: NetworkProfile,
    pub(super) pools: Vec<Pool>,
    pub(super) admin_username: String,
    pub(super) ssh_public_key: String,
    /// `properties` as the resource is to be, but for what only its making brings.
    pub(super) properties: Value,
    /// `sku`, defaults filled in.
    pub(super) sku: Value,
}

/// What is known of the cluster that a request changes.
#[derive(Debug, Clone)]
pub(super) struct PresentCluster {
    pub(super) version: Version,
    /// Properties of its pools, by name.
    pub(super) pools: BTreeMap<String, Value>,
}

impl Draft {
    /// Reads and checks the body of a PUT, which is complete: where the request was silent about an existing cluster it
    /// says what was.
    ///
    /// # Errors
    /// Azure's refusals; the codes of public reports where they are known, `InvalidParameter` otherwise.
    pub(super) fn read(
        id: &ResourceId,
        location: String,
        body: &Value,
        before: Option<&PresentCluster>,
    ) -> Result<Self, ArmError> {
        let properties = &body["properties"];
        let text = |name: &str| properties[name].as_str().unwrap_or_default();
        names(id, text("dnsPrefix"), text("fqdnSubdomain"))?;
        let sku = sku(&body["sku"])?;
        let long_term = text("supportPlan") == "AKSLongTermSupport";
        if long_term && sku["tier"] != "Premium" {
            return Err(invalid(
                "properties.supportPlan",
                "Support plan 'AKSLongTermSupport' needs the tier 'Premium'.",
            ));
        }
        let version = match before {
            None => version::of_new_cluster(id.name(), text("kubernetesVersion"), long_term)?,
            Some(before) => version::of_changed_cluster(before.version, text("kubernetesVersion"))?,
        };
        let network = network_profile::complete(&properties["networkProfile"])?;
        let context = PoolContext { location: &location, version, network: &network };
        let pools = pools(&properties["agentPoolProfiles"], before, context)?;
        pool_rules::check_together(&pools)?;
        local_accounts(properties)?;
        if properties["addonProfiles"]["aciConnectorLinux"]["enabled"] == true && network.service_cidrs.len() > 1 {
            return Err(invalid(
                "properties.addonProfiles.aciConnectorLinux",
                "The virtual nodes add-on is not supported with dual-stack networking.",
            ));
        }
        let provisioning = NodeProvisioning::read(properties)?;
        if provisioning.auto {
            node_provisioning::guard(properties, &network, &pools)?;
        }
        let linux = &properties["linuxProfile"];
        Ok(Self {
            node_resource_group: node_resource_group(id, &location, text("nodeResourceGroup"))?,
            dns_prefix: [text("dnsPrefix"), text("fqdnSubdomain")].concat(),
            version,
            provisioning,
            network,
            pools,
            admin_username: linux["adminUsername"].as_str().unwrap_or("azureuser").to_owned(),
            ssh_public_key: linux["ssh"]["publicKeys"][0]["keyData"].as_str().unwrap_or_default().to_owned(),
            properties: properties.clone(),
            sku,
            location,
        })
    }

    /// Subnet of the first pool, where one is given.
    pub(super) fn subnet(&self) -> Option<&ResourceId> {
        self.pools.iter().find_map(|pool| pool.subnet.as_ref())
    }

    /// `properties` as the resource shows them, without the pools, which are resources of their own, and what comes with
    /// the cluster's making.
    pub(super) fn shown(&self) -> Value {
        let mut shown = self.properties.as_object().cloned().unwrap_or_default();
        shown.remove("agentPoolProfiles");
        let asked = shown.get("kubernetesVersion").and_then(Value::as_str).unwrap_or_default();
        // A minor stays a minor; who said nothing sees the default's minor.
        let asked = match asked {
            "" => format!("{}.{}", self.version.major, self.version.minor),
            given => given.to_owned(),
        };
        for (name, value) in [
            ("kubernetesVersion", json!(asked)),
            ("currentKubernetesVersion", json!(self.version.to_string())),
            ("maxAgentPools", json!(100)),
            ("nodeProvisioningProfile", self.provisioning.shown()),
            ("nodeResourceGroup", json!(self.node_resource_group)),
            ("powerState", json!({ "code": "Running" })),
        ] {
            shown.insert(name.into(), value);
        }
        for (name, value) in [
            ("enableRBAC", json!(true)),
            ("disableLocalAccounts", json!(false)),
            ("supportPlan", json!("KubernetesOfficial")),
            ("servicePrincipalProfile", json!({ "clientId": "msi" })),
            ("windowsProfile", json!({ "adminUsername": "azureuser", "enableCSIProxy": true })),
            ("autoUpgradeProfile", json!({ "nodeOSUpgradeChannel": "NodeImage" })),
            ("oidcIssuerProfile", json!({ "enabled": false })),
            ("securityProfile", json!({})),
            ("workloadAutoScalerProfile", json!({})),
            ("metricsProfile", json!({ "costAnalysis": { "enabled": false } })),
            ("bootstrapProfile", json!({ "artifactSource": "Direct" })),
        ] {
            if shown.get(name).is_none_or(Value::is_null) {
                shown.insert(name.into(), value);
            }
        }
        let storage = shown.entry("storageProfile").or_insert(json!({}));
        for driver in ["diskCSIDriver", "fileCSIDriver", "snapshotController"] {
            if storage.is_object() && storage[driver].is_null() {
                storage[driver] = json!({ "enabled": true });
            }
        }
        shown.retain(|_, value| !value.is_null());
        Value::Object(shown)
    }
}

/// Host name of the API server: the prefix, eight characters out of the cluster's unique id, and the region's domain.
pub(super) fn fqdn(prefix: &str, unique: Uuid, location: &str) -> String {
    let unique = unique.simple().to_string();
    format!("{prefix}-{}.hcp.{location}.azmk8s.io", &unique[..8])
}

fn pools(given: &Value, before: Option<&PresentCluster>, context: PoolContext<'_>) -> Result<Vec<Pool>, ArmError> {
    let given = given.as_array().map(Vec::as_slice).unwrap_or_default();
    if given.is_empty() && before.is_none() {
        return Err(required("agentPoolProfiles"));
    }
    let known = |name: &str| before.and_then(|before| before.pools.get(name));
    let mut pools = Vec::new();
    for pool in given {
        let name = pool["name"].as_str().unwrap_or_default();
        pools.push(Pool::read(name, pool, known(name), context)?);
    }
    // Pools that a request does not name stay.
    for (name, properties) in before.into_iter().flat_map(|before| &before.pools) {
        if !pools.iter().any(|pool| pool.name == *name) {
            pools.push(Pool::read(name, &json!({}), Some(properties), context)?);
        }
    }
    Ok(pools)
}

fn names(id: &ResourceId, prefix: &str, subdomain: &str) -> Result<(), ArmError> {
    let edges = |text: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric();
        text.starts_with(inner) && text.ends_with(inner)
    };
    let name = id.name();
    if !edges(name) || name.len() > 63 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c)) {
        return Err(invalid(
            "resourceName",
            format!(
                "The name '{name}' of the managed cluster is invalid: it must be 1 to 63 letters, numbers, underscores \
                 and hyphens, and start and end with a letter or number."
            ),
        ));
    }
    match (prefix, subdomain) {
        ("", "") => Err(required("dnsPrefix")),
        ("", _) => Ok(()),
        (prefix, "")
            if edges(prefix) && prefix.len() <= 54 && prefix.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') =>
        {
            Ok(())
        }
        (prefix, "") => Err(invalid(
            "properties.dnsPrefix",
            format!(
                "The DNS prefix '{prefix}' is invalid: it must be 1 to 54 letters, numbers and hyphens, and start and \
                 end with a letter or number."
            ),
        )),
        _ => Err(invalid("properties.dnsPrefix", "Only one of dnsPrefix and fqdnSubdomain can be set.")),
    }
}

fn node_resource_group(id: &ResourceId, location: &str, given: &str) -> Result<String, ArmError> {
    const TARGET: &str = "properties.nodeResourceGroup";
    let group = id.resource_group().unwrap_or_default();
    if given.is_empty() {
        let made = format!("MC_{group}_{}_{location}", id.name());
        return Ok(made.chars().take(LONGEST_NODE_RESOURCE_GROUP).collect());
    }
    if given.eq_ignore_ascii_case(group) {
        let message = format!("The node resource group '{given}' is the resource group of the managed cluster.");
        return Err(refused("NodeResourceGroupSameAsResourceGroup", TARGET, message));
    }
    if given.chars().count() > LONGEST_NODE_RESOURCE_GROUP {
        let message = format!("The node resource group name '{given}' is longer than {LONGEST_NODE_RESOURCE_GROUP}.");
        return Err(invalid(TARGET, message));
    }
    Ok(given.to_owned())
}

fn sku(given: &Value) -> Result<Value, ArmError> {
    let choice = |name: &str, choices: &[&str]| match given[name].as_str().unwrap_or_default() {
        "" => Ok(choices[0].to_owned()),
        text => choices.iter().find(|c| c.eq_ignore_ascii_case(text)).map(|&c| c.to_owned()).ok_or_else(|| {
            let message = format!("The value '{text}' is not one of the allowed values: {}.", choices.join(", "));
            invalid(&format!("sku.{name}"), message)
        }),
    };
    if given["name"].as_str().is_some_and(|name| name.eq_ignore_ascii_case("Automatic")) {
        return Err(super::refusal::not_modelled("sku.name", "AKS Automatic"));
    }
    Ok(json!({ "name": choice("name", &["Base"])?, "tier": choice("tier", &["Free", "Standard", "Premium"])? }))
}

/// Nobody could get in otherwise.
fn local_accounts(properties: &Value) -> Result<(), ArmError> {
    if properties["disableLocalAccounts"] == true && properties["aadProfile"]["managed"] != true {
        return Err(invalid(
            "properties.disableLocalAccounts",
            "Local accounts can only be disabled where AKS-managed Microsoft Entra integration is enabled.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: Value) -> Result<Draft, ArmError> {
        let id = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/c";
        Draft::read(&ResourceId::parse(id).unwrap(), "eastus".into(), &json!({ "properties": properties }), None)
    }

    fn minimal() -> Value {
        json!({ "dnsPrefix": "c", "agentPoolProfiles": [{ "name": "nodepool1", "count": 1, "mode": "System" }] })
    }

    fn with(path: &str, value: Value) -> Value {
        let mut properties = minimal();
        let mut at = &mut properties;
        for step in path.split('/') {
            at = match step.parse::<usize>() {
                Ok(index) => &mut at[index],
                Err(_) => &mut at[step],
            };
        }
        *at = value;
        properties
    }

    #[test]
    fn the_node_resource_group_is_named_after_group_cluster_and_region() {
        assert_eq!(read(minimal()).unwrap().node_resource_group, "MC_rg_c_eastus");
        assert_eq!(
            read(with("nodeResourceGroup", json!("RG"))).unwrap_err().code(),
            "NodeResourceGroupSameAsResourceGroup"
        );
        assert_eq!(read(with("nodeResourceGroup", json!("x".repeat(81)))).unwrap_err().code(), "InvalidParameter");
    }

    #[test]
    fn what_the_documents_exclude_is_refused_in_mode_auto_only() {
        let excluded = [
            ("agentPoolProfiles/0/enableAutoScaling", json!(true), "enableAutoScaling set to one of [false]"),
            ("agentPoolProfiles/0/podSubnetID", json!("/subscriptions/s"), "podSubnetID specified."),
            ("agentPoolProfiles/0/podIPAllocationMode", json!("StaticBlock"), "podIPAllocationMode"),
            ("networkProfile/ipFamilies", json!(["IPv4", "IPv6"]), "ipFamilies is set to one of [IPv4]."),
            ("networkProfile/networkPlugin", json!("kubenet"), "networkPlugin is set to one of [azure, none]."),
            ("networkProfile/networkPolicy", json!("calico"), "networkPolicy"),
            ("networkProfile/loadBalancerSku", json!("Basic"), "loadBalancerSku is set to one of [Standard]."),
            ("servicePrincipalProfile/clientId", json!("some-app"), "servicePrincipalProfile is specified."),
            ("diskEncryptionSetID", json!("/subscriptions/s"), "diskEncryptionSetID is specified."),
            ("securityProfile/customCATrustCertificates", json!(["aGk="]), "customCATrustCertificates is specified."),
            ("httpProxyConfig/httpProxy", json!("http://p"), "httpProxyConfig is specified."),
            (
                "apiServerAccessProfile/enablePrivateCluster",
                json!(true),
                "enablePrivateCluster is set to one of [false].",
            ),
            ("publicNetworkAccess", json!("Disabled"), "publicNetworkAccess is set to one of [Enabled]."),
        ];
        for (path, value, words) in excluded {
            let mut properties = with(path, value);
            if path.ends_with("enableAutoScaling") {
                properties["agentPoolProfiles"][0]["minCount"] = json!(1);
                properties["agentPoolProfiles"][0]["maxCount"] = json!(3);
            }
            read(properties.clone()).unwrap_or_else(|error| panic!("{path} in mode Manual: {error}"));
            properties["nodeProvisioningProfile"]["mode"] = json!("Auto");
            let refused = read(properties).unwrap_err();
            assert_eq!((refused.status.as_u16(), refused.code()), (400, "OperationNotAllowed"), "{path}");
            assert!(
                refused.message().starts_with(".properties.nodeProvisioningProfile.mode cannot be Auto "),
                "{refused}"
            );
            assert!(refused.message().ends_with(words) || refused.message().contains(words), "{refused}");
        }
        assert!(read(with("nodeProvisioningProfile/mode", json!("Auto"))).unwrap().provisioning.auto);
    }

    #[test]
    fn a_windows_pool_is_refused_in_mode_auto() {
        let mut properties = with("nodeProvisioningProfile/mode", json!("Auto"));
        let pools = properties["agentPoolProfiles"].as_array_mut().unwrap();
        pools.push(json!({ "name": "win1", "osType": "Windows" }));
        let refused = read(properties).unwrap_err();
        assert_eq!(
            refused.message(),
            ".properties.nodeProvisioningProfile.mode cannot be Auto unless all AgentPools have property \
             .properties.osType set to one of [Linux]"
        );
    }

    #[test]
    fn names_skus_and_required_properties_are_checked() {
        assert_eq!(
            read(with("dnsPrefix", json!("-x"))).unwrap_err().error.target.as_deref(),
            Some("properties.dnsPrefix")
        );
        assert_eq!(
            read(with("dnsPrefix", json!(null))).unwrap_err().message(),
            "Required parameter dnsPrefix is missing (null)."
        );
        assert_eq!(read(with("agentPoolProfiles", json!([]))).unwrap_err().code(), "InvalidParameter");
        assert_eq!(
            read(with("agentPoolProfiles/0/mode", json!("User"))).unwrap_err().code(),
            "MustDefineAtLeastOneSystemPool"
        );
        assert_eq!(read(with("disableLocalAccounts", json!(true))).unwrap_err().code(), "InvalidParameter");
        assert_eq!(sku(&json!({"name": "Base", "tier": "standard"})).unwrap()["tier"], "Standard");
        assert!(sku(&json!({"name": "Automatic"})).unwrap_err().unknown_route);
        assert!(sku(&json!({"tier": "Gold"})).is_err());
    }
}
