//! Why a managed cluster did not do what a scenario asked: each error names object, kind, place and remedy.

use std::time::Duration;

use crate::manifest::ManifestError;

/// Why the cluster did not do what a scenario asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The manifest is none.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The cluster does not know the kind.
    #[error(
        "cannot find the kind of {kind} {name}: this cluster knows no {kind} in {api_version}; check the spelling of \
         kind and apiVersion, and whether the CRD is installed (kubectl api-resources lists what is)"
    )]
    UnknownKind {
        /// Object.
        name: String,
        /// Kind as given.
        kind: String,
        /// apiVersion as given.
        api_version: String,
    },
    /// The kind has no such field.
    #[error(
        "cannot {verb} {kind} {name}: {field} is no field of {kind} in {api_version}; check its spelling, letter case \
         and place (kubectl explain {kind} --recursive lists those there are)"
    )]
    UnknownField {
        /// `apply` or `patch`.
        verb: &'static str,
        /// Kind.
        kind: String,
        /// Name.
        name: String,
        /// apiVersion as given.
        api_version: String,
        /// Path of the field, for example `spec.vnetSubnetId`.
        field: String,
        /// HTTP status.
        code: u16,
    },
    /// The API server refused.
    #[error("the API server refused to {verb} {kind} {name}: {code} {reason}: {message}")]
    Refused {
        /// `apply`, `delete`, …
        verb: &'static str,
        /// Kind.
        kind: String,
        /// Name.
        name: String,
        /// HTTP status.
        code: u16,
        /// Kubernetes' reason, for example `Invalid`.
        reason: String,
        /// Kubernetes' message.
        message: String,
    },
    /// The API server took it, and the watch has not shown it.
    #[error(
        "the API server let us {verb} {kind} {name}, but the watch of {kind}s has not shown it within {within:?}: what \
         follows would be judged by how things were before"
    )]
    NotSeen {
        /// `apply`, `delete`, …
        verb: &'static str,
        /// Kind.
        kind: String,
        /// Name.
        name: String,
        /// How long it was waited for, in real time.
        within: Duration,
    },
    /// The API server did not answer.
    #[error("cannot {verb} {kind} {name}: {source}")]
    Client {
        /// `apply`, `delete`, …
        verb: &'static str,
        /// Kind.
        kind: String,
        /// Name.
        name: String,
        /// Cause.
        source: kube::Error,
    },
}

impl ClusterError {
    /// HTTP status of a refusal.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        match self {
            Self::Refused { code, .. } | Self::UnknownField { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// With the place of the object in the text that it comes from, behind its name.
    pub(super) fn at(mut self, place: Option<String>) -> Self {
        if let Some(place) = place {
            match &mut self {
                Self::UnknownKind { name, .. }
                | Self::UnknownField { name, .. }
                | Self::Refused { name, .. }
                | Self::NotSeen { name, .. }
                | Self::Client { name, .. } => *name += &format!(" ({place})"),
                // It names its place already.
                Self::Manifest(_) => {}
            }
        }
        self
    }

    /// What became of a write: a field that the kind does not have is told in other words than the API server's.
    pub(super) fn of_write(verb: &'static str, api_version: &str, kind: &str, name: &str, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) if unknown_field(&status.message).is_some() => Self::UnknownField {
                verb,
                kind: kind.to_owned(),
                name: name.to_owned(),
                api_version: api_version.to_owned(),
                field: unknown_field(&status.message).unwrap_or_default(),
                code: status.code,
            },
            error => Self::from_kube(verb, kind, name, error),
        }
    }

    pub(super) fn from_kube(verb: &'static str, kind: &str, name: &str, error: kube::Error) -> Self {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        match error {
            kube::Error::Api(status) => Self::Refused {
                verb,
                kind,
                name,
                code: status.code,
                reason: status.reason.clone(),
                message: status.message.clone(),
            },
            source => Self::Client { verb, kind, name, source },
        }
    }
}

/// The field that the API server does not know, where that is its complaint. It has two ways of saying so:
/// `.spec.colour: field not declared in schema` and `unknown field "spec.colour"`.
fn unknown_field(message: &str) -> Option<String> {
    let declared = || {
        let (before, _) = message.split_once(": field not declared in schema")?;
        before.rsplit([' ', '\n']).next().map(|field| field.trim_start_matches('.'))
    };
    let quoted = || message.split_once("unknown field \"")?.1.split('"').next();
    declared().or_else(quoted).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_found_in_both_complaints_of_the_api_server() {
        let applied = "failed to create typed patch object (/p; karpenter.sh/v1, Kind=NodePool): .spec.disruption.colour: \
                       field not declared in schema";
        assert_eq!(unknown_field(applied).as_deref(), Some("spec.disruption.colour"));
        let patched = "strict decoding error: unknown field \"spec.colour\"";
        assert_eq!(unknown_field(patched).as_deref(), Some("spec.colour"));
        assert_eq!(unknown_field("spec.weight: Invalid value: 101"), None);
    }

    #[test]
    fn errors_name_object_kind_place_and_remedy() {
        let error = ClusterError::UnknownKind {
            name: "p".into(),
            kind: "NodePol".into(),
            api_version: "karpenter.sh/v1".into(),
        };
        let text = error.at(Some("document 2 of the manifest pools.yaml".into())).to_string();
        assert!(text.contains("NodePol p (document 2 of the manifest pools.yaml)"), "{text}");
        assert!(text.contains("knows no NodePol in karpenter.sh/v1; check the spelling"), "{text}");
    }
}
