//! `copy`: things that a template says once and means several times.

use serde_json::{Map, Value};

use super::error::TemplateError;
use super::evaluation::Scope;

/// Azure repeats no thing more often.
const MOST: i64 = 800;

/// `[{"name", "count", "input"}]`: properties that are repeated. A `copy` of a resource is an object without `input`.
pub(super) fn is_property_copy(value: &Value) -> bool {
    value.as_array().is_some_and(|loops| {
        !loops.is_empty() && loops.iter().all(|one| one.get("input").is_some() && one.get("count").is_some())
    })
}

/// The properties that a `copy` makes, with their items.
pub(super) fn properties(scope: &Scope<'_>, loops: &Value) -> Result<Vec<(String, Value)>, TemplateError> {
    let loops = loops.as_array().into_iter().flatten();
    loops
        .map(|one| {
            let name = one["name"].as_str().unwrap_or_default().to_owned();
            let count = count(scope, &one["count"], &name)?;
            let items = items(scope, &name, count, &one["input"])?;
            Ok((name, Value::Array(items)))
        })
        .collect()
}

/// A variable that a `copy` among the variables makes; `None` where no `copy` makes it.
pub(super) fn variable(scope: &Scope<'_>, name: &str) -> Option<Result<Value, TemplateError>> {
    let loops = scope.variables.get("copy").filter(|loops| is_property_copy(loops))?;
    let one =
        loops.as_array()?.iter().find(|one| one["name"].as_str().is_some_and(|n| n.eq_ignore_ascii_case(name)))?;
    Some(scope.once(name, || {
        let count = count(scope, &one["count"], name)?;
        items(scope, name, count, &one["input"]).map(Value::Array)
    }))
}

/// How often: a number, or an expression that gives one.
pub(super) fn count(scope: &Scope<'_>, value: &Value, name: &str) -> Result<i64, TemplateError> {
    let count = scope.value(value)?;
    let whole = count.as_i64().filter(|count| (0..=MOST).contains(count));
    whole.ok_or_else(|| {
        TemplateError::new(format!(
            "The template copy definition '{name}' has an invalid count '{count}': it must be a whole number between 0 and \
             {MOST}."
        ))
    })
}

fn items(scope: &Scope<'_>, name: &str, count: i64, input: &Value) -> Result<Vec<Value>, TemplateError> {
    (0..count).map(|index| scope.looped(name, index, |inner| inner.value(input))).collect()
}

/// The `copy` of a resource or an output: its name and how often; `None` where it is meant once.
pub(super) fn of(scope: &Scope<'_>, thing: &Map<String, Value>) -> Result<Option<(String, i64)>, TemplateError> {
    let Some(copy) = thing.get("copy").filter(|copy| copy.is_object()) else { return Ok(None) };
    let name = copy["name"].as_str().unwrap_or_default().to_owned();
    let count = count(scope, &copy["count"], &name)?;
    Ok(Some((name, count)))
}
