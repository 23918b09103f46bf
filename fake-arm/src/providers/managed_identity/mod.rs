//! `Microsoft.ManagedIdentity`: user-assigned identities. Each is a principal in the directory.

mod user_assigned;

pub use user_assigned::{USER_ASSIGNED_IDENTITY, principal_of};
