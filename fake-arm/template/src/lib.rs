//! The language of deployment templates: its lenient JSON, its expressions, its functions, and the plan that a template
//! makes. Values in, values out: what a deployment does to the world is up to whoever asks for the plan.

mod dependency;
mod environment;
mod error;
mod evaluation;
mod expression;
mod function;
mod lenient;
mod parameter;
mod plan;
mod repetition;

pub use environment::{DeploymentFacts, Group, Runtime};
pub use error::TemplateError;
pub use evaluation::Scope;
pub use lenient::deployment_body;
pub use plan::{Plan, PlannedResource, plan};
