//! `[concat('a', parameters('b').c[0])]`: from a text to an expression.

use super::error::TemplateError;

/// Nesting beyond this is refused.
const DEEPEST: usize = 64;

/// An expression of a template.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    /// `'text'`, with `''` for a quote.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `name(arguments)`.
    Call(String, Vec<Expression>),
    /// `value.name` or `value['name']` or `value[0]`; `true`: nothing where there is no such thing (`.?`, `[?`).
    Get(Box<Expression>, Box<Expression>, bool),
}

/// What a text in a template means.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Text<'t> {
    /// Itself.
    Literal(&'t str),
    /// What the expression gives.
    Expression(Expression),
}

/// Reads a text of a template: an expression stands in brackets, a literal that does has one bracket more in front.
///
/// # Errors
/// Azure's sentence about a text in brackets that is not an expression.
pub(super) fn read(text: &str) -> Result<Text<'_>, TemplateError> {
    let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
        return Ok(Text::Literal(text));
    };
    if inner.starts_with('[') {
        return Ok(Text::Literal(&text[1..]));
    }
    parse(inner).map(Text::Expression).map_err(|reason| {
        TemplateError::new(format!(
            "The language expression '{text}' is not valid: {reason}. Please see \
             https://aka.ms/arm-template-expressions for usage details."
        ))
    })
}

fn parse(text: &str) -> Result<Expression, String> {
    let mut parser = Parser { letters: text.chars().collect(), at: 0, depth: 0 };
    let expression = parser.expression()?;
    parser.blank();
    if parser.at < parser.letters.len() {
        return Err(format!(
            "the string character '{}' at position '{}' is not expected",
            parser.letters[parser.at],
            parser.at + 1
        ));
    }
    Ok(expression)
}

struct Parser {
    letters: Vec<char>,
    at: usize,
    depth: usize,
}

impl Parser {
    fn blank(&mut self) {
        while self.here().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn here(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    /// Takes this character, after blanks; `false` where another one follows.
    fn take(&mut self, letter: char) -> bool {
        self.blank();
        let is = self.here() == Some(letter);
        self.at += usize::from(is);
        is
    }

    fn expected(&self, what: &str) -> String {
        match self.here() {
            Some(letter) => format!("expected {what} instead of '{letter}' at position '{}'", self.at + 1),
            None => format!("expected {what} at the end"),
        }
    }

    fn expression(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it is nested too deeply".to_owned());
        }
        self.blank();
        let mut value = match self.here() {
            Some('\'') => Expression::Text(self.quoted()?),
            Some(letter) if letter.is_ascii_digit() || letter == '-' || letter == '+' => self.number()?,
            Some(letter) if letter.is_alphabetic() || letter == '_' => self.call()?,
            _ => return Err(self.expected("a value")),
        };
        loop {
            self.blank();
            value = match self.here() {
                Some('.') => {
                    self.at += 1;
                    let safe = self.take('?');
                    let digit = self.here().is_some_and(|letter| letter.is_ascii_digit());
                    let name = if digit { None } else { self.name() };
                    let name = name.ok_or_else(|| self.expected("a property's name"))?;
                    Expression::Get(Box::new(value), Box::new(Expression::Text(name)), safe)
                }
                Some('[') => {
                    self.at += 1;
                    let safe = self.take('?');
                    let key = self.expression()?;
                    if !self.take(']') {
                        return Err(self.expected("']'"));
                    }
                    Expression::Get(Box::new(value), Box::new(key), safe)
                }
                _ => break,
            };
        }
        self.depth -= 1;
        Ok(value)
    }

    fn call(&mut self) -> Result<Expression, String> {
        let mut name = self.name().ok_or_else(|| self.expected("a function's name"))?;
        // A function of the template's own has a namespace.
        while self.here() == Some('.') {
            self.at += 1;
            let rest = self.name().ok_or_else(|| self.expected("a function's name"))?;
            name = format!("{name}.{rest}");
        }
        if !self.take('(') {
            return Err(self.expected("'('"));
        }
        let mut arguments = Vec::new();
        if self.take(')') {
            return Ok(Expression::Call(name, arguments));
        }
        loop {
            arguments.push(self.expression()?);
            if self.take(')') {
                return Ok(Expression::Call(name, arguments));
            }
            if !self.take(',') {
                return Err(self.expected("',' or ')'"));
            }
        }
    }

    fn name(&mut self) -> Option<String> {
        let start = self.at;
        while self.here().is_some_and(|letter| letter.is_alphanumeric() || letter == '_' || letter == '$') {
            self.at += 1;
        }
        (self.at > start).then(|| self.letters[start..self.at].iter().collect())
    }

    fn number(&mut self) -> Result<Expression, String> {
        let start = self.at;
        self.at += 1;
        while self.here().is_some_and(|letter| letter.is_ascii_digit()) {
            self.at += 1;
        }
        let text: String = self.letters[start..self.at].iter().collect();
        text.parse().map(Expression::Number).map_err(|_| format!("'{text}' is not a whole number"))
    }

    fn quoted(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.here() {
                Some('\'') if self.letters.get(self.at + 1) == Some(&'\'') => {
                    text.push('\'');
                    self.at += 2;
                }
                Some('\'') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(letter) => {
                    text.push(letter);
                    self.at += 1;
                }
                None => return Err("a text has no closing quote".to_owned()),
            }
        }
    }
}

impl std::fmt::Display for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::Number(number) => write!(f, "{number}"),
            Self::Call(name, arguments) => {
                write!(f, "{name}(")?;
                for (index, argument) in arguments.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{argument}")?;
                }
                f.write_str(")")
            }
            Self::Get(of, key, safe) => write!(f, "{of}[{}{key}]", if *safe { "?" } else { "" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expression(text: &str) -> Expression {
        match read(text).unwrap() {
            Text::Expression(expression) => expression,
            Text::Literal(literal) => panic!("{literal} is a literal"),
        }
    }

    #[test]
    fn brackets_make_an_expression_and_two_of_them_a_literal() {
        assert_eq!(read("plain").unwrap(), Text::Literal("plain"));
        assert_eq!(read("[[not me]").unwrap(), Text::Literal("[not me]"));
        assert_eq!(read("[open").unwrap(), Text::Literal("[open"));
        assert_eq!(expression("['it''s']"), Expression::Text("it's".into()));
    }

    #[test]
    fn calls_properties_and_indexes_nest() {
        let read = expression("[concat( parameters('a').b[0] , -3, ns.f())['x']]");
        assert_eq!(read.to_string(), "concat(parameters('a')['b'][0], -3, ns.f())['x']");
        assert_eq!(expression("[parameters('a').?b]").to_string(), "parameters('a')[?'b']");
    }

    #[test]
    fn what_is_no_expression_is_refused() {
        for text in [
            "[]",
            "[a]",
            "[a(]",
            "[a('b]",
            "[a() b]",
            "[a(,)]",
            "[a().]",
            "[a()[0]",
            "[1.5]",
            "['a'",
            "[99999999999999999999]",
        ] {
            if text.ends_with(']') {
                assert!(read(text).is_err(), "{text}");
            }
        }
        let deep = format!("[{}1{}]", "a(".repeat(5000), ")".repeat(5000));
        assert!(read(&deep).is_err());
    }

    fn any_expression() -> impl Strategy<Value = Expression> {
        let leaf = prop_oneof![
            "[a-z' ]{0,6}".prop_map(Expression::Text),
            any::<i64>().prop_map(Expression::Number),
            Just(Expression::Call("f".into(), vec![])),
        ];
        leaf.prop_recursive(4, 24, 3, |inner| {
            prop_oneof![
                ("[a-z]{1,5}", proptest::collection::vec(inner.clone(), 0..3))
                    .prop_map(|(n, a)| Expression::Call(n, a)),
                (inner.clone(), inner, any::<bool>()).prop_map(|(of, key, safe)| Expression::Get(
                    Box::new(of),
                    Box::new(key),
                    safe
                )),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(written in any_expression()) {
            let text = format!("[{written}]");
            prop_assert_eq!(read(&text).unwrap(), Text::Expression(written));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\[[a-z'().,\\[\\]?0-9 -]{0,60}\\]|.{0,40}") {
            let _ = read(&text);
        }
    }
}
