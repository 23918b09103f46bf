//! What the caller may do in a scope.

use serde_json::{Value, json};

use super::{api_versions, role_definition};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::World;

struct Permissions;

inventory::submit! {
    ResourceType::new("Microsoft.Authorization/permissions", api_versions::PERMISSIONS, &Permissions).computed()
}

impl Handler for Permissions {
    /// The permissions of every role that the caller has at the scope, with the conditions.
    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let policy = super::policy(world);
        let now = world.now();
        let mut principals = world.principals().groups_of(request.caller);
        principals.insert(0, request.caller);
        let assignments = principals.iter().flat_map(|principal| policy.assignments_of(*principal));
        let here = assignments
            .filter(|a| a.is_effective(now) && policy.hierarchy().contains(&a.scope, &request.id))
            .collect::<Vec<_>>();
        let mut shown: Vec<Value> = Vec::new();
        for assignment in here {
            for mut permission in role_definition::permissions_of(&policy, assignment.role) {
                if let Some(condition) = &assignment.condition {
                    permission["condition"] = json!(condition.as_str());
                    permission["conditionVersion"] = json!("2.0");
                }
                shown.push(permission);
            }
        }
        Ok(Answer::list(shown))
    }
}
