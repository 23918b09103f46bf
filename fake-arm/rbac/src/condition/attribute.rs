//! What conditions ask about.

use jiff::Timestamp;
use uuid::Uuid;

/// Where an attribute is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// `@Resource`: on what is there.
    Resource,
    /// `@Request`: in what is asked for.
    Request,
    /// `@Principal`: custom security attributes of who asks.
    Principal,
    /// `@Environment`: the time, the network.
    Environment,
}

impl Source {
    /// As conditions write it, without `@`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "Resource",
            Self::Request => "Request",
            Self::Principal => "Principal",
            Self::Environment => "Environment",
        }
    }

    pub(super) fn named(name: &str) -> Option<Self> {
        [Self::Resource, Self::Request, Self::Principal, Self::Environment]
            .into_iter()
            .find(|source| source.as_str().eq_ignore_ascii_case(name))
    }
}

/// One value of an attribute, or one literal of a condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `'text'`; ids and moments are texts too.
    Text(String),
    /// `42`
    Number(i64),
    /// `true`
    Bool(bool),
}

impl Value {
    pub(super) fn text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(super) fn number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.parse().ok(),
            Self::Bool(_) => None,
        }
    }

    pub(super) fn truth(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            Self::Text(text) => text.to_ascii_lowercase().parse().ok(),
            Self::Number(_) => None,
        }
    }

    pub(super) fn id(&self) -> Option<Uuid> {
        // A role definition's id may be given as the full resource id.
        self.text().and_then(|text| Uuid::parse_str(text.rsplit('/').next().unwrap_or(text)).ok())
    }

    pub(super) fn moment(&self) -> Option<Timestamp> {
        self.text().and_then(|text| text.parse().ok())
    }
}

/// An attribute by its source and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) source: Source,
    /// As written between the brackets: `Microsoft.Authorization/roleAssignments:PrincipalId`.
    pub(crate) name: String,
}

impl Attribute {
    /// The name can be one: `Namespace/type:Name`, with a key as in `tags:Project<$key_case_sensitive$>` where it is
    /// one of several, or a plain word such as `subOperation` and `UtcNow`.
    pub(super) fn is_valid(&self) -> bool {
        let name = self.name.trim();
        let (path, key) = match name.split_once('<') {
            Some((path, key)) => (path, Some(key)),
            None => (name, None),
        };
        let keyed = key.is_none_or(|key| matches!(key, "$key_case_sensitive$>" | "$key_case_insensitive$>"));
        let letters =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || "./_-&* $".contains(c));
        let named = match path.split_once(':') {
            Some((kind, name)) => letters(kind) && letters(name),
            None => letters(path),
        };
        keyed && named
    }
}

/// The facts that conditions ask for. Names are compared without regard to case by whoever answers.
pub trait Attributes {
    /// The values of an attribute; `None` where there is no such attribute.
    fn values(&self, source: Source, name: &str) -> Option<Vec<Value>>;

    /// The suboperation of the action (`Blob.List`), where it has one.
    fn suboperation(&self) -> Option<&str> {
        None
    }
}

/// No attribute at all.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAttributes;

impl Attributes for NoAttributes {
    fn values(&self, _: Source, _: &str) -> Option<Vec<Value>> {
        None
    }
}
