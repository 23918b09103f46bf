//! From words to a query.

use serde_json::{Value, json};

use super::lexer::{Kind, Refusal, Token, split};
use super::query::{Comparison, Condition, Path, Query, Step};

/// Nesting beyond this is refused rather than recursed into.
const DEEPEST: usize = 64;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// Reads a query.
pub(super) fn parse(text: &str) -> Result<Query, Refusal> {
    let mut parser = Parser { tokens: split(text)?, at: 0, depth: 0 };
    let mut steps = Vec::new();
    if parser.here().kind == Kind::Name && !is_operator(&parser.here().text) {
        let table = parser.next();
        if !table.text.eq_ignore_ascii_case("resources") {
            return Err(not_modelled(&table, "the only table is 'Resources'"));
        }
        if parser.here().kind == Kind::End {
            return Ok(Query { steps });
        }
        parser.sign("|")?;
    }
    loop {
        steps.push(parser.step()?);
        if parser.here().kind == Kind::End {
            return Ok(Query { steps });
        }
        parser.sign("|")?;
    }
}

fn is_operator(name: &str) -> bool {
    ["where", "project", "take", "limit", "order", "sort", "count"].contains(&name)
}

fn wrong(token: &Token, reason: impl Into<String>) -> Refusal {
    Refusal { reason: reason.into(), token: token.text.clone(), at: token.at, not_modelled: false }
}

fn not_modelled(token: &Token, reason: impl Into<String>) -> Refusal {
    Refusal { not_modelled: true, ..wrong(token, reason) }
}

impl Parser {
    fn here(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    fn next(&mut self) -> Token {
        let token = self.here().clone();
        self.at += 1;
        token
    }

    fn is_sign(&self, sign: &str) -> bool {
        self.here().kind == Kind::Sign && self.here().text == sign
    }

    fn sign(&mut self, sign: &str) -> Result<(), Refusal> {
        let token = self.next();
        if token.kind == Kind::Sign && token.text == sign {
            return Ok(());
        }
        Err(wrong(&token, format!("expected '{sign}'")))
    }

    fn name(&mut self) -> Result<Token, Refusal> {
        let token = self.next();
        if token.kind == Kind::Name { Ok(token) } else { Err(wrong(&token, "expected a name")) }
    }

    fn is_name(&self, name: &str) -> bool {
        self.here().kind == Kind::Name && self.here().text == name
    }

    fn step(&mut self) -> Result<Step, Refusal> {
        let operator = self.next();
        match operator.text.as_str() {
            "where" => Ok(Step::Where(self.either()?)),
            "project" => self.project(),
            "take" | "limit" => {
                let token = self.next();
                match token.kind {
                    Kind::Number(n) if n >= 0.0 && n.fract() == 0.0 && n < 1e15 => Ok(Step::Take(n as usize)),
                    _ => Err(wrong(&token, "expected a whole number")),
                }
            }
            "order" | "sort" => {
                let by = self.name()?;
                if by.text != "by" {
                    return Err(wrong(&by, "expected 'by'"));
                }
                let path = self.path()?;
                // Kusto sorts falling unless told otherwise.
                let falling = if self.is_name("asc") {
                    self.next();
                    false
                } else {
                    if self.is_name("desc") {
                        self.next();
                    }
                    true
                };
                Ok(Step::OrderBy(path, falling))
            }
            "count" => Ok(Step::Count),
            _ if operator.kind == Kind::Name => {
                Err(not_modelled(&operator, "the operators are where, project, take, limit, order by, sort by, count"))
            }
            _ => Err(wrong(&operator, "expected an operator such as 'where'")),
        }
    }

    fn project(&mut self) -> Result<Step, Refusal> {
        let mut columns = Vec::new();
        loop {
            let start = self.here().clone();
            let path = self.path()?;
            if self.is_sign("=") && path.len() == 1 {
                self.next();
                columns.push((path[0].clone(), self.path()?));
            } else {
                let name = if path.len() == 1 { path[0].clone() } else { path.join("_") };
                columns.push((name, path));
            }
            if self.is_sign("(") {
                return Err(not_modelled(&start, "project takes columns, not functions"));
            }
            if !self.is_sign(",") {
                return Ok(Step::Project(columns));
            }
            self.next();
        }
    }

    fn path(&mut self) -> Result<Path, Refusal> {
        let mut path = vec![self.name()?.text];
        loop {
            if self.is_sign(".") {
                self.next();
                path.push(self.name()?.text);
            } else if self.is_sign("[") {
                self.next();
                let key = self.next();
                match key.kind {
                    Kind::Text(text) => path.push(text),
                    Kind::Number(n) if n.fract() == 0.0 => path.push(format!("{n}")),
                    _ => return Err(wrong(&key, "expected a quoted key or an index")),
                }
                self.sign("]")?;
            } else {
                return Ok(path);
            }
        }
    }

    fn either(&mut self) -> Result<Condition, Refusal> {
        let mut left = self.both()?;
        while self.is_name("or") {
            self.next();
            left = Condition::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Condition, Refusal> {
        let mut left = self.one()?;
        while self.is_name("and") {
            self.next();
            left = Condition::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Condition, Refusal> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let token = self.here().clone();
            return Err(wrong(&token, "the condition is nested too deeply"));
        }
        let condition = self.nested();
        self.depth -= 1;
        condition
    }

    fn nested(&mut self) -> Result<Condition, Refusal> {
        if self.is_sign("(") {
            self.next();
            let inner = self.either()?;
            self.sign(")")?;
            return Ok(inner);
        }
        let start = self.here().clone();
        let called = self.tokens.get(self.at + 1).is_some_and(|t| t.kind == Kind::Sign && t.text == "(");
        if start.kind == Kind::Name && called {
            self.next();
            self.next();
            let condition = match start.text.as_str() {
                "not" => Condition::Not(Box::new(self.either()?)),
                "isempty" => Condition::IsEmpty(self.path()?),
                "isnotempty" => Condition::Not(Box::new(Condition::IsEmpty(self.path()?))),
                "isnull" => Condition::IsNull(self.path()?),
                "isnotnull" => Condition::Not(Box::new(Condition::IsNull(self.path()?))),
                _ => {
                    let known = "the functions are not, isempty, isnotempty, isnull, isnotnull";
                    return Err(not_modelled(&start, known));
                }
            };
            self.sign(")")?;
            return Ok(condition);
        }
        let path = self.path()?;
        self.comparison(path)
    }

    fn comparison(&mut self, path: Path) -> Result<Condition, Refusal> {
        let operator = self.next();
        let negated = operator.kind == Kind::Sign && operator.text == "!";
        let word = if negated { self.next() } else { operator.clone() };
        let comparison = match (negated, word.text.as_str()) {
            (false, "==") => Comparison::Equal,
            (false, "!=") => Comparison::NotEqual,
            (false, "=~") => Comparison::EqualFolded,
            (false, "!~") => Comparison::NotEqualFolded,
            (false, "has") => Comparison::Has,
            (true, "has") => Comparison::HasNot,
            (false, "has_cs") => Comparison::HasCased,
            (false, "contains") => Comparison::Contains,
            (false, "startswith") => Comparison::StartsWith,
            (false, "in" | "in~") => return self.list(path, word.text == "in~"),
            (false, "!in") => return Ok(Condition::Not(Box::new(self.list(path, false)?))),
            _ if word.kind == Kind::End => return Err(wrong(&word, "the condition ends without a comparison")),
            _ => {
                let known = "the comparisons are ==, !=, =~, !~, has, !has, has_cs, contains, startswith, in, in~, !in";
                return Err(not_modelled(&operator, known));
            }
        };
        Ok(Condition::Compare(path, comparison, self.value()?))
    }

    fn list(&mut self, path: Path, folded: bool) -> Result<Condition, Refusal> {
        self.sign("(")?;
        let mut values = vec![self.value()?];
        while self.is_sign(",") {
            self.next();
            values.push(self.value()?);
        }
        self.sign(")")?;
        Ok(Condition::In(path, values, folded))
    }

    fn value(&mut self) -> Result<Value, Refusal> {
        let token = self.next();
        match (&token.kind, token.text.as_str()) {
            (Kind::Text(text), _) => Ok(json!(text)),
            (Kind::Number(number), _) => Ok(json!(number)),
            (Kind::Name, "true") => Ok(json!(true)),
            (Kind::Name, "false") => Ok(json!(false)),
            (Kind::Name, _) => Err(not_modelled(&token, "comparisons are with literal values")),
            _ => Err(wrong(&token, "expected a value")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_what_the_provisioner_asks() {
        let query = parse(
            "Resources | where type == \"microsoft.compute/virtualmachines\" | where resourceGroup == \"mc_rg\" | where \
             tags has_cs \"karpenter.sh_nodepool\" | where not(tags has_cs \"karpenter.azure.com_aksmachine_nodeclaim\")",
        )
        .unwrap();
        assert_eq!(query.steps.len(), 4);
        assert!(matches!(&query.steps[3], Step::Where(Condition::Not(_))));
    }

    #[test]
    fn and_binds_closer_than_or() {
        let query = parse("where a == 'x' or b == 'y' and c == 'z'").unwrap();
        assert!(
            matches!(&query.steps[0], Step::Where(Condition::Or(_, right)) if matches!(**right, Condition::And(..)))
        );
        let query =
            parse("where (a == 'x' or b == 'y') and c =~ 'z' | project id, n = properties.name | take 5").unwrap();
        assert!(matches!(&query.steps[0], Step::Where(Condition::And(..))));
        assert_eq!(
            query.steps[1],
            Step::Project(vec![
                ("id".into(), vec!["id".into()]),
                ("n".into(), vec!["properties".into(), "name".into()]),
            ])
        );
    }

    #[test]
    fn says_what_it_does_not_know() {
        for (query, token) in [
            ("Resources | summarize count() by type", "summarize"),
            ("Resources | where type matches regex 'x'", "matches"),
            ("Resources | where strlen(name) == 3", "strlen"),
            ("SecurityResources | where a == 'b'", "SecurityResources"),
            ("Resources | where a == b", "b"),
        ] {
            let refusal = parse(query).unwrap_err();
            assert!(refusal.not_modelled, "{query}");
            assert_eq!(refusal.token, token, "{query}");
        }
        for query in [
            "",
            "|",
            "Resources |",
            "Resources | where",
            "Resources | where a ==",
            "Resources | where a == 'b",
            "where (a == 'b'",
            "Resources | where a == 'b' c",
        ] {
            assert!(!parse(query).unwrap_err().not_modelled, "{query}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = format!("where {}a == 'b'{}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(parse(&deep).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,120}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_row_of_words_makes_it_panic(words in proptest::collection::vec(
            proptest::sample::select(vec!["Resources", "|", "where", "a", ".", "[", "]", "'x'", "==", "has", "!", "(", ")", "not", "and", "or", "in", "in~", ",", "project", "=", "take", "3"]), 0..20)) {
            let _ = parse(&words.join(" "));
        }
    }
}
