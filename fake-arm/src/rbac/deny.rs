//! Deny assignments: what nobody may do, whatever roles they have.

use uuid::Uuid;

use super::{Condition, Permission};
use crate::arm::ResourceId;

/// One deny assignment. Customers cannot make them; AKS does to lock a node resource group down.
#[derive(Debug, Clone)]
pub struct DenyAssignment {
    /// Its id, the last segment of its resource id.
    pub id: Uuid,
    /// Name for people.
    pub name: String,
    /// Where it holds: in this scope, and below it unless `only_here`.
    pub scope: ResourceId,
    /// It does not hold below its scope (`doNotApplyToChildScopes`).
    pub only_here: bool,
    /// What it denies.
    pub permissions: Vec<Permission>,
    /// Whom it denies it to: object ids of users, groups and service principals; the nil id means everyone.
    pub principals: Vec<Uuid>,
    /// Whom it spares.
    pub spared: Vec<Uuid>,
    /// What must be true besides.
    pub condition: Option<Condition>,
}

impl DenyAssignment {
    /// It concerns a principal with these groups.
    pub(super) fn concerns(&self, principal: Uuid, groups: &[Uuid]) -> bool {
        let among = |ids: &[Uuid]| ids.iter().any(|id| *id == principal || groups.contains(id));
        (self.principals.contains(&Uuid::nil()) || among(&self.principals)) && !among(&self.spared)
    }

    /// It denies an action, given in lower case.
    pub(super) fn denies(&self, folded: &str, data: bool) -> bool {
        self.permissions.iter().any(|p| p.covers(folded, data))
    }
}
