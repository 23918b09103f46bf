//! Conditions of role assignments, version 2.0: what must be true of an action, its request, the resource or the
//! principal for the assignment to count. Text to expression, expression and facts to yes or no; both pure.

mod attribute;
mod comparison;
mod error;
mod evaluation;
mod expression;
mod lexer;
mod parser;
mod role_condition;

pub use attribute::{Attributes, NoAttributes, Source, Value};
pub use error::InvalidCondition;
pub(super) use evaluation::ConditionFacts;
pub(super) use expression::Expression;
pub use role_condition::Condition;
