//! The decision: may this principal do that there?

use jiff::Timestamp;
use uuid::Uuid;

use super::condition::{Attributes, ConditionFacts};
use super::{DenyAssignment, Policy, RoleAssignment};
use arm::ResourceId;

/// A question.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// Object id of who asks.
    pub principal: Uuid,
    /// The groups that they are in, directly or through other groups.
    pub groups: &'a [Uuid],
    /// What they want to do, `Microsoft.Network/virtualNetworks/subnets/join/action`.
    pub action: &'a str,
    /// The action is one on what a resource holds.
    pub data: bool,
    /// Where they want to do it.
    pub scope: &'a ResourceId,
    /// What conditions may ask about.
    pub attributes: &'a dyn Attributes,
    /// When.
    pub now: Timestamp,
}

impl std::fmt::Debug for Access<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("principal", &self.principal)
            .field("action", &self.action)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// Yes, by the role assignment of this name.
    Allowed {
        /// The assignment's name.
        by: Uuid,
    },
    /// No.
    Refused(Refusal),
}

impl Decision {
    /// It is a yes.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

/// Why not.
#[derive(Debug, Clone, PartialEq)]
pub enum Refusal {
    /// No role assignment grants it.
    NotGranted,
    /// A role assignment would, were its condition fulfilled.
    ConditionNotFulfilled,
    /// A role assignment grants it, and a deny assignment denies it.
    Denied {
        /// Id of the deny assignment.
        id: Uuid,
        /// Its name.
        name: String,
        /// Its scope.
        scope: ResourceId,
    },
}

/// Decides. A deny assignment that concerns the principal wins over every role assignment; otherwise one role
/// assignment at the scope or above it, to the principal or to one of its groups, is enough.
pub fn decide(policy: &Policy, access: &Access<'_>) -> Decision {
    let action = access.action.to_ascii_lowercase();
    let facts =
        ConditionFacts { action: &action, principal: access.principal, now: access.now, attributes: access.attributes };
    let mut refusal = Refusal::NotGranted;
    let mut granted = None;
    'search: for principal in std::iter::once(&access.principal).chain(access.groups) {
        let Some(scopes) = policy.by_scope(*principal) else { continue };
        for scope in policy.hierarchy().lineage(access.scope) {
            for assignment in scopes.get(scope).into_iter().flatten() {
                if !covers(policy, assignment, &action, access) {
                    continue;
                }
                if assignment.condition.as_ref().is_none_or(|condition| condition.holds(&facts)) {
                    granted = Some(assignment.name);
                    break 'search;
                }
                refusal = Refusal::ConditionNotFulfilled;
            }
        }
    }
    let Some(by) = granted else { return Decision::Refused(refusal) };
    match policy.denies().iter().find(|deny| denied(policy, deny, &action, access, &facts)) {
        Some(deny) => {
            Decision::Refused(Refusal::Denied { id: deny.id, name: deny.name.clone(), scope: deny.scope.clone() })
        }
        None => Decision::Allowed { by },
    }
}

/// Some role assignment at or below `access.scope` grants the action: enough to be shown a list of what there is,
/// though not everything in it. Conditions are not looked at.
pub fn grants_below(policy: &Policy, access: &Access<'_>) -> bool {
    let action = access.action.to_ascii_lowercase();
    let principals = std::iter::once(&access.principal).chain(access.groups);
    let mut assignments = principals.flat_map(|principal| policy.assignments_of(*principal));
    assignments.any(|assignment| {
        covers(policy, assignment, &action, access) && policy.hierarchy().contains(access.scope, &assignment.scope)
    })
}

fn covers(policy: &Policy, assignment: &RoleAssignment, action: &str, access: &Access<'_>) -> bool {
    assignment.is_effective(access.now)
        && policy.role(assignment.role).is_some_and(|role| role.permits(action, access.data))
}

fn denied(
    policy: &Policy,
    deny: &DenyAssignment,
    action: &str,
    access: &Access<'_>,
    facts: &ConditionFacts<'_>,
) -> bool {
    let here = if deny.only_here {
        deny.scope == *access.scope
    } else {
        policy.hierarchy().contains(&deny.scope, access.scope)
    };
    here && deny.denies(action, access.data)
        && deny.concerns(access.principal, access.groups)
        && deny.condition.as_ref().is_none_or(|condition| condition.holds(facts))
}

#[cfg(test)]
mod tests;
