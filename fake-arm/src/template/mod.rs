//! The language of deployment templates: its lenient JSON, its expressions, its functions, and the plan that a template
//! makes. Values in, values out: what a deployment does to the world is said by
//! [`providers::resources`](crate::providers).

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

pub(crate) use environment::{DeploymentFacts, Group, Runtime};
pub(crate) use error::TemplateError;
pub(crate) use evaluation::Scope;
pub(crate) use lenient::deployment_body;
pub(crate) use plan::{Plan, PlannedResource, plan};
