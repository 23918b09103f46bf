//! Long-running operations: what `Azure-AsyncOperation` and `Location` URLs answer.

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ArmError, ResourceId};

/// How far an operation is.
#[derive(Debug, Clone, PartialEq)]
pub enum OperationStatus {
    /// Still at work.
    InProgress,
    /// Done.
    Succeeded,
    /// Given up, with the reason.
    Failed(ArmError),
}

/// One long-running operation.
#[derive(Debug, Clone)]
pub struct Operation {
    /// Its id, last segment of the status URL.
    pub id: Uuid,
    /// The resource that it works on.
    pub resource: ResourceId,
    /// When its request was accepted.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// How far it is.
    pub status: OperationStatus,
}

impl Operation {
    /// Body of the status URL.
    pub fn json(&self) -> Value {
        let status = match &self.status {
            OperationStatus::InProgress => "InProgress",
            OperationStatus::Succeeded => "Succeeded",
            OperationStatus::Failed(_) => "Failed",
        };
        let mut body = json!({
            "id": self.id,
            "name": self.id,
            "status": status,
            "startTime": self.started.to_string(),
        });
        if let Some(ended) = self.ended {
            body["endTime"] = json!(ended.to_string());
        }
        if let OperationStatus::Failed(error) = &self.status {
            body["error"] = json!(&*error.error);
        }
        body
    }
}
