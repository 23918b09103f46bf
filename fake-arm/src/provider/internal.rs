//! Requests that one provider makes to another: a managed cluster's node resource group, network, load balancer.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use serde_json::Value;
use uuid::Uuid;

use super::{Answer, LongRunning, Registry, Request};
use crate::world::World;
use arm::{ArmError, OperationStatus, ResourceId};

/// Puts a resource as its own provider would, without a caller, and lets the operation end at once.
///
/// # Errors
/// Whatever the type's handler refuses; `InvalidResourceType` where nobody serves the type.
pub fn internal_put(world: &mut World, id: &ResourceId, resource_type: &str, body: Value) -> Result<(), ArmError> {
    let request = request(Method::PUT, id, resource_type, body)?;
    let answer = request.resource_type.handler.put(world, &request)?;
    end(world, id, answer)
}

/// Deletes a resource as its own provider would, without a caller, and lets the operation end at once.
///
/// # Errors
/// Whatever the type's handler refuses; `InvalidResourceType` where nobody serves the type.
pub fn internal_delete(world: &mut World, id: &ResourceId, resource_type: &str) -> Result<(), ArmError> {
    let request = request(Method::DELETE, id, resource_type, Value::Null)?;
    let answer = request.resource_type.handler.delete(world, &request)?;
    end(world, id, answer)
}

fn request(method: Method, id: &ResourceId, resource_type: &str, body: Value) -> Result<Request, ArmError> {
    let Some(resource_type) = Registry::get().find(resource_type) else {
        return Err(ArmError::not_found(
            "InvalidResourceType",
            format!("The resource type '{resource_type}' is not served by fake-arm."),
        )
        .unknown_route());
    };
    let newest = resource_type.api_versions.iter().filter(|v| v.len() == 10).max();
    let api_version = newest.or(resource_type.api_versions.first()).and_then(|v| v.parse().ok()).ok_or_else(|| {
        ArmError::bad_request("NoRegisteredProviderFound", format!("'{}' has no api-version.", resource_type.name))
    })?;
    Ok(Request {
        method,
        id: id.clone(),
        resource_type,
        api_version,
        query: BTreeMap::new(),
        headers: Arc::default(),
        body,
        caller: Uuid::nil(),
        origin: String::new(),
    })
}

/// Whoever asks on behalf of a larger operation has its own duration.
fn end(world: &mut World, id: &ResourceId, answer: Answer) -> Result<(), ArmError> {
    match answer.long_running {
        Some(LongRunning::After(_, outcome)) => {
            let id = world.begin(id, LongRunning::After(std::time::Duration::ZERO, outcome));
            match world.operation(id).map(|o| o.status.clone()) {
                Some(OperationStatus::Failed(error)) => Err(error),
                _ => Ok(()),
            }
        }
        Some(work) => {
            world.begin(id, work);
            Ok(())
        }
        None => Ok(()),
    }
}
