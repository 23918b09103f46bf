//! Kubernetes versions: which there are, which one a request means, and which may follow which.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use super::refusal::{not_allowed, refused};
use crate::provider::{Answer, Handler, Reply, Request};
use crate::world::World;
use arm::ArmError;

/// A minor version with the patches on offer, oldest first.
struct Minor {
    patches: &'static [Version],
    /// Community support has ended: clusters of tier Premium with the plan `AKSLongTermSupport` only.
    long_term_only: bool,
}

/// `1.34.4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    pub(super) major: u32,
    pub(super) minor: u32,
    pub(super) patch: u32,
}

const fn v(minor: u32, patch: u32) -> Version {
    Version { major: 1, minor, patch }
}

/// What clusters can be made of. Azure offers several patches of each of its last minors; 1.33.13 and 1.34.4 are those
/// that the project has binaries of, the others let a client meet an older and a newer neighbour.
const MINORS: &[Minor] = &[
    Minor { patches: &[v(31, 14)], long_term_only: true },
    Minor { patches: &[v(32, 12)], long_term_only: false },
    Minor { patches: &[v(33, 13)], long_term_only: false },
    Minor { patches: &[v(34, 4)], long_term_only: false },
    Minor { patches: &[v(35, 1)], long_term_only: false },
];

/// What a cluster is made of whose request names no version: as Azure does, the minor before the newest.
const DEFAULT: Version = v(34, 4);

/// Pools may be this many minors behind their control plane.
const SKEW: u32 = 3;

impl FromStr for Version {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('.').map(str::parse::<u32>);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), Some(Ok(patch)), None) => Ok(Self { major, minor, patch }),
            _ => Err(()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Version {
    /// It is this minor or a later one.
    pub(super) fn at_least(self, minor: u32) -> bool {
        self.minor >= minor
    }
}

/// Every version on offer, oldest first.
fn all() -> impl DoubleEndedIterator<Item = Version> {
    MINORS.iter().flat_map(|minor| minor.patches.iter().copied())
}

/// The version that a text on offer means: itself, or the newest patch of a minor (`1.34`). Nothing means the default.
fn look_up(given: &str) -> Option<Version> {
    if given.is_empty() {
        return Some(DEFAULT);
    }
    all().rev().find(|known| known.to_string() == given || known.to_string().starts_with(&format!("{given}.")))
}

/// The version of a new cluster.
///
/// # Errors
/// `K8sVersionNotSupported` where Azure does not offer it, also where only long-term support has it.
pub(super) fn of_new_cluster(cluster: &str, given: &str, long_term_support: bool) -> Result<Version, ArmError> {
    let unsupported = |why: &str| {
        refused(
            "K8sVersionNotSupported",
            "properties.kubernetesVersion",
            format!(
                "Managed cluster {cluster} is on version {given}, which is {why}. Please use [az aks get-versions] command \
             to get the supported version list in this region. For more information, please check \
             https://aka.ms/supported-version-list"
            ),
        )
    };
    let version = look_up(given).ok_or_else(|| unsupported("not supported in this region"))?;
    let long_term_only = MINORS.iter().any(|minor| minor.long_term_only && minor.patches.contains(&version));
    if long_term_only && !long_term_support {
        return Err(unsupported(
            "only available for Long-Term Support (LTS). If you intend to onboard to LTS, please ensure the cluster is \
             in Premium tier and LTS support plan",
        ));
    }
    Ok(version)
}

/// Versions that a cluster can be upgraded to: later patches, and those of the next minor. Newest first, as Azure lists
/// them in its refusal.
fn upgrades(from: Version) -> Vec<Version> {
    all().rev().filter(|to| *to > from && to.minor <= from.minor + 1).collect()
}

/// The version of a cluster that had `from` and whose request says `given`. A minor that it has already means no change.
///
/// # Errors
/// `OperationNotAllowed`, for older versions and for those that skip a minor, in Azure's words.
pub(super) fn of_changed_cluster(from: Version, given: &str) -> Result<Version, ArmError> {
    let same_minor = given.is_empty() || given == from.to_string() || given == format!("{}.{}", from.major, from.minor);
    if same_minor {
        return Ok(from);
    }
    let offered = upgrades(from);
    if let Some(to) = look_up(given).filter(|to| offered.contains(to)) {
        return Ok(to);
    }
    let list: Vec<String> = offered.iter().map(ToString::to_string).collect();
    Err(not_allowed(format!(
        "Upgrading Kubernetes version {from} to {given} is not allowed. Available upgrades: [{}]. Please see \
         https://aka.ms/aks-supported-k8s-ver for version details.",
        list.join(" ")
    )))
}

/// The version that an upgrade channel gives a cluster next, one minor at a time; `None` where it has nothing newer.
/// `patch` keeps the minor, `stable` goes to the one before the newest, `rapid` to the newest; what is newer than that
/// gets patches.
pub(super) fn of_channel(channel: &str, from: Version) -> Option<Version> {
    let latest = |minor: u32| all().rev().find(|known| known.minor == minor);
    let newest = all().next_back()?.minor;
    let wanted = match channel {
        "patch" => from.minor,
        "stable" => from.minor.max(newest - 1),
        "rapid" => newest,
        _ => return None,
    };
    latest(wanted.min(from.minor + 1)).filter(|to| *to > from)
}

/// The version of an agent pool in a cluster of version `cluster`.
///
/// # Errors
/// `AgentPoolK8sVersionNotSupported`, `NodePoolMcVersionIncompatible`, `AgentPoolUpgradeVersionNotAllowed`.
pub(super) fn of_pool(cluster: Version, before: Option<Version>, given: &str) -> Result<Version, ArmError> {
    const TARGET: &str = "agentPoolProfile.orchestratorVersion";
    let had = |version: &Version| given == version.to_string() || given == format!("1.{}", version.minor);
    if let Some(before) = before.filter(|before| given.is_empty() || had(before)) {
        return Ok(before);
    }
    if given.is_empty() || had(&cluster) {
        return Ok(cluster);
    }
    let Some(version) = look_up(given) else {
        return Err(refused(
            "AgentPoolK8sVersionNotSupported",
            TARGET,
            format!(
                "Version {given} is not supported in this region. Please use [az aks get-versions] command to get the \
                 supported version list in this region. For more information, please check \
                 https://aka.ms/supported-version-list"
            ),
        ));
    };
    let incompatible = |rule: String| {
        Err(refused(
            "NodePoolMcVersionIncompatible",
            TARGET,
            format!(
                "Node pool version {version} and control plane version {cluster} are incompatible. {rule} For more \
                 information, please check https://aka.ms/version-skew-policy"
            ),
        ))
    };
    if version > cluster {
        return incompatible(format!(
            "Minor version of node pool version {} is bigger than control plane version {}.",
            version.minor, cluster.minor
        ));
    }
    if version.minor + SKEW < cluster.minor {
        return incompatible(format!(
            "Minor version of node pool cannot be more than {SKEW} versions less than control plane's version. Minor \
             version of node pool is {} and control plane is {}.",
            version.minor, cluster.minor
        ));
    }
    if before.is_some_and(|before| version < before) {
        return Err(refused(
            "AgentPoolUpgradeVersionNotAllowed",
            TARGET,
            format!("Downgrading the node pool to version {version} is not allowed."),
        ));
    }
    Ok(version)
}

/// Body of `managedClusters/upgradeProfiles/default`.
pub(super) fn upgrade_profile(cluster: Version, pools: &[(String, String, Version)]) -> Value {
    let shown = |from: Version| -> Vec<Value> {
        upgrades(from).into_iter().rev().map(|to| json!({ "kubernetesVersion": to.to_string() })).collect()
    };
    let mut control_plane = json!({ "kubernetesVersion": cluster.to_string(), "osType": "Linux" });
    if !upgrades(cluster).is_empty() {
        control_plane["upgrades"] = Value::Array(shown(cluster));
    }
    let pools: Vec<Value> = pools
        .iter()
        .map(|(name, os, version)| json!({ "kubernetesVersion": version.to_string(), "name": name, "osType": os }))
        .collect();
    json!({ "controlPlaneProfile": control_plane, "agentPoolProfiles": pools })
}

/// Versions that a pool of `from` may move to below its control plane's, itself left out.
pub(super) fn pool_upgrades(cluster: Version, from: Version) -> Vec<Value> {
    let between = all().filter(|to| *to > from && *to <= cluster);
    between.map(|to| json!({ "kubernetesVersion": to.to_string() })).collect()
}

/// Versions that a new pool of a cluster may have.
pub(super) fn available_to_pools(cluster: Version) -> Vec<Value> {
    all()
        .filter(|version| *version <= cluster && version.minor + SKEW >= cluster.minor)
        .map(|version| {
            let mut shown = json!({ "kubernetesVersion": version.to_string() });
            if version == cluster {
                shown["default"] = json!(true);
            }
            shown
        })
        .collect()
}

/// `locations/kubernetesVersions`: what `az aks get-versions` shows.
pub(super) struct KubernetesVersions;

impl Handler for KubernetesVersions {
    fn list(&self, _: &mut World, _: &Request) -> Reply {
        let minors = MINORS.iter().rev().map(|minor| {
            let newest = minor.patches.last().copied().unwrap_or(DEFAULT);
            let patches: serde_json::Map<String, Value> = minor
                .patches
                .iter()
                .map(|patch| {
                    let to: Vec<String> = upgrades(*patch).iter().rev().map(ToString::to_string).collect();
                    (patch.to_string(), json!({ "upgrades": to }))
                })
                .collect();
            let plans = if minor.long_term_only {
                json!(["AKSLongTermSupport"])
            } else {
                json!(["KubernetesOfficial", "AKSLongTermSupport"])
            };
            let mut shown = json!({
                "version": format!("{}.{}", newest.major, newest.minor),
                "capabilities": { "supportPlan": plans },
                "patchVersions": patches,
            });
            if minor.patches.contains(&DEFAULT) {
                shown["isDefault"] = json!(true);
            }
            shown
        });
        Ok(Answer::json(json!({ "values": minors.collect::<Vec<Value>>() })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minor_stands_for_its_newest_patch_and_nothing_for_the_default() {
        assert_eq!(of_new_cluster("c", "1.33", false).unwrap(), v(33, 13));
        assert_eq!(of_new_cluster("c", "", false).unwrap(), DEFAULT);
        assert_eq!(of_new_cluster("c", "1.3", false).unwrap_err().code(), "K8sVersionNotSupported");
        let lts = of_new_cluster("c", "1.31", false).unwrap_err();
        assert!(lts.message().contains("only available for Long-Term Support"), "{lts}");
        assert!(of_new_cluster("c", "1.31", true).is_ok());
    }

    #[test]
    fn upgrades_go_one_minor_at_a_time_and_never_back() {
        assert_eq!(of_changed_cluster(v(33, 13), "1.34").unwrap(), v(34, 4));
        assert_eq!(of_changed_cluster(v(33, 13), "1.33").unwrap(), v(33, 13));
        let skipped = of_changed_cluster(v(33, 13), "1.35.1").unwrap_err();
        assert_eq!(
            skipped.message(),
            "Upgrading Kubernetes version 1.33.13 to 1.35.1 is not allowed. Available upgrades: [1.34.4]. Please see \
             https://aka.ms/aks-supported-k8s-ver for version details."
        );
        assert_eq!(of_changed_cluster(v(34, 4), "1.33.13").unwrap_err().code(), "OperationNotAllowed");
    }

    #[test]
    fn channels_go_one_minor_at_a_time_to_their_own_end() {
        for (channel, from, to) in [
            ("patch", v(33, 10), Some(v(33, 13))),
            ("patch", v(33, 13), None),
            ("stable", v(32, 12), Some(v(33, 13))),
            ("stable", v(33, 13), Some(v(34, 4))),
            ("stable", v(34, 4), None),
            ("stable", v(35, 0), Some(v(35, 1))),
            ("rapid", v(33, 13), Some(v(34, 4))),
            ("rapid", v(34, 4), Some(v(35, 1))),
            ("rapid", v(35, 1), None),
            ("node-image", v(33, 10), None),
            ("none", v(33, 10), None),
        ] {
            assert_eq!(of_channel(channel, from), to, "{channel} {from}");
        }
    }

    #[test]
    fn pools_stay_between_three_minors_behind_and_their_control_plane() {
        let cluster = v(35, 1);
        assert_eq!(of_pool(cluster, None, "").unwrap(), cluster);
        assert_eq!(of_pool(cluster, None, "1.32").unwrap(), v(32, 12));
        assert_eq!(of_pool(cluster, None, "1.31.14").unwrap_err().code(), "NodePoolMcVersionIncompatible");
        assert_eq!(of_pool(v(33, 13), None, "1.34.4").unwrap_err().code(), "NodePoolMcVersionIncompatible");
        assert_eq!(of_pool(cluster, Some(v(34, 4)), "1.33").unwrap_err().code(), "AgentPoolUpgradeVersionNotAllowed");
        assert_eq!(of_pool(cluster, None, "1.99.0").unwrap_err().code(), "AgentPoolK8sVersionNotSupported");
        assert_eq!(of_pool(cluster, Some(v(33, 13)), "1.33").unwrap(), v(33, 13));
    }
}
