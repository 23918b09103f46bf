//! Names of resource types.

/// The type of deployments.
pub(super) const DEPLOYMENT: &str = "Microsoft.Resources/deployments";
