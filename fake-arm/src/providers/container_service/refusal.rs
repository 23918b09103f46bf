//! The refusals that AKS words the same way in many places.

use arm::{ArmError, ResourceId};

/// 400 about one property.
pub(super) fn refused(code: &str, target: &str, message: impl Into<String>) -> ArmError {
    ArmError::bad_request(code, message).target(target)
}

/// AKS's general code for a parameter that it does not take. The texts that come with it here are ours.
pub(super) fn invalid(target: &str, message: impl Into<String>) -> ArmError {
    refused("InvalidParameter", target, message)
}

/// A property that AKS wants and that is not there.
pub(super) fn required(target: &str) -> ArmError {
    invalid(target, format!("Required parameter {target} is missing (null)."))
}

/// A property that stays as it was at creation.
pub(super) fn unchangeable(name: &str) -> ArmError {
    refused("PropertyChangeNotAllowed", name, format!("Changing property '{name}' is not allowed."))
}

/// What contradicts something else about the cluster.
pub(super) fn not_allowed(message: impl Into<String>) -> ArmError {
    ArmError::bad_request("OperationNotAllowed", message)
}

/// Azure has it and this fake does not.
pub(super) fn not_modelled(target: &str, what: &str) -> ArmError {
    invalid(target, format!("{what} is not modelled by fake-arm.")).unknown_route()
}

/// A text in a body that should be a resource id and is not.
///
/// # Errors
/// `LinkedInvalidPropertyId`, as Azure Resource Manager words it.
pub(super) fn linked(id: &str) -> Result<ResourceId, ArmError> {
    ResourceId::parse(id).map_err(|error| {
        ArmError::bad_request("LinkedInvalidPropertyId", format!("Property id '{id}' is invalid: {error}"))
    })
}
