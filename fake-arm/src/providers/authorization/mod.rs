//! `Microsoft.Authorization`: role definitions, role assignments, deny assignments and what the caller may do. They are
//! resources like any other; the decision follows from what is stored.

mod api_versions;
mod deny_assignment;
mod filter;
mod grant;
mod permission;
mod policy;
mod rights;
mod role_assignment;
mod role_definition;
mod shown;
#[cfg(test)]
mod tests;

pub use deny_assignment::DENY_ASSIGNMENT;
pub use grant::{deny_changes, grant, role_named};
pub use policy::policy;
pub use rights::{Reading, Rights};
pub use role_assignment::ROLE_ASSIGNMENT;
pub use role_definition::ROLE_DEFINITION;
pub(crate) use role_definition::does_not_exist as no_such_role;
