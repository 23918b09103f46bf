//! What expressions give.

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::environment::{DeploymentFacts, Runtime};
use super::error::TemplateError;
use super::expression::{self, Expression, Text};
use super::function;
use super::repetition;

/// Values that one evaluation may make: a template that asks for more is refused before it fills the memory.
const LARGEST: usize = 4 << 20;

/// A template with its parameters, at some place of a copy loop.
pub struct Scope<'t> {
    pub(super) facts: &'t DeploymentFacts,
    /// Values of the parameters, in the spelling of the template.
    pub(super) parameters: &'t Map<String, Value>,
    /// `variables` of the template.
    pub(super) variables: &'t Map<String, Value>,
    /// What is there already; `None` while a template is planned.
    pub(super) runtime: Option<&'t dyn Runtime>,
    /// Names of the template's resources, to find those that are referred to by name.
    pub(super) names: &'t dyn Fn(&str) -> Option<arm::ResourceId>,
    /// Copy loops around, the innermost last.
    pub(super) loops: Vec<(String, i64)>,
    /// Expressions that may use what only a default value may: `newGuid`, `utcNow`.
    pub(super) in_default: bool,
    /// Variables under evaluation, to find circles.
    under_way: RefCell<BTreeSet<String>>,
    size: RefCell<usize>,
}

impl<'t> Scope<'t> {
    /// For the expressions of a template with these parameters and variables.
    pub fn new(
        facts: &'t DeploymentFacts,
        parameters: &'t Map<String, Value>,
        variables: &'t Map<String, Value>,
    ) -> Self {
        Self {
            facts,
            parameters,
            variables,
            runtime: None,
            names: &|_| None,
            loops: Vec::new(),
            in_default: false,
            under_way: RefCell::default(),
            size: RefCell::default(),
        }
    }

    /// With what is there already.
    pub fn at_runtime(mut self, runtime: &'t dyn Runtime, names: &'t dyn Fn(&str) -> Option<arm::ResourceId>) -> Self {
        self.runtime = Some(runtime);
        self.names = names;
        self
    }

    /// Within the copy loops of a planned resource.
    pub fn within(mut self, loops: &[(String, i64)]) -> Self {
        self.loops = loops.to_vec();
        self
    }

    /// A part of the template with everything in it evaluated, `copy` loops of properties included.
    ///
    /// # Errors
    /// The first expression that gives nothing.
    pub fn value(&self, value: &Value) -> Result<Value, TemplateError> {
        let result = match value {
            Value::String(text) => self.text(text)?,
            Value::Array(items) => Value::Array(items.iter().map(|item| self.value(item)).collect::<Result<_, _>>()?),
            Value::Object(fields) => {
                let mut out = Map::new();
                for (name, field) in fields {
                    if name == "copy" && repetition::is_property_copy(field) {
                        for (name, items) in repetition::properties(self, field)? {
                            out.insert(name, items);
                        }
                        continue;
                    }
                    let name = match self.text(name)? {
                        Value::String(name) => name,
                        _ => return Err(TemplateError::new(format!("The property name '{name}' is not a string."))),
                    };
                    out.insert(name, self.value(field)?);
                }
                Value::Object(out)
            }
            other => other.clone(),
        };
        self.count(&result)?;
        Ok(result)
    }

    fn count(&self, value: &Value) -> Result<(), TemplateError> {
        let more = match value {
            Value::String(text) => text.len(),
            Value::Array(items) => items.len(),
            Value::Object(fields) => fields.len(),
            _ => 1,
        };
        *self.size.borrow_mut() += more;
        if *self.size.borrow() > LARGEST {
            return Err(TemplateError::new("The template's values exceed the maximum size of 4 MB."));
        }
        Ok(())
    }

    /// What a text of the template means.
    pub(super) fn text(&self, text: &str) -> Result<Value, TemplateError> {
        match expression::read(text)? {
            Text::Literal(literal) => Ok(json!(literal)),
            Text::Expression(expression) => self.expression(&expression),
        }
    }

    pub(super) fn expression(&self, expression: &Expression) -> Result<Value, TemplateError> {
        match expression {
            Expression::Text(text) => Ok(json!(text)),
            Expression::Number(number) => Ok(json!(number)),
            Expression::Get(of, key, safe) => {
                let (of, key) = (self.expression(of)?, self.expression(key)?);
                get(&of, &key, *safe)
            }
            Expression::Call(name, arguments) => {
                // Only the branch that is taken is looked at.
                if name.eq_ignore_ascii_case("if") {
                    return function::choose(arguments, |argument| self.expression(argument));
                }
                let values = arguments.iter().map(|a| self.expression(a)).collect::<Result<Vec<_>, _>>()?;
                let result = function::call(self, name, &values)?;
                self.count(&result)?;
                Ok(result)
            }
        }
    }

    /// The value of a parameter; names are compared without regard to case.
    pub(super) fn parameter(&self, name: &str) -> Result<Value, TemplateError> {
        find(self.parameters, name).cloned().ok_or_else(|| {
            TemplateError::new(format!(
                "The template parameter '{name}' is not found. Please see https://aka.ms/arm-syntax-parameters for usage \
                 details."
            ))
        })
    }

    /// The value of a variable, which may use others.
    pub(super) fn variable(&self, name: &str) -> Result<Value, TemplateError> {
        let unknown = || {
            TemplateError::new(format!(
                "The template variable '{name}' is not found. Please see https://aka.ms/arm-syntax-variables for usage \
                 details."
            ))
        };
        if let Some(looped) = repetition::variable(self, name) {
            return looped;
        }
        let value = find(self.variables, name).ok_or_else(unknown)?;
        self.once(name, || self.value(value))
    }

    /// Evaluates a variable unless that is under way already.
    pub(super) fn once(
        &self,
        name: &str,
        evaluate: impl FnOnce() -> Result<Value, TemplateError>,
    ) -> Result<Value, TemplateError> {
        let key = name.to_ascii_lowercase();
        if !self.under_way.borrow_mut().insert(key.clone()) {
            return Err(TemplateError::new(format!(
                "Circular dependency detected on template variable '{name}'. Please see \
                 https://aka.ms/arm-syntax-variables for usage details."
            )));
        }
        let result = evaluate();
        self.under_way.borrow_mut().remove(&key);
        result
    }

    /// The index of a loop, of the innermost where no name is given.
    pub(super) fn copy_index(&self, name: Option<&str>) -> Option<i64> {
        let found = match name {
            Some(name) => self.loops.iter().rev().find(|(of, _)| of.eq_ignore_ascii_case(name)),
            None => self.loops.last(),
        };
        found.map(|(_, index)| *index)
    }

    /// Evaluates with one loop more around.
    pub(super) fn looped<T>(&self, name: &str, index: i64, evaluate: impl FnOnce(&Scope<'_>) -> T) -> T {
        let mut loops = self.loops.clone();
        loops.push((name.to_owned(), index));
        let inner = Scope {
            facts: self.facts,
            parameters: self.parameters,
            variables: self.variables,
            runtime: self.runtime,
            names: self.names,
            loops,
            in_default: self.in_default,
            under_way: RefCell::new(self.under_way.borrow().clone()),
            size: RefCell::new(*self.size.borrow()),
        };
        let result = evaluate(&inner);
        *self.size.borrow_mut() = *inner.size.borrow();
        result
    }
}

/// A member of an object without regard to case.
pub(super) fn find<'v>(fields: &'v Map<String, Value>, name: &str) -> Option<&'v Value> {
    fields.get(name).or_else(|| fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

fn get(of: &Value, key: &Value, safe: bool) -> Result<Value, TemplateError> {
    let found = match (of, key) {
        (Value::Object(fields), Value::String(name)) => find(fields, name),
        (Value::Array(items), Value::Number(_)) => {
            key.as_u64().and_then(|index| usize::try_from(index).ok()).and_then(|index| items.get(index))
        }
        _ if safe => None,
        _ => {
            return Err(TemplateError::new(format!(
                "The language expression property '{}' can't be evaluated, property is not expected on a value of type '{}'.",
                plain(key),
                kind(of)
            )));
        }
    };
    match (found, of) {
        (Some(found), _) => Ok(found.clone()),
        (None, _) if safe => Ok(Value::Null),
        (None, Value::Object(fields)) => {
            let names: Vec<&str> = fields.keys().map(String::as_str).collect();
            Err(TemplateError::new(format!(
                "The language expression property '{}' doesn't exist, available properties are '{}'.",
                plain(key),
                names.join(", ")
            )))
        }
        (None, _) => Err(TemplateError::new(format!(
            "The language expression property array index '{}' is out of bounds.",
            plain(key)
        ))),
    }
}

/// A value as a text within a sentence.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Azure's word for a value's type.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "Null",
        Value::Bool(_) => "Boolean",
        Value::Number(number) if number.is_f64() => "Float",
        Value::Number(_) => "Integer",
        Value::String(_) => "String",
        Value::Array(_) => "Array",
        Value::Object(_) => "Object",
    }
}
