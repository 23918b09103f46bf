//! From the stored resources to what decides.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{DENY_ASSIGNMENT, ROLE_ASSIGNMENT, ROLE_DEFINITION};
use crate::arm::ResourceId;
use crate::providers::management::{MANAGEMENT_GROUP, PLACEMENT};
use crate::rbac::{Condition, DenyAssignment, Hierarchy, Permission, Policy, RoleAssignment, RoleDefinition, RoleKind};
use crate::world::{KeptState, Resource, World};

/// Field of a stored assignment that says from when on it counts; no part of the resource.
pub(super) const EFFECTIVE_FROM: &str = "effectiveFrom";

// One is put together anew; the other is a matter of minutes.
inventory::submit! { KeptState::dropped::<Kept>("Microsoft.Authorization/policy") }
inventory::submit! { KeptState::dropped::<Lingering>("Microsoft.Authorization/lingering") }

/// The policy as of the revision at which it was put together.
#[derive(Default)]
struct Kept {
    revision: Option<(u64, u64)>,
    policy: Arc<Policy>,
}

/// Assignments that were taken away and still count somewhere.
#[derive(Default)]
pub(super) struct Lingering(pub(super) Vec<RoleAssignment>);

/// What decides now. It is put together anew when something of it has changed.
pub fn policy(world: &mut World) -> Arc<Policy> {
    let revision =
        (world.resources().revision("Microsoft.Authorization"), world.resources().revision("Microsoft.Management"));
    let kept = world.state::<Kept>();
    if kept.revision != Some(revision) {
        let fresh = Arc::new(put_together(world));
        *world.state::<Kept>() = Kept { revision: Some(revision), policy: fresh };
    }
    Arc::clone(&world.state::<Kept>().policy)
}

fn put_together(world: &mut World) -> Policy {
    let now = world.now();
    let lingering = &mut world.state::<Lingering>().0;
    lingering.retain(|gone| gone.is_effective(now));
    let lingering = lingering.clone();
    let mut policy = Policy::new(hierarchy(world));
    for resource in world.resources().iter() {
        match resource.resource_type.as_str() {
            ROLE_DEFINITION => policy.define(definition(resource)),
            ROLE_ASSIGNMENT => policy.assign(assignment(resource)),
            DENY_ASSIGNMENT => policy.deny(denial(resource)),
            _ => {}
        }
    }
    lingering.into_iter().for_each(|gone| policy.assign(gone));
    policy
}

fn hierarchy(world: &World) -> Hierarchy {
    let mut hierarchy = Hierarchy::default();
    let group = |name: &str| ResourceId::tenant().resource(MANAGEMENT_GROUP, name);
    let subscription = ResourceId::subscription_of(world.subscription());
    hierarchy.place(&subscription, &group(&world.tenant().to_string()));
    for resource in world.resources().iter() {
        match resource.resource_type.as_str() {
            MANAGEMENT_GROUP => {
                let parent = resource.properties()["details"]["parent"]["id"].as_str();
                let parent = parent.and_then(|id| ResourceId::parse(id).ok());
                let root = group(&world.tenant().to_string());
                hierarchy.place(&resource.id, &parent.unwrap_or(root));
            }
            PLACEMENT => {
                if let Some(parent) = resource.id.parent() {
                    hierarchy.place(&ResourceId::subscription_of(resource.name()), &parent);
                }
            }
            _ => {}
        }
    }
    hierarchy
}

/// The id that a reference or a resource's last segment holds; nil for what is none, which is nobody and nothing.
pub(super) fn last_id(text: &str) -> Uuid {
    Uuid::parse_str(text.rsplit('/').next().unwrap_or_default()).unwrap_or(Uuid::nil())
}

fn ids(value: &Value) -> Vec<Uuid> {
    value.as_array().into_iter().flatten().filter_map(|item| item["id"].as_str()?.parse().ok()).collect()
}

fn scope_of(resource: &Resource) -> ResourceId {
    resource.id.parent().unwrap_or_else(ResourceId::tenant)
}

fn condition(properties: &Value) -> Option<Condition> {
    let text = properties["condition"].as_str()?;
    // It was read when it was stored; one that cannot be read now would open what it was there to close.
    Some(Condition::parse(text).unwrap_or_else(|_| Condition::never()))
}

/// A stored role definition as the decision sees it.
pub(super) fn definition(resource: &Resource) -> RoleDefinition {
    let properties = resource.properties();
    let text = |name: &str| properties[name].as_str().unwrap_or_default().to_owned();
    let scopes = properties["assignableScopes"].as_array().into_iter().flatten();
    RoleDefinition {
        id: last_id(resource.name()),
        name: text("roleName"),
        description: text("description"),
        kind: RoleKind::Custom,
        permissions: properties["permissions"].as_array().into_iter().flatten().map(Permission::read).collect(),
        assignable_scopes: scopes.filter_map(|scope| ResourceId::parse(scope.as_str()?).ok()).collect(),
    }
}

/// A stored role assignment as the decision sees it.
pub(super) fn assignment(resource: &Resource) -> RoleAssignment {
    let properties = resource.properties();
    let id = |name: &str| last_id(properties[name].as_str().unwrap_or_default());
    let from = resource.body[EFFECTIVE_FROM].as_str().and_then(|text| text.parse().ok());
    RoleAssignment {
        name: last_id(resource.name()),
        scope: scope_of(resource),
        role: id("roleDefinitionId"),
        principal: id("principalId"),
        condition: condition(properties),
        from: from.unwrap_or(Timestamp::MIN),
        until: None,
    }
}

fn denial(resource: &Resource) -> DenyAssignment {
    let properties = resource.properties();
    DenyAssignment {
        id: last_id(resource.name()),
        name: properties["denyAssignmentName"].as_str().unwrap_or_default().to_owned(),
        scope: scope_of(resource),
        only_here: properties["doNotApplyToChildScopes"] == true,
        permissions: properties["permissions"].as_array().into_iter().flatten().map(Permission::read).collect(),
        principals: ids(&properties["principals"]),
        spared: ids(&properties["excludePrincipals"]),
        condition: condition(properties),
    }
}
