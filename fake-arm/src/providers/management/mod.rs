//! `Microsoft.Management`: management groups and the subscriptions in them, as scopes of roles. The tenant root group is
//! always there and bears the tenant's id.

mod api_versions;
mod management_group;
mod placement;

pub use management_group::MANAGEMENT_GROUP;
pub use placement::PLACEMENT;

use api_versions::API_VERSIONS;
