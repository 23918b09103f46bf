//! `Microsoft.ManagedIdentity`: user-assigned identities with their federated credentials. Each is a principal in the
//! directory.

mod federated_credential;
mod user_assigned;

pub use federated_credential::FEDERATED_CREDENTIAL;
pub use user_assigned::{USER_ASSIGNED_IDENTITY, principal_of};
