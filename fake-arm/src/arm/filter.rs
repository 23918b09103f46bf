//! `$filter` of list requests: the part of OData that Azure Resource Manager understands.

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
    /// `InvalidFilterInQueryString` for what is none.
    pub fn parse(text: &str) -> Result<Self, ArmError> {
        let mut parser = Parser { tokens: tokens(text).ok_or_else(|| invalid(text))?, at: 0 };
        let filter = parser.any_of(0);
        filter.filter(|_| parser.at == parser.tokens.len()).ok_or_else(|| invalid(text))
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

/// The error of a filter that is none, or that a list does not know.
pub(crate) fn invalid(text: &str) -> ArmError {
    ArmError::bad_request(
        "InvalidFilterInQueryString",
        format!("Invalid $filter '{text}' specified in the query string."),
    )
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            ',' => tokens.push(Token::Comma),
            '\'' => {
                let mut value = String::new();
                loop {
                    match chars.next()? {
                        // Two quotes are one.
                        '\'' if chars.next_if_eq(&'\'').is_some() => value.push('\''),
                        '\'' => break,
                        other => value.push(other),
                    }
                }
                tokens.push(Token::Text(value));
            }
            c => {
                let mut word = String::from(c);
                while let Some(next) = chars.next_if(|c| !c.is_whitespace() && !"(),'".contains(*c)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Some(tokens)
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn take(&mut self, token: &Token) -> bool {
        let found = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(found);
        found
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    fn any_of(&mut self, depth: usize) -> Option<Filter> {
        let mut all = vec![self.all_of(depth)?];
        while self.take_word("or") {
            all.push(self.all_of(depth)?);
        }
        if all.len() == 1 { all.pop() } else { Some(Filter::Or(all)) }
    }

    fn all_of(&mut self, depth: usize) -> Option<Filter> {
        let mut all = vec![self.one(depth)?];
        while self.take_word("and") {
            all.push(self.one(depth)?);
        }
        if all.len() == 1 { all.pop() } else { Some(Filter::And(all)) }
    }

    fn one(&mut self, depth: usize) -> Option<Filter> {
        if depth > DEEPEST {
            return None;
        }
        if self.take_word("not") {
            return Some(Filter::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.take(&Token::Open) {
            let inner = self.any_of(depth + 1)?;
            return self.take(&Token::Close).then_some(inner);
        }
        let Token::Word(name) = self.next()? else { return None };
        if self.take(&Token::Open) {
            return self.call(name);
        }
        let Token::Word(operator) = self.next()? else { return None };
        let comparison = match operator.to_ascii_lowercase().as_str() {
            "eq" => Comparison::Eq,
            "ne" => Comparison::Ne,
            "gt" => Comparison::Gt,
            "ge" => Comparison::Ge,
            "lt" => Comparison::Lt,
            "le" => Comparison::Le,
            _ => return None,
        };
        let (Token::Text(value) | Token::Word(value)) = self.next()? else { return None };
        Some(Filter::Test(Predicate::Compare { property: name, comparison, value }))
    }

    /// After the opening parenthesis.
    fn call(&mut self, function: String) -> Option<Filter> {
        let mut arguments = Vec::new();
        if !self.take(&Token::Close) {
            loop {
                let (Token::Text(argument) | Token::Word(argument)) = self.next()? else { return None };
                arguments.push(argument);
                if self.take(&Token::Close) {
                    break;
                }
                if !self.take(&Token::Comma) {
                    return None;
                }
            }
        }
        Some(Filter::Test(Predicate::Call { function, arguments }))
    }
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
