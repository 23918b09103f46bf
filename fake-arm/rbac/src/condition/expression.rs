//! A condition as a tree.

use super::Value;
use super::attribute::Attribute;
use super::comparison::Comparison;
use crate::ActionPattern;

/// A condition or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expression {
    /// `a AND b`, `a && b`
    All(Vec<Expression>),
    /// `a OR b`, `a || b`
    Any(Vec<Expression>),
    /// `NOT a`, `!a`
    Not(Box<Expression>),
    /// `ActionMatches{'…'}`
    ActionMatches(ActionPattern),
    /// `SubOperationMatches{'…'}`
    SubOperationMatches(String),
    /// `Exists @Resource[…]`
    Exists(Attribute),
    /// `a StringEquals b`
    Compare(Operand, Comparison, Operand),
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operand {
    /// `@Resource[…]`
    Attribute(Attribute),
    /// `'a'`, `{'a', 'b'}`
    Values(Vec<Value>),
}
