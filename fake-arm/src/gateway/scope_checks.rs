//! What must be there around a request: the subscription, the group, the parent, the location.

use http::Method;
use uuid::Uuid;

use super::route::{Route, Target};
use crate::provider::{Registry, Request};
use crate::world::World;
use arm::ArmError;

const GROUP: &str = "Microsoft.Resources/subscriptions/resourceGroups";

/// There is one subscription.
///
/// # Errors
/// `InvalidSubscriptionId`, `SubscriptionNotFound`.
pub(super) fn check_subscription(world: &World, route: &Route) -> Result<(), ArmError> {
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

/// The group and the parent of what is addressed must be there.
///
/// # Errors
/// `ResourceGroupNotFound`, `ResourceGroupBeingDeleted`, `ParentResourceNotFound`, `ResourceNotFound`.
pub(super) fn check(world: &World, request: &Request, target: &Target) -> Result<(), ArmError> {
    check_group(world, request, target)?;
    let above = match target {
        Target::Resource(id) => id.parent(),
        Target::Collection(id) => Some(id.clone()),
        Target::Action(..) | Target::Operation { .. } => None,
    };
    let Some(above) = above.filter(|a| a.folded().contains("/providers/")) else { return Ok(()) };
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

fn check_group(world: &World, request: &Request, target: &Target) -> Result<(), ArmError> {
    let Some(group) = request.id.group() else { return Ok(()) };
    if matches!(target, Target::Resource(_)) && request.id.is_type(GROUP) {
        return Ok(());
    }
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
    Ok(())
}

/// A tracked resource that is put has a location and never moves.
///
/// # Errors
/// `LocationRequired`, `InvalidResourceLocation`.
pub(super) fn check_location(world: &World, request: &Request, target: &Target) -> Result<(), ArmError> {
    let puts = request.method == Method::PUT && matches!(target, Target::Resource(_));
    if !puts || !request.resource_type.tracked {
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
