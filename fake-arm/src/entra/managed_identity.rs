//! The App-Service managed-identity endpoint: plain HTTP on loopback, as `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`
//! announce it to a process. The header's secret says which principal's tokens the process gets.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::World;

/// What the endpoint answers.
#[derive(Debug)]
pub(crate) struct TokenAnswer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// Whose token it is, where it is known.
    pub(crate) principal: Option<Uuid>,
}

impl TokenAnswer {
    /// Nothing is served at this path.
    pub(crate) fn unknown(path: &str) -> Self {
        Self::refused(
            StatusCode::NOT_FOUND,
            format!("Nothing is served at '{path}'; tokens are at '/msi/token'."),
            None,
        )
    }

    fn refused(status: StatusCode, message: impl Into<String>, principal: Option<Uuid>) -> Self {
        let body = json!({ "statusCode": status.as_u16(), "message": message.into() });
        Self { status, body, principal }
    }
}

/// Answers `GET /msi/token`.
pub(crate) fn answer(world: &World, secret: Option<&str>, query: &BTreeMap<String, String>) -> TokenAnswer {
    let Some(object_id) = secret.and_then(|s| world.principal_of_secret(s)) else {
        let message = "The X-Identity-Header is missing or does not match the secret of this endpoint.";
        return TokenAnswer::refused(StatusCode::UNAUTHORIZED, message, None);
    };
    let Some(principal) = world.principals().get(object_id) else {
        return unassigned(object_id);
    };
    if query.get("api-version").map(String::as_str) != Some("2019-08-01") {
        let message = "The api-version query parameter must be '2019-08-01'.";
        return TokenAnswer::refused(StatusCode::BAD_REQUEST, message, Some(object_id));
    }
    let Some(resource) = query.get("resource").filter(|r| !r.is_empty()) else {
        return TokenAnswer::refused(
            StatusCode::BAD_REQUEST,
            "The resource query parameter is required.",
            Some(object_id),
        );
    };
    let asked = query.get("client_id").or_else(|| query.get("clientid"));
    if asked.is_some_and(|id| !id.eq_ignore_ascii_case(&principal.client_id.to_string())) {
        return unassigned(object_id);
    }
    let claims = world.issuer().claims(principal, resource, world.now(), world.settings().token_lifetime);
    TokenAnswer {
        status: StatusCode::OK,
        body: json!({
            "access_token": world.issuer().sign(&claims),
            "expires_on": claims.exp.to_string(),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": claims.appid,
        }),
        principal: Some(object_id),
    }
}

fn unassigned(object_id: Uuid) -> TokenAnswer {
    let message = "No User Assigned or Delegated Managed Identity found for specified ClientId/ResourceId/PrincipalId.";
    TokenAnswer::refused(StatusCode::BAD_REQUEST, message, Some(object_id))
}
