//! Functions of the deployment and of resources.

use serde_json::{Value, json};

use super::argument::Arguments;
use crate::error::TemplateError;
use crate::evaluation::{Scope, plain};
use arm::ResourceId;

type Result<T> = std::result::Result<T, TemplateError>;

pub(super) fn call(scope: &Scope<'_>, name: &str, arguments: &Arguments<'_>) -> Option<Result<Value>> {
    let facts = scope.facts;
    let result = match name {
        "parameters" => arguments.text(0).and_then(|name| scope.parameter(name)),
        "variables" => arguments.text(0).and_then(|name| scope.variable(name)),
        "copyindex" => copy_index(scope, arguments),
        "resourcegroup" => {
            facts.group_json().ok_or_else(|| arguments.wrong("it is not available in a deployment to a subscription"))
        }
        "subscription" => Ok(facts.subscription_json()),
        "tenant" => Ok(facts.tenant_json()),
        "deployment" => Ok(facts.deployment_json()),
        "environment" => Ok(facts.environment_json()),
        "newguid" if scope.in_default => Ok(json!(facts.guid)),
        "utcnow" if scope.in_default => utc_now(scope, arguments),
        "newguid" | "utcnow" => Err(TemplateError::runtime(arguments.function)),
        "resourceid" => resource_id(scope, arguments),
        "subscriptionresourceid" => split(arguments, 1).and_then(|(before, kind, names)| {
            let subscription = before.first().cloned().unwrap_or_else(|| facts.subscription.to_string());
            join(arguments, &ResourceId::subscription_of(subscription), kind, names)
        }),
        "tenantresourceid" => {
            split(arguments, 0).and_then(|(_, kind, names)| join(arguments, &ResourceId::tenant(), kind, names))
        }
        "extensionresourceid" => extension(arguments),
        "reference" => reference(scope, arguments),
        list if list.starts_with("list") && list.len() > 4 => match scope.runtime {
            Some(_) => Err(TemplateError::not_modelled(format!(
                "The template function '{}' is not modelled by fake-arm.",
                arguments.function
            ))),
            None => Err(TemplateError::runtime(arguments.function)),
        },
        _ => return None,
    };
    Some(result)
}

/// `copyIndex()`, `copyIndex(offset)`, `copyIndex('loop')`, `copyIndex('loop', offset)`.
fn copy_index(scope: &Scope<'_>, arguments: &Arguments<'_>) -> Result<Value> {
    arguments.count(0, 2)?;
    let (name, offset) = match arguments.values {
        [] => (None, 0),
        [Value::String(name)] => (Some(name.as_str()), 0),
        [_] => (None, arguments.number(0)?),
        _ => (Some(arguments.text(0)?), arguments.number(1)?),
    };
    let index = scope.copy_index(name).ok_or_else(|| TemplateError::runtime(arguments.function))?;
    index.checked_add(offset).map(|index| json!(index)).ok_or_else(|| arguments.wrong("the offset is too large"))
}

fn utc_now(scope: &Scope<'_>, arguments: &Arguments<'_>) -> Result<Value> {
    if arguments.values.is_empty() {
        return Ok(json!(scope.facts.now));
    }
    Err(TemplateError::not_modelled("The format of the template function 'utcNow' is not modelled by fake-arm."))
}

fn resource_id(scope: &Scope<'_>, arguments: &Arguments<'_>) -> Result<Value> {
    let facts = scope.facts;
    let (before, kind, names) = split(arguments, 2)?;
    let (subscription, group) = match before.as_slice() {
        [] => (facts.subscription.to_string(), facts.group.as_ref().map(|group| group.name.clone())),
        // One argument alone is a group, or a subscription where there is no group to be in.
        [one] if facts.group.is_none() && uuid::Uuid::parse_str(one).is_ok() => (one.clone(), None),
        [group] => (facts.subscription.to_string(), Some(group.clone())),
        [subscription, group, ..] => (subscription.clone(), Some(group.clone())),
    };
    let base = match &group {
        Some(group) => ResourceId::group_of(subscription, group),
        None => ResourceId::subscription_of(subscription),
    };
    if kind.eq_ignore_ascii_case("Microsoft.Resources/resourceGroups") && facts.group.is_none() {
        return Ok(json!(format!("{base}/resourceGroups/{}", names.first().cloned().unwrap_or_default())));
    }
    join(arguments, &base, kind, names)
}

/// The arguments before the resource type (at most `most`), the type, and the names after it.
fn split<'a>(arguments: &Arguments<'a>, most: usize) -> Result<(Vec<String>, &'a str, Vec<String>)> {
    let at = arguments.values.iter().take(most + 1).position(|value| value.as_str().is_some_and(|t| t.contains('/')));
    let at = at.ok_or_else(|| arguments.wrong("it takes a fully qualified resource type"))?;
    let kind = arguments.text(at)?;
    let before = arguments.values[..at].iter().map(plain).collect();
    let names = arguments.values[at + 1..]
        .iter()
        .flat_map(|name| plain(name).split('/').map(str::to_owned).collect::<Vec<_>>());
    Ok((before, kind, names.collect()))
}

/// The id of a type's resource below `base`.
fn join(arguments: &Arguments<'_>, base: &ResourceId, kind: &str, names: Vec<String>) -> Result<Value> {
    let (namespace, kinds) = kind.split_once('/').unwrap_or((kind, ""));
    let kinds: Vec<&str> = kinds.split('/').collect();
    if kinds.len() != names.len() {
        return Err(arguments.wrong(&format!("the type '{kind}' requires '{}' resource name argument(s)", kinds.len())));
    }
    let base = if base.is_tenant() { String::new() } else { base.to_string() };
    let pairs: String = kinds.iter().zip(&names).map(|(kind, name)| format!("/{kind}/{name}")).collect();
    Ok(json!(format!("{base}/providers/{namespace}{pairs}")))
}

fn extension(arguments: &Arguments<'_>) -> Result<Value> {
    let base = ResourceId::parse(arguments.text(0)?).map_err(|error| arguments.wrong(&error.to_string()))?;
    let rest = Arguments { function: arguments.function, values: arguments.values.get(1..).unwrap_or_default() };
    let (_, kind, names) = split(&rest, 0)?;
    join(arguments, &base, kind, names)
}

/// `reference(name or id[, apiVersion[, 'Full']])`: the properties of a resource, or all of it.
fn reference(scope: &Scope<'_>, arguments: &Arguments<'_>) -> Result<Value> {
    arguments.count(1, 3)?;
    let target = arguments.text(0)?;
    let runtime = scope.runtime.ok_or_else(|| TemplateError::runtime(arguments.function))?;
    let id = match target.starts_with('/') {
        true => ResourceId::parse(target).map_err(|error| arguments.wrong(&error.to_string()))?,
        false => (scope.names)(target).ok_or_else(|| {
            TemplateError::new(format!(
                "The template resource '{target}' reference is not valid: could not find template resource or resource \
                 copy with this name. Please see https://aka.ms/arm-function-reference for usage details."
            ))
        })?,
    };
    let resource = runtime.resource(&id)?;
    let full = arguments.values.get(2).is_some_and(|full| plain(full).eq_ignore_ascii_case("full"));
    Ok(if full { resource } else { resource["properties"].clone() })
}
