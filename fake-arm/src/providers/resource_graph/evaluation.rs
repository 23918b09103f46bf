//! A query over rows.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use regex::RegexBuilder;
use serde_json::{Map, Value, json};

use super::query::{Aggregate, Comparison, Expression, Function, Step};

/// What has columns: a row, or what a row is going to be made of.
pub(super) trait Columns {
    /// The value of a column; `None` where there is no such column.
    fn column(&self, name: &str) -> Option<Cow<'_, Value>>;
}

impl Columns for Value {
    fn column(&self, name: &str) -> Option<Cow<'_, Value>> {
        self.get(name).map(Cow::Borrowed)
    }
}

/// The rows that a query's steps give.
pub(super) fn run(steps: &[Step], rows: Vec<Value>) -> Vec<Value> {
    steps.iter().fold(rows, apply)
}

fn apply(mut rows: Vec<Value>, step: &Step) -> Vec<Value> {
    match step {
        Step::Where(condition) => rows.retain(|row| holds(condition, row)),
        Step::Project(columns) => {
            for row in &mut rows {
                *row = project(columns, row);
            }
        }
        Step::Extend(columns) => {
            for row in &mut rows {
                for (name, value) in columns {
                    let value = evaluate(value, row).into_owned();
                    row[name] = value;
                }
            }
        }
        Step::ProjectAway(names) => {
            for row in &mut rows {
                if let Some(fields) = row.as_object_mut() {
                    fields.retain(|name, _| !names.contains(name));
                }
            }
        }
        Step::Take(count) => rows.truncate(*count),
        Step::OrderBy(orders) => sort(&mut rows, orders),
        Step::Top(count, orders) => {
            sort(&mut rows, orders);
            rows.truncate(*count);
        }
        Step::Distinct(columns) => {
            let mut seen = std::collections::BTreeSet::new();
            rows = rows.iter().map(|row| project(columns, row)).filter(|row| seen.insert(row.to_string())).collect();
        }
        Step::Summarize(aggregates, by) => rows = summarize(aggregates, by, &rows),
        Step::Count => rows = vec![json!({ "Count": rows.len() })],
    }
    rows
}

fn project(columns: &[(String, Expression)], row: &Value) -> Value {
    let projected: Map<String, Value> =
        columns.iter().map(|(name, value)| (name.clone(), evaluate(value, row).into_owned())).collect();
    Value::Object(projected)
}

fn sort(rows: &mut [Value], orders: &[(Expression, bool)]) {
    rows.sort_by(|a, b| {
        let each = orders.iter().map(|(by, falling)| {
            let order = compare(&evaluate(by, a), &evaluate(by, b));
            if *falling { order.reverse() } else { order }
        });
        each.fold(Ordering::Equal, Ordering::then)
    });
}

fn summarize(aggregates: &[(String, Aggregate)], by: &[(String, Expression)], rows: &[Value]) -> Vec<Value> {
    let mut groups: BTreeMap<String, (Value, Vec<&Value>)> = BTreeMap::new();
    for row in rows {
        let key = project(by, row);
        groups.entry(key.to_string()).or_insert_with(|| (key, Vec::new())).1.push(row);
    }
    if by.is_empty() && groups.is_empty() {
        groups.insert(String::new(), (json!({}), Vec::new()));
    }
    let row = |(mut row, members): (Value, Vec<&Value>)| {
        for (name, aggregate) in aggregates {
            row[name] = aggregated(aggregate, &members);
        }
        row
    };
    groups.into_values().map(row).collect()
}

fn aggregated(aggregate: &Aggregate, rows: &[&Value]) -> Value {
    let values = |of: &Expression| -> Vec<Value> { rows.iter().map(|row| evaluate(of, *row).into_owned()).collect() };
    let extreme = |of: &Expression, wanted: Ordering| {
        let values = values(of).into_iter().filter(|value| !value.is_null());
        values.reduce(|a, b| if compare(&b, &a) == wanted { b } else { a }).unwrap_or(Value::Null)
    };
    match aggregate {
        Aggregate::Count => json!(rows.len()),
        Aggregate::CountIf(condition) => json!(rows.iter().filter(|row| holds(condition, **row)).count()),
        Aggregate::DistinctCount(of) => {
            let distinct: std::collections::BTreeSet<String> = values(of).iter().map(ToString::to_string).collect();
            json!(distinct.len())
        }
        Aggregate::Sum(of) => number(values(of).iter().filter_map(as_number).sum()),
        Aggregate::Min(of) => extreme(of, Ordering::Less),
        Aggregate::Max(of) => extreme(of, Ordering::Greater),
    }
}

/// A condition is fulfilled: what is neither true nor false is not.
pub(super) fn holds(condition: &Expression, row: &impl Columns) -> bool {
    *evaluate(condition, row) == Value::Bool(true)
}

/// What there is not.
static NULL: Value = Value::Null;

/// The value of an expression in a row; null where it has no value. Column names are exact, as in Kusto.
fn evaluate<'v>(expression: &'v Expression, row: &'v impl Columns) -> Cow<'v, Value> {
    match expression {
        Expression::Value(value) => Cow::Borrowed(value),
        Expression::Column(name) => row.column(name).unwrap_or(Cow::Borrowed(&NULL)),
        Expression::Inside(of, key) => {
            let key = evaluate(key, row);
            match evaluate(of, row) {
                Cow::Borrowed(of) => Cow::Borrowed(inside(of, &key)),
                Cow::Owned(of) => Cow::Owned(inside(&of, &key).clone()),
            }
        }
        Expression::Call(function, arguments) => {
            let arguments: Vec<Cow<'_, Value>> = arguments.iter().map(|argument| evaluate(argument, row)).collect();
            Cow::Owned(call(*function, &arguments))
        }
        Expression::Compare(left, comparison, right) => {
            Cow::Owned(json!(compared(&evaluate(left, row), *comparison, &evaluate(right, row))))
        }
        Expression::In(of, values, folded) => {
            let of = evaluate(of, row);
            let mut values = values.iter().map(|value| evaluate(value, row));
            let same = |value: Cow<'_, Value>| if *folded { equal_folded(&of, &value) } else { equal(&of, &value) };
            Cow::Owned(json!(values.any(same)))
        }
        Expression::Between(of, start, end) => {
            let (of, start, end) = (evaluate(of, row), evaluate(start, row), evaluate(end, row));
            Cow::Owned(json!(!of.is_null() && compare(&of, &start).is_ge() && compare(&of, &end).is_le()))
        }
        Expression::And(a, b) => Cow::Owned(json!(holds(a, row) && holds(b, row))),
        Expression::Or(a, b) => Cow::Owned(json!(holds(a, row) || holds(b, row))),
        Expression::Not(inner) => Cow::Owned(json!(!holds(inner, row))),
    }
}

/// An item of an array, or a field of an object.
fn inside<'v>(of: &'v Value, key: &Value) -> &'v Value {
    let found = match (of, key) {
        (Value::Array(items), Value::Number(index)) => {
            // Negative indexes count from the end.
            let index = index.as_i64().unwrap_or(i64::MAX);
            let from_end = usize::try_from(-index).ok().and_then(|back| items.len().checked_sub(back));
            let at = if index < 0 { from_end } else { usize::try_from(index).ok() };
            at.and_then(|at| items.get(at))
        }
        (Value::Object(fields), Value::String(name)) => fields.get(name),
        _ => None,
    };
    found.unwrap_or(&NULL)
}

fn compared(left: &Value, comparison: Comparison, right: &Value) -> bool {
    let ordered = |wanted: fn(Ordering) -> bool| !left.is_null() && !right.is_null() && wanted(compare(left, right));
    match comparison {
        Comparison::Equal => equal(left, right),
        Comparison::NotEqual => !equal(left, right),
        Comparison::EqualFolded => equal_folded(left, right),
        Comparison::NotEqualFolded => !equal_folded(left, right),
        Comparison::Less => ordered(Ordering::is_lt),
        Comparison::LessOrEqual => ordered(Ordering::is_le),
        Comparison::Greater => ordered(Ordering::is_gt),
        Comparison::GreaterOrEqual => ordered(Ordering::is_ge),
        Comparison::Has(case) => has(&cased(case, left), &cased(case, right)),
        Comparison::Contains(case) => cased(case, left).contains(&*cased(case, right)),
        Comparison::StartsWith(case) => cased(case, left).starts_with(&*cased(case, right)),
        Comparison::EndsWith(case) => cased(case, left).ends_with(&*cased(case, right)),
        Comparison::MatchesRegex => {
            let regex = RegexBuilder::new(&text(right)).size_limit(1 << 20).build();
            regex.is_ok_and(|regex| regex.is_match(&text(left)))
        }
    }
}

/// A value as text, in lower case unless case counts.
fn cased(cased: bool, value: &Value) -> Cow<'_, str> {
    if cased { text(value) } else { Cow::Owned(text(value).to_lowercase()) }
}

fn call(function: Function, arguments: &[Cow<'_, Value>]) -> Value {
    let of = |index: usize| arguments.get(index).map_or(&NULL, |argument| &**argument);
    let index = |at: usize| of(at).as_f64().map(|number| number.max(0.0) as usize);
    match function {
        Function::ToLower => json!(text(of(0)).to_lowercase()),
        Function::ToUpper => json!(text(of(0)).to_uppercase()),
        Function::ToString => json!(text(of(0))),
        Function::ToNumber => as_number(of(0)).map_or(Value::Null, number),
        Function::ToBool => match text(of(0)).to_lowercase().as_str() {
            "true" | "1" => json!(true),
            "false" | "0" => json!(false),
            _ => Value::Null,
        },
        Function::StringLength => json!(text(of(0)).chars().count()),
        Function::ArrayLength => of(0).as_array().map_or(Value::Null, |items| json!(items.len())),
        Function::Concat => json!(arguments.iter().map(|argument| text(argument)).collect::<String>()),
        Function::Split => {
            let (whole, between) = (text(of(0)), text(of(1)));
            let parts: Vec<&str> = if between.is_empty() { vec![&*whole] } else { whole.split(&*between).collect() };
            match index(2).filter(|_| arguments.len() > 2) {
                Some(at) => json!(parts.get(at).into_iter().collect::<Vec<_>>()),
                None => json!(parts),
            }
        }
        Function::Substring => {
            let letters = text(of(0));
            let rest = letters.chars().skip(index(1).unwrap_or(0));
            json!(rest.take(index(2).filter(|_| arguments.len() > 2).unwrap_or(usize::MAX)).collect::<String>())
        }
        Function::If => if *of(0) == Value::Bool(true) { of(1) } else { of(2) }.clone(),
        Function::Coalesce => {
            arguments.iter().find(|value| !value.is_null()).map_or(Value::Null, |value| value.clone().into_owned())
        }
        Function::IsEmpty => json!(text(of(0)).is_empty()),
        Function::IsNotEmpty => json!(!text(of(0)).is_empty()),
        Function::IsNull => json!(of(0).is_null()),
        Function::IsNotNull => json!(!of(0).is_null()),
        Function::Replace => {
            let (whole, old) = (text(of(0)), text(of(1)));
            json!(if old.is_empty() { whole.into_owned() } else { whole.replace(&*old, &text(of(2))) })
        }
        Function::BagKeys => of(0).as_object().map_or(Value::Null, |fields| json!(fields.keys().collect::<Vec<_>>())),
    }
}

/// A number as Kusto shows it: whole ones without a point.
fn number(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() < 9e15 { json!(number as i64) } else { json!(number) }
}

fn as_number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// A value as text: objects and arrays as JSON, null as nothing.
fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        Value::Number(number) => {
            Cow::Owned(number.as_f64().map_or_else(|| number.to_string(), |n| self::number(n).to_string()))
        }
        // Quicker than its `Display`, and all tags of a subscription are looked at so.
        other => Cow::Owned(serde_json::to_string(other).unwrap_or_default()),
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
        _ => text(a) == text(b),
    }
}

fn equal_folded(a: &Value, b: &Value) -> bool {
    let (a, b) = (text(a), text(b));
    match a.is_ascii() && b.is_ascii() {
        true => a.eq_ignore_ascii_case(&b),
        false => a.to_lowercase() == b.to_lowercase(),
    }
}

fn compare(a: &Value, b: &Value) -> Ordering {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => text(a).cmp(&text(b)),
    }
}

/// Kusto's `has`: the needle stands in the haystack as a whole term, with no letter or digit directly before or after.
fn has(haystack: &str, needle: &str) -> bool {
    if needle.is_empty() {
        return true;
    }
    let edge = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    haystack
        .match_indices(needle)
        .any(|(at, _)| edge(haystack[..at].chars().next_back()) && edge(haystack[at + needle.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::super::parser::parse;
    use super::*;
    use proptest::prelude::*;

    fn rows() -> Vec<Value> {
        vec![
            json!({"name": "a", "type": "t/one", "n": 1, "zones": ["1"], "tags": {"karpenter.sh_nodepool": "p"}}),
            json!({"name": "b", "type": "t/one", "n": 3, "zones": ["1", "2"], "tags": {"Karpenter.sh_nodepool": "p", "x": "y"}}),
            json!({"name": "c", "type": "t/two", "n": 2, "tags": null}),
            json!({"name": "d", "type": "t/two", "n": 2, "tags": {"karpenter.sh_nodepools": "p"}}),
        ]
    }

    fn all(query: &str) -> Vec<Value> {
        run(&parse(query).unwrap().steps, rows())
    }

    fn names(query: &str) -> Vec<String> {
        all(query).iter().map(|r| r["name"].as_str().unwrap_or("?").to_owned()).collect()
    }

    #[test]
    fn filters() {
        assert_eq!(names("Resources | where tags has_cs \"karpenter.sh_nodepool\""), ["a"]);
        assert_eq!(names("Resources | where tags has \"karpenter.sh_nodepool\""), ["a", "b"]);
        assert_eq!(names("Resources | where not(tags has_cs \"karpenter.sh_nodepool\")"), ["b", "c", "d"]);
        assert_eq!(names("Resources | where type =~ 'T/TWO' and isnotempty(tags)"), ["d"]);
        assert_eq!(names("Resources | where type == 'T/TWO'"), Vec::<String>::new());
        assert_eq!(names("Resources | where name in ('a', 'c') or tags['x'] == 'y'"), ["a", "b", "c"]);
        assert_eq!(names("Resources | where n == 2 | order by name desc | take 1"), ["d"]);
        assert_eq!(names("Resources | where isnull(tags)"), ["c"]);
        assert_eq!(names("Resources | where tolower(type) == 't/one' and n >= 2"), ["b"]);
        assert_eq!(names("Resources | where n between (2 .. 3) and name !in ('c')"), ["b", "d"]);
        assert_eq!(names("Resources | where array_length(zones) > 1 or name matches regex '^c'"), ["b", "c"]);
        assert_eq!(names("Resources | where zones[-1] == '2'"), ["b"]);
        assert_eq!(names("Resources | where type endswith 'ONE' and name !contains 'b'"), ["a"]);
        assert_eq!(names("Resources | top 2 by n desc, name asc"), ["b", "c"]);
        assert_eq!(all("Resources | count"), [json!({"Count": 4})]);
    }

    #[test]
    fn columns_come_and_go() {
        assert_eq!(
            all(
                "Resources | where name == 'a' | extend kind = split(type, '/')[1] | project name, kind, m = strcat(name, '-', n)"
            ),
            [json!({"name": "a", "kind": "one", "m": "a-1"})]
        );
        let left = all("Resources | project-away tags, zones, type | take 1");
        assert_eq!(left, [json!({"name": "a", "n": 1})]);
        assert_eq!(all("Resources | distinct type"), [json!({"type": "t/one"}), json!({"type": "t/two"})]);
    }

    #[test]
    fn groups_are_counted() {
        assert_eq!(
            all("Resources | summarize count(), largest = max(n), countif(isnull(tags)) by type | order by type asc"),
            [
                json!({"type": "t/one", "count_": 2, "largest": 3, "countif_tags": 0}),
                json!({"type": "t/two", "count_": 2, "largest": 2, "countif_tags": 1}),
            ]
        );
        assert_eq!(all("Resources | where n > 9 | summarize n = sum(n)"), [json!({"n": 0})]);
    }

    proptest! {
        #[test]
        fn not_is_the_complement(needle in "[a-z.]{1,4}", haystack in "[a-z. ]{0,30}") {
            let rows = vec![json!({"x": haystack})];
            let count = |query: String| run(&parse(&query).unwrap().steps, rows.clone()).len();
            let with = count(format!("where x has '{needle}'"));
            let without = count(format!("where not(x has '{needle}')"));
            let bang = count(format!("where x !has '{needle}'"));
            prop_assert_eq!(with + without, 1);
            prop_assert_eq!(bang, without);
        }

        #[test]
        fn summarize_counts_every_row_once(values in proptest::collection::vec(0_i64..4, 0..30)) {
            let rows: Vec<Value> = values.iter().map(|value| json!({"x": value})).collect();
            let groups = run(&parse("summarize count() by x").unwrap().steps, rows);
            let total: i64 = groups.iter().filter_map(|group| group["count_"].as_i64()).sum();
            prop_assert_eq!(total, values.len() as i64);
        }
    }
}
