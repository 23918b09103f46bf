//! `Microsoft.ManagedIdentity`: user-assigned identities, each a principal in the directory, and the foreign issuers
//! whose tokens speak for them.

mod federated_credential;
mod user_assigned;

pub use user_assigned::{USER_ASSIGNED_IDENTITY, principal_of};

/// Api-versions of the provider.
const API_VERSIONS: &[&str] = &[
    "2018-11-30",
    "2021-09-30-preview",
    "2022-01-31-preview",
    "2023-01-31",
    "2023-07-31-preview",
    "2024-11-30",
    "2025-01-31-preview",
    "2025-05-31-preview",
];
