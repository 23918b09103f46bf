//! What one principal may do at one moment.

use std::cell::RefCell;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::world::World;
use arm::ResourceId;
use rbac::condition::{Attributes, NoAttributes};
use rbac::{Access, Decision, Policy, RoleAssignment, decide, grants_below};

/// The rights of a principal.
#[derive(Debug, Clone)]
pub struct Rights {
    policy: Arc<Policy>,
    principal: Uuid,
    groups: Vec<Uuid>,
    now: Timestamp,
    enforced: bool,
}

impl Rights {
    /// Those that a principal has now. Where roles are not enforced, everybody has all.
    pub fn of(world: &mut World, principal: Uuid) -> Self {
        Self {
            policy: super::policy(world),
            principal,
            groups: world.principals().groups_of(principal),
            now: world.now(),
            enforced: world.settings().enforce_roles,
        }
    }

    /// May they do this there?
    pub fn decide(&self, action: &str, scope: &ResourceId, attributes: &dyn Attributes) -> Decision {
        if !self.enforced {
            return Decision::Allowed { by: Uuid::nil() };
        }
        decide(&self.policy, &self.access(action, scope, attributes))
    }

    /// The same, where conditions have nothing to ask about.
    pub fn may(&self, action: &str, scope: &ResourceId) -> bool {
        self.decide(action, scope, &NoAttributes).is_allowed()
    }

    /// They may look at this resource.
    pub fn may_read(&self, id: &ResourceId) -> bool {
        self.may(&format!("{}/read", id.resource_type()), id)
    }

    /// They may do this to something at or below the scope.
    pub fn may_below(&self, action: &str, scope: &ResourceId) -> bool {
        !self.enforced || grants_below(&self.policy, &self.access(action, scope, &NoAttributes))
    }

    /// They have some role somewhere.
    pub fn has_any(&self) -> bool {
        !self.enforced || self.assignments().any(|assignment| assignment.is_effective(self.now))
    }

    /// For many questions about what they may look at.
    pub fn reading(&self) -> Reading<'_> {
        let whole_groups = !self.assignments().any(|assignment| in_a_group(&assignment.scope))
            && !self.policy.denies().iter().any(|deny| in_a_group(&deny.scope));
        Reading { rights: self, whole_groups, last: RefCell::default() }
    }

    /// Every role assignment to them or to one of their groups.
    fn assignments(&self) -> impl Iterator<Item = &Arc<RoleAssignment>> {
        let principals = std::iter::once(&self.principal).chain(&self.groups);
        principals.flat_map(|principal| self.policy.assignments_of(*principal))
    }

    fn access<'a>(&'a self, action: &'a str, scope: &'a ResourceId, attributes: &'a dyn Attributes) -> Access<'a> {
        Access {
            principal: self.principal,
            groups: &self.groups,
            action,
            data: false,
            scope,
            attributes,
            now: self.now,
        }
    }
}

/// A resource in a resource group, not the group itself or something around it.
fn in_a_group(scope: &ResourceId) -> bool {
    scope.resource_group().is_some() && !scope.is_type("Microsoft.Resources/subscriptions/resourceGroups")
}

/// What a principal may look at, asked of one resource after the other in the order of their ids.
#[derive(Debug)]
pub struct Reading<'r> {
    rights: &'r Rights,
    /// Nothing is said of single resources in groups: neighbours of one type have the same answer.
    whole_groups: bool,
    /// The last collection (an id without its last name, in lower case), and the answer.
    last: RefCell<Option<(String, bool)>>,
}

impl Reading<'_> {
    /// They may look at this resource.
    pub fn may(&self, id: &ResourceId) -> bool {
        if !self.whole_groups || !in_a_group(id) {
            return self.rights.may_read(id);
        }
        let collection = id.folded().rsplit_once('/').map_or("", |(collection, _)| collection);
        if let Some((last, answer)) = &*self.last.borrow()
            && last == collection
        {
            return *answer;
        }
        let answer = self.rights.may_read(id);
        *self.last.borrow_mut() = Some((collection.to_owned(), answer));
        answer
    }
}
