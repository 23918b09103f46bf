//! Role-based access control as a pure matter of values: role definitions, assignments, deny assignments and
//! conditions go in, a [`Decision`] comes out. Nothing here knows of servers, stores or clocks; whoever asks brings the
//! present moment along.

mod action;
mod assignment;
mod builtin;
pub mod condition;
mod decision;
mod definition;
mod deny;
mod policy;
mod scope;

pub use action::ActionPattern;
pub use assignment::RoleAssignment;
pub use builtin::{BuiltinRole, builtin, builtin_named};
pub use condition::{Condition, InvalidCondition};
pub use decision::{Access, Decision, Refusal, decide, grants_below};
pub use definition::{Permission, RoleDefinition, RoleKind};
pub use deny::DenyAssignment;
pub use policy::Policy;
pub use scope::Hierarchy;

/// The id that a reference or a resource's last segment holds; nil for what is none, which is nobody and nothing.
pub fn last_id(text: &str) -> uuid::Uuid {
    uuid::Uuid::parse_str(text.rsplit('/').next().unwrap_or_default()).unwrap_or(uuid::Uuid::nil())
}
