//! From words to expressions.

use serde_json::{Value, json};

use super::lexer::{Kind, QueryRefusal};
use super::parser::{DEEPEST, MOST_LINKS, Parser, not_modelled, wrong};
use super::query::{Comparison, Expression, Function};

const FUNCTIONS: &[(&str, Function, std::ops::RangeInclusive<usize>)] = &[
    ("tolower", Function::ToLower, 1..=1),
    ("toupper", Function::ToUpper, 1..=1),
    ("tostring", Function::ToString, 1..=1),
    ("toint", Function::ToNumber, 1..=1),
    ("tolong", Function::ToNumber, 1..=1),
    ("todouble", Function::ToNumber, 1..=1),
    ("toreal", Function::ToNumber, 1..=1),
    ("tobool", Function::ToBool, 1..=1),
    ("strlen", Function::StringLength, 1..=1),
    ("array_length", Function::ArrayLength, 1..=1),
    ("strcat", Function::Concat, 1..=64),
    ("split", Function::Split, 2..=3),
    ("substring", Function::Substring, 2..=3),
    ("iff", Function::If, 3..=3),
    ("iif", Function::If, 3..=3),
    ("coalesce", Function::Coalesce, 2..=64),
    ("isempty", Function::IsEmpty, 1..=1),
    ("isnotempty", Function::IsNotEmpty, 1..=1),
    ("notempty", Function::IsNotEmpty, 1..=1),
    ("isnull", Function::IsNull, 1..=1),
    ("isnotnull", Function::IsNotNull, 1..=1),
    ("notnull", Function::IsNotNull, 1..=1),
    ("replace_string", Function::Replace, 3..=3),
    ("bag_keys", Function::BagKeys, 1..=1),
];

impl Parser {
    pub(super) fn expression(&mut self) -> Result<Expression, QueryRefusal> {
        let mut left = self.both()?;
        while self.take_name("or") {
            self.link()?;
            left = Expression::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Expression, QueryRefusal> {
        let mut left = self.compared()?;
        while self.take_name("and") {
            self.link()?;
            left = Expression::And(Box::new(left), Box::new(self.compared()?));
        }
        Ok(left)
    }

    /// One more condition of a chain, which is nested as deeply as it is long.
    fn link(&mut self) -> Result<(), QueryRefusal> {
        self.links += 1;
        if self.links > MOST_LINKS { Err(wrong(self.here(), "the query has too many conditions")) } else { Ok(()) }
    }

    fn compared(&mut self) -> Result<Expression, QueryRefusal> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let token = self.here().clone();
            return Err(wrong(&token, "the condition is nested too deeply"));
        }
        let left = self.operand()?;
        let result = self.comparison(left);
        self.depth -= 1;
        result
    }

    /// What stands beside a comparison: a value, a column, a call, something in parenthesis, and what is inside of it.
    fn operand(&mut self) -> Result<Expression, QueryRefusal> {
        let token = self.here().clone();
        let called = self.tokens.get(self.at + 1).is_some_and(|t| t.kind == Kind::Sign && t.text == "(");
        let mut value = match (&token.kind, token.text.as_str()) {
            (Kind::Sign, "(") => {
                self.next();
                let inner = self.expression()?;
                self.sign(")")?;
                inner
            }
            (Kind::Sign, "-") if matches!(self.tokens.get(self.at + 1).map(|t| &t.kind), Some(Kind::Number(_))) => {
                self.next();
                match self.next().kind {
                    Kind::Number(number) => Expression::Value(json!(-number)),
                    _ => return Err(wrong(&token, "expected a number")),
                }
            }
            (Kind::Text(text), _) => {
                self.next();
                Expression::Value(json!(text))
            }
            (Kind::Number(number), _) => {
                self.next();
                Expression::Value(json!(number))
            }
            (Kind::Name, "true" | "false") => Expression::Value(json!(self.next().text == "true")),
            (Kind::Name, _) if called => self.call()?,
            (Kind::Name, _) => Expression::Column(self.next().text),
            _ => return Err(wrong(&token, "expected a value")),
        };
        let mut inside = 0;
        loop {
            inside += 1;
            if inside > DEEPEST {
                return Err(wrong(self.here(), "the path is too long"));
            }
            if self.take_sign(".") {
                let key = self.name()?.text;
                value = Expression::Inside(Box::new(value), Box::new(Expression::Value(json!(key))));
            } else if self.take_sign("[") {
                let from_end = self.take_sign("-");
                let key = self.next();
                let inside = match key.kind {
                    Kind::Text(text) if !from_end => json!(text),
                    Kind::Number(n) if n.fract() == 0.0 => json!(if from_end { -(n as i64) } else { n as i64 }),
                    _ => return Err(wrong(&key, "expected a quoted key or an index")),
                };
                self.sign("]")?;
                value = Expression::Inside(Box::new(value), Box::new(Expression::Value(inside)));
            } else {
                return Ok(value);
            }
        }
    }

    fn call(&mut self) -> Result<Expression, QueryRefusal> {
        let function = self.next();
        self.next();
        if function.text == "not" {
            let inner = self.expression()?;
            self.sign(")")?;
            return Ok(Expression::Not(Box::new(inner)));
        }
        // A literal null of a type: `dynamic(null)`.
        if function.text == "dynamic" && self.is_name("null") {
            self.next();
            self.sign(")")?;
            return Ok(Expression::Value(Value::Null));
        }
        let Some((_, known, counts)) = FUNCTIONS.iter().find(|(name, ..)| *name == function.text) else {
            let names: Vec<&str> = FUNCTIONS.iter().map(|(name, ..)| *name).collect();
            return Err(not_modelled(&function, format!("the functions are not, {}", names.join(", "))));
        };
        let mut arguments = vec![self.expression()?];
        while self.take_sign(",") {
            arguments.push(self.expression()?);
        }
        self.sign(")")?;
        if !counts.contains(&arguments.len()) {
            return Err(wrong(&function, format!("'{}' does not take {} argument(s)", function.text, arguments.len())));
        }
        Ok(Expression::Call(*known, arguments))
    }

    /// What follows an operand; the operand alone where no comparison does.
    fn comparison(&mut self, left: Expression) -> Result<Expression, QueryRefusal> {
        let operator = self.here().clone();
        let negated = operator.kind == Kind::Sign && operator.text == "!";
        let word =
            if negated { self.tokens.get(self.at + 1).cloned().unwrap_or(operator.clone()) } else { operator.clone() };
        let comparison = match word.text.as_str() {
            "==" => Comparison::Equal,
            "!=" | "<>" => Comparison::NotEqual,
            "=~" => Comparison::EqualFolded,
            "!~" => Comparison::NotEqualFolded,
            "<" => Comparison::Less,
            "<=" => Comparison::LessOrEqual,
            ">" => Comparison::Greater,
            ">=" => Comparison::GreaterOrEqual,
            "has" => Comparison::Has(false),
            "has_cs" => Comparison::Has(true),
            "contains" => Comparison::Contains(false),
            "contains_cs" => Comparison::Contains(true),
            "startswith" => Comparison::StartsWith(false),
            "startswith_cs" => Comparison::StartsWith(true),
            "endswith" => Comparison::EndsWith(false),
            "endswith_cs" => Comparison::EndsWith(true),
            "matches" => Comparison::MatchesRegex,
            "in" | "in~" | "!in" | "between" => return self.listed(left, negated),
            _ if negated => return Err(not_modelled(&word, "that comparison is not among the known ones")),
            // Kusto has more of them: a word after an operand is one.
            _ if word.kind == Kind::Name && !ends_operand(&word.text) => {
                return Err(not_modelled(&word, "that comparison is not among the known ones"));
            }
            _ => return Ok(left),
        };
        self.at += 1 + usize::from(negated);
        if comparison == Comparison::MatchesRegex {
            self.word("regex")?;
        }
        if self.here().kind == Kind::End {
            return Err(wrong(self.here(), "the condition ends without a value"));
        }
        let right = self.operand()?;
        let compared = Expression::Compare(Box::new(left), comparison, Box::new(right));
        Ok(if negated { Expression::Not(Box::new(compared)) } else { compared })
    }

    /// `in (…)`, `in~ (…)`, `!in (…)`, `!in~ (…)`, `between (a .. b)`.
    fn listed(&mut self, left: Expression, negated: bool) -> Result<Expression, QueryRefusal> {
        self.at += usize::from(negated);
        let word = self.next();
        let negated = negated || word.text == "!in";
        let folded = word.text == "in~" || (word.text == "!in" && self.take_sign("~"));
        self.sign("(")?;
        let mut values = vec![self.operand()?];
        if word.text == "between" {
            self.sign("..")?;
            let end = self.operand()?;
            self.sign(")")?;
            let between = Expression::Between(Box::new(left), Box::new(values.remove(0)), Box::new(end));
            return Ok(if negated { Expression::Not(Box::new(between)) } else { between });
        }
        while self.take_sign(",") {
            values.push(self.operand()?);
        }
        self.sign(")")?;
        let listed = Expression::In(Box::new(left), values, folded);
        Ok(if negated { Expression::Not(Box::new(listed)) } else { listed })
    }
}

/// Words that may follow an operand without comparing it.
fn ends_operand(word: &str) -> bool {
    ["and", "or", "asc", "desc", "by", "nulls", "regex"].contains(&word)
}
