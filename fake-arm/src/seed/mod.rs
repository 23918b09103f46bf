//! A world written down by people: principals, trusted issuers, settings and resources in YAML (or JSON), and how they
//! come into a fake. See [`WorldDocument`] for the form.

mod apply;
mod document;

pub use apply::{SeedError, SeedSummary, apply};
pub use document::{
    InvalidDocument, IssuerEntry, PrincipalEntry, ResourceEntry, RoleEntry, SettingsEntry, WorldDocument,
};
