//! A deployment out of a request: its template planned, and asked of the providers beforehand.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::Method;
use serde_json::{Map, Value};

use crate::provider::{Registry, Request};
use crate::world::World;
use arm::ArmError;
use template::{DeploymentFacts, Group, Plan, PlannedResource, Scope, plan};

/// A deployment that can start.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) facts: DeploymentFacts,
    pub(super) plan: Plan,
    /// `parameters` of the template: their types decide what may be shown.
    pub(super) declared: Map<String, Value>,
}

impl Draft {
    /// Reads and checks the body of a deployment.
    ///
    /// # Errors
    /// `InvalidTemplate` for what is wrong with the template itself; `InvalidTemplateDeployment` for what the providers
    /// would refuse; what is not modelled.
    pub(super) fn read(world: &mut World, request: &Request) -> Result<Self, ArmError> {
        let properties = request.properties();
        match properties["mode"].as_str() {
            Some(mode) if mode.eq_ignore_ascii_case("Incremental") => {}
            Some(mode) if mode.eq_ignore_ascii_case("Complete") => {
                return Err(not_modelled("Deployment mode 'Complete'"));
            }
            other => {
                let message = format!("The deployment mode '{}' is not valid.", other.unwrap_or_default());
                return Err(ArmError::bad_request("InvalidDeploymentMode", message));
            }
        }
        for link in ["templateLink", "parametersLink"] {
            if !properties[link].is_null() {
                return Err(not_modelled(&format!("'{link}' of a deployment")));
            }
        }
        let facts = facts(world, request)?;
        let given = properties["parameters"].as_object().cloned().unwrap_or_default();
        let template = &properties["template"];
        let plan = plan(&facts, template, &given).map_err(|error| error.into_arm())?;
        let declared = template["parameters"].as_object().cloned().unwrap_or_default();
        let draft = Self { facts, plan, declared };
        draft.preflight(world, request)?;
        Ok(draft)
    }

    /// Asks the providers what they would refuse, as far as that can be told before anything is made.
    fn preflight(&self, world: &mut World, request: &Request) -> Result<(), ArmError> {
        let mut refusals = Vec::new();
        for resource in &self.plan.resources {
            if let Err(refusal) = self.ask_beforehand(world, request, resource) {
                refusals.push(refusal);
            }
        }
        if refusals.is_empty() {
            return Ok(());
        }
        let gap = refusals.iter().any(|refusal| refusal.unknown_route);
        let mut error = ArmError::bad_request(
            "InvalidTemplateDeployment",
            format!(
                "The template deployment '{}' is not valid according to the validation procedure. The tracking id is \
                 '{}'. See inner errors for details.",
                self.facts.name,
                world.uuid()
            ),
        );
        error.error.details = refusals.into_iter().map(|refusal| *refusal.error).collect();
        Err(if gap { error.unknown_route() } else { error })
    }

    fn ask_beforehand(&self, world: &World, request: &Request, resource: &PlannedResource) -> Result<(), ArmError> {
        let kind = registered_type(resource);
        let (namespace, path) = kind.split_once('/').unwrap_or((kind, ""));
        let Some(resource_type) = Registry::get().find(kind) else {
            let error = ArmError::bad_request(
                "NoRegisteredProviderFound",
                format!("The resource type '{path}' could not be found in the namespace '{namespace}'."),
            );
            return Err(error.target(resource.id.as_str()).unknown_route());
        };
        let version = resource.api_version.parse().ok().filter(|_| {
            resource_type.api_versions.iter().any(|known| known.eq_ignore_ascii_case(&resource.api_version))
        });
        let Some(api_version) = version else {
            let mut known = resource_type.api_versions.to_vec();
            known.sort_unstable();
            return Err(ArmError::bad_request(
                "NoRegisteredProviderFound",
                format!(
                    "No registered resource provider found for location '{}' and API version '{}' for type '{path}'. The \
                     supported api-versions are '{}'.",
                    self.facts.location,
                    resource.api_version,
                    known.join(", ")
                ),
            )
            .target(resource.id.as_str()));
        };
        // What refers to resources that are not there yet is told when its turn comes.
        let scope = Scope::new(&self.facts, &self.plan.parameters, &self.plan.variables).within(&resource.loops);
        let body = match scope.value(&resource.body) {
            Ok(body) => body,
            Err(error) if error.needs_runtime => return Ok(()),
            Err(error) => return Err(error.within(&format!("resource '{}'", resource.id)).into_arm()),
        };
        let asked = Request {
            method: Method::PUT,
            id: resource.id.clone(),
            resource_type,
            api_version,
            query: BTreeMap::new(),
            headers: Arc::default(),
            body,
            caller: request.caller,
            origin: request.origin.clone(),
        };
        resource_type.handler.preflight(world, &asked).map_err(|error| {
            let target = error.error.target.clone().unwrap_or_else(|| resource.id.to_string());
            error.target(target)
        })
    }
}

/// The type as it is registered: templates write resource groups without the subscription.
pub(super) fn registered_type(resource: &PlannedResource) -> &str {
    if resource.resource_type.eq_ignore_ascii_case("Microsoft.Resources/resourceGroups") {
        super::super::GROUP
    } else {
        &resource.resource_type
    }
}

fn facts(world: &mut World, request: &Request) -> Result<DeploymentFacts, ArmError> {
    let name = request.id.name().to_owned();
    let location = request.location();
    let group = match request.id.group() {
        Some(id) => {
            let found = world.resources().require(&id)?;
            if !location.is_empty() {
                return Err(ArmError::bad_request(
                    "InvalidDeployment",
                    format!(
                        "The 'location' property is not allowed for '{name}' at resource group scope. Please see \
                         https://aka.ms/deploy-to-subscription for usage details."
                    ),
                ));
            }
            let tags = found.body.get("tags").cloned().unwrap_or_else(|| serde_json::json!({}));
            Some(Group { name: found.name().to_owned(), location: found.location().to_owned(), tags })
        }
        None if location.is_empty() => {
            return Err(ArmError::bad_request(
                "LocationRequired",
                format!(
                    "The 'location' property must be specified for '{name}'. Please see \
                     https://aka.ms/deploy-to-subscription for usage details."
                ),
            ));
        }
        None => None,
    };
    let now = world.now();
    Ok(DeploymentFacts {
        subscription: world.subscription(),
        tenant: world.tenant(),
        location: group.as_ref().map_or(location, |group| group.location.clone()),
        group,
        name,
        endpoint: format!("{}/", request.origin),
        guid: world.uuid(),
        now: now.strftime("%Y%m%dT%H%M%SZ").to_string(),
    })
}

fn not_modelled(what: &str) -> ArmError {
    ArmError::bad_request("NotModelled", format!("{what} is not modelled by fake-arm.")).unknown_route()
}
