//! From the words of a condition to its tree.

use super::attribute::{Attribute, Source};
use super::comparison::Comparison;
use super::expression::{Expression, Operand};
use super::lexer::{Kind, Token, malformed, tokens};
use super::{InvalidCondition, Value};
use crate::ActionPattern;

/// Azure takes conditions of up to 8 KiB.
const LONGEST: usize = 8 * 1024;
/// Parentheses and negations within each other.
const DEEPEST: usize = 64;

/// Reads a condition.
///
/// # Errors
/// Where it breaks the grammar: `AND` and `OR` side by side need parentheses, as Microsoft's page says.
pub(super) fn parse(text: &str) -> Result<Expression, InvalidCondition> {
    if text.len() > LONGEST {
        return Err(malformed(LONGEST, "it is longer than 8 KiB"));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser { end: text.chars().count(), tokens: &tokens, next: 0 };
    let expression = parser.expression(0)?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.unexpected("an operator or the end")),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    next: usize,
    end: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.end, |token| token.at)
    }

    fn unexpected(&self, wanted: &str) -> InvalidCondition {
        malformed(self.at(), format!("{wanted} is expected"))
    }

    fn take(&mut self, kind: &Kind, wanted: &str) -> Result<(), InvalidCondition> {
        if self.peek() == Some(kind) {
            self.next += 1;
            return Ok(());
        }
        Err(self.unexpected(wanted))
    }

    fn expression(&mut self, depth: usize) -> Result<Expression, InvalidCondition> {
        let mut parts = vec![self.term(depth)?];
        let Some(joint @ (Kind::And | Kind::Or)) = self.peek().cloned() else { return Ok(parts.remove(0)) };
        while self.peek() == Some(&joint) {
            self.next += 1;
            parts.push(self.term(depth)?);
        }
        if matches!(self.peek(), Some(Kind::And | Kind::Or)) {
            return Err(malformed(self.at(), "AND and OR side by side need parentheses"));
        }
        Ok(if joint == Kind::And { Expression::All(parts) } else { Expression::Any(parts) })
    }

    fn term(&mut self, depth: usize) -> Result<Expression, InvalidCondition> {
        if depth > DEEPEST {
            return Err(malformed(self.at(), "it is nested too deeply"));
        }
        match self.peek() {
            Some(Kind::Not) => {
                self.next += 1;
                Ok(Expression::Not(Box::new(self.term(depth + 1)?)))
            }
            Some(Kind::Open) => {
                self.next += 1;
                let inner = self.expression(depth + 1)?;
                self.take(&Kind::Close, "')'")?;
                Ok(inner)
            }
            Some(Kind::Word(word)) => {
                let word = word.to_ascii_lowercase();
                match word.as_str() {
                    "actionmatches" => {
                        self.next += 1;
                        Ok(Expression::ActionMatches(ActionPattern::new(&self.in_braces()?)))
                    }
                    "suboperationmatches" => {
                        self.next += 1;
                        Ok(Expression::SubOperationMatches(self.in_braces()?))
                    }
                    "exists" | "notexists" => {
                        self.next += 1;
                        let exists = Expression::Exists(self.attribute()?);
                        Ok(if word == "exists" { exists } else { Expression::Not(Box::new(exists)) })
                    }
                    _ => self.comparison(),
                }
            }
            Some(_) => self.comparison(),
            None => Err(self.unexpected("an expression")),
        }
    }

    /// `{'…'}`
    fn in_braces(&mut self) -> Result<String, InvalidCondition> {
        self.take(&Kind::OpenBrace, "'{'")?;
        let Some(Kind::Text(text)) = self.peek().cloned() else { return Err(self.unexpected("a text in quotes")) };
        self.next += 1;
        self.take(&Kind::CloseBrace, "'}'")?;
        Ok(text)
    }

    fn attribute(&mut self) -> Result<Attribute, InvalidCondition> {
        let Some(Kind::Attribute(source, name)) = self.peek().cloned() else {
            return Err(self.unexpected("an attribute"));
        };
        let source = Source::named(&source).ok_or_else(|| {
            malformed(self.at(), format!("'@{source}' is not one of @Resource, @Request, @Principal, @Environment"))
        })?;
        self.next += 1;
        let attribute = Attribute { source, name: name.trim().to_owned() };
        if attribute.is_valid() {
            return Ok(attribute);
        }
        Err(InvalidCondition::Attribute { kind: source.as_str(), name })
    }

    fn comparison(&mut self) -> Result<Expression, InvalidCondition> {
        let start = self.at();
        let left = self.operand()?;
        let Some(Kind::Word(name)) = self.peek() else { return Err(self.unexpected("an operator")) };
        let comparison =
            Comparison::named(name).ok_or_else(|| malformed(self.at(), format!("there is no operator '{name}'")))?;
        self.next += 1;
        let right = self.operand()?;
        for side in [&left, &right] {
            let Operand::Values(values) = side else { continue };
            if !values.iter().all(|value| comparison.takes(value)) {
                return Err(malformed(start, "a value is not of the kind that the operator compares"));
            }
            if comparison.quantifier.is_none() && values.len() > 1 {
                return Err(malformed(start, "several values need an operator such as ForAnyOfAnyValues"));
            }
        }
        Ok(Expression::Compare(left, comparison, right))
    }

    fn operand(&mut self) -> Result<Operand, InvalidCondition> {
        match self.peek() {
            Some(Kind::Attribute(..)) => Ok(Operand::Attribute(self.attribute()?)),
            Some(Kind::OpenBrace) => {
                self.next += 1;
                let mut values = vec![self.value()?];
                while self.peek() == Some(&Kind::Comma) {
                    self.next += 1;
                    values.push(self.value()?);
                }
                self.take(&Kind::CloseBrace, "',' or '}'")?;
                Ok(Operand::Values(values))
            }
            _ => Ok(Operand::Values(vec![self.value()?])),
        }
    }

    fn value(&mut self) -> Result<Value, InvalidCondition> {
        let value = match self.peek() {
            Some(Kind::Text(text)) => Value::Text(text.clone()),
            Some(Kind::Word(word)) => match word.to_ascii_lowercase().as_str() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                folded => match folded.parse() {
                    Ok(number) => Value::Number(number),
                    // Ids stand without quotes.
                    Err(_) if uuid::Uuid::parse_str(folded).is_ok() => Value::Text(word.clone()),
                    Err(_) => return Err(self.unexpected("a value")),
                },
            },
            _ => return Err(self.unexpected("a value")),
        };
        self.next += 1;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn conditions_of_microsofts_pages_are_read() {
        for text in [
            "((!(ActionMatches{'Microsoft.Network/virtualNetworks/subnets/write'})) AND (!(ActionMatches{'Microsoft.Network/virtualNetworks/subnets/delete'})))",
            "((!(ActionMatches{'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'} AND NOT SubOperationMatches{'Blob.List'})) OR (@Resource[Microsoft.Storage/storageAccounts/blobServices/containers/blobs/tags:Project<$key_case_sensitive$>] StringEquals 'Cascade'))",
            "(\n (\n  !(ActionMatches{'Microsoft.Authorization/roleAssignments/write'})\n )\n OR\n (\n  @Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals {8e3af657-a8ff-443c-a75c-2fe8c4bcb635, 18d7d88d-d35e-4fb5-a5c3-7773c20a72d9}\n )\n)",
            "@Resource[Microsoft.Storage/storageAccounts/blobServices/containers:Name] stringEquals 'foo'",
            "@Environment[UtcNow] DateTimeGreaterThan '2023-05-01T13:00:00.000Z'",
            "@Principal[Microsoft.Directory/CustomSecurityAttributes/Id:Engineering_Project] ForAnyOfAnyValues:StringEquals {'Baker', 'Cascade'}",
            "exists @Resource[Microsoft.Storage/storageAccounts:x] && !(@Request[subOperation] ForAnyOfAnyValues:StringEqualsIgnoreCase {'Blob.List'}) && 1 NumericEquals 1",
            "@Resource[a:isCurrentVersion] BoolEquals true",
        ] {
            parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }

    #[test]
    fn malformed_conditions_are_refused_with_the_place() {
        for (text, message) in [
            ("", "the condition is malformed at character 0: an expression is expected"),
            ("(ActionMatches{'a'}", "the condition is malformed at character 19: ')' is expected"),
            ("ActionMatches{'a'})", "the condition is malformed at character 18: an operator or the end is expected"),
            ("ActionMatches{a}", "the condition is malformed at character 14: a text in quotes is expected"),
            ("ActionMatches('a')", "the condition is malformed at character 13: '{' is expected"),
            ("ActionMatches{'a}", "the condition is malformed at character 14: a text without an end"),
            ("@Resource[a:b] Equals 'x'", "the condition is malformed at character 15: there is no operator 'Equals'"),
            ("@Resource[a:b StringEquals 'x'", "the condition is malformed at character 0: ']' is missing"),
            (
                "@Someone[a:b] StringEquals 'x'",
                "the condition is malformed at character 0: '@Someone' is not one of @Resource, @Request, @Principal, @Environment",
            ),
            ("@Resource[tags:Project<$>] StringEquals 'x'", "Resource attribute tags:Project<$> is not valid"),
            (
                "@Resource[a:b] NumericEquals 'x'",
                "the condition is malformed at character 0: a value is not of the kind that the operator compares",
            ),
            (
                "@Resource[a:b] GuidEquals 'x'",
                "the condition is malformed at character 0: a value is not of the kind that the operator compares",
            ),
            (
                "@Resource[a:b] StringEquals {'x', 'y'}",
                "the condition is malformed at character 0: several values need an operator such as ForAnyOfAnyValues",
            ),
            ("@Resource[a:b] StringEquals {}", "the condition is malformed at character 29: a value is expected"),
            ("true AND", "the condition is malformed at character 5: an operator is expected"),
            (
                "ActionMatches{'a'} AND ActionMatches{'b'} OR ActionMatches{'c'}",
                "the condition is malformed at character 42: AND and OR side by side need parentheses",
            ),
            (
                "ActionMatches{'a'} & ActionMatches{'b'}",
                "the condition is malformed at character 19: '&' has no meaning here",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), message, "{text}");
        }
        let deep = format!("{}ActionMatches{{'a'}}{}", "(".repeat(70), ")".repeat(70));
        assert!(parse(&deep).unwrap_err().to_string().ends_with("nested too deeply"));
        assert!(parse(&" ".repeat(9000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_words_make_it_panic(words in proptest::collection::vec(prop_oneof![
            Just("("), Just(")"), Just("!"), Just("AND"), Just("||"), Just("{"), Just("}"), Just(","), Just("'a'"),
            Just("7"), Just("@Request[a:b]"), Just("StringEquals"), Just("ActionMatches"), Just("exists"),
            Just("ForAllOfAnyValues:NumericLessThan"),
        ], 0..14)) {
            let _ = parse(&words.join(" "));
        }
    }
}
