//! A query as data.

use serde_json::Value;

/// `Resources | where … | project … | take …`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    /// What is done to the rows, in order.
    pub(super) steps: Vec<Step>,
}

/// One step between two bars.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Rows for which it holds stay.
    Where(Condition),
    /// Columns: new name and where it comes from.
    Project(Vec<(String, Path)>),
    /// At most so many rows stay.
    Take(usize),
    /// Rows in the order of a column; `true`: falling.
    OrderBy(Path, bool),
    /// One row with the number of rows.
    Count,
}

/// A column, or something inside one: `properties.timeCreated`, `tags['a.b']`.
pub(super) type Path = Vec<String>;

/// What holds of a row or not.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Condition {
    /// Both.
    And(Box<Condition>, Box<Condition>),
    /// One of them.
    Or(Box<Condition>, Box<Condition>),
    /// Not.
    Not(Box<Condition>),
    /// A comparison with a value.
    Compare(Path, Comparison, Value),
    /// One of several values; `true`: regardless of case.
    In(Path, Vec<Value>, bool),
    /// It is missing or an empty text.
    IsEmpty(Path),
    /// It is missing.
    IsNull(Path),
}

/// How to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    EqualFolded,
    /// `!~`
    NotEqualFolded,
    /// `has`
    Has,
    /// `has_cs`
    HasCased,
    /// `!has`
    HasNot,
    /// `contains`
    Contains,
    /// `startswith`
    StartsWith,
}
