//! Rights that are given without a request: by the owner of the fake, and by AKS to its clusters.

use serde_json::{Value, json};
use uuid::Uuid;

use super::policy::EFFECTIVE_FROM;
use super::{DENY_ASSIGNMENT, ROLE_ASSIGNMENT, policy};
use crate::world::World;
use arm::ResourceId;
use rbac::builtin_named;

/// The id of a role by its name (built-in ones first) or by its id as text.
pub fn role_named(world: &mut World, name: &str) -> Option<Uuid> {
    if let Some(role) = builtin_named(name) {
        return Some(role.id);
    }
    let policy = policy(world);
    let by_id = name.parse().ok().and_then(|id| policy.role(id));
    let custom = || policy.roles().into_iter().find(|role| role.name.eq_ignore_ascii_case(name));
    by_id.or_else(custom).map(|role| role.id)
}

/// Gives a principal a role in a scope, effective at once. The same grant twice is one grant; returns its name.
pub fn grant(world: &mut World, principal: Uuid, role: Uuid, scope: &ResourceId) -> Uuid {
    let name = Uuid::new_v5(&role, format!("{principal} {}", scope.folded()).as_bytes());
    let id = scope.resource(ROLE_ASSIGNMENT, &name.to_string());
    let kind = world.principals().get(principal).map_or("ServicePrincipal", |p| p.kind.role_assignment_type());
    let mut body = assignment_body(world, &id, principal, kind, role, None);
    body[EFFECTIVE_FROM] = Value::Null;
    world.upsert(&id, ROLE_ASSIGNMENT, body);
    name
}

/// The body of a role assignment that is new.
pub(super) fn assignment_body(
    world: &World,
    id: &ResourceId,
    principal: Uuid,
    kind: &str,
    role: Uuid,
    caller: Option<Uuid>,
) -> Value {
    let now = world.now();
    let delay = jiff::SignedDuration::try_from(world.settings().role_propagation).unwrap_or_default();
    let from = now.saturating_add(delay).unwrap_or(now);
    let role = ResourceId::subscription_of(world.subscription()).resource(super::ROLE_DEFINITION, &role.to_string());
    json!({
        "properties": {
            "roleDefinitionId": role,
            "principalId": principal,
            "principalType": kind,
            "scope": id.parent().unwrap_or_else(ResourceId::tenant),
            "condition": null,
            "conditionVersion": null,
            "createdOn": now.to_string(),
            "updatedOn": now.to_string(),
            "createdBy": caller,
            "updatedBy": caller,
            "delegatedManagedIdentityResourceId": null,
            "description": null,
        },
        EFFECTIVE_FROM: from.to_string(),
    })
}

/// Denies everyone but `spared` to change what is in a scope, as AKS does with a node resource group that is locked
/// down (`nodeResourceGroupProfile.restrictionLevel` `ReadOnly`). Returns the deny assignment's id.
pub fn deny_changes(world: &mut World, scope: &ResourceId, name: &str, spared: &[Uuid]) -> ResourceId {
    let now = world.now().to_string();
    let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{name} {}", scope.folded()).as_bytes());
    let id = scope.resource(DENY_ASSIGNMENT, &id.to_string());
    let spared: Vec<Value> = spared.iter().map(|id| json!({ "id": id, "type": "ServicePrincipal" })).collect();
    let body = json!({
        "properties": {
            "denyAssignmentName": name,
            "description": "Denies changes to the resources that Azure Kubernetes Service manages",
            "permissions": [{
                "actions": ["*/action", "*/delete", "*/write"],
                "notActions": [],
                "dataActions": [],
                "notDataActions": [],
            }],
            "scope": scope,
            "doNotApplyToChildScopes": false,
            "principals": [{ "id": Uuid::nil(), "type": "SystemDefined", "displayName": "All Principals" }],
            "excludePrincipals": spared,
            "isSystemProtected": true,
            "createdOn": now,
            "updatedOn": now,
            "createdBy": null,
            "updatedBy": null,
        },
    });
    world.upsert(&id, DENY_ASSIGNMENT, body);
    id
}
