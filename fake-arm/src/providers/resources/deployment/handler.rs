//! Deployments as resources.

use serde_json::{Value, json};

use super::execution::{self, Executions};
use super::request::Draft;
use super::{DEPLOYMENT, shown};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType, submit};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

struct Deployments;

submit! { ResourceType::new(DEPLOYMENT, super::super::API_VERSIONS, &Deployments) }

impl Handler for Deployments {
    fn show(&self, _: &World, resource: &Resource) -> Value {
        let mut shown = json!({ "id": resource.id, "name": resource.name(), "type": DEPLOYMENT });
        for field in ["location", "tags"] {
            if let Some(value) = resource.body.get(field) {
                shown[field] = value.clone();
            }
        }
        let mut properties = resource.properties().clone();
        if let Some(fields) = properties.as_object_mut() {
            // It is kept for `exportTemplate`.
            fields.shift_remove("template");
        }
        shown["properties"] = properties;
        shown
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        if let Some(present) = world.resources().get(&request.id)
            && matches!(present.provisioning_state(), "Accepted" | "Running")
        {
            return Err(active(present));
        }
        let draft = Draft::read(world, request)?;
        let correlation = world.uuid();
        let template = &request.properties()["template"];
        let mut properties = shown::properties(&draft, template, correlation, world.now());
        properties["template"] = template.clone();
        let mut body = request.resource_body();
        body["properties"] = properties;
        let new = world.upsert(&request.id, DEPLOYMENT, body);
        let asked = request.clone();
        Ok(Answer::put(new, &request.id).driven(move |world, operation| {
            execution::start(world, &asked, draft, operation);
        }))
    }

    fn patch(&self, _: &mut World, request: &Request) -> Reply {
        Err(unsupported(request))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        if world.resources_mut().remove(&request.id).is_none() {
            return Ok(Answer::no_content());
        }
        world.state::<Executions>().forget(&request.id);
        Ok(Answer::no_content())
    }

    fn remove(&self, world: &mut World, resource: &Resource) {
        world.resources_mut().remove(&resource.id);
        world.state::<Executions>().forget(&resource.id);
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let world = &*world;
        // A list of the subscription's deployments leaves out those of its groups.
        let here = |deployment: &&Resource| deployment.id.parent().as_ref() == Some(&request.id);
        let found = world.resources().within(&request.id, DEPLOYMENT).filter(here);
        Ok(Answer::list(found.map(|deployment| self.show(world, deployment)).collect()))
    }

    fn action(&self, world: &mut World, request: &Request, action: &str) -> Option<Reply> {
        match action.to_ascii_lowercase().as_str() {
            "validate" => Some(validate(world, request)),
            "whatif" => Some(Err(ArmError::new(
                http::StatusCode::NOT_IMPLEMENTED,
                "WhatIfNotModelled",
                "What-if is not modelled by fake-arm: deploy the template, or validate it.",
            )
            .unknown_route())),
            "exporttemplate" => Some(export(world, &request.id)),
            _ => None,
        }
    }
}

/// `POST …/validate`: what the deployment would be.
fn validate(world: &mut World, request: &Request) -> Reply {
    let draft = Draft::read(world, request)?;
    let correlation = world.uuid();
    let mut properties = shown::properties(&draft, &request.properties()["template"], correlation, world.now());
    properties["provisioningState"] = json!("Succeeded");
    properties["validatedResources"] = shown::ids(draft.plan.resources.iter().map(|resource| &resource.id));
    Ok(Answer::json(json!({
        "id": request.id,
        "name": request.id.name(),
        "type": DEPLOYMENT,
        "properties": properties,
    })))
}

fn export(world: &World, id: &ResourceId) -> Reply {
    let found = world.resources().require(id)?;
    Ok(Answer::json(json!({ "template": found.properties()["template"] })))
}

fn active(present: &Resource) -> ArmError {
    ArmError::conflict(
        "DeploymentActive",
        format!(
            "Unable to edit or replace deployment '{}': previous deployment from '{}' is still active. Please see \
             https://aka.ms/arm-deploy for usage details.",
            present.name(),
            present.properties()["timestamp"].as_str().unwrap_or_default()
        ),
    )
}

fn unsupported(request: &Request) -> ArmError {
    ArmError::new(
        http::StatusCode::METHOD_NOT_ALLOWED,
        "HttpMethodNotAllowed",
        format!("The HTTP method '{}' is not supported for resource type '{DEPLOYMENT}'.", request.method),
    )
}
