//! Deny assignments: what nobody may do, whatever roles they have.

use serde_json::Value;
use uuid::Uuid;

use super::{Condition, Permission};
use arm::ResourceId;

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
    /// Reads the `properties` of a deny assignment at `scope`, as Azure shows them. One whose condition cannot be read
    /// denies without a condition.
    pub fn read(id: Uuid, scope: ResourceId, properties: &Value) -> Self {
        let condition = properties["condition"].as_str();
        Self {
            id,
            name: properties["denyAssignmentName"].as_str().unwrap_or_default().to_owned(),
            scope,
            only_here: properties["doNotApplyToChildScopes"] == true,
            permissions: Permission::read_all(properties),
            principals: ids(&properties["principals"]),
            spared: ids(&properties["excludePrincipals"]),
            condition: condition.and_then(|text| Condition::parse(text).ok()),
        }
    }

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

/// The ids of `[{"id": …}, …]`.
fn ids(list: &Value) -> Vec<Uuid> {
    list.as_array().into_iter().flatten().filter_map(|item| item["id"].as_str()?.parse().ok()).collect()
}
