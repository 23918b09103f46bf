//! `Microsoft.Management`: management groups and the subscriptions in them, as scopes of roles. The tenant root group is
//! always there and bears the tenant's id.

mod management_group;
mod placement;

pub use management_group::MANAGEMENT_GROUP;
pub use placement::PLACEMENT;

/// Api-versions of both.
const API_VERSIONS: &[&str] =
    &["2018-03-01-preview", "2019-11-01", "2020-02-01", "2020-05-01", "2020-10-01", "2021-04-01", "2023-04-01"];
