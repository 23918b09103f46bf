//! Preview features that a cluster's properties need.

use super::pod_range;
use super::pool::Pool;
use crate::engine::NetworkProfile;
use crate::providers::features;
use crate::world::World;
use arm::ArmError;

const NAMESPACE: &str = "Microsoft.ContainerService";
/// Windows pools in dual-stack clusters.
const DUAL_STACK_WINDOWS: &str = "AzureOverlayDualStackPreview";

/// Checks the features that a cluster with these pools needs.
///
/// # Errors
/// `BadRequest`, in the words that Azure has for any feature that is not registered.
pub(super) fn check(world: &World, network: &NetworkProfile, pools: &[Pool]) -> Result<(), ArmError> {
    let dual = network.service_cidrs.len() > 1;
    if dual && pools.iter().any(|pool| pool.windows) { require(world, DUAL_STACK_WINDOWS) } else { Ok(()) }
}

/// Checks the feature that growing a pod range needs.
///
/// # Errors
/// As [`check`].
pub(super) fn pod_range_expansion(world: &World) -> Result<(), ArmError> {
    require(world, pod_range::FEATURE)
}

fn require(world: &World, feature: &str) -> Result<(), ArmError> {
    if features::is_effective(world, NAMESPACE, feature) {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "BadRequest",
        format!(
            "Feature {NAMESPACE}/{feature} is not enabled. Please see https://aka.ms/aks/previews for how to enable \
             features."
        ),
    ))
}
