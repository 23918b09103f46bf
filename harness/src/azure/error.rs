//! What goes wrong between a scenario and Azure.

use std::fmt;

use super::credential::SignInError;

/// A request to Azure that did not succeed. The message names method, resource, status, code and Azure's own text.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// Azure answered with an error.
    #[error("{0}")]
    Refused(Box<ArmFault>),
    /// A long-running operation ended in failure.
    #[error("{method} {}: {status}: {}", tail(id), fault.text())]
    OperationFailed {
        /// HTTP method of the first request.
        method: String,
        /// Resource.
        id: String,
        /// `Failed` or `Canceled`.
        status: String,
        /// Azure's error.
        fault: Box<ArmFault>,
    },
    /// There is no token to send.
    #[error("{method} {}: {source}", tail(id))]
    NotSignedIn {
        /// HTTP method.
        method: String,
        /// Resource or path.
        id: String,
        /// Why not.
        source: SignInError,
    },
    /// No answer came.
    #[error("{method} {id}: no answer from {endpoint}: {source}")]
    Unreachable {
        /// HTTP method.
        method: String,
        /// Resource or path.
        id: String,
        /// Endpoint that was asked.
        endpoint: String,
        /// Cause.
        source: reqwest::Error,
    },
    /// The answer was not what ARM answers.
    #[error("{method} {id}: {what}")]
    Unexpected {
        /// HTTP method.
        method: String,
        /// Resource or path.
        id: String,
        /// What was wrong.
        what: String,
    },
}

impl ArmError {
    /// Azure's error code, where Azure answered with one.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused(fault) | Self::OperationFailed { fault, .. } => Some(&fault.code),
            Self::NotSignedIn { .. } | Self::Unreachable { .. } | Self::Unexpected { .. } => None,
        }
    }

    /// HTTP status, where Azure refused at once.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused(fault) => Some(fault.status),
            _ => None,
        }
    }

    /// Azure's message, where Azure answered with one.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        match self {
            Self::Refused(fault) | Self::OperationFailed { fault, .. } => Some(&fault.message),
            Self::NotSignedIn { .. } | Self::Unreachable { .. } | Self::Unexpected { .. } => None,
        }
    }
}

/// An ARM error body (`{"error":{"code":…,"message":…,"target":…}}`) and the request it answered.
#[derive(Debug, Clone, Default)]
pub struct ArmFault {
    /// Method and path of the request.
    pub request: String,
    /// HTTP status.
    pub status: u16,
    /// `error.code`.
    pub code: String,
    /// `error.message`.
    pub message: String,
    /// `error.target`.
    pub target: Option<String>,
}

impl ArmFault {
    /// Reads an error body; a body that is none is kept as the message.
    #[must_use]
    pub fn read(request: String, status: u16, body: &str) -> Self {
        let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
        let error = json.get("error").unwrap_or(&json);
        let text = |name: &str| error.get(name).and_then(|value| value.as_str()).map(str::to_owned);
        Self {
            request,
            status,
            code: text("code").unwrap_or_default(),
            message: text("message").unwrap_or_else(|| body.to_owned()),
            target: text("target"),
        }
    }
}

impl ArmFault {
    /// Code, message and target: what Azure says, without what it was asked.
    fn text(&self) -> String {
        let target = self.target.as_ref().map(|target| format!(" (target {target})")).unwrap_or_default();
        format!("{}: {}{target}", self.code, self.message)
    }
}

/// `managedClusters/my-cluster` of a full id: an operation's message is long enough without the whole.
fn tail(id: &str) -> &str {
    let resource = |provider: &'_ str| provider.find('/').map_or(0, |slash| slash + 1);
    id.rsplit_once("/providers/").map_or(id, |(_, provider)| &provider[resource(provider)..])
}

impl fmt::Display for ArmFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.request, self.status, self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_reads_the_body_that_arm_sends() {
        let fault = ArmFault::read("PUT /x".into(), 400, r#"{"error":{"code":"C","message":"m","target":"t"}}"#);
        assert_eq!(fault.to_string(), "PUT /x: 400 C: m (target t)");
    }

    #[test]
    fn a_failed_operation_is_named_once_and_shortly() {
        let id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerService/managedClusters/c";
        let body = r#"{"status":"Failed","error":{"code":"C","message":"m"}}"#;
        let fault = Box::new(ArmFault::read(format!("PUT {id}"), 200, body));
        let error = ArmError::OperationFailed { method: "PUT".into(), id: id.into(), status: "Failed".into(), fault };
        assert_eq!(error.to_string(), "PUT managedClusters/c: Failed: C: m");
    }

    #[test]
    fn a_body_that_is_no_json_is_kept_as_the_message() {
        let fault = ArmFault::read("GET /x".into(), 502, "bad gateway");
        assert_eq!((fault.code.as_str(), fault.message.as_str()), ("", "bad gateway"));
    }
}
