//! Parameters: what a template declares, what a deployment gives.

use serde_json::{Map, Value};

use super::environment::DeploymentFacts;
use super::error::TemplateError;
use super::evaluation::{Scope, find, kind, plain};

/// The values of a template's parameters.
///
/// # Errors
/// Azure's sentences: a value is missing, is of another type, is not allowed, or nothing asks for it.
pub(super) fn bind(
    facts: &DeploymentFacts,
    declared: &Map<String, Value>,
    given: &Map<String, Value>,
) -> Result<Map<String, Value>, TemplateError> {
    let unknown: Vec<&str> = given.keys().filter(|name| find(declared, name).is_none()).map(String::as_str).collect();
    if !unknown.is_empty() {
        let known: Vec<&str> = declared.keys().map(String::as_str).collect();
        return Err(TemplateError::validation(format!(
            "The template parameters '{}' in the parameters file are not valid; they are not present in the original \
             template and can therefore not be provided at deployment time. The only supported parameters for this \
             template are '{}'. Please see https://aka.ms/arm-pass-parameter-values for usage details.",
            unknown.join(", "),
            known.join(", ")
        )));
    }
    let mut values = Map::new();
    for (name, declaration) in declared {
        let value = match (find(given, name), declaration.get("defaultValue")) {
            (Some(given), _) if given.get("reference").is_some() => {
                return Err(TemplateError::not_modelled(format!(
                    "The parameter '{name}' refers to a key vault, which is not modelled by fake-arm."
                )));
            }
            (Some(given), default) => match (given.get("value"), default) {
                (Some(Value::Null) | None, Some(default)) => evaluated(facts, &values, default, name)?,
                (Some(value), _) => value.clone(),
                (None, None) => return Err(missing(name)),
            },
            (None, Some(default)) => evaluated(facts, &values, default, name)?,
            (None, None) if declaration["nullable"] == true => Value::Null,
            (None, None) => return Err(missing(name)),
        };
        check(name, declaration, &value)?;
        values.insert(name.clone(), value);
    }
    Ok(values)
}

/// A default value may use parameters that come before it.
fn evaluated(
    facts: &DeploymentFacts,
    before: &Map<String, Value>,
    default: &Value,
    name: &str,
) -> Result<Value, TemplateError> {
    let none = Map::new();
    let mut scope = Scope::new(facts, before, &none);
    scope.in_default = true;
    scope.value(default).map_err(|error| error.within(&format!("the default value of parameter '{name}'")))
}

fn missing(name: &str) -> TemplateError {
    TemplateError::validation(format!(
        "The value for the template parameter '{name}' is not provided. Please see \
         https://aka.ms/arm-create-parameter-file for usage details."
    ))
}

fn check(name: &str, declaration: &Value, value: &Value) -> Result<(), TemplateError> {
    let declared = declaration["type"].as_str().unwrap_or_default();
    let (fits, expected) = match declared.to_ascii_lowercase().as_str() {
        "string" | "securestring" => (value.is_string(), "String, Uri"),
        "int" => (value.is_i64() || value.is_u64(), "Integer"),
        "bool" => (value.is_boolean(), "Boolean"),
        "object" | "secureobject" => (value.is_object(), "Object"),
        "array" => (value.is_array(), "Array"),
        _ => {
            return Err(TemplateError::validation(format!(
                "The template parameter '{name}' has an invalid type '{declared}'. Please see \
                 https://aka.ms/arm-syntax-parameters for usage details."
            )));
        }
    };
    let absent = value.is_null() && declaration["nullable"] == true;
    if !fits && !absent {
        return Err(TemplateError::validation(format!(
            "Template parameter JToken type is not valid. Expected '{expected}'. Actual '{}'. Please see \
             https://aka.ms/arm-create-parameter-file for usage details.",
            kind(value)
        )));
    }
    if let Some(allowed) = declaration["allowedValues"].as_array()
        && !allowed.contains(value)
    {
        let list: Vec<String> = allowed.iter().map(plain).collect();
        return Err(TemplateError::validation(format!(
            "The provided value for the template parameter '{name}' is not valid. The value '{}' is not part of the \
             allowed value(s): '{}'.",
            plain(value),
            list.join(",")
        )));
    }
    let length = match value {
        Value::String(text) => Some(text.chars().count() as i64),
        Value::Array(items) => Some(items.len() as i64),
        _ => None,
    };
    for (bound, of, below) in [
        ("minLength", length, true),
        ("maxLength", length, false),
        ("minValue", value.as_i64(), true),
        ("maxValue", value.as_i64(), false),
    ] {
        let (Some(limit), Some(of)) = (declaration[bound].as_i64(), of) else { continue };
        if (below && of < limit) || (!below && of > limit) {
            return Err(TemplateError::validation(format!(
                "The provided value for the template parameter '{name}' is not valid. '{}' breaks {bound} '{limit}'.",
                plain(value)
            )));
        }
    }
    Ok(())
}
