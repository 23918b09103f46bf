//! A query as data.

use serde_json::Value;

/// `Resources | where … | project … | take …`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Query {
    /// The table that it starts with.
    pub(super) table: Table,
    /// What is done to the rows, in order.
    pub(super) steps: Vec<Step>,
}

/// Where rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    /// Resources of all providers.
    Resources,
    /// Subscriptions and resource groups.
    ResourceContainers,
}

/// One step between two bars.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Rows for which it holds stay.
    Where(Expression),
    /// Columns: new name and what they are.
    Project(Vec<(String, Expression)>),
    /// Columns that go.
    ProjectAway(Vec<String>),
    /// Columns that come.
    Extend(Vec<(String, Expression)>),
    /// At most so many rows stay.
    Take(usize),
    /// Rows in the order of what these give; `true`: falling.
    OrderBy(Vec<(Expression, bool)>),
    /// The first so many rows in an order.
    Top(usize, Vec<(Expression, bool)>),
    /// Rows without those that are there already, by these columns.
    Distinct(Vec<(String, Expression)>),
    /// One row for each group: what is counted, and by what.
    Summarize(Vec<(String, Aggregate)>, Vec<(String, Expression)>),
    /// One row with the number of rows.
    Count,
}

/// What `summarize` makes of a group.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Aggregate {
    /// `count()`
    Count,
    /// `countif(condition)`
    CountIf(Expression),
    /// `dcount(value)`
    DistinctCount(Expression),
    /// `sum(value)`
    Sum(Expression),
    /// `min(value)`
    Min(Expression),
    /// `max(value)`
    Max(Expression),
}

/// Something that has a value in each row.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// A literal.
    Value(Value),
    /// A column.
    Column(String),
    /// Something inside: `properties.timeCreated`, `tags['a.b']`, `zones[0]`.
    Inside(Box<Expression>, Box<Expression>),
    /// `name(arguments)`.
    Call(Function, Vec<Expression>),
    /// A comparison.
    Compare(Box<Expression>, Comparison, Box<Expression>),
    /// One of several values; `true`: regardless of case.
    In(Box<Expression>, Vec<Expression>, bool),
    /// Between two values, both included.
    Between(Box<Expression>, Box<Expression>, Box<Expression>),
    /// Both.
    And(Box<Expression>, Box<Expression>),
    /// One of them.
    Or(Box<Expression>, Box<Expression>),
    /// Not.
    Not(Box<Expression>),
}

/// The scalar functions that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    /// Text in lower case.
    ToLower,
    /// Text in upper case.
    ToUpper,
    /// As text.
    ToString,
    /// As number.
    ToNumber,
    /// As truth.
    ToBool,
    /// Number of characters.
    StringLength,
    /// Number of items.
    ArrayLength,
    /// Texts one after the other.
    Concat,
    /// A text cut at another.
    Split,
    /// A part of a text.
    Substring,
    /// One of two values.
    If,
    /// The first that is there.
    Coalesce,
    /// A missing or empty text.
    IsEmpty,
    /// The opposite.
    IsNotEmpty,
    /// A missing value.
    IsNull,
    /// The opposite.
    IsNotNull,
    /// Text with replacements.
    Replace,
    /// The names of an object's members.
    BagKeys,
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
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `has`, or `has_cs` where `true`
    Has(bool),
    /// `contains`, or `contains_cs`
    Contains(bool),
    /// `startswith`, or `startswith_cs`
    StartsWith(bool),
    /// `endswith`, or `endswith_cs`
    EndsWith(bool),
    /// `matches regex`
    MatchesRegex,
}
