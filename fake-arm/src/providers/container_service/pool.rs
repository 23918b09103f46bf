//! An agent pool out of a request: everything that can be said of it before a machine is made.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::pool_rules;
use super::refusal::{invalid, linked, not_modelled, unchangeable};
use super::version::{self, Version};
use crate::catalog::{Catalog, VmSize};
use crate::engine::NetworkProfile;
use arm::{ArmError, ResourceId};

/// Sizes that AKS may choose where a pool names no size: the first that the region has.
const DEFAULT_SIZES: &[&str] = &["Standard_D2s_v5", "Standard_D2s_v3", "Standard_DS2_v2", "Standard_D2as_v5"];

/// `mode` of a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Runs what the cluster itself needs.
    System,
    /// Runs workloads only.
    User,
}

impl Mode {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::System => "System",
            Self::User => "User",
        }
    }
}

/// One of `agentPoolProfiles`, or one `agentPools` resource.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) name: String,
    pub(super) count: u32,
    pub(super) size: String,
    pub(super) mode: Mode,
    pub(super) windows: bool,
    pub(super) spot: bool,
    pub(super) max_pods: u32,
    pub(super) subnet: Option<ResourceId>,
    pub(super) zones: Vec<String>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) taints: Vec<String>,
    /// The cluster autoscaler's bounds.
    pub(super) scaling: Option<(u32, u32)>,
    pub(super) version: Version,
    pub(super) stopped: bool,
    /// The properties of the request, with those of the pool as it was where the request is silent.
    pub(super) given: Map<String, Value>,
}

/// What a pool depends on beside its own properties.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolContext<'a> {
    pub(super) location: &'a str,
    pub(super) version: Version,
    pub(super) network: &'a NetworkProfile,
}

impl Pool {
    /// Reads a pool. `before` are the properties of the pool that it changes.
    ///
    /// # Errors
    /// What AKS refuses of a pool whatever its cluster is like: see [`pool_rules`](super::pool_rules). A settled
    /// property is `PropertyChangeNotAllowed`.
    pub(super) fn read(
        name: &str,
        properties: &Value,
        before: Option<&Value>,
        context: PoolContext<'_>,
    ) -> Result<Self, ArmError> {
        let given = merged(properties, before);
        if let Some(before) = before {
            settled(&given, before)?;
        }
        let text = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
        let number = |name: &str| given.get(name).and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let windows = one_of(text("osType"), "osType", &["Linux", "Windows"])? == "Windows";
        let mode = match one_of(text("mode"), "mode", &["User", "System", "Gateway"])? {
            "System" => Mode::System,
            "User" => Mode::User,
            _ => return Err(not_modelled("agentPoolProfile.mode", "A pool of mode Gateway")),
        };
        match one_of(text("type"), "type", &["VirtualMachineScaleSets", "AvailabilitySet", "VirtualMachines"])? {
            "VirtualMachineScaleSets" => {}
            other => return Err(not_modelled("agentPoolProfile.type", &format!("A pool of type {other}"))),
        }
        let spot = one_of(text("scaleSetPriority"), "scaleSetPriority", &["Regular", "Spot"])? == "Spot";
        let scaling = (given.get("enableAutoScaling") == Some(&json!(true)))
            .then(|| (number("minCount").unwrap_or(0), number("maxCount").unwrap_or(0)));
        let strings = |name: &str| -> Vec<String> {
            let list = given.get(name).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(|one| one.as_str().map(str::to_owned)).collect()
        };
        let labels: BTreeMap<String, String> = given
            .get("nodeLabels")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect();
        let had = before.and_then(|b| b["currentOrchestratorVersion"].as_str()).and_then(|text| text.parse().ok());
        let pool = Self {
            name: name.to_owned(),
            count: number("count").or(scaling.map(|(min, _)| min)).unwrap_or(1),
            size: size(text("vmSize"), context.location),
            mode,
            windows,
            spot,
            max_pods: number("maxPods").unwrap_or_else(|| default_max_pods(context.network)),
            subnet: Some(text("vnetSubnetID")).filter(|id| !id.is_empty()).map(linked).transpose()?,
            zones: strings("availabilityZones"),
            labels,
            taints: strings("nodeTaints"),
            scaling,
            version: version::of_pool(context.version, had, text("orchestratorVersion"))?,
            stopped: given.get("powerState").is_some_and(|state| state["code"] == "Stopped"),
            given,
        };
        pool_rules::check(&pool, context)?;
        Ok(pool)
    }

    /// The size's numbers, where the region has it.
    pub(super) fn vm_size(&self, location: &str) -> Option<&'static VmSize> {
        Catalog::builtin().size(location, &self.size)
    }

    /// How many machines it has now.
    pub(super) fn machines(&self) -> u32 {
        if self.stopped { 0 } else { self.count }
    }

    /// The taints that its nodes register with: AKS keeps others off spot nodes.
    pub(super) fn node_taints(&self) -> Vec<String> {
        let mut taints = self.taints.clone();
        if self.spot {
            taints.push("kubernetes.azure.com/scalesetpriority=spot:NoSchedule".to_owned());
        }
        taints
    }

    /// A property that is a text, empty where it is not given.
    pub(super) fn text(&self, name: &str) -> &str {
        self.given.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// `properties` as Azure shows them, defaults filled in.
    pub(super) fn shown(&self, state: &str, location: &str) -> Value {
        let mut shown = self.given.clone();
        let vcpus = self.vm_size(location).map_or(2, |size| size.vcpus);
        let disk = self.given.get("osDiskSizeGB").and_then(Value::as_u64).filter(|gb| *gb > 0);
        let disk = disk.unwrap_or_else(|| default_disk(vcpus));
        let cache = self.vm_size(location).map_or(0, |size| size.cached_disk_bytes >> 30);
        let power = if self.stopped { "Stopped" } else { "Running" };
        let asked = self.text("orchestratorVersion");
        let asked = if asked.is_empty() { self.version.to_string() } else { asked.to_owned() };
        for (name, value) in [
            ("count", json!(self.count)),
            ("vmSize", json!(self.size)),
            ("maxPods", json!(self.max_pods)),
            ("mode", json!(self.mode.name())),
            ("osType", json!(if self.windows { "Windows" } else { "Linux" })),
            ("type", json!("VirtualMachineScaleSets")),
            ("osDiskSizeGB", json!(disk)),
            ("enableAutoScaling", json!(self.scaling.is_some())),
            ("orchestratorVersion", json!(asked)),
            ("currentOrchestratorVersion", json!(self.version.to_string())),
            ("provisioningState", json!(state)),
            ("powerState", json!({ "code": power })),
            ("nodeImageVersion", json!(node_image(self.version, self.windows))),
        ] {
            shown.insert(name.into(), value);
        }
        for (name, value) in [
            ("osDiskType", json!(if cache >= disk { "Ephemeral" } else { "Managed" })),
            ("kubeletDiskType", json!("OS")),
            ("osSKU", json!(if self.windows { "Windows2022" } else { "Ubuntu" })),
            ("scaleDownMode", json!("Delete")),
            ("enableNodePublicIP", json!(false)),
            ("enableEncryptionAtHost", json!(false)),
            ("enableUltraSSD", json!(false)),
            ("enableFIPS", json!(false)),
            ("securityProfile", json!({ "enableVTPM": false, "enableSecureBoot": false })),
        ] {
            if shown.get(name).is_none_or(Value::is_null) {
                shown.insert(name.into(), value);
            }
        }
        if shown.get("upgradeSettings").and_then(Value::as_object).is_none_or(Map::is_empty) {
            shown.insert("upgradeSettings".into(), json!({ "maxSurge": "10%", "maxUnavailable": "0" }));
        }
        if self.spot {
            shown.entry("scaleSetEvictionPolicy").or_insert(json!("Delete"));
            shown.entry("spotMaxPrice").or_insert(json!(-1.0));
            shown.insert("nodeTaints".into(), json!(self.node_taints()));
        } else if shown.get("scaleSetPriority") == Some(&json!("Regular")) {
            // Azure shows the priority of spot pools only.
            shown.remove("scaleSetPriority");
        }
        shown.retain(|_, value| !value.is_null());
        Value::Object(shown)
    }
}

/// The properties of a request over those that were: what is null, or an empty text where the client means "you choose",
/// stays as it was.
fn merged(properties: &Value, before: Option<&Value>) -> Map<String, Value> {
    let mut given = before.and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, value) in properties.as_object().into_iter().flatten() {
        let silent = value.is_null() || (value == "" && ["vmSize", "orchestratorVersion"].contains(&name.as_str()));
        if !silent {
            given.insert(name.clone(), value.clone());
        }
    }
    // Clients turn autoscaling off with the switch alone; its bounds go with it.
    if given.get("enableAutoScaling") == Some(&json!(false)) {
        for bound in ["minCount", "maxCount"] {
            if properties[bound].is_null() {
                given.remove(bound);
            }
        }
    }
    for read_only in
        ["name", "eTag", "provisioningState", "currentOrchestratorVersion", "nodeImageVersion", "nodeImageReference"]
    {
        given.remove(read_only);
    }
    given
}

/// What a pool keeps for its life.
fn settled(given: &Map<String, Value>, before: &Value) -> Result<(), ArmError> {
    for name in [
        "vmSize",
        "osType",
        "type",
        "vnetSubnetID",
        "podSubnetID",
        "maxPods",
        "osDiskSizeGB",
        "osDiskType",
        "scaleSetPriority",
        "enableFIPS",
        "availabilityZones",
    ] {
        let (Some(now), was) = (given.get(name), &before[name]) else { continue };
        let equal = match (now.as_str(), was.as_str()) {
            (Some(now), Some(was)) => now.eq_ignore_ascii_case(was),
            // A default that Azure does not show, or a size of 0 that means the default.
            (Some("Regular"), None) => true,
            _ => now == was || now == 0,
        };
        if !equal {
            return Err(unchangeable(&format!("properties.{name}")));
        }
    }
    Ok(())
}

/// The choice that a text means in any case, the first of them where it is empty.
///
/// # Errors
/// `InvalidParameter` where it is not one of them.
fn one_of<'a>(text: &str, name: &str, choices: &[&'a str]) -> Result<&'a str, ArmError> {
    let found = if text.is_empty() { choices.first() } else { choices.iter().find(|c| c.eq_ignore_ascii_case(text)) };
    found.copied().ok_or_else(|| {
        invalid(
            &format!("agentPoolProfile.{name}"),
            format!("The value '{text}' is not one of the allowed values: {}.", choices.join(", ")),
        )
    })
}

fn size(given: &str, location: &str) -> String {
    if !given.is_empty() {
        return given.to_owned();
    }
    let catalog = Catalog::builtin();
    let known = DEFAULT_SIZES.iter().find(|size| catalog.size(location, size).is_some());
    (*known.unwrap_or(&DEFAULT_SIZES[0])).to_owned()
}

/// 250 with overlay and own plugins, 110 with kubenet, 30 where pods take addresses of the subnet.
fn default_max_pods(network: &NetworkProfile) -> u32 {
    match (network.plugin.as_str(), network.plugin_mode.as_str()) {
        ("azure", "overlay") | ("none", _) => 250,
        ("kubenet", _) => 110,
        _ => 30,
    }
}

/// OS disk in GiB by the size's vCPUs, as AKS documents it.
fn default_disk(vcpus: u32) -> u64 {
    match vcpus {
        0..=7 => 128,
        8..=15 => 256,
        16..=63 => 512,
        _ => 1024,
    }
}

/// `AKSUbuntu-2404gen2containerd-202510.12.0`: the newest image of the definition that AKS takes for the version.
fn node_image(version: Version, windows: bool) -> String {
    if windows {
        return "AKSWindows-2022-containerd-20348.4294.251010".to_owned();
    }
    let definition = if version.at_least(34) { "2404gen2containerd" } else { "2204gen2containerd" };
    let galleries = Catalog::builtin().galleries();
    let found =
        galleries.iter().filter(|g| g.name.starts_with("AKSUbuntu")).find_map(|g| g.image(definition)?.latest());
    format!("AKSUbuntu-{definition}-{}", found.map_or("202510.12.0", |version| version.name.as_str()))
}
