//! Which versions a lab is made of.

use serde::{Deserialize, Serialize};

use super::Component;

/// A version of each component, without a leading `v`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Versions {
    /// Of karpenter-azure.
    pub provisioner: String,
    /// Of the control plane, and so the version that nodes are born with.
    pub kubernetes: String,
    /// Of etcd.
    pub etcd: String,
    /// Of KWOK.
    pub kwok: String,
}

impl Default for Versions {
    fn default() -> Self {
        Self {
            provisioner: "1.7.1".to_owned(),
            kubernetes: "1.34.4".to_owned(),
            etcd: "3.6.16".to_owned(),
            kwok: "0.7.0".to_owned(),
        }
    }
}

impl Versions {
    /// These of Kubernetes and of the provisioner, the default where none is given, without a leading `v`.
    #[must_use]
    pub fn chosen(kubernetes: Option<&str>, provisioner: Option<&str>) -> Self {
        let mut versions = Self::default();
        for (chosen, version) in [(kubernetes, &mut versions.kubernetes), (provisioner, &mut versions.provisioner)] {
            if let Some(chosen) = chosen {
                number(chosen).clone_into(version);
            }
        }
        versions
    }

    /// The version of one component.
    #[must_use]
    pub fn of(&self, component: Component) -> &str {
        match component {
            Component::KarpenterAzure => &self.provisioner,
            Component::Kubernetes => &self.kubernetes,
            Component::Etcd => &self.etcd,
            Component::Kwok => &self.kwok,
        }
    }
}

/// A version without a leading `v`: tags of the projects have one, and people copy them.
#[must_use]
pub fn number(version: &str) -> &str {
    version.strip_prefix('v').unwrap_or(version)
}

/// Sorts `1.9.0` before `1.10.0`, which text does not.
pub(super) fn numeric(version: &str) -> Vec<u64> {
    version
        .trim_start_matches(|first: char| !first.is_ascii_digit())
        .split(|between: char| !between.is_ascii_digit())
        .map_while(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_by_their_numbers() {
        assert!(numeric("1.9.0") < numeric("1.10.0"));
        assert!(numeric("go1.26") < numeric("1.26.1"));
        assert_eq!(numeric("go1.26.8"), [1, 26, 8]);
        // A candidate comes before its release, 1.27.0.
        assert_eq!(numeric("go1.27rc1"), [1, 27]);
    }
}
