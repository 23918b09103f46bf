//! A world written down by people: principals, trusted issuers, settings and resources in YAML (or JSON), and how they
//! come into a fake. See [`WorldDocument`] for the form.

mod document;
mod plant;

pub use document::{
    InvalidDocument, IssuerEntry, PrincipalEntry, ResourceEntry, RoleEntry, SettingsEntry, WorldDocument,
};
pub use plant::{PlantError, Planted, plant};

/// An error and its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
