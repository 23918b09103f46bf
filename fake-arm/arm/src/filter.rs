//! `$filter` of list requests: the part of OData that Azure Resource Manager understands.

use winnow::combinator::{alt, cut_err, delimited, fail, preceded, repeat, separated, terminated};
use winnow::error::ContextError;
use winnow::token::{none_of, take_while};
use winnow::{ModalParser, ModalResult, Parser};

use super::ArmError;

/// Parentheses and `not` in one another.
const DEEPEST: usize = 50;

/// A filter: predicates joined by `and`, `or` and `not`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// All of them.
    And(Vec<Filter>),
    /// One of them.
    Or(Vec<Filter>),
    /// Not this one.
    Not(Box<Filter>),
    /// A test of the item.
    Test(Predicate),
}

/// A test that a list's items pass or not. What the names mean is the list's affair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Predicate {
    /// `tagName eq 'x'`.
    Compare {
        /// Property as written, for example `properties/principalId`.
        property: String,
        /// Operator.
        comparison: Comparison,
        /// Literal, without quotes.
        value: String,
    },
    /// `substringof('x', name)`, `atScope()`.
    Call {
        /// Function as written.
        function: String,
        /// Arguments: properties as written, literals without quotes.
        arguments: Vec<String>,
    },
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Eq,
    Ne,
    Gt,
    Ge,
    Lt,
    Le,
}

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// `InvalidFilterInQueryString` where the text is not a filter.
    pub fn parse(text: &str) -> Result<Self, ArmError> {
        terminated(|input: &mut &str| any_of(input, 0), blank).parse(text).map_err(|_| invalid(text))
    }

    /// The filter holds, given which predicates do.
    ///
    /// # Errors
    /// That of the test: a list refuses what it does not know.
    pub fn holds<E>(&self, test: &mut impl FnMut(&Predicate) -> Result<bool, E>) -> Result<bool, E> {
        // Each predicate is tested, also where the outcome is known: an unknown one is refused in any place.
        match self {
            Self::And(all) => all.iter().try_fold(true, |held, filter| Ok(filter.holds(test)? && held)),
            Self::Or(all) => all.iter().try_fold(false, |held, filter| Ok(filter.holds(test)? || held)),
            Self::Not(filter) => filter.holds(test).map(|held| !held),
            Self::Test(predicate) => test(predicate),
        }
    }

    /// Every predicate in it.
    pub fn predicates(&self) -> Vec<&Predicate> {
        match self {
            Self::And(all) | Self::Or(all) => all.iter().flat_map(Self::predicates).collect(),
            Self::Not(filter) => filter.predicates(),
            Self::Test(predicate) => vec![predicate],
        }
    }
}

/// The error of a text that is not a filter, or of a filter that a list does not know.
pub fn invalid(text: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidFilterInQueryString",
        format!("Invalid $filter '{text}' specified in the query string."),
    )
}

/// Predicates joined by `or`.
fn any_of(input: &mut &str, depth: usize) -> ModalResult<Filter> {
    let all = separated(1.., |input: &mut &str| all_of(input, depth), keyword("or")).parse_next(input)?;
    Ok(joined(all, Filter::Or))
}

/// Predicates joined by `and`, which binds closer.
fn all_of(input: &mut &str, depth: usize) -> ModalResult<Filter> {
    let all = separated(1.., |input: &mut &str| one(input, depth), keyword("and")).parse_next(input)?;
    Ok(joined(all, Filter::And))
}

fn joined(mut all: Vec<Filter>, join: fn(Vec<Filter>) -> Filter) -> Filter {
    if all.len() == 1 { all.remove(0) } else { join(all) }
}

fn one(input: &mut &str, depth: usize) -> ModalResult<Filter> {
    if depth > DEEPEST {
        return fail.parse_next(input);
    }
    let negated = |input: &mut &str| one(input, depth + 1);
    let inner = |input: &mut &str| any_of(input, depth + 1);
    let arguments = delimited(sign('('), separated(0.., value, sign(',')), sign(')'));
    alt((
        // `not` is no name: what follows it is not read in another way.
        preceded(keyword("not"), cut_err(negated)).map(|filter| Filter::Not(Box::new(filter))),
        delimited(sign('('), inner, sign(')')),
        (word, arguments)
            .map(|(function, arguments)| Filter::Test(Predicate::Call { function: function.to_owned(), arguments })),
        (word, comparison, value).map(|(property, comparison, value)| {
            Filter::Test(Predicate::Compare { property: property.to_owned(), comparison, value })
        }),
    ))
    .parse_next(input)
}

fn comparison(input: &mut &str) -> ModalResult<Comparison> {
    let named = |name: &str| match name.to_ascii_lowercase().as_str() {
        "eq" => Some(Comparison::Eq),
        "ne" => Some(Comparison::Ne),
        "gt" => Some(Comparison::Gt),
        "ge" => Some(Comparison::Ge),
        "lt" => Some(Comparison::Lt),
        "le" => Some(Comparison::Le),
        _ => None,
    };
    word.verify_map(named).parse_next(input)
}

/// A text in quotes, in which two quotes are one; or a word.
fn value(input: &mut &str) -> ModalResult<String> {
    let text = repeat(0.., alt((none_of('\''), "''".value('\''))));
    alt((delimited(sign('\''), text, '\''), word.map(str::to_owned))).parse_next(input)
}

fn word<'t>(input: &mut &'t str) -> ModalResult<&'t str> {
    let letters = take_while(1.., |c: char| !c.is_whitespace() && !"(),'".contains(c));
    preceded(blank, letters).parse_next(input)
}

fn keyword<'t>(keyword: &'static str) -> impl ModalParser<&'t str, &'t str, ContextError> {
    word.verify(|word: &str| word.eq_ignore_ascii_case(keyword))
}

fn sign<'t>(sign: char) -> impl ModalParser<&'t str, char, ContextError> {
    preceded(blank, sign)
}

fn blank<'t>(input: &mut &'t str) -> ModalResult<&'t str> {
    take_while(0.., char::is_whitespace).parse_next(input)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn holds(filter: &str, tags: &[&str]) -> bool {
        Filter::parse(filter)
            .unwrap()
            .holds(&mut |predicate| match predicate {
                Predicate::Compare { value, comparison: Comparison::Eq, .. } => Ok(tags.contains(&value.as_str())),
                other => Err(format!("{other:?}")),
            })
            .unwrap()
    }

    #[test]
    fn and_binds_closer_than_or() {
        assert!(holds("t eq 'a' or t eq 'b' and t eq 'c'", &["a"]));
        assert!(!holds("(t eq 'a' or t eq 'b') and t eq 'c'", &["a"]));
        assert!(holds("not (t eq 'a') and T EQ 'it''s'", &["it's"]));
    }

    #[test]
    fn calls_and_paths_are_read() {
        let filter = Filter::parse("atScope() and substringof('x', name) or properties/principalId eq 1-2").unwrap();
        let call = |function: &str, arguments: &[&str]| Predicate::Call {
            function: function.into(),
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
        };
        assert_eq!(filter.predicates()[..2], [&call("atScope", &[]), &call("substringof", &["x", "name"])]);
    }

    #[test]
    fn what_is_none_is_refused() {
        for bad in
            ["", "a", "a eq", "a eq 'b", "a like 'b'", "(a eq b", "a eq b)", "a eq b c", "f(", "f('a' 'b')", "not"]
        {
            assert_eq!(Filter::parse(bad).unwrap_err().code(), "InvalidFilterInQueryString", "{bad}");
        }
        assert!(Filter::parse(&format!("{}a eq b{}", "(".repeat(10_000), ")".repeat(10_000))).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = Filter::parse(&text);
        }

        #[test]
        fn any_filter_is_read(text in "(not )?\\(?[a-z]{1,3}(\\(\\)| (eq|ne|le) '[^']{0,3}')\\)?( (and|or) [a-z] eq 'x'){0,3}") {
            let balanced = text.matches('(').count() == text.matches(')').count();
            if balanced && !text.contains('\'') {
                prop_assert!(Filter::parse(&text).is_ok() || text.starts_with("not"), "{text}");
            }
        }
    }
}
