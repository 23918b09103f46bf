//! A condition as role assignments have it.

use super::error::InvalidCondition;
use super::{ConditionFacts, Expression, evaluation, parser};

/// A condition that can be evaluated.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    text: String,
    expression: Expression,
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
    pub(crate) fn holds(&self, facts: &ConditionFacts<'_>) -> bool {
        evaluation::holds(&self.expression, facts)
    }
}
