//! A deployment at work: each resource is asked of its provider once those that it waits for are there.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::request::Draft;
use super::shown;
use super::step::{Step, StepState};
use crate::provider::{self, ForwardedRequest, Outcome, Request};
use crate::world::{KeptState, World};
use arm::{ArmError, CloudError, OperationStatus, ResourceId};
use template::{Runtime, Scope, TemplateError};

// A deployment at work does not outlive its process: its resources are kept, and it is put again.
inventory::submit! { KeptState::dropped::<Executions>("Microsoft.Resources/deployments") }

/// The deployments of a world, also those that have ended.
#[derive(Debug, Default)]
pub(super) struct Executions(BTreeMap<ResourceId, Execution>);

/// One deployment.
#[derive(Debug, Clone)]
pub(super) struct Execution {
    draft: Arc<Draft>,
    /// The long-running operation of the deployment itself.
    operation: Uuid,
    caller: Uuid,
    origin: String,
    started: Timestamp,
    over: bool,
    pub(super) steps: Vec<Step>,
}

impl Executions {
    pub(super) fn get(&self, deployment: &ResourceId) -> Option<&Execution> {
        self.0.get(deployment)
    }

    pub(super) fn forget(&mut self, deployment: &ResourceId) {
        self.0.remove(deployment);
    }

    /// The one that an operation belongs to, as long as it is at work.
    fn at_work(&mut self, deployment: &ResourceId, operation: Uuid) -> Option<&mut Execution> {
        self.0.get_mut(deployment).filter(|execution| execution.operation == operation && !execution.over)
    }
}

/// Starts a deployment.
pub(super) fn start(world: &mut World, request: &Request, draft: Draft, operation: Uuid) {
    let started = world.now();
    let steps = draft.plan.resources.iter().map(|resource| Step {
        id: resource.id.clone(),
        resource_type: resource.resource_type.clone(),
        state: StepState::Waiting,
        started: None,
        ended: None,
        operation_id: String::new(),
        status_code: "Accepted".to_owned(),
    });
    let mut steps: Vec<Step> = steps.collect();
    for step in &mut steps {
        step.operation_id = world.uuid().simple().to_string()[..16].to_uppercase();
    }
    let execution = Execution {
        draft: Arc::new(draft),
        operation,
        caller: request.caller,
        origin: request.origin.clone(),
        started,
        over: false,
        steps,
    };
    world.state::<Executions>().0.insert(request.id.clone(), execution);
    let deployment = request.id.clone();
    // Its own request is answered before the first resource is asked for.
    world.after(std::time::Duration::ZERO, move |world| advance(world, &deployment, operation));
}

/// Starts every resource whose turn it is, and ends the deployment where none is left.
fn advance(world: &mut World, deployment: &ResourceId, operation: Uuid) {
    loop {
        let Some(execution) = world.state::<Executions>().at_work(deployment, operation) else { return };
        let failed = execution.steps.iter().any(|step| matches!(step.state, StepState::Failed(_)));
        let done =
            |id: &ResourceId| execution.steps.iter().any(|step| step.id == *id && step.state == StepState::Succeeded);
        let ready = execution
            .draft
            .plan
            .resources
            .iter()
            .zip(&execution.steps)
            .position(|(resource, step)| step.state == StepState::Waiting && resource.waits_for.iter().all(done));
        match ready.filter(|_| !failed) {
            Some(index) => start_step(world, deployment, operation, index),
            None => {
                let running = execution.steps.iter().any(|step| step.state == StepState::Running);
                if !running {
                    finish(world, deployment, operation);
                }
                return;
            }
        }
    }
}

fn start_step(world: &mut World, deployment: &ResourceId, operation: Uuid, index: usize) {
    let now = world.now();
    let Some(execution) = world.state::<Executions>().at_work(deployment, operation) else { return };
    let step = &mut execution.steps[index];
    step.state = StepState::Running;
    step.started = Some(now);
    let (draft, caller, origin) = (Arc::clone(&execution.draft), execution.caller, execution.origin.clone());
    let id = step.id.clone();
    let asked = body_of(world, &draft, index).and_then(|body| {
        let request = ForwardedRequest {
            method: Method::PUT,
            path: id.to_string(),
            query: format!("api-version={}", draft.plan.resources[index].api_version),
            body,
            origin,
            caller,
        };
        provider::forward(world, request)
    });
    match asked {
        Err(error) => end_step(world, deployment, operation, index, Err(error)),
        Ok(status) => {
            if let Some(execution) = world.state::<Executions>().at_work(deployment, operation) {
                let created = status == StatusCode::CREATED;
                execution.steps[index].status_code = if created { "Created" } else { "OK" }.to_owned();
            }
            let at_work = world.operations_in_progress().find(|one| one.resource == id).map(|one| one.id);
            let Some(work) = at_work else { return end_step(world, deployment, operation, index, Ok(())) };
            let deployment = deployment.clone();
            world.when_ended(
                work,
                Box::new(move |world| {
                    let outcome = match world.operation(work).map(|ended| ended.status.clone()) {
                        Some(OperationStatus::Failed(error)) => Err(error),
                        _ => Ok(()),
                    };
                    end_step(world, &deployment, operation, index, outcome);
                    advance(world, &deployment, operation);
                }),
            );
        }
    }
}

fn end_step(world: &mut World, deployment: &ResourceId, operation: Uuid, index: usize, outcome: Result<(), ArmError>) {
    let now = world.now();
    let Some(execution) = world.state::<Executions>().at_work(deployment, operation) else { return };
    let step = &mut execution.steps[index];
    step.ended = Some(now);
    step.state = match outcome {
        Ok(()) => StepState::Succeeded,
        Err(error) => {
            let reason = error.status.canonical_reason().unwrap_or("BadRequest").replace(' ', "");
            step.status_code = reason;
            StepState::Failed(error)
        }
    };
}

/// The body of a resource, now that what it refers to is there.
fn body_of(world: &World, draft: &Draft, index: usize) -> Result<Value, ArmError> {
    let resource = &draft.plan.resources[index];
    let live = LiveWorld(world);
    let names = |name: &str| draft.plan.names.get(&name.to_ascii_lowercase()).cloned();
    let scope = Scope::new(&draft.facts, &draft.plan.parameters, &draft.plan.variables)
        .within(&resource.loops)
        .at_runtime(&live, &names);
    let body = scope.value(&resource.body);
    let mut body = body.map_err(|error| error.within(&format!("resource '{}'", resource.id)).into_arm())?;
    if let Some(template) = &resource.inner_template {
        body["properties"]["template"] = template.clone();
    }
    Ok(body)
}

/// What is there.
struct LiveWorld<'w>(&'w World);

impl Runtime for LiveWorld<'_> {
    fn resource(&self, id: &ResourceId) -> Result<Value, TemplateError> {
        let found = self.0.resources().require(id).map_err(|error| TemplateError::new(error.message()))?;
        Ok(provider::shown(self.0, found))
    }
}

/// Ends a deployment: with its outputs, or with what went wrong.
fn finish(world: &mut World, deployment: &ResourceId, operation: Uuid) {
    let now = world.now();
    let Some(execution) = world.state::<Executions>().at_work(deployment, operation) else { return };
    execution.over = true;
    let execution = execution.clone();
    let failures: Vec<CloudError> = execution
        .steps
        .iter()
        .filter_map(|step| match &step.state {
            StepState::Failed(error) => {
                let inner = (*error.error).clone();
                Some(CloudError { target: Some(step.id.to_string()), ..inner })
            }
            _ => None,
        })
        .collect();
    let outcome = if failures.is_empty() { outputs(world, &execution.draft) } else { Err(failed(failures)) };
    if let Some(stored) = world.resources_mut().get_mut(deployment) {
        let properties = stored.properties_mut();
        properties.insert("timestamp".into(), json!(now.to_string()));
        properties.insert("duration".into(), json!(shown::duration(execution.started, now)));
        match &outcome {
            Ok(outputs) => {
                properties.insert("outputs".into(), Value::Object(outputs.clone()));
                let made = execution.steps.iter().map(|step| &step.id);
                properties.insert("outputResources".into(), shown::ids(made));
                properties.insert("provisioningState".into(), json!("Succeeded"));
            }
            Err(error) => {
                properties.insert("error".into(), json!(&*error.error));
                properties.insert("provisioningState".into(), json!("Failed"));
            }
        }
    }
    world.conclude(operation, Box::new(move |_: &mut World| outcome.map(|_| ())) as Outcome);
}

fn failed(details: Vec<CloudError>) -> ArmError {
    let mut error = ArmError::conflict(
        "DeploymentFailed",
        "At least one resource deployment operation failed. Please list deployment operations for details. Please see \
         https://aka.ms/arm-deployment-operations for usage details.",
    );
    error.error.details = details;
    error
}

/// The outputs, evaluated.
fn outputs(world: &World, draft: &Draft) -> Result<Map<String, Value>, ArmError> {
    let live = LiveWorld(world);
    let names = |name: &str| draft.plan.names.get(&name.to_ascii_lowercase()).cloned();
    let scope = Scope::new(&draft.facts, &draft.plan.parameters, &draft.plan.variables).at_runtime(&live, &names);
    let mut outputs = Map::new();
    for (name, declared) in &draft.plan.outputs {
        let wrong = |error: TemplateError| {
            let message = format!("The template output '{name}' is not valid: {error}.");
            let inner = CloudError {
                code: "DeploymentOutputEvaluationFailed".to_owned(),
                message: format!(
                    "Unable to evaluate template outputs: '{name}'. Please see error details and deployment operations. Please see https://aka.ms/arm-common-errors for usage details."
                ),
                target: Some(name.clone()),
                details: vec![CloudError {
                    code: "InvalidTemplate".to_owned(),
                    message,
                    target: None,
                    details: Vec::new(),
                }],
            };
            failed(vec![inner])
        };
        if let Some(condition) = declared.get("condition")
            && scope.value(condition).map_err(wrong)? != json!(true)
        {
            continue;
        }
        let value = match declared.get("copy") {
            Some(copy) => {
                let looped = json!({ "copy": [{ "name": "items", "count": copy["count"], "input": copy["input"] }] });
                scope.value(&looped).map_err(wrong)?["items"].take()
            }
            None => scope.value(&declared["value"]).map_err(wrong)?,
        };
        let kind = declared["type"].as_str().unwrap_or_default();
        outputs.insert(name.clone(), Value::Object(shown::output(kind, value)));
    }
    Ok(outputs)
}
