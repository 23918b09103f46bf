//! What is wrong with a condition.

/// Why a text is not a condition.
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
