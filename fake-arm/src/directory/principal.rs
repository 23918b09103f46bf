//! Those whom tokens speak for.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Someone in the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    /// Object id; role assignments call it `principalId`.
    pub object_id: Uuid,
    /// Application (client) id; a user's tokens carry that of the client program.
    pub client_id: Uuid,
    /// What it is.
    pub kind: PrincipalKind,
    /// Name for people.
    pub display_name: String,
}

/// What a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// An application's service principal.
    ServicePrincipal,
    /// A managed identity of a resource, or one of its own.
    ManagedIdentity,
    /// A group of these, and of other groups. It has no tokens.
    Group,
}

impl PrincipalKind {
    /// `principalType` of role assignments: to them a managed identity is a service principal.
    pub fn role_assignment_type(self) -> &'static str {
        match self {
            Self::User => "User",
            Self::ServicePrincipal | Self::ManagedIdentity => "ServicePrincipal",
            Self::Group => "Group",
        }
    }
}

/// The directory of one tenant.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Principals {
    by_object: BTreeMap<Uuid, Principal>,
    /// The groups that each principal is a direct member of.
    groups: BTreeMap<Uuid, BTreeSet<Uuid>>,
}

impl Principals {
    /// Adds one, or replaces the one with the same object id.
    pub fn add(&mut self, principal: Principal) {
        self.by_object.insert(principal.object_id, principal);
    }

    /// Takes one away; its tokens are refused from now on.
    pub fn remove(&mut self, object_id: Uuid) -> Option<Principal> {
        self.groups.remove(&object_id);
        self.groups.values_mut().for_each(|groups| {
            groups.remove(&object_id);
        });
        self.by_object.remove(&object_id)
    }

    /// Makes someone, or another group, a member of a group.
    pub fn join(&mut self, member: Uuid, group: Uuid) {
        self.groups.entry(member).or_default().insert(group);
    }

    /// Ends a membership.
    pub fn leave(&mut self, member: Uuid, group: Uuid) {
        if let Some(groups) = self.groups.get_mut(&member) {
            groups.remove(&group);
        }
    }

    /// The direct members of a group.
    pub fn members_of(&self, group: Uuid) -> impl Iterator<Item = &Principal> {
        let members = self.groups.iter().filter(move |(_, groups)| groups.contains(&group));
        members.filter_map(|(member, _)| self.get(*member))
    }

    /// Every group that someone is in, directly or through other groups.
    pub fn groups_of(&self, object_id: Uuid) -> Vec<Uuid> {
        let mut found = Vec::new();
        let mut waiting = vec![object_id];
        while let Some(member) = waiting.pop() {
            for group in self.groups.get(&member).into_iter().flatten() {
                if *group != object_id && !found.contains(group) {
                    found.push(*group);
                    waiting.push(*group);
                }
            }
        }
        found
    }

    /// By object id.
    pub fn get(&self, object_id: Uuid) -> Option<&Principal> {
        self.by_object.get(&object_id)
    }

    /// By application id.
    pub fn by_client(&self, client_id: Uuid) -> Option<&Principal> {
        self.by_object.values().find(|p| p.client_id == client_id)
    }

    /// All, by object id.
    pub fn iter(&self) -> impl Iterator<Item = &Principal> {
        self.by_object.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Membership is transitive, whatever circles there are.
        #[test]
        fn groups_of_groups_count(edges in proptest::collection::vec((0u128..6, 0u128..6), 0..12)) {
            let mut principals = Principals::default();
            let mut reach = [[false; 6]; 6];
            for (member, group) in edges {
                principals.join(Uuid::from_u128(member), Uuid::from_u128(group));
                reach[member as usize][group as usize] = true;
            }
            for via in 0..6 {
                for from in 0..6 {
                    for to in 0..6 {
                        reach[from][to] |= reach[from][via] && reach[via][to];
                    }
                }
            }
            for (member, row) in reach.iter().enumerate() {
                let mut groups = principals.groups_of(Uuid::from_u128(member as u128));
                groups.sort();
                let expected = (0..6).filter(|group| row[*group] && *group != member);
                prop_assert_eq!(groups, expected.map(|g| Uuid::from_u128(g as u128)).collect::<Vec<_>>());
            }
        }
    }
}
