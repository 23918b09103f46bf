//! What is answered, before it is written.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use arm::ArmError;

/// Status, headers, body.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Option<Value>,
    /// The body, where it is written already.
    pub(crate) text: Option<Vec<u8>>,
}

impl Rendered {
    /// The body as JSON, however it is kept.
    #[cfg(test)]
    pub(crate) fn read(mut self) -> Self {
        if let Some(text) = self.text.take() {
            self.body = serde_json::from_slice(&text).ok();
        }
        self
    }
}

/// An answer, and what it says of its request.
#[derive(Debug)]
pub(crate) struct ResponseParts {
    pub(crate) result: Result<Rendered, ArmError>,
    /// `x-ms-request-id`.
    pub(crate) id: Uuid,
    pub(crate) at: Timestamp,
    /// Headers of errors and successes alike.
    pub(crate) headers: Vec<(&'static str, String)>,
    /// The body, where it is no JSON but this text.
    pub(crate) plain: Option<String>,
}
