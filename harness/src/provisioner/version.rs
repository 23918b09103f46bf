//! What differs between versions of the provisioner as far as starting it goes. Read from `pkg/operator`, `pkg/auth`
//! and `go.mod` of the versions that are offered; one row each, so that a new version is one more row.

use std::fmt;
use std::str::FromStr;

/// A version of the provisioner, `1.7.1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProvisionerVersion {
    /// Major.
    pub major: u32,
    /// Minor.
    pub minor: u32,
    /// Patch.
    pub patch: u32,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version of the provisioner such as `1.7.1`")]
pub struct VersionError(pub String);

impl FromStr for ProvisionerVersion {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, VersionError> {
        let numbers: Vec<u32> = text
            .trim_start_matches('v')
            .split('.')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| VersionError(text.to_owned()))?;
        match numbers[..] {
            [major, minor, patch] => Ok(Self { major, minor, patch }),
            _ => Err(VersionError(text.to_owned())),
        }
    }
}

impl fmt::Display for ProvisionerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// How the provisioner is led to another ARM than the public one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArmRoute {
    /// `AZURE_ENVIRONMENT_FILEPATH` names a file with the endpoints.
    EnvironmentFile,
    /// Nothing leads it elsewhere: its clients are made for `https://management.azure.com`, and `ARM_CLOUD` chooses
    /// the audience of tokens alone. It is met with a proxy that leads that one host to the endpoint, so the
    /// endpoint's certificate must be good for `management.azure.com` and its tokens for
    /// `https://management.core.windows.net`.
    Proxy,
}

/// What to mind when a version is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traits {
    since: ProvisionerVersion,
    /// How it reaches ARM.
    pub(super) arm: ArmRoute,
    /// `AZURE_TOKEN_CREDENTIALS`: azidentity 1.10 knows `dev` and `prod` alone and takes anything else for an error;
    /// from 1.11 on a single credential can be named, which leaves no other way to a token.
    pub(super) token_credentials: &'static str,
    /// Subscription and tenant under the names that it reads first. Up to 1.6 it reads `ARM_` names only; later ones
    /// read both, `AZURE_` first.
    pub(super) identity_prefixes: &'static [&'static str],
    /// It has `ENABLE_AZURE_SDK_LOGGING`. Others log each ARM call, which the ledger of fake-arm does better.
    pub(super) sdk_logging: bool,
    /// It panics on a `CLUSTER_ENDPOINT` whose host is shorter than this.
    pub(super) shortest_endpoint_host: usize,
    /// `spec.imageFamily` of AKS's own node classes. Up to 1.5 the custom resource definition has no `Ubuntu`, which
    /// leaves the choice of the release to the provisioner.
    pub(super) image_family: &'static str,
}

const fn version(major: u32, minor: u32, patch: u32) -> ProvisionerVersion {
    ProvisionerVersion { major, minor, patch }
}

const TABLE: &[Traits] = &[
    Traits {
        since: version(1, 5, 0),
        arm: ArmRoute::Proxy,
        token_credentials: "prod",
        identity_prefixes: &["ARM_"],
        sdk_logging: false,
        shortest_endpoint_host: 33,
        image_family: "Ubuntu2204",
    },
    Traits {
        since: version(1, 6, 0),
        arm: ArmRoute::EnvironmentFile,
        token_credentials: "ManagedIdentityCredential",
        identity_prefixes: &["ARM_"],
        sdk_logging: false,
        shortest_endpoint_host: 33,
        image_family: "Ubuntu",
    },
    Traits {
        since: version(1, 7, 0),
        arm: ArmRoute::EnvironmentFile,
        token_credentials: "ManagedIdentityCredential",
        identity_prefixes: &["AZURE_", "ARM_"],
        sdk_logging: true,
        shortest_endpoint_host: 33,
        image_family: "Ubuntu",
    },
];

impl ProvisionerVersion {
    /// What the newest row that is not newer than this version says; the oldest row for anything older.
    pub(super) fn traits(self) -> &'static Traits {
        TABLE.iter().rev().find(|row| row.since <= self).unwrap_or(&TABLE[0])
    }

    /// How this version is led to another ARM than the public one.
    #[must_use]
    pub fn arm_route(self) -> ArmRoute {
        self.traits().arm
    }

    /// `spec.imageFamily` of the node classes that AKS makes for this version.
    #[must_use]
    pub fn image_family(self) -> &'static str {
        self.traits().image_family
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_read_with_and_without_v() {
        let version: ProvisionerVersion = "v1.7.1".parse().expect("version");
        assert_eq!(version.to_string(), "1.7.1");
        assert!("1.7".parse::<ProvisionerVersion>().is_err());
        assert!("1.7.x".parse::<ProvisionerVersion>().is_err());
    }

    #[test]
    fn each_version_has_the_row_it_was_read_from() {
        let row = |text: &str| text.parse::<ProvisionerVersion>().expect("version").traits();
        assert_eq!(row("1.5.1").arm, ArmRoute::Proxy);
        assert_eq!((row("1.5.1").image_family, row("1.6.3").image_family), ("Ubuntu2204", "Ubuntu"));
        assert_eq!(row("1.6.3").identity_prefixes, ["ARM_"]);
        assert_eq!(row("1.7.1").since, version(1, 7, 0));
        assert_eq!(row("2.0.0").since, version(1, 7, 0));
        assert_eq!(row("0.7.0").since, version(1, 5, 0));
        assert!(TABLE.is_sorted_by_key(|row| row.since));
    }
}
