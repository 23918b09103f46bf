//! How a kubelet understands its command line: labels, taints, pods per node, reserved resources and eviction
//! thresholds, with the checks that it makes before it starts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::quantity::Quantity;

/// What a kubelet was told to be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KubeletConfig {
    /// `--node-labels`.
    pub labels: BTreeMap<String, String>,
    /// `--register-with-taints`, in the order given.
    pub taints: Vec<Taint>,
    /// `--max-pods`, 110 unless given.
    pub max_pods: u32,
    /// `--kube-reserved`.
    pub kube_reserved: BTreeMap<String, Quantity>,
    /// `--system-reserved`.
    pub system_reserved: BTreeMap<String, Quantity>,
    /// `--eviction-hard`, by signal (`memory.available`).
    pub eviction_hard: BTreeMap<String, Threshold>,
    /// `--cluster-dns`.
    pub cluster_dns: Vec<IpAddr>,
    /// `--cloud-provider=external`: the cloud node manager completes the node.
    pub external_cloud_provider: bool,
}

/// A taint as a Node carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value, empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

/// When eviction starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Threshold {
    /// Less than this is left.
    Absolute(Quantity),
    /// Less than this percentage of the capacity is left.
    Percent(f64),
}

impl Threshold {
    /// The amount that a capacity keeps free for it.
    #[must_use]
    pub fn of(self, capacity: Quantity) -> Quantity {
        match self {
            Self::Absolute(quantity) => quantity,
            Self::Percent(percent) => capacity.percent(percent),
        }
    }
}

/// Why a kubelet would not start with what it was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeletError {
    /// `--node-labels` has an item without `=`.
    #[error("kubelet does not start: `{0}` in --node-labels is not of the form key=value")]
    Label(String),
    /// `--node-labels` has labels that no kubelet may set.
    #[error(
        "kubelet does not start: unknown 'kubernetes.io' or 'k8s.io' labels in --node-labels: {0}; allowed are the \
         prefixes kubelet.kubernetes.io and node.kubernetes.io and the well-known ones of a kubelet"
    )]
    ForbiddenLabels(String),
    /// `--register-with-taints` has an item that is no taint.
    #[error("kubelet does not start: `{0}` in --register-with-taints is not of the form key=value:Effect")]
    Taint(String),
    /// A number or amount that does not read as one.
    #[error("kubelet does not start: `{value}` is no value for {flag}")]
    Value {
        /// Flag.
        flag: String,
        /// What it was set to.
        value: String,
    },
}

/// Labels outside of the free prefixes that a kubelet may set on its own Node (`KubeletLabels` in k8s.io/kubelet
/// 1.34). The API server's NodeRestriction admission holds the same list.
const KUBELET_LABELS: &[&str] = &[
    "kubernetes.io/hostname",
    "topology.kubernetes.io/zone",
    "topology.kubernetes.io/region",
    "failure-domain.beta.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region",
    "beta.kubernetes.io/instance-type",
    "node.kubernetes.io/instance-type",
    "kubernetes.io/os",
    "kubernetes.io/arch",
    "beta.kubernetes.io/os",
    "beta.kubernetes.io/arch",
];

/// Whether a kubelet may set this label on its own Node.
#[must_use]
pub(super) fn allowed_label(key: &str) -> bool {
    let prefix = key.split_once('/').map_or("", |(prefix, _)| prefix);
    let under = |domain: &str| prefix == domain || prefix.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
    let reserved = under("kubernetes.io") || under("k8s.io");
    !reserved || KUBELET_LABELS.contains(&key) || under("kubelet.kubernetes.io") || under("node.kubernetes.io")
}

impl KubeletConfig {
    /// Reads `KUBELET_FLAGS` (flags separated by blanks, `--key=value`) and `KUBELET_NODE_LABELS`. Flags that do not
    /// show on a Node are passed over.
    ///
    /// # Errors
    /// [`KubeletError`] for what would keep a kubelet from starting.
    pub fn parse(flags: &str, labels: &str) -> Result<Self, KubeletError> {
        let mut config = Self { max_pods: 110, labels: node_labels(labels)?, ..Self::default() };
        for flag in flags.split_whitespace() {
            let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
            let error = || KubeletError::Value { flag: name.to_owned(), value: value.to_owned() };
            match name {
                "--register-with-taints" => config.taints = taints(value)?,
                "--max-pods" => config.max_pods = value.parse().map_err(|_| error())?,
                "--kube-reserved" => config.kube_reserved = amounts(value).ok_or_else(error)?,
                "--system-reserved" => config.system_reserved = amounts(value).ok_or_else(error)?,
                "--eviction-hard" => config.eviction_hard = thresholds(value).ok_or_else(error)?,
                "--cluster-dns" => {
                    config.cluster_dns = items(value).map(str::parse).collect::<Result<_, _>>().map_err(|_| error())?;
                }
                "--cloud-provider" => config.external_cloud_provider = value == "external",
                _ => {}
            }
        }
        Ok(config)
    }
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|item| !item.is_empty())
}

fn node_labels(list: &str) -> Result<BTreeMap<String, String>, KubeletError> {
    let labels: BTreeMap<String, String> = items(list)
        .map(|item| {
            let (key, value) = item.split_once('=').ok_or_else(|| KubeletError::Label(item.to_owned()))?;
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        })
        .collect::<Result<_, _>>()?;
    let forbidden: Vec<&str> = labels.keys().map(String::as_str).filter(|key| !allowed_label(key)).collect();
    if forbidden.is_empty() { Ok(labels) } else { Err(KubeletError::ForbiddenLabels(forbidden.join(", "))) }
}

/// Reads taints as kubelet and agent pools write them: `key=value:Effect` or `key:Effect`, separated by commas.
///
/// # Errors
/// [`KubeletError::Taint`] with the item that is none.
pub(super) fn taints(list: &str) -> Result<Vec<Taint>, KubeletError> {
    items(list)
        .map(|item| {
            let error = || KubeletError::Taint(item.to_owned());
            let (body, effect) = item.rsplit_once(':').ok_or_else(error)?;
            let (key, value) = body.split_once('=').unwrap_or((body, ""));
            if key.is_empty() || !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect) {
                return Err(error());
            }
            Ok(Taint { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() })
        })
        .collect()
}

fn amounts(list: &str) -> Option<BTreeMap<String, Quantity>> {
    items(list)
        .map(|item| {
            let (name, amount) = item.split_once('=')?;
            Some((name.to_owned(), amount.parse().ok()?))
        })
        .collect()
}

fn thresholds(list: &str) -> Option<BTreeMap<String, Threshold>> {
    items(list)
        .map(|item| {
            let (signal, amount) = item.split_once('<')?;
            let threshold = match amount.strip_suffix('%') {
                Some(percent) => {
                    Threshold::Percent(percent.parse().ok().filter(|value| (0.0..=100.0).contains(value))?)
                }
                None => Threshold::Absolute(amount.parse().ok()?),
            };
            Some((signal.to_owned(), threshold))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_provisioners_flags_read_as_a_kubelet_reads_them() {
        let config = KubeletConfig::parse(
            "--cloud-provider=external --cluster-dns=10.2.0.10 --max-pods=30 --v=2 --kube-reserved=memory=1843Mi,cpu=100m \
             --eviction-hard=memory.available<750Mi,nodefs.available<10% \
             --register-with-taints=team=blue:NoSchedule,karpenter.sh/unregistered:NoExecute",
            "kubernetes.azure.com/mode=user,karpenter.sh/nodepool=default,empty=",
        )
        .expect("reads");
        insta::assert_debug_snapshot!(config);
    }

    #[test]
    fn nothing_given_is_a_kubelets_defaults() {
        let config = KubeletConfig::parse("", "").expect("reads");
        assert_eq!(config, KubeletConfig { max_pods: 110, ..KubeletConfig::default() });
    }

    #[test]
    fn what_keeps_a_kubelet_from_starting_is_named() {
        let refused = |flags, labels| KubeletConfig::parse(flags, labels).expect_err("is refused").to_string();
        assert!(refused("--max-pods=many", "").contains("`many` is no value for --max-pods"));
        assert!(refused("--register-with-taints=a=b:Sometimes", "").contains("a=b:Sometimes"));
        assert!(refused("--register-with-taints=noeffect", "").contains("noeffect"));
        assert!(refused("--eviction-hard=memory.available>1Gi", "").contains("--eviction-hard"));
        assert!(refused("", "novalue").contains("novalue"));
        assert!(refused("", "node-restriction.kubernetes.io/team=a").contains("node-restriction.kubernetes.io/team"));
    }

    #[test]
    fn the_provisioners_own_label_domains_are_a_kubelets_to_set() {
        for key in [
            "karpenter.sh/nodepool",
            "karpenter.azure.com/sku-cpu",
            "kubernetes.azure.com/mode",
            "node.kubernetes.io/instance-type",
            "topology.kubernetes.io/region",
            "kubernetes.io/arch",
            "x.node.kubernetes.io/a",
            "plain",
        ] {
            assert!(allowed_label(key), "{key}");
        }
        for key in
            ["kubernetes.io/role", "node-role.kubernetes.io/agent", "a.k8s.io/b", "node-restriction.kubernetes.io/x"]
        {
            assert!(!allowed_label(key), "{key}");
        }
    }

    proptest! {
        #[test]
        fn taints_read_back(key in "[a-z][a-z./-]{0,20}", value in "[a-z0-9]{0,10}", effect in "NoSchedule|PreferNoSchedule|NoExecute") {
            let text = if value.is_empty() { format!("{key}:{effect}") } else { format!("{key}={value}:{effect}") };
            prop_assert_eq!(taints(&text), Ok(vec![Taint { key, value, effect }]));
        }

        #[test]
        fn parsing_never_panics(flags in "\\PC{0,120}", labels in "\\PC{0,120}") {
            let _ = KubeletConfig::parse(&flags, &labels);
        }
    }
}
