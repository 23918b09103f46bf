//! Conditions of role assignments, version 2.0: what must be true of an action, its request, the resource or the
//! principal for the assignment to count. Text to expression, expression and facts to yes or no; both pure.

mod attribute;
mod comparison;
mod evaluation;
mod expression;
mod lexer;
mod parser;

pub use attribute::{Attributes, NoAttributes, Source, Value};
pub(super) use evaluation::Facts;
pub(super) use expression::Expression;

/// A condition that can be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    text: String,
    expression: Expression,
}

/// Why a text is no condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCondition {
    /// It does not follow the grammar.
    #[error("the condition is malformed at character {at}: {reason}")]
    Malformed {
        /// Characters before the place.
        at: usize,
        /// What was wrong there.
        reason: String,
    },
    /// It names an attribute that cannot be one.
    #[error("{kind} attribute {name} is not valid")]
    Attribute {
        /// `Resource`, `Request`, `Principal`, `Environment`.
        kind: &'static str,
        /// Name as written.
        name: String,
    },
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// [`InvalidCondition`], with the place.
    pub fn parse(text: &str) -> Result<Self, InvalidCondition> {
        Ok(Self { text: text.to_owned(), expression: parser::parse(text)? })
    }

    /// A condition that nothing fulfils.
    pub fn never() -> Self {
        Self { text: String::new(), expression: Expression::Any(Vec::new()) }
    }

    /// The condition as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The facts fulfil it.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> bool {
        evaluation::holds(&self.expression, facts)
    }
}
