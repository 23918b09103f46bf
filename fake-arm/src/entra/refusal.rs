//! Refusals of the identity platform, numbered as `AADSTS…`.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

/// Why no token is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignInRefusal {
    pub(crate) status: StatusCode,
    /// OAuth's word for it, `invalid_client`.
    pub(crate) error: &'static str,
    /// The number after `AADSTS`.
    pub(crate) code: u32,
    /// One or more sentences, without the number.
    pub(crate) message: String,
}

impl SignInRefusal {
    /// 400.
    pub(crate) fn bad_request(error: &'static str, code: u32, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error, code, message: message.into() }
    }

    /// 401 `invalid_client`: the caller does not prove who he is.
    pub(crate) fn invalid_client(code: u32, message: impl Into<String>) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, error: "invalid_client", code, message: message.into() }
    }

    /// The tenant is another one.
    pub(crate) fn unknown_tenant(error: &'static str, tenant: &str) -> Self {
        Self::bad_request(
            error,
            90002,
            format!(
                "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the \
                 correct cloud. Check with your subscription administrator, this may happen if there are no active \
                 subscriptions for the tenant."
            ),
        )
    }

    /// The client is not in the directory.
    pub(crate) fn unknown_client(client: &str, tenant: Uuid) -> Self {
        Self::bad_request(
            "unauthorized_client",
            700_016,
            format!(
                "Application with identifier '{client}' was not found in the directory '{tenant}'. This can happen if the \
                 application has not been installed by the administrator of the tenant or consented to by any user in \
                 the tenant. You may have sent your authentication request to the wrong tenant."
            ),
        )
    }

    /// `AADSTS7000215`.
    pub(crate) fn name(&self) -> String {
        format!("AADSTS{}", self.code)
    }

    /// The body as the token endpoint sends it.
    pub(crate) fn body(&self, origin: &str, trace: Uuid, correlation: &str, at: Timestamp) -> Value {
        let shown = at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        json!({
            "error": self.error,
            "error_description": format!(
                "{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {shown}",
                self.name(),
                self.message
            ),
            "error_codes": [self.code],
            "timestamp": shown,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": format!("{origin}/error?code={}", self.code),
        })
    }
}
