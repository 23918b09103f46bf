//! The authorization stage of a request: the right to do what it asks, the rights on what its body links to, and which
//! items of a list the caller gets to see.

use http::Method;
use serde_json::Value;
use uuid::Uuid;

use super::route::Target;
use crate::directory::PrincipalKind;
use crate::provider::{Answer, Body, Registry, Request, identity_link};
use crate::providers::authorization::{ROLE_ASSIGNMENT, ROLE_DEFINITION, Rights};
use crate::world::World;
use arm::{ArmError, ResourceId};
use rbac::condition::{Attributes, Source, Value as Attribute};
use rbac::{Decision, Refusal};

/// What a request that may pass is shown.
#[derive(Debug)]
pub(super) enum Visibility {
    /// Everything.
    All,
    /// Of a list, the items that these rights let its caller read.
    Readable(Box<Rights>),
}

/// Holds a request against the roles of its caller.
///
/// # Errors
/// 403 `AuthorizationFailed`, `DenyAssignmentAuthorizationFailed`, `LinkedAuthorizationFailed` in Azure's words.
pub(super) fn check(
    world: &mut World,
    request: &Request,
    target: &Target,
    action: &str,
) -> Result<Visibility, ArmError> {
    if !world.settings().enforce_roles {
        return Ok(Visibility::All);
    }
    let rights = Rights::of(world, request.caller);
    let attributes = OfRequest { world, request };
    match rights.decide(action, &request.id, &attributes) {
        Decision::Allowed { .. } => {
            check_links(world, request, &rights, action)?;
            Ok(Visibility::All)
        }
        Decision::Refused(refusal) => match lesser_right(&rights, request, target, action, &refusal) {
            Some(visibility) => Ok(visibility),
            None => Err(refused(world, request, target, action, &refusal)),
        },
    }
}

/// Takes out of a list what the caller may not read.
pub(super) fn keep_readable(visibility: &Visibility, answer: &mut Answer) {
    let Visibility::Readable(rights) = visibility else { return };
    let reading = rights.reading();
    let readable = |id: &ResourceId| {
        if id.is_type("Microsoft.Resources/subscriptions") {
            return rights.has_any();
        }
        // Sizes, images and the like are no resources of the subscription.
        let stored = Registry::get().find(&id.resource_type()).is_some_and(|t| !t.computed);
        !stored || reading.may(id)
    };
    match &mut answer.body {
        Body::List(items) => items.retain(|item| {
            let id = item["id"].as_str().and_then(|id| ResourceId::parse(id).ok());
            id.is_none_or(|id| readable(&id))
        }),
        Body::Resources(ids) => ids.retain(readable),
        Body::Empty | Body::Json(_) | Body::Resource(_) => {}
    }
}

/// What may be looked at without a role at the scope itself:
/// role definitions and the list of one's subscriptions, by everyone; a list, filtered, by those who have the right
/// somewhere below; and what belongs to the subscription as such (the subscription, sizes, usages, images), by those who
/// have any role in it.
fn lesser_right(
    rights: &Rights,
    request: &Request,
    target: &Target,
    action: &str,
    refusal: &Refusal,
) -> Option<Visibility> {
    let reads = action.to_ascii_lowercase().ends_with("/read");
    if !reads || matches!(refusal, Refusal::Denied { .. }) {
        return None;
    }
    let readable = || Some(Visibility::Readable(Box::new(rights.clone())));
    let of_tenant = request.id.subscription().is_none();
    if of_tenant && (request.id.is_tenant() || request.resource_type.name == ROLE_DEFINITION) {
        return readable();
    }
    let of_subscription = !of_tenant && request.id.resource_group().is_none();
    if of_subscription && request.resource_type.computed && rights.has_any() {
        return readable();
    }
    let list = matches!(target, Target::Collection(_)) && request.method == Method::GET;
    // The list of everything in a group has no right of its own.
    let mixed = request.resource_type.computed && request.resource_type.namespace() == "Microsoft.Resources";
    if list && (rights.may_below(action, &request.id) || (mixed && rights.has_any())) {
        return readable();
    }
    None
}

/// The rights on what the body links to. Azure asks for them with every PUT and PATCH that names something, whether the
/// link is new or not.
fn check_links(world: &World, request: &Request, rights: &Rights, action: &str) -> Result<(), ArmError> {
    if !matches!(request.method, Method::PUT | Method::PATCH) {
        return Ok(());
    }
    let links = request.resource_type.handler.links().iter().chain(std::iter::once(identity_link()));
    let mut missing: Vec<(&str, ResourceId)> = Vec::new();
    for link in links {
        for text in link.named(&request.body) {
            // What is no id, or is in no subscription that there could be, is the provider's to refuse.
            let Ok(scope) = ResourceId::parse(text) else { continue };
            match scope.subscription().map(|id| (id, Uuid::parse_str(id))) {
                Some((_, Err(_))) => continue,
                Some((id, Ok(uuid))) if uuid != world.subscription() => {
                    return Err(unknown_subscription(request, link.action, id));
                }
                _ => {}
            }
            let known = missing.iter().any(|(action, at)| (*action, at) == (link.action, &scope));
            if !known && !rights.may(link.action, &scope) {
                missing.push((link.action, scope));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let (client, object_id) = caller(world, request.caller);
    let actions: Vec<&str> = missing.iter().map(|(action, _)| *action).collect();
    let scopes: Vec<&str> = missing.iter().map(|(_, scope)| scope.as_str()).collect();
    Err(ArmError::forbidden(
        "LinkedAuthorizationFailed",
        format!(
            "The client '{client}' with object id '{object_id}' has permission to perform action '{action}' on scope \
             '{}'; however, it does not have permission to perform action(s) '{}' on the linked scope(s) '{}' \
             (respectively) or the linked scope(s) are invalid.",
            request.id,
            actions.join(","),
            scopes.join(",")
        ),
    ))
}

fn unknown_subscription(request: &Request, action: &str, subscription: &str) -> ArmError {
    ArmError::forbidden(
        "LinkedAuthorizationFailed",
        format!(
            "The client has permission to perform action '{action}' on scope '{}', however the linked subscription \
             '{subscription}' was not found. ",
            request.id
        ),
    )
}

/// The refusal as Azure words it.
fn refused(world: &World, request: &Request, target: &Target, action: &str, refusal: &Refusal) -> ArmError {
    let (client, object_id) = caller(world, request.caller);
    let scope = shown_scope(request, target);
    let lacking = match refusal {
        Refusal::NotGranted => "does not have authorization",
        Refusal::ConditionNotFulfilled => "does not have authorization or an ABAC condition not fulfilled",
        Refusal::Denied { id, name, scope: at } => {
            return ArmError::forbidden(
                "DenyAssignmentAuthorizationFailed",
                format!(
                    "The client '{client}' with object id '{object_id}' has permission to perform action '{action}' on \
                     scope '{scope}'; however, the access is denied because of the deny assignment with name '{name}' \
                     and Id '{}' at scope '{at}'.",
                    id.simple()
                ),
            );
        }
    };
    ArmError::forbidden(
        "AuthorizationFailed",
        format!(
            "The client '{client}' with object id '{object_id}' {lacking} to perform action '{action}' over scope \
             '{scope}' or the scope is invalid. If access was recently granted, please refresh your credentials."
        ),
    )
}

/// A list of a provider's resources is shown as the provider in the scope: `…/resourceGroups/g/providers/Microsoft.X`.
fn shown_scope(request: &Request, target: &Target) -> String {
    let top_level = !request.resource_type.path().contains('/');
    let namespace = request.resource_type.namespace();
    match target {
        Target::Collection(scope) if top_level && namespace != "Microsoft.Resources" => {
            let scope = if scope.is_tenant() { "" } else { scope.as_str() };
            format!("{scope}/providers/{namespace}")
        }
        _ => request.id.to_string(),
    }
}

/// How Azure names the caller: a person by name, an application by its application id; and the object id.
fn caller(world: &World, object_id: Uuid) -> (String, Uuid) {
    let client = match world.principals().get(object_id) {
        Some(principal) if principal.kind == PrincipalKind::User => principal.display_name.clone(),
        Some(principal) => principal.client_id.to_string(),
        None => object_id.to_string(),
    };
    (client, object_id)
}

/// What conditions may ask of a request: who gets which role by a role assignment. Attributes of other resources and
/// requests belong to data actions, which this fake has none of.
struct OfRequest<'a> {
    world: &'a World,
    request: &'a Request,
}

impl Attributes for OfRequest<'_> {
    fn values(&self, source: Source, name: &str) -> Option<Vec<Attribute>> {
        if self.request.resource_type.name != ROLE_ASSIGNMENT {
            return None;
        }
        let (kind, field) = name.split_once(':')?;
        let properties = match source {
            Source::Request => self.request.properties(),
            Source::Resource => self.world.resources().get(&self.request.id)?.properties(),
            Source::Principal | Source::Environment => return None,
        };
        let text = |name: &str| properties[name].as_str().map(|text| vec![Attribute::Text(text.to_owned())]);
        match field.to_ascii_lowercase().as_str() {
            _ if !kind.eq_ignore_ascii_case(ROLE_ASSIGNMENT) => None,
            "roledefinitionid" => text("roleDefinitionId"),
            "principalid" => text("principalId"),
            "principaltype" => text("principalType").or_else(|| self.principal_type(properties)),
            _ => None,
        }
    }
}

impl OfRequest<'_> {
    fn principal_type(&self, properties: &Value) -> Option<Vec<Attribute>> {
        let id = properties["principalId"].as_str()?.parse().ok()?;
        let kind = self.world.principals().get(id)?.kind.role_assignment_type();
        Some(vec![Attribute::Text(kind.to_owned())])
    }
}
