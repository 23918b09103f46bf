//! From words to a query.

use serde_json::{Value, json};

use super::lexer::{Kind, Refusal, Token, split};
use super::query::{Aggregate, Comparison, Expression, Function, Query, Step, Table};

/// Nesting beyond this is refused rather than recursed into.
const DEEPEST: usize = 64;
/// Conditions of one query, beyond which it is refused.
const MOST_LINKS: usize = 1000;

/// Operators by name.
const OPERATORS: &str =
    "where, project, project-away, extend, take, limit, order by, sort by, top, distinct, summarize, count";

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

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    links: usize,
}

/// Reads a query.
pub(super) fn parse(text: &str) -> Result<Query, Refusal> {
    let mut parser = Parser { tokens: split(text)?, at: 0, depth: 0, links: 0 };
    let mut steps = Vec::new();
    let mut table = Table::Resources;
    if parser.here().kind == Kind::Name && !is_operator(&parser.here().text) {
        let name = parser.next();
        table = match name.text.to_ascii_lowercase().as_str() {
            "resources" => Table::Resources,
            "resourcecontainers" => Table::ResourceContainers,
            _ => return Err(not_modelled(&name, "the tables are 'Resources' and 'ResourceContainers'")),
        };
        if parser.ends() {
            return Ok(Query { table, steps });
        }
        parser.sign("|")?;
    }
    loop {
        steps.push(parser.step()?);
        if parser.ends() {
            return Ok(Query { table, steps });
        }
        parser.sign("|")?;
    }
}

fn is_operator(name: &str) -> bool {
    ["where", "project", "extend", "take", "limit", "order", "sort", "top", "distinct", "summarize", "count"]
        .contains(&name)
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

    /// Nothing follows, or a last `;`.
    fn ends(&mut self) -> bool {
        if self.is_sign(";") {
            self.next();
        }
        self.here().kind == Kind::End
    }

    fn is_sign(&self, sign: &str) -> bool {
        self.here().kind == Kind::Sign && self.here().text == sign
    }

    fn take_sign(&mut self, sign: &str) -> bool {
        let is = self.is_sign(sign);
        self.at += usize::from(is);
        is
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

    fn take_name(&mut self, name: &str) -> bool {
        let is = self.is_name(name);
        self.at += usize::from(is);
        is
    }

    fn word(&mut self, name: &str) -> Result<(), Refusal> {
        if self.take_name(name) { Ok(()) } else { Err(wrong(self.here(), format!("expected '{name}'"))) }
    }

    fn step(&mut self) -> Result<Step, Refusal> {
        let operator = self.next();
        match operator.text.as_str() {
            "where" => Ok(Step::Where(self.expression()?)),
            "project" if self.take_sign("-") => {
                let kind = self.name()?;
                if kind.text != "away" {
                    return Err(not_modelled(&kind, format!("the operators are {OPERATORS}")));
                }
                let mut names = vec![self.name()?.text];
                while self.take_sign(",") {
                    names.push(self.name()?.text);
                }
                Ok(Step::ProjectAway(names))
            }
            "project" => Ok(Step::Project(self.columns()?)),
            "extend" => Ok(Step::Extend(self.columns()?)),
            "distinct" => Ok(Step::Distinct(self.columns()?)),
            "take" | "limit" => Ok(Step::Take(self.whole_number()?)),
            "order" | "sort" => {
                self.word("by")?;
                Ok(Step::OrderBy(self.orders()?))
            }
            "top" => {
                let count = self.whole_number()?;
                self.word("by")?;
                Ok(Step::Top(count, self.orders()?))
            }
            "summarize" => self.summarize(),
            "count" => Ok(Step::Count),
            _ if operator.kind == Kind::Name => Err(not_modelled(&operator, format!("the operators are {OPERATORS}"))),
            _ => Err(wrong(&operator, "expected an operator such as 'where'")),
        }
    }

    fn whole_number(&mut self) -> Result<usize, Refusal> {
        let token = self.next();
        match token.kind {
            Kind::Number(n) if n >= 0.0 && n.fract() == 0.0 && n < 1e15 => Ok(n as usize),
            _ => Err(wrong(&token, "expected a whole number")),
        }
    }

    /// Kusto sorts falling unless told otherwise.
    fn orders(&mut self) -> Result<Vec<(Expression, bool)>, Refusal> {
        let mut orders = Vec::new();
        loop {
            let by = self.expression()?;
            let falling = if self.take_name("asc") {
                false
            } else {
                self.take_name("desc");
                true
            };
            if self.is_name("nulls") {
                return Err(not_modelled(self.here(), "the place of missing values cannot be chosen"));
            }
            orders.push((by, falling));
            if !self.take_sign(",") {
                return Ok(orders);
            }
        }
    }

    /// `name`, `name = expression`, `expression`, with commas between.
    fn columns(&mut self) -> Result<Vec<(String, Expression)>, Refusal> {
        let mut columns: Vec<(String, Expression)> = Vec::new();
        loop {
            let named = self.here().kind == Kind::Name
                && self.tokens.get(self.at + 1).is_some_and(|t| t.kind == Kind::Sign && t.text == "=");
            let (name, value) = if named {
                let name = self.next().text;
                self.next();
                (name, self.expression()?)
            } else {
                let value = self.expression()?;
                (name_of(&value).unwrap_or_else(|| format!("Column{}", columns.len() + 1)), value)
            };
            columns.push((name, value));
            if !self.take_sign(",") {
                return Ok(columns);
            }
        }
    }

    fn summarize(&mut self) -> Result<Step, Refusal> {
        let mut aggregates = Vec::new();
        if !self.is_name("by") {
            loop {
                let named = self.tokens.get(self.at + 1).is_some_and(|t| t.kind == Kind::Sign && t.text == "=");
                let given = if named {
                    let name = self.name()?.text;
                    self.next();
                    Some(name)
                } else {
                    None
                };
                let (default, aggregate) = self.aggregate()?;
                aggregates.push((given.unwrap_or(default), aggregate));
                if !self.take_sign(",") {
                    break;
                }
            }
        }
        let by = if self.take_name("by") { self.columns()? } else { Vec::new() };
        Ok(Step::Summarize(aggregates, by))
    }

    /// An aggregate with the name that its column has where none is given.
    fn aggregate(&mut self) -> Result<(String, Aggregate), Refusal> {
        let function = self.name()?;
        self.sign("(")?;
        if function.text == "count" {
            self.sign(")")?;
            return Ok(("count_".to_owned(), Aggregate::Count));
        }
        if !["countif", "dcount", "sum", "min", "max"].contains(&function.text.as_str()) {
            let known = "the aggregates are count, countif, dcount, sum, min, max";
            return Err(not_modelled(&function, known));
        }
        let value = self.expression()?;
        self.sign(")")?;
        let name = format!("{}_{}", function.text, name_of(&value).unwrap_or_default());
        Ok((
            name,
            match function.text.as_str() {
                "countif" => Aggregate::CountIf(value),
                "dcount" => Aggregate::DistinctCount(value),
                "sum" => Aggregate::Sum(value),
                "min" => Aggregate::Min(value),
                _ => Aggregate::Max(value),
            },
        ))
    }

    fn expression(&mut self) -> Result<Expression, Refusal> {
        let mut left = self.both()?;
        while self.take_name("or") {
            self.link()?;
            left = Expression::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Expression, Refusal> {
        let mut left = self.compared()?;
        while self.take_name("and") {
            self.link()?;
            left = Expression::And(Box::new(left), Box::new(self.compared()?));
        }
        Ok(left)
    }

    /// One more condition of a chain, which is nested as deeply as it is long.
    fn link(&mut self) -> Result<(), Refusal> {
        self.links += 1;
        if self.links > MOST_LINKS { Err(wrong(self.here(), "the query has too many conditions")) } else { Ok(()) }
    }

    fn compared(&mut self) -> Result<Expression, Refusal> {
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
    fn operand(&mut self) -> Result<Expression, Refusal> {
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

    fn call(&mut self) -> Result<Expression, Refusal> {
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
    fn comparison(&mut self, left: Expression) -> Result<Expression, Refusal> {
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
    fn listed(&mut self, left: Expression, negated: bool) -> Result<Expression, Refusal> {
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

/// The name of a column that is given none.
fn name_of(value: &Expression) -> Option<String> {
    match value {
        Expression::Column(name) => Some(name.clone()),
        Expression::Inside(of, key) => {
            let Expression::Value(key) = &**key else { return None };
            let key = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
            Some(format!("{}_{key}", name_of(of)?))
        }
        // `tostring(properties.x)` is called as what is in it.
        Expression::Call(_, arguments) => name_of(arguments.first()?),
        _ => None,
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
        assert_eq!((query.table, query.steps.len()), (Table::Resources, 4));
        assert!(matches!(&query.steps[3], Step::Where(Expression::Not(_))));
        // 1.5.1 and 1.6.3 do not know machines of AKS.
        let query = parse(
            "Resources | where type == \"microsoft.network/networkinterfaces\" | where resourceGroup == \"mc_rg\" | where \
             tags has_cs \"karpenter.sh_nodepool\"",
        )
        .unwrap();
        assert_eq!(query.steps.len(), 3);
    }

    #[test]
    fn and_binds_closer_than_or() {
        let query = parse("where a == 'x' or b == 'y' and c == 'z'").unwrap();
        assert!(
            matches!(&query.steps[0], Step::Where(Expression::Or(_, right)) if matches!(**right, Expression::And(..)))
        );
        let query =
            parse("where (a == 'x' or b == 'y') and c =~ 'z' | project id, n = properties.name, tags['x'] | take 5")
                .unwrap();
        assert!(matches!(&query.steps[0], Step::Where(Expression::And(..))));
        let Step::Project(columns) = &query.steps[1] else { panic!("{query:?}") };
        let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["id", "n", "tags_x"]);
    }

    #[test]
    fn reads_what_users_of_the_az_cli_ask() {
        for query in [
            "Resources | summarize count() by type, location | order by count_ desc",
            "resources | where type =~ 'Microsoft.Compute/virtualMachines' | project name, properties.hardwareProfile.vmSize | top 5 by name asc",
            "ResourceContainers | where type == 'microsoft.resources/subscriptions/resourcegroups' | project name",
            "Resources | extend size = tostring(properties.hardwareProfile.vmSize) | distinct size",
            "Resources | where name !contains 'x' and name !in~ ('a', 'b') and tags !has 'y' | count",
            "Resources | where array_length(zones) between (1 .. 3) | project-away properties, tags;",
            "Resources | where strlen(name) >= 3 // a comment",
            "Resources | summarize n = dcount(location), max(strlen(name))",
        ] {
            parse(query).unwrap_or_else(|refusal| panic!("{query}: {refusal:?}"));
        }
    }

    #[test]
    fn says_what_it_does_not_know() {
        for (query, token) in [
            ("Resources | join kind=inner x on id", "join"),
            ("Resources | mv-expand zones", "mv"),
            ("Resources | project-rename a = b", "rename"),
            ("Resources | where name hasprefix 'x'", "hasprefix"),
            ("Resources | where 'x' < now(a)", "now"),
            ("Resources | where a > 1d", "1d"),
            ("Resources | summarize make_list(name)", "make_list"),
            ("SecurityResources | where a == 'b'", "SecurityResources"),
            ("Resources | order by name nulls first", "nulls"),
        ] {
            let refusal = parse(query).unwrap_err();
            assert!(refusal.not_modelled, "{query}: {refusal:?}");
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
            "Resources | where a == 'b' 'c'",
            "Resources | take x",
            "Resources | where tolower()",
            "Resources | where tolower(a, b) == 'x'",
        ] {
            assert!(!parse(query).unwrap_err().not_modelled, "{query}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = format!("where {}a == 'b'{}", "(".repeat(10_000), ")".repeat(10_000));
        assert!(parse(&deep).is_err());
        let long = format!("where a{}", ".b".repeat(100_000));
        assert!(parse(&long).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,120}") {
            let _ = parse(&text);
        }

        #[test]
        fn no_row_of_words_makes_it_panic(words in proptest::collection::vec(
            proptest::sample::select(vec!["Resources", "|", "where", "a", ".", "[", "]", "'x'", "==", "has", "!", "(", ")", "not", "and", "or", "in", "in~", ",", "project", "=", "take", "3", "summarize", "count", "by", "extend", "between", "..", "-", "tolower", "order", "top", "distinct", ";"]), 0..24)) {
            let _ = parse(&words.join(" "));
        }
    }
}
