//! A request, under the world's lock, from its path to its answer.

use std::collections::BTreeMap;

use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use super::authorization;
use super::render::{self, Rendered};
use super::route::{Route, Target};
use crate::arm::{ApiVersion, ArmError, Operation, OperationStatus};
use crate::provider::{Registry, Reply, Request, ResourceType, normal_location};
use crate::world::World;

/// A request as it came in, its caller known.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) origin: String,
    pub(crate) caller: Uuid,
}

/// The answer, and what the ledger says of it.
#[derive(Debug)]
pub(crate) struct Dispatched {
    pub(crate) result: Result<Rendered, ArmError>,
    pub(crate) operation: String,
    pub(crate) resource_id: String,
}

/// What a request means, before it is known whether it may be served.
pub(crate) fn describe(method: &Method, path: &str) -> (String, String) {
    match Route::parse(method, path, Registry::get()) {
        Ok(route) if route.resource_type.is_some() || matches!(route.target, Target::Operation { .. }) => {
            (route.operation(method), route.resource_id())
        }
        Ok(route) => (String::new(), route.resource_id()),
        Err(_) => (String::new(), String::new()),
    }
}

/// Serves a request.
pub(crate) fn dispatch(world: &mut World, incoming: Incoming) -> Dispatched {
    world.catch_up();
    let (mut operation, resource_id) = describe(&incoming.method, &incoming.path);
    let result = serve(world, incoming, &mut operation);
    Dispatched { result, operation, resource_id }
}

fn serve(world: &mut World, incoming: Incoming, operation: &mut String) -> Result<Rendered, ArmError> {
    let registry = Registry::get();
    let query = parsed_query(&incoming.query);
    let version = query.get("api-version").filter(|v| !v.is_empty()).ok_or_else(|| {
        ArmError::bad_request(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    })?;
    let route = Route::parse(&incoming.method, &incoming.path, registry)?;
    check_subscription(world, &route)?;
    if let Target::Operation { name, result } = &route.target {
        return operation_status(world, &incoming, name, *result);
    }
    let Some(resource_type) = route.resource_type else { return Err(unknown_type(&route, version, registry)) };
    let api_version = known_version(world, &route, &incoming.body, resource_type, version)?;

    let (id, action) = match &route.target {
        Target::Resource(id) | Target::Collection(id) => (id.clone(), None),
        Target::Action(id, action) => (id.clone(), Some(action.clone())),
        Target::Operation { .. } => unreachable!("served above"),
    };
    let request = Request {
        method: incoming.method,
        id,
        resource_type,
        api_version,
        query,
        headers: incoming.headers,
        body: incoming.body,
        caller: incoming.caller,
        origin: incoming.origin,
    };
    if let Some(named) = resource_type.handler.operation(&request) {
        *operation = named;
    }
    let sight = authorization::check(world, &request, &route.target, operation)?;
    check_surroundings(world, &request, &route.target)?;
    check_precondition(world, &request)?;
    let mut answer = ask(world, &request, &route.target, action.as_deref())?;
    authorization::keep_readable(&sight, &mut answer);
    render::render(world, &request, answer)
}

fn ask(world: &mut World, request: &Request, target: &Target, action: Option<&str>) -> Reply {
    let handler = request.resource_type.handler;
    if let Some(action) = action {
        return handler.action(world, request, action).unwrap_or_else(|| {
            Err(ArmError::not_found(
                "InvalidResourceType",
                format!("The action '{action}' is not known for resource type '{}'.", request.resource_type.name),
            )
            .unknown_route())
        });
    }
    match (target, request.method.as_str()) {
        (Target::Collection(_), "GET") => handler.list(world, request),
        (Target::Collection(_), "POST") => handler.post(world, request),
        (Target::Resource(_), "GET") => handler.get(world, request),
        (Target::Resource(_), "HEAD") => handler.head(world, request),
        (Target::Resource(_), "PUT") => {
            check_location(world, request)?;
            handler.put(world, request)
        }
        (Target::Resource(_), "PATCH") => handler.patch(world, request),
        (Target::Resource(_), "DELETE") => handler.delete(world, request),
        _ => Err(ArmError::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "HttpMethodNotAllowed",
            format!("The HTTP method '{}' is not supported at this path.", request.method),
        )
        .unknown_route()),
    }
}

fn parsed_query(query: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(query.as_bytes()).map(|(k, v)| (k.to_ascii_lowercase(), v.into_owned())).collect()
}

fn check_subscription(world: &World, route: &Route) -> Result<(), ArmError> {
    let (Target::Resource(id) | Target::Collection(id) | Target::Action(id, _)) = &route.target else {
        return Ok(());
    };
    let Some(subscription) = id.subscription() else { return Ok(()) };
    let Ok(uuid) = Uuid::parse_str(subscription) else {
        return Err(ArmError::bad_request(
            "InvalidSubscriptionId",
            format!("The provided subscription identifier '{subscription}' is malformed or invalid."),
        ));
    };
    if uuid == world.subscription() {
        return Ok(());
    }
    Err(ArmError::not_found("SubscriptionNotFound", format!("The subscription '{subscription}' could not be found.")))
}

fn unknown_type(route: &Route, version: &str, registry: &Registry) -> ArmError {
    let (namespace, path) = route.type_name.split_once('/').unwrap_or((&route.type_name, ""));
    if !registry.has_namespace(namespace) {
        return ArmError::not_found(
            "InvalidResourceNamespace",
            format!("The resource namespace '{namespace}' is invalid."),
        )
        .unknown_route();
    }
    ArmError::not_found(
        "InvalidResourceType",
        format!(
            "The resource type '{path}' could not be found in the namespace '{namespace}' for api version '{version}'."
        ),
    )
    .unknown_route()
}

/// The api-version, where the type knows it.
fn known_version(
    world: &World,
    route: &Route,
    body: &Value,
    resource_type: &'static ResourceType,
    version: &str,
) -> Result<ApiVersion, ArmError> {
    let mut known: Vec<&str> = resource_type.api_versions.to_vec();
    known.sort_unstable();
    let known = || known.join(", ");
    let parsed: ApiVersion = version.parse().map_err(|_| {
        ArmError::bad_request(
            "InvalidApiVersionParameter",
            format!(
                "The api-version '{version}' is invalid. The supported versions are '{}'.",
                known().replace(", ", ",")
            ),
        )
    })?;
    if resource_type.api_versions.iter().any(|v| v.eq_ignore_ascii_case(version)) {
        return Ok(parsed);
    }
    let group = match &route.target {
        Target::Resource(id) | Target::Collection(id) | Target::Action(id, _) => id.group(),
        Target::Operation { .. } => None,
    };
    let group_location = group.and_then(|g| world.resources().get(&g)).map(|g| g.location().to_owned());
    let location = body["location"].as_str().map(normal_location).or(group_location).unwrap_or_default();
    Err(ArmError::bad_request(
        "NoRegisteredProviderFound",
        format!(
            "No registered resource provider found for location '{location}' and API version '{version}' for type '{}'. The \
             supported api-versions are '{}'. The supported locations are '{location}'.",
            resource_type.path(),
            known()
        ),
    ))
}

/// The group and the parent of what is addressed must be there.
fn check_surroundings(world: &World, request: &Request, target: &Target) -> Result<(), ArmError> {
    let group = request.id.group();
    let is_group = request.id.is_type(GROUP);
    let concerns_group_itself = is_group && matches!(target, Target::Resource(_));
    if let Some(group) = group
        && !concerns_group_itself
    {
        let found = world.resources().get(&group).ok_or_else(|| {
            let name = group.name();
            ArmError::not_found("ResourceGroupNotFound", format!("Resource group '{name}' could not be found."))
        })?;
        if request.method == Method::PUT && found.provisioning_state() == "Deleting" {
            return Err(ArmError::conflict(
                "ResourceGroupBeingDeleted",
                format!(
                    "The resource group '{}' is in deprovisioning state and cannot perform this operation.",
                    found.name()
                ),
            ));
        }
    }
    let above = match target {
        Target::Resource(id) => id.parent(),
        Target::Collection(id) => Some(id.clone()),
        Target::Action(..) | Target::Operation { .. } => None,
    };
    let Some(above) = above.filter(|a| a.as_str().to_ascii_lowercase().contains("/providers/")) else { return Ok(()) };
    let stored = Registry::get().find(&above.resource_type()).is_some_and(|t| !t.computed);
    if !stored || world.resources().contains(&above) {
        return Ok(());
    }
    if request.method == Method::PUT {
        return Err(ArmError::not_found(
            "ParentResourceNotFound",
            format!(
                "Failed to perform 'write' on resource(s) of type '{}', because the parent resource '{above}' could not \
                 be found.",
                request.resource_type.path()
            ),
        ));
    }
    if request.method == Method::DELETE {
        return Ok(());
    }
    world.resources().require(&above).map(|_| ())
}

const GROUP: &str = "Microsoft.Resources/subscriptions/resourceGroups";

/// A tracked resource has a location and never moves.
fn check_location(world: &World, request: &Request) -> Result<(), ArmError> {
    if !request.resource_type.tracked {
        return Ok(());
    }
    let location = request.location();
    if location.is_empty() {
        return Err(ArmError::bad_request(
            "LocationRequired",
            "The location property is required for this definition.",
        ));
    }
    let Some(found) = world.resources().get(&request.id) else { return Ok(()) };
    if found.location() == location {
        return Ok(());
    }
    Err(ArmError::conflict(
        "InvalidResourceLocation",
        format!(
            "The resource '{}' already exists in location '{}' in resource group '{}'. A resource with the same name \
             cannot be created in location '{location}'. Please select a new resource name.",
            found.name(),
            found.location(),
            found.id.resource_group().unwrap_or_default()
        ),
    ))
}

/// `If-Match` and `If-None-Match` of a change.
fn check_precondition(world: &World, request: &Request) -> Result<(), ArmError> {
    if !matches!(request.method.as_str(), "PUT" | "PATCH" | "DELETE") || request.resource_type.computed {
        return Ok(());
    }
    let header = |name: &str| request.headers.get(name).and_then(|v| v.to_str().ok());
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").trim_matches('"').to_ascii_lowercase();
    let found = world.resources().get(&request.id);
    let matches = |wanted: &str| match found {
        Some(found) => wanted.split(',').any(|tag| bare(tag) == "*" || bare(tag) == found.etag.to_string()),
        None => false,
    };
    let fails =
        header("if-match").is_some_and(|wanted| !matches(wanted)) || header("if-none-match").is_some_and(&matches);
    if !fails {
        return Ok(());
    }
    Err(ArmError::new(
        StatusCode::PRECONDITION_FAILED,
        "PreconditionFailed",
        format!("The precondition given in one of the request headers evaluated to false for '{}'.", request.id),
    ))
}

fn operation_status(world: &World, incoming: &Incoming, name: &str, result: bool) -> Result<Rendered, ArmError> {
    let found = Uuid::parse_str(name).ok().and_then(|id| world.operation(id));
    let Some(operation) = found.filter(|_| incoming.method == Method::GET) else {
        return Err(ArmError::not_found("OperationNotFound", format!("The operation '{name}' could not be found.")));
    };
    let poll = render::poll_headers(world);
    if !result {
        let headers = if operation.status == OperationStatus::InProgress { poll } else { Vec::new() };
        return Ok(Rendered { status: StatusCode::OK, headers, body: Some(operation.json()) });
    }
    result_of(world, incoming, operation, poll)
}

fn result_of(
    world: &World,
    incoming: &Incoming,
    operation: &Operation,
    mut poll: Vec<(String, String)>,
) -> Result<Rendered, ArmError> {
    match &operation.status {
        OperationStatus::InProgress => {
            poll.push(("Location".into(), format!("{}{}?{}", incoming.origin, incoming.path, incoming.query)));
            Ok(Rendered { status: StatusCode::ACCEPTED, headers: poll, body: None })
        }
        OperationStatus::Failed(error) => Err(error.clone()),
        OperationStatus::Succeeded => {
            let shown = world.resources().get(&operation.resource).map(|r| render::shown(world, r));
            let status = if shown.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
            Ok(Rendered { status, headers: Vec::new(), body: shown })
        }
    }
}
