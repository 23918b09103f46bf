//! Role definitions: the built-in ones, which are not in the store, and custom ones, which are. A custom role has one
//! id, below the subscription; it is found from every scope in which it can be assigned.

use serde_json::{Value, json};
use uuid::Uuid;

use super::filter::{self, Term};
use super::{ROLE_ASSIGNMENT, api_versions};
use crate::provider::{Answer, Handler, Link, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};
use rbac::{Policy, RoleDefinition, RoleKind};

/// The type of role definitions.
pub const ROLE_DEFINITION: &str = "Microsoft.Authorization/roleDefinitions";

/// Azure's limit for a tenant.
const MOST: usize = 5000;

/// When Azure's built-in roles of the first hour were made.
const BUILT_IN_SINCE: &str = "2015-02-02T21:55:09.8806423Z";

struct RoleDefinitions;

inventory::submit! { ResourceType::new(ROLE_DEFINITION, api_versions::ROLE_DEFINITIONS, &RoleDefinitions) }

impl Handler for RoleDefinitions {
    fn show(&self, _: &World, resource: &Resource) -> Value {
        super::shown::shown(resource)
    }

    fn links(&self) -> &'static [Link] {
        // A role is made in each of its scopes.
        const LINKS: &[Link] =
            &[Link::new("properties.assignableScopes[]", "Microsoft.Authorization/roleDefinitions/write")];
        LINKS
    }

    fn get(&self, world: &mut World, request: &Request) -> Reply {
        let policy = super::policy(world);
        let name = request.id.name();
        match policy.role(rbac::last_id(name)) {
            Some(role) => Ok(Answer::json(shown(world, role))),
            None => Err(does_not_exist(name)),
        }
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let id = role_id(request.id.name())?;
        let policy = super::policy(world);
        if policy.role(id).is_some_and(|role| role.kind == RoleKind::BuiltIn) {
            return Err(ArmError::forbidden(
                "RoleDefinitionCannotBeModified",
                format!("The built-in role definition '{id}' cannot be modified."),
            ));
        }
        let role = read(id, request)?;
        let clashes = |other: &&RoleDefinition| other.id != id && other.name.eq_ignore_ascii_case(&role.name);
        if policy.roles().iter().map(|role| &***role).any(|other| clashes(&other)) {
            return Err(ArmError::conflict(
                "RoleDefinitionWithSameNameExists",
                "A role definition cannot be updated with a name that already exists.",
            ));
        }
        let home = home(world, id);
        let existing = world.resources().get(&home).map(|r| r.properties().clone());
        if existing.is_none() && world.resources().of_type(ROLE_DEFINITION).count() >= MOST {
            return Err(ArmError::bad_request(
                "RoleDefinitionLimitExceeded",
                "Role definition limit exceeded. No more role definitions can be created.",
            ));
        }
        let now = json!(world.now().to_string());
        let caller = json!(request.caller);
        let kept = |name: &str, fresh: &Value| {
            existing.as_ref().map_or_else(|| fresh.clone(), |properties| properties[name].clone())
        };
        let mut properties = role.properties();
        for (name, value) in [
            ("createdOn", kept("createdOn", &now)),
            ("updatedOn", now.clone()),
            ("createdBy", kept("createdBy", &caller)),
            ("updatedBy", caller.clone()),
        ] {
            properties[name] = value;
        }
        world.upsert(&home, ROLE_DEFINITION, json!({ "properties": properties }));
        // 201 for a role that was there, too: so Azure does.
        Ok(Answer::put(true, &home))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let id = role_id(request.id.name())?;
        let home = home(world, id);
        let Some(found) = world.resources().get(&home).cloned() else { return Ok(Answer::no_content()) };
        let uses = |r: &Resource| rbac::last_id(r.properties()["roleDefinitionId"].as_str().unwrap_or_default()) == id;
        if world.resources().of_type(ROLE_ASSIGNMENT).any(uses) {
            return Err(ArmError::bad_request(
                "RoleDefinitionHasAssignments",
                "There are existing role assignments referencing role.",
            ));
        }
        world.resources_mut().remove(&home);
        Ok(Answer::json(super::shown::shown(&found)))
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let policy = super::policy(world);
        let terms = filter::read(request.query.get("$filter"))?;
        let hierarchy = policy.hierarchy();
        let below = terms.contains(&Term::AtScopeAndBelow);
        let here = |role: &RoleDefinition| {
            role.assignable_scopes.iter().any(|assignable| {
                hierarchy.contains(assignable, &request.id) || (below && hierarchy.contains(&request.id, assignable))
            })
        };
        let mut found: Vec<&RoleDefinition> = policy.roles().into_iter().map(|role| &**role).collect();
        found.retain(|role| here(role));
        for term in &terms {
            match term {
                Term::AtScope | Term::AtScopeAndBelow => {}
                Term::Equals(name, value) if name == "rolename" => {
                    found.retain(|role| role.name.eq_ignore_ascii_case(value));
                }
                Term::Equals(name, value) if name == "type" => {
                    found.retain(|role| role.kind.as_str().eq_ignore_ascii_case(value));
                }
                _ => return Err(filter::invalid(&request.query["$filter"])),
            }
        }
        Ok(Answer::list(found.into_iter().map(|role| shown(world, role)).collect()))
    }
}

/// Where a custom role is kept, and the id that every role is shown with.
fn home(world: &World, id: Uuid) -> ResourceId {
    ResourceId::subscription_of(world.subscription()).resource(ROLE_DEFINITION, &id.to_string())
}

fn shown(world: &World, role: &RoleDefinition) -> Value {
    let id = home(world, role.id);
    if let Some(stored) = world.resources().get(&id) {
        return super::shown::shown(stored);
    }
    let mut properties = role.properties();
    for (name, value) in [
        ("createdOn", json!(BUILT_IN_SINCE)),
        ("updatedOn", json!(BUILT_IN_SINCE)),
        ("createdBy", Value::Null),
        ("updatedBy", Value::Null),
    ] {
        properties[name] = value;
    }
    json!({ "properties": properties, "id": id, "type": ROLE_DEFINITION, "name": role.id })
}

fn role_id(name: &str) -> Result<Uuid, ArmError> {
    Uuid::parse_str(name).map_err(|_| {
        ArmError::bad_request(
            "InvalidRoleDefinitionId",
            format!("The role definition ID '{name}' is not valid. The role definition ID must be a GUID."),
        )
    })
}

/// Azure's answer where a role is named that there is not, or not in this scope. It shows the id without dashes.
pub(crate) fn does_not_exist(name: &str) -> ArmError {
    let shown = Uuid::parse_str(name).map_or_else(|_| name.to_owned(), |id| id.simple().to_string());
    ArmError::not_found(
        "RoleDefinitionDoesNotExist",
        format!("The specified role definition with ID '{shown}' does not exist."),
    )
}

/// A custom role out of a request.
fn read(id: Uuid, request: &Request) -> Result<RoleDefinition, ArmError> {
    let properties = request.properties();
    let name = properties["roleName"].as_str().map(str::trim).unwrap_or_default();
    if name.is_empty() || name.chars().count() > 512 {
        return Err(ArmError::bad_request(
            "RoleDefinitionNameNotValid",
            "The role definition name must have between 1 and 512 characters.",
        ));
    }
    if properties["type"].as_str().is_some_and(|kind| !kind.eq_ignore_ascii_case("CustomRole")) {
        return Err(ArmError::bad_request("InvalidRoleDefinitionType", "The role definition type must be CustomRole."));
    }
    let scopes = properties["assignableScopes"].as_array().filter(|scopes| !scopes.is_empty()).ok_or_else(|| {
        ArmError::bad_request("MissingAssignableScopes", "The role definition has no assignable scopes.")
    })?;
    let assignable_scopes = scopes.iter().map(assignable).collect::<Result<Vec<_>, _>>()?;
    let permissions = properties["permissions"].as_array().filter(|permissions| !permissions.is_empty());
    let permissions = permissions
        .ok_or_else(|| ArmError::bad_request("MissingPermissions", "The role definition has no permissions."))?;
    for permission in permissions {
        for list in ["actions", "notActions", "dataActions", "notDataActions"] {
            permission[list].as_array().into_iter().flatten().try_for_each(check_action)?;
        }
    }
    Ok(RoleDefinition {
        id,
        name: name.to_owned(),
        description: properties["description"].as_str().unwrap_or_default().to_owned(),
        kind: RoleKind::Custom,
        permissions: permissions.iter().map(rbac::Permission::read).collect(),
        assignable_scopes,
    })
}

/// Management groups, subscriptions and resource groups.
fn assignable(scope: &Value) -> Result<ResourceId, ArmError> {
    let text = scope.as_str().unwrap_or_default();
    let parsed = ResourceId::parse(text).ok().filter(|id| {
        [
            "Microsoft.Management/managementGroups",
            "Microsoft.Resources/subscriptions",
            crate::providers::resources::GROUP,
        ]
        .iter()
        .any(|kind| id.is_type(kind))
    });
    let subscription = |id: &ResourceId| id.subscription().is_none_or(|text| Uuid::parse_str(text).is_ok());
    parsed.filter(subscription).ok_or_else(|| {
        ArmError::bad_request("InvalidAssignableScope", format!("The assignable scope '{text}' is not valid."))
    })
}

/// An action has a namespace or a star. Whether a provider knows it is not looked at: not all of Azure is here.
fn check_action(action: &Value) -> Result<(), ArmError> {
    let text = action.as_str().unwrap_or_default();
    let namespace = text.split('/').next().unwrap_or_default();
    let letters = |c: char| c.is_ascii_alphanumeric() || "./*-_$".contains(c);
    let sound =
        text.chars().all(letters) && (namespace.contains('*') || (namespace.contains('.') && text.contains('/')));
    if sound {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "InvalidActionOrNotAction",
        format!("'{text}' does not match any of the actions supported by the providers."),
    ))
}

/// For [`super::permission`].
pub(super) fn permissions_of(policy: &Policy, role: Uuid) -> Vec<Value> {
    policy.role(role).into_iter().flat_map(|role| role.permissions.iter().map(rbac::Permission::json)).collect()
}
