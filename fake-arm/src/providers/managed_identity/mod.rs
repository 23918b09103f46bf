//! `Microsoft.ManagedIdentity`: user-assigned identities, each a principal in the directory, and the foreign issuers
//! whose tokens speak for them.

mod api_versions;
mod federated_credential;
mod user_assigned;

pub use user_assigned::{USER_ASSIGNED_IDENTITY, principal_of};

use api_versions::API_VERSIONS;
