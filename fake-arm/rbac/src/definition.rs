//! Role definitions: what a role permits, and where it can be assigned.

use serde_json::{Value, json};
use uuid::Uuid;

use super::ActionPattern;
use arm::ResourceId;

/// A role: a named set of permissions.
#[derive(Debug, Clone)]
pub struct RoleDefinition {
    /// Id; the last segment of its resource id.
    pub id: Uuid,
    /// Name for people, `Network Contributor`.
    pub name: String,
    /// One sentence.
    pub description: String,
    /// Built in, or a customer's own.
    pub kind: RoleKind,
    /// What it permits: the union of these.
    pub permissions: Vec<Permission>,
    /// Where it can be assigned: in these scopes and below them.
    pub assignable_scopes: Vec<ResourceId>,
}

/// Whose a role is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleKind {
    /// Azure's.
    BuiltIn,
    /// A customer's.
    Custom,
}

impl RoleKind {
    /// As role definitions show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BuiltIn => "BuiltInRole",
            Self::Custom => "CustomRole",
        }
    }
}

/// What is permitted: actions less the not-actions; the same for data actions.
#[derive(Debug, Clone, Default)]
pub struct Permission {
    /// Actions of the control plane.
    pub actions: Vec<ActionPattern>,
    /// Taken out of these.
    pub not_actions: Vec<ActionPattern>,
    /// Actions on what a resource holds.
    pub data_actions: Vec<ActionPattern>,
    /// Taken out of these.
    pub not_data_actions: Vec<ActionPattern>,
}

impl Permission {
    /// Reads an item of `properties.permissions`; what is missing is empty.
    pub fn read(value: &Value) -> Self {
        let patterns = |name: &str| -> Vec<ActionPattern> {
            let items = value[name].as_array().into_iter().flatten();
            items.filter_map(Value::as_str).map(ActionPattern::new).collect()
        };
        Self {
            actions: patterns("actions"),
            not_actions: patterns("notActions"),
            data_actions: patterns("dataActions"),
            not_data_actions: patterns("notDataActions"),
        }
    }

    /// Reads `permissions` of a role's or a deny assignment's properties.
    pub(super) fn read_all(properties: &Value) -> Vec<Self> {
        properties["permissions"].as_array().into_iter().flatten().map(Self::read).collect()
    }

    /// As role definitions show it.
    pub fn json(&self) -> Value {
        let texts = |patterns: &[ActionPattern]| -> Vec<Value> { patterns.iter().map(|p| json!(p.as_str())).collect() };
        json!({
            "actions": texts(&self.actions),
            "notActions": texts(&self.not_actions),
            "dataActions": texts(&self.data_actions),
            "notDataActions": texts(&self.not_data_actions),
        })
    }

    /// It covers an action, given in lower case.
    pub fn covers(&self, folded: &str, data: bool) -> bool {
        let (granted, taken) =
            if data { (&self.data_actions, &self.not_data_actions) } else { (&self.actions, &self.not_actions) };
        granted.iter().any(|p| p.matches(folded)) && !taken.iter().any(|p| p.matches(folded))
    }
}

impl RoleDefinition {
    /// Reads the `properties` of a custom role, as Azure shows them; what is missing is empty.
    pub fn read(id: Uuid, properties: &Value) -> Self {
        let text = |name: &str| properties[name].as_str().unwrap_or_default().to_owned();
        let scopes = properties["assignableScopes"].as_array().into_iter().flatten();
        Self {
            id,
            name: text("roleName"),
            description: text("description"),
            kind: RoleKind::Custom,
            permissions: Permission::read_all(properties),
            assignable_scopes: scopes.filter_map(|scope| ResourceId::parse(scope.as_str()?).ok()).collect(),
        }
    }

    /// The role permits an action, given in lower case.
    pub fn permits(&self, folded: &str, data: bool) -> bool {
        self.permissions.iter().any(|p| p.covers(folded, data))
    }

    /// It can be assigned in this scope.
    pub fn assignable_in(&self, scope: &ResourceId) -> bool {
        self.assignable_scopes.iter().any(|assignable| scope.is_within(assignable))
    }

    /// `properties` as role definitions show them, beside who made it and when.
    pub fn properties(&self) -> Value {
        json!({
            "roleName": self.name,
            "type": self.kind.as_str(),
            "description": self.description,
            "assignableScopes": self.assignable_scopes,
            "permissions": self.permissions.iter().map(Permission::json).collect::<Vec<_>>(),
        })
    }
}
