//! What one principal may do at one moment.

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::arm::ResourceId;
use crate::rbac::condition::{Attributes, NoAttributes};
use crate::rbac::{Access, Decision, Policy, decide, grants_below};
use crate::world::World;

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
        let principals = std::iter::once(&self.principal).chain(&self.groups);
        let mut assignments = principals.flat_map(|principal| self.policy.assignments_of(*principal));
        !self.enforced || assignments.any(|assignment| assignment.is_effective(self.now))
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
