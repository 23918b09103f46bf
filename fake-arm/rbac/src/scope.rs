//! Scopes contain each other: tenant > management groups > subscription > resource group > resource > child resource.

use std::collections::BTreeMap;

use arm::ResourceId;

/// Which management group each subscription and each management group is in. All ids in lower case.
#[derive(Debug, Clone, Default)]
pub struct Hierarchy {
    parents: BTreeMap<String, String>,
}

impl Hierarchy {
    /// Puts a subscription or management group into a management group, out of the one that it was in.
    pub fn place(&mut self, child: &ResourceId, parent: &ResourceId) {
        self.parents.insert(child.folded().to_owned(), parent.folded().to_owned());
    }

    /// The scopes that contain `scope`, itself first, in lower case. Among them are texts that are no scopes (such as
    /// `…/resourcegroups`), which nothing is ever assigned at.
    pub fn lineage<'a>(&'a self, scope: &'a ResourceId) -> impl Iterator<Item = &'a str> {
        let folded = scope.folded();
        let within = folded.rmatch_indices('/').map(|(at, _)| &folded[..at]).filter(|text| !text.is_empty());
        let itself = std::iter::once(folded).filter(|text| *text != "/");
        let top = self.top(folded);
        let groups = std::iter::successors(top, |group| self.parents.get(*group).map(String::as_str));
        // A chain that leads back into itself ends too.
        itself.chain(within).chain(groups.take(self.parents.len())).chain(std::iter::once("/"))
    }

    /// The management group that the subscription, or the management group, of `folded` is in.
    fn top(&self, folded: &str) -> Option<&str> {
        let ends = folded.match_indices('/').map(|(at, _)| at).skip(2).chain([folded.len()]);
        for end in ends.take(4) {
            if let Some(parent) = self.parents.get(&folded[..end]) {
                return Some(parent);
            }
        }
        None
    }

    /// `scope` is `outer`, or lies somewhere below it.
    pub fn contains(&self, outer: &ResourceId, scope: &ResourceId) -> bool {
        scope.is_within(outer) || self.lineage(scope).any(|ancestor| ancestor == outer.folded())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ResourceId {
        ResourceId::parse(text).unwrap()
    }

    #[test]
    fn a_subnet_has_its_network_group_subscription_and_management_groups_above_it() {
        let mut hierarchy = Hierarchy::default();
        let group = |name: &str| id(&format!("/providers/Microsoft.Management/managementGroups/{name}"));
        hierarchy.place(&id("/subscriptions/S"), &group("inner"));
        hierarchy.place(&group("inner"), &group("outer"));
        let network = id("/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v");
        let subnet = network.child("subnets", "a");
        for outer in [
            "/subscriptions/s/resourcegroups/G",
            "/subscriptions/s",
            "/providers/microsoft.management/managementGroups/inner",
            "/providers/Microsoft.Management/managementGroups/outer",
            "/",
        ] {
            assert!(hierarchy.contains(&id(outer), &subnet), "{outer}");
            assert!(hierarchy.lineage(&subnet).any(|a| a == id(outer).folded()), "{outer}");
        }
        assert!(hierarchy.contains(&network, &subnet) && hierarchy.contains(&subnet, &subnet));
        assert!(hierarchy.contains(&group("outer"), &group("inner")));
        for stranger in [network.child("subnets", "ab"), group("other"), id("/subscriptions/t")] {
            assert!(!hierarchy.contains(&stranger, &subnet), "{stranger}");
        }
        assert!(!hierarchy.contains(&subnet, &network) && !hierarchy.contains(&group("inner"), &group("outer")));
    }

    #[test]
    fn a_circle_of_management_groups_ends() {
        let mut hierarchy = Hierarchy::default();
        let group = |name: &str| id(&format!("/providers/Microsoft.Management/managementGroups/{name}"));
        hierarchy.place(&group("a"), &group("b"));
        hierarchy.place(&group("b"), &group("a"));
        assert!(hierarchy.contains(&group("b"), &group("a")) && !hierarchy.contains(&group("c"), &group("a")));
        assert_eq!(hierarchy.lineage(&ResourceId::tenant()).collect::<Vec<_>>(), ["/"]);
    }
}
