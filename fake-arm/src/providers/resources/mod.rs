//! `Microsoft.Resources`: the subscription, resource groups, what is in them, registered namespaces, and template
//! deployments.

mod api_versions;
mod deployment;
mod group;
mod listing;
mod namespace;
mod subscription;

pub use group::GROUP;
pub(crate) use group::remove_group;
pub(crate) use namespace::check_registered;

use api_versions::API_VERSIONS;
