//! The identity platform's side of the endpoint: OpenID configuration, keys, tokens. It shares the host with ARM, as a
//! cloud of one machine must.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde_json::Value;
use uuid::Uuid;

use super::arrival::{Arrival, LedgerNote};
use super::head::Head;
use super::response::{Rendered, ResponseParts};
use super::shared::Shared;
use crate::entra::{Ask, Grant, SignInRefusal, discovery, grant, is_tenant};
use crate::world::World;
use arm::{ArmError, decoded};

/// What of the identity platform a path addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AuthRoute<'a> {
    /// The OpenID configuration.
    Configuration { tenant: &'a str, scoped: bool },
    /// The keys.
    Keys { tenant: &'a str },
    /// The token endpoint; `scoped`: its second version.
    Token { tenant: &'a str, scoped: bool },
    /// Which clouds there are.
    Instances,
}

impl<'a> AuthRoute<'a> {
    /// The route of a path; `None` for a path that is not the identity platform's.
    pub(super) fn at(path: &'a str) -> Option<Self> {
        let mut segments = path.strip_prefix('/')?.split('/');
        let tenant = segments.next().filter(|tenant| !tenant.is_empty())?;
        let rest = [segments.next()?, segments.next()?, segments.next().unwrap_or_default()];
        if segments.next().is_some() {
            return None;
        }
        Some(match rest {
            ["v2.0", ".well-known", "openid-configuration"] => Self::Configuration { tenant, scoped: true },
            [".well-known", "openid-configuration", ""] => Self::Configuration { tenant, scoped: false },
            ["discovery", "v2.0", "keys"] | ["discovery", "keys", ""] => Self::Keys { tenant },
            ["oauth2", "v2.0", "token"] => Self::Token { tenant, scoped: true },
            ["oauth2", "token", ""] => Self::Token { tenant, scoped: false },
            ["discovery", "instance", ""] => Self::Instances,
            _ => return None,
        })
    }
}

/// Serves it.
pub(super) fn serve(
    shared: &Shared,
    route: AuthRoute<'_>,
    head: &Head,
    body: Result<Bytes, ArmError>,
    arrival: Arrival,
) -> ResponseParts {
    let mut world = shared.world();
    let id = world.request_id();
    let outcome = answer(&world, route, head, body);
    let principal = outcome.as_ref().ok().and_then(|(principal, _)| *principal);
    let (status, body, error) = match outcome {
        Ok((_, body)) => (StatusCode::OK, body, None),
        Err(refusal) => {
            let correlation = head.text("client-request-id").map_or_else(|| id.to_string(), str::to_owned);
            let body = refusal.body(&head.origin, id, &correlation, world.now());
            (refusal.status, body, Some((refusal.name(), refusal.message)))
        }
    };
    let at = arrival.at(&world);
    shared.note(&mut world, head, arrival, id, LedgerNote { principal, status, error, ..LedgerNote::default() });
    drop(world);
    let rendered = Rendered { status, body: Some(body), ..Rendered::default() };
    ResponseParts { result: Ok(rendered), id, at, headers: Vec::new(), plain: None }
}

type SignInResult = Result<(Option<Uuid>, Value), SignInRefusal>;

fn answer(world: &World, route: AuthRoute<'_>, head: &Head, body: Result<Bytes, ArmError>) -> SignInResult {
    let origin = &head.origin;
    let known = |tenant: &str| {
        let shared = ["common", "organizations"].contains(&tenant.to_ascii_lowercase().as_str());
        if shared || is_tenant(world, tenant) {
            Ok(())
        } else {
            Err(SignInRefusal::unknown_tenant("invalid_tenant", tenant))
        }
    };
    let expected = if matches!(route, AuthRoute::Token { .. }) { Method::POST } else { Method::GET };
    if head.method != expected {
        let message = format!("The endpoint only accepts {expected} requests. Received a {} request.", head.method);
        return Err(SignInRefusal::bad_request("invalid_request", 900_561, message));
    }
    match route {
        AuthRoute::Configuration { tenant, scoped } => {
            known(tenant)?;
            Ok((None, discovery::configuration(origin, tenant, world.tenant(), scoped)))
        }
        AuthRoute::Keys { tenant } => {
            known(tenant)?;
            Ok((None, discovery::keys(world.issuer())))
        }
        AuthRoute::Instances => Ok((None, discovery::instances(origin, world.tenant()))),
        AuthRoute::Token { tenant, scoped } => {
            let body = body.map_err(|error| SignInRefusal {
                status: error.status,
                ..SignInRefusal::bad_request("invalid_request", 90_014, error.message())
            })?;
            let form: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
            let Grant { principal, body } = grant(world, &Ask { tenant, scoped, form: &form, basic: basic(head) })?;
            Ok((Some(principal), body))
        }
    }
}

/// Client id and secret of a `Basic` header, in which both are percent-encoded.
fn basic(head: &Head) -> Option<(String, String)> {
    let (scheme, encoded) = head.text(header::AUTHORIZATION)?.split_once(' ')?;
    let pair = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (client, secret) = pair.split_once(':').filter(|_| scheme.eq_ignore_ascii_case("basic"))?;
    Some((decoded(client), decoded(secret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_routes_are_where_entra_has_them() {
        assert_eq!(AuthRoute::at("/t/oauth2/v2.0/token"), Some(AuthRoute::Token { tenant: "t", scoped: true }));
        assert_eq!(AuthRoute::at("/t/oauth2/token"), Some(AuthRoute::Token { tenant: "t", scoped: false }));
        assert_eq!(AuthRoute::at("/common/discovery/instance"), Some(AuthRoute::Instances));
        assert_eq!(
            AuthRoute::at("/t/v2.0/.well-known/openid-configuration"),
            Some(AuthRoute::Configuration { tenant: "t", scoped: true })
        );
        for other in ["/", "/subscriptions", "/subscriptions/s/resourceGroups", "/t/oauth2/token/x", "//oauth2/token"] {
            assert_eq!(AuthRoute::at(other), None, "{other}");
        }
    }
}
