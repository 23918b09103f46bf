//! Functions of truths and numbers.

use std::cmp::Ordering;

use serde_json::{Value, json};

use super::argument::Arguments;
use crate::error::TemplateError;

type Result<T> = std::result::Result<T, TemplateError>;

pub(super) fn call(name: &str, arguments: &Arguments<'_>) -> Option<Result<Value>> {
    let result = match name {
        "true" => Ok(json!(true)),
        "false" => Ok(json!(false)),
        "null" => Ok(Value::Null),
        "and" => all(arguments).map(|truths| json!(truths.iter().all(|truth| *truth))),
        "or" => all(arguments).map(|truths| json!(truths.iter().any(|truth| *truth))),
        "not" => arguments.truth(0).map(|truth| json!(!truth)),
        "equals" => arguments.count(2, 2).map(|()| json!(arguments.values[0] == arguments.values[1])),
        "less" => compare(arguments).map(|order| json!(order.is_lt())),
        "lessorequals" => compare(arguments).map(|order| json!(order.is_le())),
        "greater" => compare(arguments).map(|order| json!(order.is_gt())),
        "greaterorequals" => compare(arguments).map(|order| json!(order.is_ge())),
        "coalesce" => Ok(arguments.values.iter().find(|value| !value.is_null()).cloned().unwrap_or(Value::Null)),
        "add" => calculate(arguments, i64::checked_add),
        "sub" => calculate(arguments, i64::checked_sub),
        "mul" => calculate(arguments, i64::checked_mul),
        "div" => calculate(arguments, i64::checked_div),
        "mod" => calculate(arguments, i64::checked_rem),
        _ => return None,
    };
    Some(result)
}

fn all(arguments: &Arguments<'_>) -> Result<Vec<bool>> {
    if arguments.values.len() < 2 {
        return Err(arguments.wrong("it takes at least two arguments"));
    }
    (0..arguments.values.len()).map(|index| arguments.truth(index)).collect()
}

fn compare(arguments: &Arguments<'_>) -> Result<Ordering> {
    arguments.count(2, 2)?;
    match (arguments.value(0)?, arguments.value(1)?) {
        (Value::String(a), Value::String(b)) => Ok(a.cmp(b)),
        _ => Ok(arguments.number(0)?.cmp(&arguments.number(1)?)),
    }
}

fn calculate(arguments: &Arguments<'_>, with: fn(i64, i64) -> Option<i64>) -> Result<Value> {
    arguments.count(2, 2)?;
    let result = with(arguments.number(0)?, arguments.number(1)?);
    result.map(|number| json!(number)).ok_or_else(|| arguments.wrong("the result is no integer"))
}
