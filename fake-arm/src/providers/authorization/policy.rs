//! From the stored resources to what decides.

use std::sync::Arc;

use super::{DENY_ASSIGNMENT, ROLE_ASSIGNMENT, ROLE_DEFINITION};
use crate::providers::management::{MANAGEMENT_GROUP, PLACEMENT};
use crate::world::{KeptState, Resource, World};
use arm::ResourceId;
use rbac::{DenyAssignment, Hierarchy, Policy, RoleAssignment, RoleDefinition, last_id};

/// Field of a stored assignment that says from when on it counts; no part of the resource.
pub(super) const EFFECTIVE_FROM: &str = "effectiveFrom";

// One is put together anew; the other is a matter of minutes.
inventory::submit! { KeptState::dropped::<CachedPolicy>("Microsoft.Authorization/policy") }
inventory::submit! { KeptState::dropped::<Lingering>("Microsoft.Authorization/lingering") }

/// The policy as of the revision at which it was put together.
#[derive(Default)]
struct CachedPolicy {
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
    let kept = world.state::<CachedPolicy>();
    if kept.revision != Some(revision) {
        let fresh = Arc::new(put_together(world));
        *world.state::<CachedPolicy>() = CachedPolicy { revision: Some(revision), policy: fresh };
    }
    Arc::clone(&world.state::<CachedPolicy>().policy)
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

fn scope_of(resource: &Resource) -> ResourceId {
    resource.id.parent().unwrap_or_else(ResourceId::tenant)
}

/// A stored role definition as the decision sees it.
pub(super) fn definition(resource: &Resource) -> RoleDefinition {
    RoleDefinition::read(last_id(resource.name()), resource.properties())
}

/// A stored role assignment as the decision sees it.
pub(super) fn assignment(resource: &Resource) -> RoleAssignment {
    let read = RoleAssignment::read(last_id(resource.name()), scope_of(resource), resource.properties());
    let from = resource.body[EFFECTIVE_FROM].as_str().and_then(|text| text.parse().ok());
    RoleAssignment { from: from.unwrap_or(read.from), ..read }
}

fn denial(resource: &Resource) -> DenyAssignment {
    DenyAssignment::read(last_id(resource.name()), scope_of(resource), resource.properties())
}
