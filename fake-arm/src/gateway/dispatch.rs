//! A request, under the world's lock, from its path to its answer: each check in the order in which Azure makes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use super::response::Rendered;
use super::route::{Route, Target};
use super::throttle::{self, Asked};
use super::{authorization, body_schema, conflict, long_running, precondition, render, scope_checks};
use crate::provider::{Entrance, ForwardedRequest, Registry, Reply, Request, ResourceType, normal_location, shown};
use crate::providers::resources;
use crate::world::World;
use arm::{ApiVersion, ArmError, Operation, OperationStatus};

/// A request as it came in, its caller known.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Arc<HeaderMap>,
    /// The body, or why it cannot be read.
    pub(crate) body: Result<Value, ArmError>,
    pub(crate) origin: String,
    pub(crate) caller: Uuid,
}

/// The answer, and what the ledger says of it.
#[derive(Debug)]
pub(crate) struct Dispatched {
    pub(crate) result: Result<Rendered, ArmError>,
    pub(crate) operation: String,
    pub(crate) resource_id: String,
    /// Headers of the answer, be it an error or not.
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What a request means, before it is known whether it may be served: its operation and the resource concerned.
pub(crate) fn describe(method: &Method, path: &str) -> (String, String) {
    described(&Route::parse(method, path, Registry::get()), method)
}

fn described(route: &Result<Route, ArmError>, method: &Method) -> (String, String) {
    match route {
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
    let route = Route::parse(&incoming.method, &incoming.path, Registry::get());
    let (mut operation, resource_id) = described(&route, &incoming.method);
    let mut headers = Vec::new();
    let result = route.and_then(|route| serve(world, incoming, route, &mut operation, &mut headers));
    Dispatched { result, operation, resource_id, headers }
}

inventory::submit! { Entrance(forwarded) }

/// Serves a request that a provider makes for its caller, from within the world's own course: what is due meanwhile
/// waits. The answer's status.
///
/// # Errors
/// What the caller would have been answered.
fn forwarded(world: &mut World, request: ForwardedRequest) -> Result<StatusCode, ArmError> {
    let incoming = Incoming {
        method: request.method,
        path: request.path,
        query: request.query,
        headers: Arc::default(),
        body: Ok(request.body),
        origin: request.origin,
        caller: request.caller,
    };
    let route = Route::parse(&incoming.method, &incoming.path, Registry::get())?;
    let mut operation = route.operation(&incoming.method);
    serve(world, incoming, route, &mut operation, &mut Vec::new()).map(|rendered| rendered.status)
}

fn serve(
    world: &mut World,
    incoming: Incoming,
    route: Route,
    operation: &mut String,
    headers: &mut Vec<(&'static str, String)>,
) -> Result<Rendered, ArmError> {
    throttle::admit(world, &Asked { method: &incoming.method, route: &route, caller: incoming.caller }, headers)?;
    let (request, target) = match understood(world, incoming, route)? {
        Understood::Request(request, target) => (*request, target),
        Understood::Status(rendered) => return Ok(rendered),
    };
    if let Some(named) = request.resource_type.handler.operation(&request) {
        *operation = named;
    }
    // Faults are injected here, before the caller's rights are looked at.
    // Before anything tells whether the group or the resource exists.
    let visibility = authorization::check(world, &request, &target, operation)?;
    scope_checks::check(world, &request, &target)?;
    resources::check_registered(world, &request)?;
    precondition::check(world, &request)?;
    body_schema::check(&request, &target)?;
    conflict::check(world, &request, &target)?;
    scope_checks::check_location(world, &request, &target)?;
    let mut answer = ask(world, &request, &target)?;
    authorization::keep_readable(&visibility, &mut answer);
    long_running::begin(world, &request, &mut answer)?;
    render::render(world, &request, answer)
}

/// A request whose type and api-version are known, or the status of an operation, which needs no more.
enum Understood {
    Request(Box<Request>, Target),
    Status(Rendered),
}

fn understood(world: &World, incoming: Incoming, route: Route) -> Result<Understood, ArmError> {
    let registry = Registry::get();
    let query = parsed_query(&incoming.query);
    let version = query.get("api-version").filter(|v| !v.is_empty()).ok_or_else(|| {
        ArmError::bad_request(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    })?;
    scope_checks::check_subscription(world, &route)?;
    if let Target::Operation { name, result } = &route.target {
        return operation_status(world, &incoming, name, *result).map(Understood::Status);
    }
    let Some(resource_type) = route.resource_type else { return Err(unknown_type(&route, version, registry)) };
    let body = incoming.body?;
    let api_version = known_version(world, &route, &body, resource_type, version)?;
    let id = match &route.target {
        Target::Resource(id) | Target::Collection(id) | Target::Action(id, _) => id.clone(),
        Target::Operation { .. } => unreachable!("served above"),
    };
    let request = Request {
        method: incoming.method,
        id,
        resource_type,
        api_version,
        query,
        headers: incoming.headers,
        body,
        caller: incoming.caller,
        origin: incoming.origin,
    };
    Ok(Understood::Request(Box::new(request), route.target))
}

fn ask(world: &mut World, request: &Request, target: &Target) -> Reply {
    let handler = request.resource_type.handler;
    if let Target::Action(_, action) = target {
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
        (Target::Resource(_), "PUT") => handler.put(world, request),
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
    let known = |separator: &str| {
        let mut known: Vec<&str> = resource_type.api_versions.to_vec();
        known.sort_unstable();
        known.join(separator)
    };
    let parsed: ApiVersion = version.parse().map_err(|_| {
        ArmError::bad_request(
            "InvalidApiVersionParameter",
            format!("The api-version '{version}' is invalid. The supported versions are '{}'.", known(",")),
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
            known(", ")
        ),
    ))
}

fn operation_status(world: &World, incoming: &Incoming, name: &str, result: bool) -> Result<Rendered, ArmError> {
    let found = Uuid::parse_str(name).ok().and_then(|id| world.operation(id));
    let Some(operation) = found.filter(|_| incoming.method == Method::GET) else {
        return Err(ArmError::not_found("OperationNotFound", format!("The operation '{name}' could not be found.")));
    };
    let poll = long_running::poll_headers(world);
    if !result {
        let headers = if operation.status == OperationStatus::InProgress { poll } else { Vec::new() };
        return Ok(Rendered { headers, body: Some(operation.json()), ..Rendered::default() });
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
            Ok(Rendered { status: StatusCode::ACCEPTED, headers: poll, ..Rendered::default() })
        }
        OperationStatus::Failed(error) => Err(error.clone()),
        OperationStatus::Succeeded => {
            let shown = world.resources().get(&operation.resource).map(|r| shown(world, r));
            let status = if shown.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT };
            Ok(Rendered { status, body: shown, ..Rendered::default() })
        }
    }
}
