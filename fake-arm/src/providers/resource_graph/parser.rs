//! From words to a query: tables and operators.

use super::lexer::{Kind, QueryRefusal, Token, split};
use super::query::{Aggregate, Expression, Query, Step, Table};

/// Nesting beyond this is refused rather than recursed into.
pub(super) const DEEPEST: usize = 64;
/// Conditions of one query, beyond which it is refused.
pub(super) const MOST_LINKS: usize = 1000;

/// Operators by name.
const OPERATORS: &str =
    "where, project, project-away, extend, take, limit, order by, sort by, top, distinct, summarize, count";

pub(super) struct Parser {
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    pub(super) depth: usize,
    pub(super) links: usize,
}

/// Reads a query.
pub(super) fn parse(text: &str) -> Result<Query, QueryRefusal> {
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

pub(super) fn wrong(token: &Token, reason: impl Into<String>) -> QueryRefusal {
    QueryRefusal { reason: reason.into(), token: token.text.clone(), at: token.at, not_modelled: false }
}

pub(super) fn not_modelled(token: &Token, reason: impl Into<String>) -> QueryRefusal {
    QueryRefusal { not_modelled: true, ..wrong(token, reason) }
}

impl Parser {
    pub(super) fn here(&self) -> &Token {
        &self.tokens[self.at.min(self.tokens.len() - 1)]
    }

    pub(super) fn next(&mut self) -> Token {
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

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.here().kind == Kind::Sign && self.here().text == sign
    }

    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        let is = self.is_sign(sign);
        self.at += usize::from(is);
        is
    }

    pub(super) fn sign(&mut self, sign: &str) -> Result<(), QueryRefusal> {
        let token = self.next();
        if token.kind == Kind::Sign && token.text == sign {
            return Ok(());
        }
        Err(wrong(&token, format!("expected '{sign}'")))
    }

    pub(super) fn name(&mut self) -> Result<Token, QueryRefusal> {
        let token = self.next();
        if token.kind == Kind::Name { Ok(token) } else { Err(wrong(&token, "expected a name")) }
    }

    pub(super) fn is_name(&self, name: &str) -> bool {
        self.here().kind == Kind::Name && self.here().text == name
    }

    pub(super) fn take_name(&mut self, name: &str) -> bool {
        let is = self.is_name(name);
        self.at += usize::from(is);
        is
    }

    pub(super) fn word(&mut self, name: &str) -> Result<(), QueryRefusal> {
        if self.take_name(name) { Ok(()) } else { Err(wrong(self.here(), format!("expected '{name}'"))) }
    }

    fn step(&mut self) -> Result<Step, QueryRefusal> {
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

    fn whole_number(&mut self) -> Result<usize, QueryRefusal> {
        let token = self.next();
        match token.kind {
            Kind::Number(n) if n >= 0.0 && n.fract() == 0.0 && n < 1e15 => Ok(n as usize),
            _ => Err(wrong(&token, "expected a whole number")),
        }
    }

    /// Kusto sorts falling unless told otherwise.
    fn orders(&mut self) -> Result<Vec<(Expression, bool)>, QueryRefusal> {
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
    fn columns(&mut self) -> Result<Vec<(String, Expression)>, QueryRefusal> {
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

    fn summarize(&mut self) -> Result<Step, QueryRefusal> {
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

    /// An aggregate, and the name that its column has unless the query gives it another one.
    fn aggregate(&mut self) -> Result<(String, Aggregate), QueryRefusal> {
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
}

/// The name that Kusto gives a column where the query does not name it.
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
