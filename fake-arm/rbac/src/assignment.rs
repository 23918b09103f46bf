//! Role assignments: who has which role where.

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{Condition, last_id};
use arm::ResourceId;

/// One role assignment.
#[derive(Debug, Clone)]
pub struct RoleAssignment {
    /// Its name, the last segment of its resource id.
    pub name: Uuid,
    /// Where it holds: in this scope and below it.
    pub scope: ResourceId,
    /// Id of the role definition.
    pub role: Uuid,
    /// Object id of whom it gives the role to: a user, a group, a service principal.
    pub principal: Uuid,
    /// What must be true besides.
    pub condition: Option<Condition>,
    /// It takes effect then: an assignment takes a while to be known everywhere.
    pub from: Timestamp,
    /// It ceases to take effect then, where it was taken away.
    pub until: Option<Timestamp>,
}

impl RoleAssignment {
    /// Reads the `properties` of an assignment that holds at `scope`, as Azure shows them. It takes effect at once and for
    /// good; a condition that cannot be read is never fulfilled, since it would open what it was there to close.
    pub fn read(name: Uuid, scope: ResourceId, properties: &Value) -> Self {
        let id = |field: &str| last_id(properties[field].as_str().unwrap_or_default());
        let condition = properties["condition"].as_str();
        Self {
            name,
            scope,
            role: id("roleDefinitionId"),
            principal: id("principalId"),
            condition: condition.map(|text| Condition::parse(text).unwrap_or_else(|_| Condition::never())),
            from: Timestamp::MIN,
            until: None,
        }
    }

    /// It takes effect at this moment.
    pub fn is_effective(&self, now: Timestamp) -> bool {
        self.from <= now && self.until.is_none_or(|until| now < until)
    }
}
