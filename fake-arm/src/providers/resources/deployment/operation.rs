//! `deployments/operations`: what became of each resource of a deployment.

use serde_json::Value;

use super::execution::Executions;
use crate::provider::{Answer, Handler, Reply, Request, ResourceType, submit};
use crate::world::World;
use arm::{ArmError, ResourceId};

struct Operations;

submit! {
    ResourceType::new("Microsoft.Resources/deployments/operations", super::super::API_VERSIONS, &Operations).computed()
}

impl Handler for Operations {
    fn get(&self, world: &mut World, request: &Request) -> Reply {
        let deployment = request.id.parent().unwrap_or_else(ResourceId::tenant);
        let found = shown(world, &deployment)?
            .into_iter()
            .find(|one| one["operationId"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(request.id.name())));
        found.map(Answer::json).ok_or_else(|| {
            let message = format!("Deployment operation '{}' could not be found.", request.id.name());
            ArmError::not_found("DeploymentOperationNotFound", message)
        })
    }

    fn list(&self, world: &mut World, request: &Request) -> Reply {
        shown(world, &request.id).map(Answer::list)
    }
}

fn shown(world: &World, deployment: &ResourceId) -> Result<Vec<Value>, ArmError> {
    world.resources().require(deployment).map_err(|_| {
        let message = format!("Deployment '{}' could not be found.", deployment.name());
        ArmError::not_found("DeploymentNotFound", message)
    })?;
    let now = world.now();
    let steps = world.peek::<Executions>().and_then(|known| known.get(deployment)).map(|one| one.steps.as_slice());
    Ok(steps.unwrap_or_default().iter().map(|step| step.shown(deployment, now)).collect())
}
