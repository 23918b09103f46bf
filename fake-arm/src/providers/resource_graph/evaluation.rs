//! A query over rows.

use std::cmp::Ordering;

use serde_json::{Map, Value, json};

use super::query::{Comparison, Condition, Path, Query, Step};

/// The rows that a query gives.
pub(super) fn run(query: &Query, rows: Vec<Value>) -> Vec<Value> {
    query.steps.iter().fold(rows, apply)
}

fn apply(mut rows: Vec<Value>, step: &Step) -> Vec<Value> {
    match step {
        Step::Where(condition) => rows.retain(|row| holds(condition, row)),
        Step::Project(columns) => {
            for row in &mut rows {
                let projected: Map<String, Value> =
                    columns.iter().map(|(name, path)| (name.clone(), look_up(row, path).clone())).collect();
                *row = Value::Object(projected);
            }
        }
        Step::Take(count) => rows.truncate(*count),
        Step::OrderBy(path, falling) => rows.sort_by(|a, b| {
            let order = compare(look_up(a, path), look_up(b, path));
            if *falling { order.reverse() } else { order }
        }),
        Step::Count => rows = vec![json!({ "Count": rows.len() })],
    }
    rows
}

/// What a path leads to; null where it leads nowhere. Column names are exact, as in Kusto.
fn look_up<'v>(row: &'v Value, path: &Path) -> &'v Value {
    path.iter().fold(row, |value, key| match (value, key.parse::<usize>()) {
        (Value::Array(items), Ok(index)) => items.get(index).unwrap_or(&Value::Null),
        _ => value.get(key).unwrap_or(&Value::Null),
    })
}

fn holds(condition: &Condition, row: &Value) -> bool {
    match condition {
        Condition::And(a, b) => holds(a, row) && holds(b, row),
        Condition::Or(a, b) => holds(a, row) || holds(b, row),
        Condition::Not(inner) => !holds(inner, row),
        Condition::IsNull(path) => look_up(row, path).is_null(),
        Condition::IsEmpty(path) => text(look_up(row, path)).is_empty(),
        Condition::In(path, values, folded) => {
            let found = look_up(row, path);
            values.iter().any(|v| if *folded { equal_folded(found, v) } else { equal(found, v) })
        }
        Condition::Compare(path, comparison, value) => {
            let found = look_up(row, path);
            match comparison {
                Comparison::Equal => equal(found, value),
                Comparison::NotEqual => !equal(found, value),
                Comparison::EqualFolded => equal_folded(found, value),
                Comparison::NotEqualFolded => !equal_folded(found, value),
                Comparison::Has => has(&text(found).to_lowercase(), &text(value).to_lowercase()),
                Comparison::HasNot => !has(&text(found).to_lowercase(), &text(value).to_lowercase()),
                Comparison::HasCased => has(&text(found), &text(value)),
                Comparison::Contains => text(found).to_lowercase().contains(&text(value).to_lowercase()),
                Comparison::StartsWith => text(found).to_lowercase().starts_with(&text(value).to_lowercase()),
            }
        }
    }
}

/// A value as text: objects and arrays as JSON, null as nothing.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < f64::EPSILON,
        _ => text(a) == text(b),
    }
}

fn equal_folded(a: &Value, b: &Value) -> bool {
    text(a).to_lowercase() == text(b).to_lowercase()
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

    fn names(query: &str) -> Vec<String> {
        let rows = vec![
            json!({"name": "a", "type": "t/one", "n": 1, "tags": {"karpenter.sh_nodepool": "p"}}),
            json!({"name": "b", "type": "t/one", "n": 3, "tags": {"Karpenter.sh_nodepool": "p", "x": "y"}}),
            json!({"name": "c", "type": "t/two", "n": 2, "tags": null}),
            json!({"name": "d", "type": "t/two", "n": 2, "tags": {"karpenter.sh_nodepools": "p"}}),
        ];
        run(&parse(query).unwrap(), rows).iter().map(|r| r["name"].as_str().unwrap_or("?").to_owned()).collect()
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
        assert_eq!(run(&parse("Resources | count").unwrap(), vec![json!({})]), [json!({"Count": 1})]);
    }

    proptest! {
        #[test]
        fn not_is_the_complement(needle in "[a-z.]{1,4}", haystack in "[a-z. ]{0,30}") {
            let rows = vec![json!({"x": haystack})];
            let with = run(&parse(&format!("where x has '{needle}'")).unwrap(), rows.clone()).len();
            let without = run(&parse(&format!("where not(x has '{needle}')")).unwrap(), rows.clone()).len();
            let bang = run(&parse(&format!("where x !has '{needle}'")).unwrap(), rows).len();
            prop_assert_eq!(with + without, 1);
            prop_assert_eq!(bang, without);
        }
    }
}
