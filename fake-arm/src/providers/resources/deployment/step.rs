//! One resource of a deployment, on its way.

use jiff::Timestamp;
use serde_json::{Value, json};

use arm::{ArmError, ResourceId};

/// How far it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum StepState {
    /// It waits for others.
    Waiting,
    /// Its provider is at work.
    Running,
    /// It is there.
    Succeeded,
    /// Its provider refused, or gave up.
    Failed(ArmError),
}

/// One resource of a deployment.
#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) id: ResourceId,
    pub(super) resource_type: String,
    pub(super) state: StepState,
    pub(super) started: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    /// Sixteen hexadecimal digits.
    pub(super) operation_id: String,
    /// `Created`, `OK`, `BadRequest`.
    pub(super) status_code: String,
}

impl Step {
    /// The step as one of the deployment's operations.
    pub(super) fn shown(&self, deployment: &ResourceId, now: Timestamp) -> Value {
        let state = match self.state {
            StepState::Waiting => "NotStarted",
            StepState::Running => "Running",
            StepState::Succeeded => "Succeeded",
            StepState::Failed(_) => "Failed",
        };
        let (started, ended) = (self.started.unwrap_or(now), self.ended.unwrap_or(now));
        let mut properties = json!({
            "provisioningOperation": "Create",
            "provisioningState": state,
            "timestamp": ended.to_string(),
            "duration": super::shown::duration(started, ended),
            "statusCode": self.status_code,
            "targetResource": {
                "id": self.id,
                "resourceType": self.resource_type,
                "resourceName": self.id.names(),
            },
        });
        if let StepState::Failed(error) = &self.state {
            properties["statusMessage"] = json!({ "status": "Failed", "error": &*error.error });
        }
        json!({
            "id": format!("{deployment}/operations/{}", self.operation_id),
            "operationId": self.operation_id,
            "properties": properties,
        })
    }
}
