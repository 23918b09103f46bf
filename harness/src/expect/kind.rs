//! The kinds of Kubernetes objects that a lab watches, and of which therefore something can be expected.

use std::fmt;

use kube::core::{ApiResource, GroupVersionKind};

/// Makes the kinds, and what tells of each, out of one table.
macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $group:literal, $version:literal, $name:literal, $plural:literal;)+) => {
        /// A kind of object whose every change the lab records. What is not among them can be applied and read, but
        /// nothing can be expected of it: nothing of it is ever seen.
        ///
        /// ```compile_fail
        /// catnap::prelude::Kind::Secret;
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])* $kind,)+
        }

        impl Kind {
            /// All of them.
            pub const WATCHED: &'static [Self] = &[$(Self::$kind),+];

            /// As the API server calls it: `AKSNodeClass`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),+ }
            }

            /// Under which group, version and path the API server has it.
            #[must_use]
            pub fn resource(self) -> ApiResource {
                let (group, version, plural) = match self { $(Self::$kind => ($group, $version, $plural)),+ };
                ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, self.name()), plural)
            }
        }
    };
}

kinds! {
    /// A node.
    Node = "", "v1", "Node", "nodes";
    /// A pod.
    Pod = "", "v1", "Pod", "pods";
    /// An event.
    Event = "", "v1", "Event", "events";
    /// A deployment.
    Deployment = "apps", "v1", "Deployment", "deployments";
    /// A budget of how many pods of a workload may be away at once.
    PodDisruptionBudget = "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets";
    /// A lease, with which nodes and leaders say that they are alive.
    Lease = "coordination.k8s.io", "v1", "Lease", "leases";
    /// A node claim of node auto-provisioning.
    NodeClaim = "karpenter.sh", "v1", "NodeClaim", "nodeclaims";
    /// A node pool of node auto-provisioning.
    NodePool = "karpenter.sh", "v1", "NodePool", "nodepools";
    /// A node class of node auto-provisioning in AKS.
    AksNodeClass = "karpenter.azure.com", "v1beta1", "AKSNodeClass", "aksnodeclasses";
}

impl Kind {
    /// `apps/v1`, or `v1` for those of no group.
    #[must_use]
    pub fn api_version(self) -> String {
        self.resource().api_version
    }

    /// The watched kind that a manifest writes so; `None` where it is not watched.
    pub(crate) fn written(api_version: &str, kind: &str) -> Option<Self> {
        Self::WATCHED.iter().copied().find(|watched| watched.name() == kind && watched.api_version() == api_version)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_what_a_manifest_writes() {
        for &kind in Kind::WATCHED {
            assert_eq!(Kind::written(&kind.api_version(), kind.name()), Some(kind));
        }
        assert_eq!(Kind::AksNodeClass.api_version(), "karpenter.azure.com/v1beta1");
        assert_eq!(Kind::Pod.api_version(), "v1");
        assert_eq!(Kind::written("v1", "Secret"), None);
        assert_eq!(Kind::written("metrics.k8s.io/v1", "Node"), None, "a kind of the same name in another group");
    }
}
