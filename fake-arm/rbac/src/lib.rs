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
mod last_id;
mod policy;
mod scope;

pub use action::ActionPattern;
pub use assignment::RoleAssignment;
pub use builtin::{BuiltinRole, builtin, builtin_named};
pub use condition::{Condition, InvalidCondition};
pub use decision::{Access, Decision, Refusal, decide, grants_below};
pub use definition::{Permission, RoleDefinition, RoleKind};
pub use deny::DenyAssignment;
pub use last_id::last_id;
pub use policy::Policy;
pub use scope::Hierarchy;
