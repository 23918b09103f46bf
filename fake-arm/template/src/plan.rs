//! What a template asks for: its resources with their ids, in the order of who waits for whom.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::dependency;
use super::environment::DeploymentFacts;
use super::error::TemplateError;
use super::evaluation::Scope;
use super::{parameter, repetition};
use arm::ResourceId;

/// Azure takes no more.
const MOST_RESOURCES: usize = 800;

/// A template that can be deployed.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Values of the parameters.
    pub parameters: Map<String, Value>,
    /// `variables`, as written.
    pub variables: Map<String, Value>,
    /// Resources whose condition holds.
    pub resources: Vec<PlannedResource>,
    /// `outputs`, as written.
    pub outputs: Map<String, Value>,
    /// Ids by the names that `reference` may use.
    pub names: BTreeMap<String, ResourceId>,
}

/// A resource that a template asks for.
#[derive(Debug, Clone)]
pub struct PlannedResource {
    /// Where it will be.
    pub id: ResourceId,
    /// `Microsoft.Network/virtualNetworks`.
    pub resource_type: String,
    /// The version that it is written in.
    pub api_version: String,
    /// Ids of the template's resources that come before it.
    pub waits_for: Vec<ResourceId>,
    /// The resource as written, without what only the template needs.
    pub body: Value,
    /// Copy loops around it.
    pub loops: Vec<(String, i64)>,
    /// The template of a nested deployment that evaluates its own expressions.
    pub inner_template: Option<Value>,
}

/// The type of nested deployments.
const DEPLOYMENT: &str = "Microsoft.Resources/deployments";

/// What a template says of a resource itself, and not to its provider.
const TEMPLATE_ONLY: [&str; 12] = [
    "type",
    "apiVersion",
    "name",
    "dependsOn",
    "condition",
    "copy",
    "comments",
    "resources",
    "scope",
    "metadata",
    "resourceGroup",
    "subscriptionId",
];

/// Plans a template.
///
/// # Errors
/// Azure's sentences about what is wrong with it, for `InvalidTemplate`.
pub fn plan(facts: &DeploymentFacts, template: &Value, given: &Map<String, Value>) -> Result<Plan, TemplateError> {
    let Some(template) = template.as_object() else {
        return Err(TemplateError::validation("The template is missing or no object"));
    };
    check_head(template)?;
    let part = |name: &str| template.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let parameters = parameter::bind(facts, &part("parameters"), given)?;
    let variables = part("variables");
    let written = written_resources(template)?;
    let mut builder = Builder {
        facts,
        parameters: &parameters,
        variables: &variables,
        resources: Vec::new(),
        skipped: Vec::new(),
        groups: BTreeMap::new(),
        names: BTreeMap::new(),
    };
    for (symbol, resource) in &written {
        builder.add(resource, None, symbol.as_deref())?;
    }
    let resources = builder.resolved()?;
    let names = builder.names;
    Ok(Plan { resources, names, parameters, variables, outputs: part("outputs") })
}

fn check_head(template: &Map<String, Value>) -> Result<(), TemplateError> {
    let text = |name: &str| template.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    for name in ["$schema", "contentVersion"] {
        if text(name).is_none() {
            return Err(TemplateError::validation(format!(
                "The template is missing the property '{name}'. Please see https://aka.ms/arm-syntax for usage details."
            )));
        }
    }
    if template.get("functions").is_some_and(|functions| functions.as_array().is_none_or(|list| !list.is_empty())) {
        return Err(TemplateError::not_modelled("User-defined functions of templates are not modelled by fake-arm."));
    }
    Ok(())
}

/// A resource as a template writes it, with its symbolic name where it has one.
type WrittenResource = (Option<String>, Map<String, Value>);

/// The resources as a list, or as an object of symbolic names.
fn written_resources(template: &Map<String, Value>) -> Result<Vec<WrittenResource>, TemplateError> {
    let object = |value: &Value| {
        value.as_object().cloned().ok_or_else(|| TemplateError::validation("A resource of the template is no object"))
    };
    match template.get("resources") {
        Some(Value::Array(list)) => list.iter().map(|one| Ok((None, object(one)?))).collect(),
        Some(Value::Object(named)) => named.iter().map(|(name, one)| Ok((Some(name.clone()), object(one)?))).collect(),
        _ => Err(TemplateError::validation(
            "The template is missing the property 'resources'. Please see https://aka.ms/arm-syntax for usage details.",
        )),
    }
}

struct Builder<'p> {
    facts: &'p DeploymentFacts,
    parameters: &'p Map<String, Value>,
    variables: &'p Map<String, Value>,
    resources: Vec<(PlannedResource, Vec<String>)>,
    /// Resources whose condition does not hold: who waits for them waits for nothing.
    skipped: Vec<ResourceId>,
    /// Ids of the resources that one copy loop makes, or that one symbolic name stands for.
    groups: BTreeMap<String, Vec<ResourceId>>,
    names: BTreeMap<String, ResourceId>,
}

impl Builder<'_> {
    fn scope(&self, loops: &[(String, i64)]) -> Scope<'_> {
        Scope::new(self.facts, self.parameters, self.variables).within(loops)
    }

    /// Adds a resource as written, as often as it is repeated, with those within it.
    fn add(
        &mut self,
        written: &Map<String, Value>,
        parent: Option<(&str, &ResourceId)>,
        symbol: Option<&str>,
    ) -> Result<(), TemplateError> {
        let loops: Vec<Vec<(String, i64)>> = match repetition::of(&self.scope(&[]), written)? {
            None => vec![Vec::new()],
            Some((name, count)) => {
                self.groups.entry(name.to_ascii_lowercase()).or_default();
                (0..count).map(|index| vec![(name.clone(), index)]).collect()
            }
        };
        if let Some(symbol) = symbol {
            self.groups.entry(symbol.to_ascii_lowercase()).or_default();
        }
        for around in loops {
            self.add_one(written, parent, symbol, around)?;
        }
        Ok(())
    }

    fn add_one(
        &mut self,
        written: &Map<String, Value>,
        parent: Option<(&str, &ResourceId)>,
        symbol: Option<&str>,
        loops: Vec<(String, i64)>,
    ) -> Result<(), TemplateError> {
        let scope = self.scope(&loops);
        let text = |name: &str| -> Result<String, TemplateError> {
            match written.get(name) {
                None | Some(Value::Null) => Ok(String::new()),
                Some(value) => match scope.value(value).map_err(|error| error.within("a resource"))? {
                    Value::String(text) => Ok(text),
                    other => {
                        Err(TemplateError::validation(format!("The property '{name}' of a resource is '{other}'")))
                    }
                },
            }
        };
        if written.get("existing") == Some(&json!(true)) {
            return self.existing(&text("type")?, &text("name")?, symbol);
        }
        let (kind, name, version) = (text("type")?, text("name")?, text("apiVersion")?);
        for (property, value) in [("type", &kind), ("name", &name), ("apiVersion", &version)] {
            if value.is_empty() {
                return Err(TemplateError::validation(format!(
                    "The template resource '{name}' is missing the property '{property}'. Please see \
                     https://aka.ms/arm-syntax-resources for usage details."
                )));
            }
        }
        let (kind, name) = match parent {
            Some((parent_kind, parent)) => (format!("{parent_kind}/{kind}"), format!("{}/{name}", parent.names())),
            None => (kind, name),
        };
        let nested = kind.eq_ignore_ascii_case(DEPLOYMENT);
        let mut around = text("scope")?;
        if nested && !text("resourceGroup")?.is_empty() {
            around = ResourceId::group_of(self.facts.subscription, &text("resourceGroup")?).to_string();
        }
        let id = self.id(&kind, &name, &around)?;
        let condition = written.get("condition").map(|condition| scope.value(condition)).transpose()?;
        let mut waits: Vec<String> = Vec::new();
        for on in written.get("dependsOn").and_then(Value::as_array).into_iter().flatten() {
            match scope.value(on).map_err(|error| error.within(&format!("resource '{id}'")))? {
                Value::String(on) => waits.push(on),
                other => return Err(TemplateError::validation(format!("The dependsOn item '{other}' is no string"))),
            }
        }
        waits.extend(parent.map(|(_, parent)| parent.to_string()));
        let body: Map<String, Value> = written
            .iter()
            .filter(|(name, _)| !TEMPLATE_ONLY.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let mut body = Value::Object(body);
        let inner = body["properties"]["expressionEvaluationOptions"]["scope"].as_str().unwrap_or_default();
        let inner_template = (nested && inner.eq_ignore_ascii_case("inner"))
            .then(|| body["properties"].as_object_mut().and_then(|properties| properties.remove("template")))
            .flatten();
        waits.extend(dependency::referred(&scope, &body));
        for group in loops.iter().map(|(name, _)| name.as_str()).chain(symbol) {
            self.groups.entry(group.to_ascii_lowercase()).or_default().push(id.clone());
        }
        match condition {
            None | Some(Value::Bool(true)) => {}
            Some(Value::Bool(false)) => {
                self.skipped.push(id);
                return Ok(());
            }
            Some(other) => {
                return Err(TemplateError::validation(format!(
                    "The condition '{other}' of resource '{id}' is no boolean"
                )));
            }
        }
        if self.resources.iter().any(|(other, _)| other.id == id) {
            return Err(TemplateError::validation(format!(
                "The resource '{id}' is defined multiple times in a template. Please see \
                 https://aka.ms/arm-syntax-resources for usage details."
            )));
        }
        if self.resources.len() == MOST_RESOURCES {
            return Err(TemplateError::validation(format!("The template has more than {MOST_RESOURCES} resources")));
        }
        let last = id.name().to_ascii_lowercase();
        self.names.entry(name.to_ascii_lowercase()).or_insert_with(|| id.clone());
        self.names.entry(last).or_insert_with(|| id.clone());
        if let Some(symbol) = symbol {
            self.names.insert(symbol.to_ascii_lowercase(), id.clone());
        }
        let planned = PlannedResource {
            id: id.clone(),
            resource_type: kind.clone(),
            api_version: version,
            waits_for: Vec::new(),
            body,
            loops,
            inner_template,
        };
        self.resources.push((planned, waits));
        for inner in written.get("resources").and_then(Value::as_array).into_iter().flatten() {
            let inner = inner.as_object().cloned().unwrap_or_default();
            self.add(&inner, Some((&kind, &id)), None)?;
        }
        Ok(())
    }

    /// A resource that a symbolic name stands for and that is there already.
    fn existing(&mut self, kind: &str, name: &str, symbol: Option<&str>) -> Result<(), TemplateError> {
        let id = self.id(kind, name, "")?;
        if let Some(symbol) = symbol {
            self.names.insert(symbol.to_ascii_lowercase(), id.clone());
        }
        self.skipped.push(id);
        Ok(())
    }

    fn id(&self, kind: &str, name: &str, scope: &str) -> Result<ResourceId, TemplateError> {
        let (namespace, kinds) = kind.split_once('/').unwrap_or((kind, ""));
        let (kinds, names): (Vec<&str>, Vec<&str>) = (kinds.split('/').collect(), name.split('/').collect());
        if kinds.len() != names.len() || kinds.iter().chain(&names).any(|part| part.is_empty()) {
            return Err(TemplateError::validation(format!(
                "The template resource '{name}' for type '{kind}' at line '1' and column '1' has incorrect segment \
                 lengths. A nested resource type must have identical number of segments as its resource name. A root \
                 resource type must have segment length one greater than its resource name. Please see \
                 https://aka.ms/arm-syntax-resources for usage details."
            )));
        }
        let base = self.facts.scope();
        if self.facts.group.is_none() && kind.eq_ignore_ascii_case("Microsoft.Resources/resourceGroups") {
            return Ok(base.child("resourceGroups", name));
        }
        let pairs: String = kinds.iter().zip(&names).map(|(kind, name)| format!("/{kind}/{name}")).collect();
        let base = if scope.is_empty() { base.to_string() } else { self.extended(scope)? };
        let text = format!("{base}/providers/{namespace}{pairs}");
        ResourceId::parse(&text).map_err(|error| TemplateError::validation(error.to_string()))
    }

    /// The resource that an extension resource is on: an id, or type and name within the deployment's scope.
    fn extended(&self, scope: &str) -> Result<String, TemplateError> {
        if scope.starts_with('/') {
            return Ok(scope.trim_end_matches('/').to_owned());
        }
        match scope.split_once('/').map(|(namespace, rest)| (namespace, rest.split('/').collect::<Vec<_>>())) {
            Some((namespace, rest)) if rest.len() % 2 == 0 => {
                Ok(format!("{}/providers/{namespace}/{}", self.facts.scope(), rest.join("/")))
            }
            _ => Err(TemplateError::validation(format!("The scope '{scope}' of a resource is no resource"))),
        }
    }

    /// The resources, each with the ids that it waits for.
    fn resolved(&mut self) -> Result<Vec<PlannedResource>, TemplateError> {
        let ids: Vec<ResourceId> = self.resources.iter().map(|(resource, _)| resource.id.clone()).collect();
        let mut planned = Vec::new();
        for (mut resource, waits) in std::mem::take(&mut self.resources) {
            for on in waits {
                let found = self.named(&on, &ids);
                // What an expression refers to may be there already; what stands in dependsOn must be in the template.
                let stated = !on.starts_with('/') || found.is_some();
                match found {
                    Some(found) => resource.waits_for.extend(found.into_iter().filter(|id| *id != resource.id)),
                    None if stated => {
                        return Err(TemplateError::validation(format!(
                            "The resource '{on}' is not defined in the template. Please see https://aka.ms/arm-syntax for \
                             usage details."
                        )));
                    }
                    None => {}
                }
            }
            resource.waits_for.sort();
            resource.waits_for.dedup();
            planned.push(resource);
        }
        let waits: Vec<_> = planned.iter().map(|one| (one.id.clone(), one.waits_for.clone())).collect();
        match dependency::circle(&waits) {
            Some(id) => Err(TemplateError::validation(format!(
                "Circular dependency detected on resource: '{id}'. Please see https://aka.ms/arm-syntax-resources for \
                 usage details."
            ))),
            None => Ok(planned),
        }
    }

    /// What a name, an id or a loop stands for among the resources; nothing where it is skipped.
    fn named(&self, on: &str, ids: &[ResourceId]) -> Option<Vec<ResourceId>> {
        let among = |list: &[ResourceId]| list.iter().filter(|id| ids.contains(id)).cloned().collect::<Vec<_>>();
        if let Some(group) = self.groups.get(&on.to_ascii_lowercase()) {
            return Some(among(group));
        }
        let says = |id: &ResourceId| short(id).eq_ignore_ascii_case(on) || id.name().eq_ignore_ascii_case(on);
        let id = match on.starts_with('/') {
            true => ResourceId::parse(on).ok()?,
            // `Microsoft.Network/virtualNetworks/v`, or the name alone.
            false => match self.names.get(&on.to_ascii_lowercase()) {
                Some(id) => id.clone(),
                None => ids.iter().chain(&self.skipped).find(|id| says(id))?.clone(),
            },
        };
        (ids.contains(&id) || self.skipped.contains(&id)).then(|| among(&[id]))
    }
}

/// `Microsoft.Network/virtualNetworks/v`.
fn short(id: &ResourceId) -> &str {
    id.as_str().rsplit_once("/providers/").map_or(id.as_str(), |(_, rest)| rest)
}

#[cfg(test)]
mod tests;
