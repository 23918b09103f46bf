//! A managed cluster out of a request: everything that can be said before anything is made.

use serde_json::{Value, json};
use uuid::Uuid;

use super::network_profile::{self, Surroundings};
use crate::arm::{ArmError, ResourceId};
use crate::engine::NetworkProfile;

/// Kubernetes versions that clusters can be created with. Azure offers the patch versions of the last minors; these are
/// the ones that the project pins.
const VERSIONS: &[&str] = &["1.33.13", "1.34.4"];

/// A validated request.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) location: String,
    pub(super) node_resource_group: String,
    pub(super) dns_prefix: String,
    pub(super) kubernetes_version: String,
    pub(super) node_provisioning: bool,
    pub(super) default_node_pools: bool,
    pub(super) network: NetworkProfile,
    pub(super) pools: Vec<Pool>,
    pub(super) admin_username: String,
    pub(super) ssh_public_key: String,
}

/// One of `agentPoolProfiles`.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) count: u32,
    pub(super) size: String,
    pub(super) mode: String,
    pub(super) max_pods: u32,
    pub(super) subnet: Option<String>,
    pub(super) labels: std::collections::BTreeMap<String, String>,
    pub(super) taints: Vec<String>,
}

impl Draft {
    /// Reads and checks the body of a PUT.
    ///
    /// # Errors
    /// Azure's refusals; the codes of `claims.md` where they are known, `InvalidParameter` otherwise.
    pub(super) fn read(
        id: &ResourceId,
        location: String,
        body: &Value,
        surroundings: Option<&Surroundings>,
    ) -> Result<Self, ArmError> {
        let properties = &body["properties"];
        let group = id.resource_group().unwrap_or_default();
        let text = |name: &str| properties[name].as_str().unwrap_or_default().to_owned();
        let dns_prefix = text("dnsPrefix");
        if dns_prefix.is_empty() && text("fqdnSubdomain").is_empty() {
            return Err(required("dnsPrefix"));
        }
        let network = network_profile::complete(&properties["networkProfile"], surroundings)?;
        let pools = pools(properties, &network)?;
        let node_provisioning = mode(properties)?;
        if node_provisioning {
            guard(&properties["networkProfile"], properties, &network)?;
        }
        let node_resource_group = match text("nodeResourceGroup").as_str() {
            // AKS cuts the name to 80 characters, the limit of managed resource groups.
            "" => format!("MC_{group}_{}_{location}", id.name()).chars().take(80).collect(),
            given => given.to_owned(),
        };
        let linux = &properties["linuxProfile"];
        Ok(Self {
            node_resource_group,
            kubernetes_version: version(&text("kubernetesVersion"))?,
            node_provisioning,
            default_node_pools: properties["nodeProvisioningProfile"]["defaultNodePools"] != "None",
            network,
            pools,
            admin_username: linux["adminUsername"].as_str().unwrap_or("azureuser").to_owned(),
            ssh_public_key: linux["ssh"]["publicKeys"][0]["keyData"].as_str().unwrap_or_default().to_owned(),
            dns_prefix,
            location,
        })
    }

    /// Subnet of the first system pool, where one is given.
    pub(super) fn subnet(&self) -> Option<&str> {
        self.pools.iter().find_map(|pool| pool.subnet.as_deref())
    }

    /// `properties` as the resource shows them, beside what only comes with the cluster's making.
    pub(super) fn shown(&self, given: &Value, fqdn: &str, kubelet: &Value) -> Value {
        let mut shown = given.as_object().cloned().unwrap_or_default();
        let mut pools = given["agentPoolProfiles"].as_array().cloned().unwrap_or_default();
        for (shown, pool) in pools.iter_mut().zip(&self.pools) {
            for (name, value) in [
                ("provisioningState", json!("Succeeded")),
                ("powerState", json!({ "code": "Running" })),
                ("maxPods", json!(pool.max_pods)),
                ("count", json!(pool.count)),
                ("vmSize", json!(pool.size)),
                ("orchestratorVersion", json!(self.kubernetes_version)),
                ("currentOrchestratorVersion", json!(self.kubernetes_version)),
                ("type", json!("VirtualMachineScaleSets")),
                ("osType", json!("Linux")),
                ("osSKU", json!("Ubuntu")),
            ] {
                shown[name] = value;
            }
        }
        let provisioning = json!({
            "mode": if self.node_provisioning { "Auto" } else { "Manual" },
            "defaultNodePools": if self.default_node_pools { "Auto" } else { "None" },
        });
        for (name, value) in [
            ("agentPoolProfiles", Value::Array(pools)),
            ("currentKubernetesVersion", json!(self.kubernetes_version)),
            ("enableRBAC", json!(true)),
            ("fqdn", json!(fqdn)),
            ("identityProfile", json!({ "kubeletidentity": kubelet })),
            ("kubernetesVersion", json!(self.kubernetes_version)),
            ("maxAgentPools", json!(100)),
            ("networkProfile", network_profile::shown(&self.network, &given["networkProfile"])),
            ("nodeProvisioningProfile", provisioning),
            ("nodeResourceGroup", json!(self.node_resource_group)),
            ("powerState", json!({ "code": "Running" })),
        ] {
            shown.insert(name.into(), value);
        }
        Value::Object(shown)
    }
}

/// Host name of the API server: the prefix, eight characters out of the cluster's unique id, and the region's domain.
pub(super) fn fqdn(prefix: &str, unique: Uuid, location: &str) -> String {
    let unique = unique.simple().to_string();
    format!("{prefix}-{}.hcp.{location}.azmk8s.io", &unique[..8])
}

fn version(given: &str) -> Result<String, ArmError> {
    let newest = VERSIONS[VERSIONS.len() - 1];
    let known = VERSIONS.iter().rev().find(|known| **known == given || known.starts_with(&format!("{given}.")));
    match (given, known) {
        ("", _) => Ok(newest.to_owned()),
        (_, Some(known)) => Ok((*known).to_owned()),
        (_, None) => Err(ArmError::bad_request(
            "K8sVersionNotSupported",
            format!(
                "Managed cluster is on version {given} which is not supported in this region. Please use [az aks \
                 get-versions] command to get the supported version list in this region. For more information, please \
                 check https://aka.ms/supported-version-list"
            ),
        )
        .target("properties.kubernetesVersion")),
    }
}

fn mode(properties: &Value) -> Result<bool, ArmError> {
    match properties["nodeProvisioningProfile"]["mode"].as_str() {
        Some("Auto") => Ok(true),
        None | Some("Manual") => Ok(false),
        Some(other) => Err(ArmError::bad_request(
            "InvalidParameter",
            format!("The value of parameter nodeProvisioningProfile.mode is invalid: '{other}' is not Auto or Manual."),
        )
        .target("nodeProvisioningProfile.mode")),
    }
}

/// What node auto-provisioning cannot be combined with, in the words that public reports quote. The full list is in the
/// documents; these are the ones that decide whether the provisioner could work at all.
fn guard(given: &Value, properties: &Value, network: &NetworkProfile) -> Result<(), ArmError> {
    let refuse = |why: &str| {
        Err(ArmError::bad_request(
            "OperationNotAllowed",
            format!(".properties.nodeProvisioningProfile.mode cannot be Auto unless {why}"),
        ))
    };
    if network.plugin == "kubenet" {
        return refuse(".properties.networkProfile.networkPlugin is set to one of [azure, none].");
    }
    let families = given["ipFamilies"].as_array();
    if families.is_some_and(|families| families.iter().any(|family| family != "IPv4")) {
        return refuse(".properties.networkProfile.ipFamilies is set to one of [IPv4].");
    }
    let scaled = properties["agentPoolProfiles"].as_array().into_iter().flatten();
    if scaled.into_iter().any(|pool| pool["enableAutoScaling"] == true) {
        return refuse("all AgentPools have property .properties.enableAutoScaling set to one of [false]");
    }
    Ok(())
}

fn pools(properties: &Value, network: &NetworkProfile) -> Result<Vec<Pool>, ArmError> {
    let given = properties["agentPoolProfiles"].as_array().filter(|pools| !pools.is_empty());
    let given = given.ok_or_else(|| required("agentPoolProfiles"))?;
    let pools = given.iter().map(|pool| read_pool(pool, network)).collect::<Result<Vec<_>, _>>()?;
    if pools.iter().any(|pool| pool.mode == "System" && pool.count > 0) {
        return Ok(pools);
    }
    Err(ArmError::bad_request(
        "InvalidParameter",
        "There has to be at least one agent pool of mode System with at least one node.",
    )
    .target("agentPoolProfiles"))
}

fn read_pool(pool: &Value, network: &NetworkProfile) -> Result<Pool, ArmError> {
    let name = pool["name"].as_str().unwrap_or_default().to_owned();
    let letters = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    if name.is_empty()
        || name.len() > 12
        || !letters(&name)
        || !name.starts_with(|first: char| first.is_ascii_lowercase())
    {
        return Err(ArmError::bad_request(
            "InvalidParameter",
            format!(
                "The value of parameter agentPoolProfile.name is invalid: '{name}' must begin with a lowercase letter, \
                 contain only lowercase letters and numbers and be between 1 and 12 characters in length."
            ),
        )
        .target("agentPoolProfile.name"));
    }
    // 250 with overlay, 30 where pods take addresses of the subnet.
    let default_pods = if network.plugin_mode == "overlay" || network.plugin == "none" { 250 } else { 30 };
    let number = |name: &str| pool[name].as_u64().and_then(|number| u32::try_from(number).ok());
    let strings = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|one| one.as_str().map(str::to_owned)).collect()
    };
    Ok(Pool {
        name,
        count: number("count").unwrap_or(1),
        size: pool["vmSize"].as_str().unwrap_or("Standard_D2s_v5").to_owned(),
        mode: pool["mode"].as_str().unwrap_or("System").to_owned(),
        max_pods: number("maxPods").unwrap_or(default_pods),
        subnet: pool["vnetSubnetID"].as_str().map(str::to_owned),
        labels: pool["nodeLabels"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect(),
        taints: strings(&pool["nodeTaints"]),
    })
}

fn required(name: &str) -> ArmError {
    ArmError::bad_request("InvalidParameter", format!("Required parameter {name} is missing (null).")).target(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(properties: Value) -> Result<Draft, ArmError> {
        let id = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/c";
        let id = ResourceId::parse(id).unwrap();
        Draft::read(&id, "eastus".into(), &json!({ "properties": properties }), None)
    }

    fn minimal() -> Value {
        json!({ "dnsPrefix": "c", "agentPoolProfiles": [{ "name": "nodepool1", "count": 1 }] })
    }

    #[test]
    fn the_node_resource_group_is_named_after_group_cluster_and_region() {
        assert_eq!(read(minimal()).unwrap().node_resource_group, "MC_rg_c_eastus");
    }

    #[test]
    fn a_minor_version_stands_for_its_newest_patch() {
        let mut properties = minimal();
        properties["kubernetesVersion"] = json!("1.33");
        assert_eq!(read(properties.clone()).unwrap().kubernetes_version, "1.33.13");
        properties["kubernetesVersion"] = json!("1.3");
        assert_eq!(read(properties).unwrap_err().code(), "K8sVersionNotSupported");
    }

    #[test]
    fn node_auto_provisioning_is_refused_with_autoscaled_pools_and_ipv6() {
        let mut properties = minimal();
        properties["nodeProvisioningProfile"]["mode"] = json!("Auto");
        assert!(read(properties.clone()).unwrap().node_provisioning);
        let mut scaled = properties.clone();
        scaled["agentPoolProfiles"][0]["enableAutoScaling"] = json!(true);
        assert_eq!(read(scaled).unwrap_err().code(), "OperationNotAllowed");
        properties["networkProfile"]["ipFamilies"] = json!(["IPv4", "IPv6"]);
        assert!(read(properties).unwrap_err().message().contains("ipFamilies is set to one of [IPv4]"));
    }
}
