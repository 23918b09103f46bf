//! Errors as Azure words them.

use std::time::Duration;

use http::StatusCode;
use serde::{Deserialize, Serialize};

/// An error answer of Azure Resource Manager: HTTP status, and the body `{"error":{"code","message",…}}`.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{status} {}: {}", .error.code, .error.message)]
pub struct ArmError {
    /// HTTP status.
    pub status: StatusCode,
    /// What stands in the body below `error`.
    pub error: Box<CloudError>,
    /// `Retry-After`, where Azure sends one.
    pub retry_after: Option<Duration>,
    /// Nothing serves this route: a gap of the fake, not a mistake of the caller that Azure would name so too.
    pub unknown_route: bool,
}

/// The `error` object of a body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloudError {
    /// Code in PascalCase, for example `SubnetIsFull`.
    pub code: String,
    /// One or more sentences.
    pub message: String,
    /// The property that it is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
    /// Further errors below this one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub details: Vec<CloudError>,
}

impl ArmError {
    /// An error with the given status, code and message.
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let error = CloudError { code: code.to_owned(), message: message.into(), target: None, details: Vec::new() };
        Self { status, error: Box::new(error), retry_after: None, unknown_route: false }
    }

    /// 400.
    pub fn bad_request(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 401.
    pub fn unauthorized(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, message)
    }

    /// 403.
    pub fn forbidden(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// 404.
    pub fn not_found(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// 409.
    pub fn conflict(code: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, code, message)
    }

    /// Names the property at fault.
    #[must_use]
    pub fn target(mut self, target: impl Into<String>) -> Self {
        self.error.target = Some(target.into());
        self
    }

    /// Adds an error below this one.
    #[must_use]
    pub fn detail(mut self, code: &str, message: impl Into<String>) -> Self {
        self.error.details.push(CloudError {
            code: code.to_owned(),
            message: message.into(),
            target: None,
            details: Vec::new(),
        });
        self
    }

    /// Asks the caller to come back later.
    #[must_use]
    pub fn retry_after(mut self, duration: Duration) -> Self {
        self.retry_after = Some(duration);
        self
    }

    /// Marks the route as one that the fake does not serve.
    #[must_use]
    pub fn unknown_route(mut self) -> Self {
        self.unknown_route = true;
        self
    }

    /// Azure's code.
    pub fn code(&self) -> &str {
        &self.error.code
    }

    /// Azure's message.
    pub fn message(&self) -> &str {
        &self.error.message
    }

    /// `{"error":{…}}`.
    pub fn body(&self) -> serde_json::Value {
        serde_json::json!({ "error": &*self.error })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_is_azures() {
        let error = ArmError::bad_request("A", "b").target("properties.x").detail("C", "d");
        assert_eq!(
            error.body(),
            serde_json::json!({"error":{"code":"A","message":"b","target":"properties.x","details":[{"code":"C","message":"d"}]}})
        );
        assert_eq!(ArmError::bad_request("A", "b").body(), serde_json::json!({"error":{"code":"A","message":"b"}}));
    }
}
