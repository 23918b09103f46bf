//! Role assignments.

use serde_json::{Value, json};
use uuid::Uuid;

use super::filter::{self, Term};
use super::policy::{self, Lingering};
use super::{ROLE_DEFINITION, api_versions, grant};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};
use rbac::condition::InvalidCondition;
use rbac::{Condition, Policy};

/// The type of role assignments.
pub const ROLE_ASSIGNMENT: &str = "Microsoft.Authorization/roleAssignments";

/// Azure's limit for a subscription.
const MOST: usize = 4000;

struct RoleAssignments;

inventory::submit! { ResourceType::new(ROLE_ASSIGNMENT, api_versions::ROLE_ASSIGNMENTS, &RoleAssignments) }

impl Handler for RoleAssignments {
    fn show(&self, _: &World, resource: &Resource) -> Value {
        super::shown::shown(resource)
    }

    fn get(&self, world: &mut World, request: &Request) -> Reply {
        if !world.resources().contains(&request.id) {
            return Err(not_found(&request.id));
        }
        Ok(Answer::resource(&request.id))
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let wanted = RequestedAssignment::read(world, request)?;
        let id = &request.id;
        let same_name = world.resources().of_type(ROLE_ASSIGNMENT).find(|r| r.name().eq_ignore_ascii_case(id.name()));
        if let Some(existing) = same_name.cloned() {
            return change(world, request, &wanted, &existing);
        }
        let scope = id.parent().unwrap_or_else(ResourceId::tenant);
        let equal = |r: &&Resource| {
            let known = policy::assignment(r);
            (&known.scope, known.role, known.principal) == (&scope, wanted.role, wanted.principal)
        };
        if let Some(equal) = world.resources().of_type(ROLE_ASSIGNMENT).find(equal) {
            return Err(exists(equal.name()));
        }
        if world.resources().of_type(ROLE_ASSIGNMENT).count() >= MOST {
            return Err(ArmError::bad_request(
                "RoleAssignmentLimitExceeded",
                "The role assignment limit for the subscription exceeded. No more role assignments can be created.",
            ));
        }
        let caller = Some(request.caller);
        let mut body = grant::assignment_body(world, id, wanted.principal, wanted.kind, wanted.role, caller);
        wanted.write(&mut body["properties"]);
        world.upsert(id, ROLE_ASSIGNMENT, body);
        Ok(Answer::put(true, id))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(gone) = world.resources_mut().remove(&request.id) else { return Ok(Answer::no_content()) };
        let delay = world.settings().role_propagation;
        if !delay.is_zero() {
            let delay = jiff::SignedDuration::try_from(delay).unwrap_or_default();
            let until = world.now().saturating_add(delay).ok();
            let lingering = rbac::RoleAssignment { until, ..policy::assignment(&gone) };
            world.state::<Lingering>().0.push(lingering);
        }
        Ok(Answer::json(super::shown::shown(&gone)))
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let policy = super::policy(world);
        let terms = filter::read(request.query.get("$filter"))?;
        let mut found: Vec<Resource> = world.resources().of_type(ROLE_ASSIGNMENT).cloned().collect();
        let hierarchy = policy.hierarchy();
        // Without a filter: everything at the scope, above it and below it.
        found.retain(|r| {
            let scope = policy::assignment(r).scope;
            hierarchy.contains(&scope, &request.id) || hierarchy.contains(&request.id, &scope)
        });
        for term in &terms {
            let of = |principal: Uuid, with_groups: bool| {
                let mut ids = if with_groups { world.principals().groups_of(principal) } else { Vec::new() };
                ids.push(principal);
                ids
            };
            let principals = match term {
                Term::AtScope => {
                    found.retain(|r| hierarchy.contains(&policy::assignment(r).scope, &request.id));
                    continue;
                }
                Term::AssignedTo(principal) => of(*principal, true),
                Term::AsTarget => of(request.caller, true),
                Term::Equals(name, value) if name == "principalid" => of(rbac::last_id(value), false),
                _ => return Err(filter::invalid(&request.query["$filter"])),
            };
            found.retain(|r| principals.contains(&policy::assignment(r).principal));
        }
        Ok(Answer::list(found.iter().map(super::shown::shown).collect()))
    }
}

/// What a PUT asks for.
struct RequestedAssignment {
    role: Uuid,
    principal: Uuid,
    kind: &'static str,
    condition: Option<String>,
    description: Option<String>,
    delegated: Option<String>,
}

impl RequestedAssignment {
    fn read(world: &mut World, request: &Request) -> Result<Self, ArmError> {
        let name = request.id.name();
        if Uuid::parse_str(name).is_err() {
            return Err(ArmError::bad_request(
                "InvalidRoleAssignmentId",
                format!("The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."),
            ));
        }
        let properties = request.properties();
        if !properties.is_object() {
            return Err(ArmError::bad_request(
                "InvalidCreateRoleAssignmentRequest",
                "The request to create role assignment is invalid. The role assignment properties are missing.",
            ));
        }
        let text = |name: &str| properties[name].as_str().filter(|text| !text.is_empty());
        let principal = text("principalId").and_then(|id| Uuid::parse_str(id).ok()).filter(|id| !id.is_nil());
        let principal = principal.ok_or_else(|| {
            ArmError::bad_request("InvalidPrincipalId", "A valid principal ID must be provided for role assignment.")
        })?;
        let role = role(&super::policy(world), text("roleDefinitionId").unwrap_or_default(), &request.id)?;
        let kind = kind(world, principal, text("principalType"))?;
        let condition = condition(properties)?;
        Ok(Self {
            role,
            principal,
            kind,
            condition,
            description: text("description").map(str::to_owned),
            delegated: text("delegatedManagedIdentityResourceId").map(str::to_owned),
        })
    }

    /// What may change later.
    fn write(&self, properties: &mut Value) {
        properties["conditionVersion"] = json!(self.condition.is_some().then_some("2.0"));
        properties["condition"] = json!(self.condition);
        properties["description"] = json!(self.description);
        properties["delegatedManagedIdentityResourceId"] = json!(self.delegated);
    }
}

/// The role that is named, where it can be assigned in this scope.
fn role(policy: &Policy, named: &str, id: &ResourceId) -> Result<Uuid, ArmError> {
    let parsed = ResourceId::parse(named).ok().filter(|id| id.is_type(ROLE_DEFINITION));
    let Some(parsed) = parsed else {
        return Err(ArmError::bad_request(
            "InvalidRoleDefinitionId",
            format!(
                "The role definition ID '{named}' is not valid. The role definition ID must be a full resource ID."
            ),
        ));
    };
    let role = rbac::last_id(parsed.name());
    let scope = id.parent().unwrap_or_else(ResourceId::tenant);
    let assignable = |role: &rbac::RoleDefinition| {
        role.assignable_in(&scope) || role.assignable_scopes.iter().any(|s| policy.hierarchy().contains(s, &scope))
    };
    match policy.role(role).filter(|role| assignable(role)) {
        Some(role) => Ok(role.id),
        None => Err(super::role_definition::does_not_exist(parsed.name())),
    }
}

/// `principalType`. Where the request says it, a principal that the directory does not know yet is taken on trust.
fn kind(world: &World, principal: Uuid, given: Option<&str>) -> Result<&'static str, ArmError> {
    const KINDS: [&str; 5] = ["User", "Group", "ServicePrincipal", "ForeignGroup", "Device"];
    let named = given.map(|given| {
        KINDS.into_iter().find(|kind| kind.eq_ignore_ascii_case(given)).ok_or_else(|| {
            ArmError::bad_request(
                "InvalidPrincipalType",
                format!("The principal type '{given}' is not one of {}.", KINDS.join(", ")),
            )
        })
    });
    let named = named.transpose()?;
    let known = world.principals().get(principal).map(|found| found.kind.role_assignment_type());
    match (known, named) {
        (Some(known), Some(named)) if known != named => Err(ArmError::bad_request(
            "UnmatchedPrincipalType",
            format!(
                "The PrincipalId '{}' has type '{known}' , which is different from specified PrinciaplType '{named}'.",
                principal.simple()
            ),
        )),
        (Some(known), _) => Ok(known),
        (None, Some(named)) => Ok(named),
        (None, None) => Err(ArmError::bad_request(
            "PrincipalNotFound",
            format!(
                "Principal {} does not exist in the directory {}. Check that you have the correct principal ID. If you \
                 are creating this principal and then immediately assigning a role, this error might be related to a \
                 replication delay. In this case, set the role assignment principalType property to a value, such as \
                 ServicePrincipal, User, or Group.  See https://aka.ms/docs-principaltype",
                principal.simple(),
                world.tenant()
            ),
        )),
    }
}

fn condition(properties: &Value) -> Result<Option<String>, ArmError> {
    let version = properties["conditionVersion"].as_str().filter(|version| !version.is_empty());
    let Some(text) = properties["condition"].as_str().filter(|text| !text.trim().is_empty()) else { return Ok(None) };
    let invalid = || {
        // Azure says no more than this.
        ArmError::bad_request("InvalidRoleAssignmentCondition", "The given role assignment condition is invalid.")
    };
    if version.is_some_and(|version| version != "2.0") {
        return Err(invalid());
    }
    match Condition::parse(text) {
        Ok(_) => Ok(Some(text.to_owned())),
        Err(InvalidCondition::Attribute { kind, name }) => Err(ArmError::bad_request(
            "InvalidRoleAssignmentCondition",
            format!("{kind} attribute {name} is not valid."),
        )),
        Err(error) => {
            tracing::debug!(%error, text, "refused the condition of a role assignment");
            Err(invalid())
        }
    }
}

/// PUT on an assignment of the same name: who, what and where stay.
fn change(world: &mut World, request: &Request, wanted: &RequestedAssignment, existing: &Resource) -> Reply {
    let known = policy::assignment(existing);
    if existing.id != request.id || (known.role, known.principal) != (wanted.role, wanted.principal) {
        return Err(ArmError::bad_request(
            "RoleAssignmentUpdateNotPermitted",
            "Tenant ID, application ID, principal ID, and scope are not allowed to be updated.",
        ));
    }
    let now = world.now().to_string();
    let mut body = existing.body.clone();
    wanted.write(&mut body["properties"]);
    if body != existing.body {
        body["properties"]["updatedOn"] = json!(now);
        body["properties"]["updatedBy"] = json!(request.caller);
        world.upsert(&existing.id, ROLE_ASSIGNMENT, body);
    }
    Ok(Answer::put(false, &request.id))
}

fn exists(name: &str) -> ArmError {
    ArmError::conflict(
        "RoleAssignmentExists",
        format!(
            "The role assignment already exists. The ID of the existing role assignment is {}.",
            rbac::last_id(name).simple()
        ),
    )
}

fn not_found(id: &ResourceId) -> ArmError {
    ArmError::not_found("RoleAssignmentNotFound", format!("The role assignment '{}' is not found.", id.name()))
}
