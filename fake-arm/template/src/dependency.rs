//! What a resource waits for: what it says, and what its expressions refer to.

use std::collections::BTreeSet;

use serde_json::Value;

use super::evaluation::Scope;
use super::expression::{self, Expression, Text};
use arm::ResourceId;

/// The resources that a part of a template refers to by `reference` and the `list` functions, by id or by name.
/// Arguments that can only be told at run time are left out: Azure does not follow them either.
pub(super) fn referred(scope: &Scope<'_>, part: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    gather(scope, part, &mut found);
    found
}

fn gather(scope: &Scope<'_>, part: &Value, found: &mut BTreeSet<String>) {
    match part {
        Value::String(text) => {
            if let Ok(Text::Expression(expression)) = expression::read(text) {
                in_expression(scope, &expression, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| gather(scope, item, found)),
        Value::Object(fields) => fields.values().for_each(|field| gather(scope, field, found)),
        _ => {}
    }
}

fn in_expression(scope: &Scope<'_>, expression: &Expression, found: &mut BTreeSet<String>) {
    match expression {
        Expression::Call(name, arguments) => {
            let refers = name.eq_ignore_ascii_case("reference") || name.to_ascii_lowercase().starts_with("list");
            if refers && let Some(Ok(Value::String(target))) = arguments.first().map(|first| scope.expression(first)) {
                found.insert(target);
            }
            for argument in arguments {
                in_expression(scope, argument, found);
            }
        }
        Expression::Get(of, key, _) => {
            in_expression(scope, of, found);
            in_expression(scope, key, found);
        }
        Expression::Text(_) | Expression::Number(_) => {}
    }
}

/// A resource of a circle, where resources wait for each other; `None` where each can come after those it waits for.
pub(super) fn circle(waits: &[(ResourceId, Vec<ResourceId>)]) -> Option<ResourceId> {
    let mut done: BTreeSet<&ResourceId> = BTreeSet::new();
    loop {
        let before = done.len();
        for (id, on) in waits {
            if !done.contains(id) && on.iter().all(|other| done.contains(other)) {
                done.insert(id);
            }
        }
        if done.len() == waits.len() {
            return None;
        }
        if done.len() == before {
            return waits.iter().map(|(id, _)| id).find(|id| !done.contains(id)).cloned();
        }
    }
}
