//! Deny assignments: to be looked at. Azure makes them; nobody else can.

use serde_json::Value;

use super::api_versions;
use super::filter::{self, Term};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

/// The type of deny assignments.
pub const DENY_ASSIGNMENT: &str = "Microsoft.Authorization/denyAssignments";

struct DenyAssignments;

inventory::submit! { ResourceType::new(DENY_ASSIGNMENT, api_versions::DENY_ASSIGNMENTS, &DenyAssignments) }

impl Handler for DenyAssignments {
    fn show(&self, _: &World, resource: &Resource) -> Value {
        super::shown::shown(resource)
    }

    fn get(&self, world: &mut World, request: &Request) -> Reply {
        if !world.resources().contains(&request.id) {
            return Err(ArmError::not_found(
                "DenyAssignmentNotFound",
                format!("The deny assignment '{}' is not found.", request.id.name()),
            ));
        }
        Ok(Answer::resource(&request.id))
    }

    fn put(&self, _: &mut World, _: &Request) -> Reply {
        Err(read_only())
    }

    fn patch(&self, _: &mut World, _: &Request) -> Reply {
        Err(read_only())
    }

    fn delete(&self, _: &mut World, _: &Request) -> Reply {
        Err(read_only())
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let policy = super::policy(world);
        let terms = filter::read(request.query.get("$filter"))?;
        let hierarchy = policy.hierarchy();
        let scope = |r: &Resource| r.id.parent().unwrap_or_else(ResourceId::tenant);
        let mut found: Vec<&Resource> = world.resources().of_type(DENY_ASSIGNMENT).collect();
        found.retain(|r| hierarchy.contains(&scope(r), &request.id) || hierarchy.contains(&request.id, &scope(r)));
        for term in &terms {
            match term {
                Term::AtScope => found.retain(|r| hierarchy.contains(&scope(r), &request.id)),
                Term::Equals(name, value) if name == "denyassignmentname" => {
                    found.retain(|r| r.properties()["denyAssignmentName"] == value.as_str());
                }
                Term::Equals(name, value) if name == "principalid" => {
                    let id = rbac::last_id(value).to_string();
                    let named = |r: &&Resource| {
                        r.properties()["principals"]
                            .as_array()
                            .is_some_and(|all| all.iter().any(|p| p["id"] == id.as_str()))
                    };
                    found.retain(named);
                }
                _ => return Err(filter::invalid(&request.query["$filter"])),
            }
        }
        Ok(Answer::list(found.into_iter().map(super::shown::shown).collect()))
    }
}

fn read_only() -> ArmError {
    ArmError::new(
        http::StatusCode::METHOD_NOT_ALLOWED,
        "DenyAssignmentsAreReadOnly",
        "Deny assignments are created and managed by Azure; they cannot be created, changed or deleted by a request.",
    )
}
