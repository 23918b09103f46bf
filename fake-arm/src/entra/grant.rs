//! The token endpoint: `POST /{tenant}/oauth2/v2.0/token` (and its older form without `v2.0`) with client credentials,
//! that is a secret or a token of another issuer.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::SignInRefusal;
use crate::directory::{Fault, FederatedCredential, Principal, unverified_claims};
use crate::world::World;

/// What the endpoint is asked.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    /// As in the path: an id, or a name.
    pub(crate) tenant: &'a str,
    /// `scope` is asked for (v2.0), not `resource`.
    pub(crate) scoped: bool,
    pub(crate) form: &'a BTreeMap<String, String>,
    /// Client id and secret of a `Basic` header.
    pub(crate) basic: Option<(String, String)>,
}

impl Ask<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        self.form.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn require(&self, name: &str) -> Result<&str, SignInRefusal> {
        self.get(name).ok_or_else(|| {
            SignInRefusal::bad_request(
                "invalid_request",
                900_144,
                format!("The request body must contain the following parameter: '{name}'."),
            )
        })
    }
}

/// A token, and whose it is.
#[derive(Debug)]
pub(crate) struct Grant {
    pub(crate) principal: Uuid,
    pub(crate) body: Value,
}

/// The only kind of assertion.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Gives a token or refuses it.
///
/// # Errors
/// [`SignInRefusal`], numbered as Entra does.
pub(crate) fn grant(world: &World, ask: &Ask<'_>) -> Result<Grant, SignInRefusal> {
    if !is_tenant(world, ask.tenant) {
        return Err(SignInRefusal::unknown_tenant("invalid_request", ask.tenant));
    }
    let grant_type = ask.require("grant_type")?;
    if grant_type != "client_credentials" {
        return Err(SignInRefusal::bad_request(
            "unsupported_grant_type",
            70003,
            format!("The app requested an unsupported grant type '{grant_type}'."),
        ));
    }
    let client = match &ask.basic {
        Some((client, _)) => client.as_str(),
        None => ask.require("client_id")?,
    };
    let unknown = || SignInRefusal::unknown_client(client, world.tenant());
    let client_id = Uuid::parse_str(client).map_err(|_| unknown())?;
    let principal = world.principals().by_client(client_id).ok_or_else(unknown)?;
    let secret = ask.basic.as_ref().map(|(_, secret)| secret.as_str()).or_else(|| ask.get("client_secret"));
    match (secret, ask.get("client_assertion")) {
        (_, Some(assertion)) => check_assertion(world, ask, principal, assertion)?,
        (Some(secret), None) => check_secret(world, principal, secret)?,
        (None, None) => {
            return Err(SignInRefusal::invalid_client(
                7_000_216,
                "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type.",
            ));
        }
    }
    let resource = resource_of(ask)?;
    let lifetime = world.settings().client_token_lifetime;
    let claims = world.issuer().claims(principal, &resource, world.now(), lifetime);
    let seconds = lifetime.as_secs();
    let mut body = json!({
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": world.issuer().sign(&claims),
    });
    if !ask.scoped {
        // The older endpoint writes numbers as text and says more.
        body["expires_in"] = json!(seconds.to_string());
        body["ext_expires_in"] = json!(seconds.to_string());
        body["expires_on"] = json!(claims.exp.to_string());
        body["not_before"] = json!(claims.nbf.to_string());
        body["resource"] = json!(resource);
    }
    Ok(Grant { principal: principal.object_id, body })
}

/// The tenant of a path is ours.
pub(crate) fn is_tenant(world: &World, tenant: &str) -> bool {
    Uuid::parse_str(tenant).is_ok_and(|id| id == world.tenant())
}

fn check_secret(world: &World, principal: &Principal, secret: &str) -> Result<(), SignInRefusal> {
    let found = world.credentials().secrets(principal.object_id).iter().find(|known| known.value == secret);
    let Some(found) = found else {
        return Err(SignInRefusal::invalid_client(
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
                 not the client secret ID, for a secret added to app '{}'.",
                principal.client_id
            ),
        ));
    };
    if found.expires.is_some_and(|end| end <= world.now()) {
        return Err(SignInRefusal::invalid_client(
            7_000_222,
            format!(
                "The provided client secret keys for app '{}' are expired. Visit the Azure portal to create new keys for \
                 your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: \
                 https://aka.ms/certCreds.",
                principal.client_id
            ),
        ));
    }
    Ok(())
}

fn check_assertion(world: &World, ask: &Ask<'_>, principal: &Principal, assertion: &str) -> Result<(), SignInRefusal> {
    if ask.require("client_assertion_type")? != JWT_BEARER {
        return Err(SignInRefusal::invalid_client(
            70002,
            format!("The value of the parameter 'client_assertion_type' must be '{JWT_BEARER}'."),
        ));
    }
    let malformed = || SignInRefusal::bad_request("invalid_request", 50027, "JWT token is invalid or malformed.");
    let claims = unverified_claims(assertion).ok_or_else(malformed)?;
    check_federation(world, principal, &claims)?;
    let issuer = claims["iss"].as_str().unwrap_or_default();
    let keys = world.trusted_issuer(issuer).ok_or_else(|| {
        SignInRefusal::bad_request(
            "invalid_request",
            50166,
            format!(
                "Request to External OIDC endpoint failed: fake-arm was not given the keys of the issuer '{issuer}', and \
                 fetches none."
            ),
        )
    })?;
    let verified = keys.verify(assertion).map_err(|fault| match fault {
        Fault::Malformed => malformed(),
        Fault::Signature => SignInRefusal::invalid_client(
            700_027,
            "Client assertion failed signature validation. The key was not found or the signature does not match.",
        ),
    })?;
    let now = world.now().as_second();
    let time = |name: &str| verified[name].as_f64().map(|seconds| seconds as i64);
    if time("exp").is_none_or(|end| end <= now) || time("nbf").is_some_and(|start| start > now) {
        return Err(SignInRefusal::invalid_client(
            700_024,
            format!(
                "Client assertion is not within its valid time range. Current time: {}, assertion valid from {}, expiry \
                 time of assertion {}. Review the documentation at https://learn.microsoft.com/entra/identity-platform/\
                 certificate-credentials .",
                world.now(),
                verified["nbf"],
                verified["exp"]
            ),
        ));
    }
    Ok(())
}

/// A credential of the identity names the token's issuer, subject and audience. The number of the refusal says which of
/// these no credential names.
fn check_federation(world: &World, principal: &Principal, claims: &Value) -> Result<(), SignInRefusal> {
    let known = world.credentials().federated(principal.object_id);
    if known.is_empty() {
        return Err(SignInRefusal::invalid_client(
            70025,
            format!(
                "The client '{}'({}) has no configured federated identity credentials.",
                principal.client_id, principal.display_name
            ),
        ));
    }
    let text = |name: &str| claims[name].as_str().unwrap_or_default().to_owned();
    let (issuer, subject) = (text("iss"), text("sub"));
    let audiences: Vec<String> = match &claims["aud"] {
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        one => one.as_str().map(str::to_owned).into_iter().collect(),
    };
    let none = |code: u32, what: &str, value: &str| {
        SignInRefusal::invalid_client(
            code,
            format!(
                "No matching federated identity record found for presented assertion {what} '{value}'. Check your \
                 federated identity credential Subject, Audience and Issuer against the presented assertion. \
                 https://learn.microsoft.com/entra/workload-id/workload-identity-federation"
            ),
        )
    };
    let of_issuer: Vec<&FederatedCredential> = known.iter().filter(|c| c.issuer == issuer).collect();
    if of_issuer.is_empty() {
        return Err(none(700_211, "issuer", &issuer));
    }
    let of_subject: Vec<_> = of_issuer.into_iter().filter(|c| c.subject == subject).collect();
    if of_subject.is_empty() {
        return Err(none(700_213, "subject", &subject));
    }
    if !of_subject.iter().any(|c| c.audiences.iter().any(|a| audiences.contains(a))) {
        return Err(none(700_212, "audience", &audiences.join(",")));
    }
    Ok(())
}

/// What the token is for.
fn resource_of(ask: &Ask<'_>) -> Result<String, SignInRefusal> {
    if !ask.scoped {
        return ask.require("resource").map(str::to_owned);
    }
    let asked = ask.require("scope")?;
    let beside = ["openid", "profile", "offline_access", "email"];
    let mut scopes = asked.split_whitespace().filter(|scope| !beside.contains(scope));
    let scope = match (scopes.next(), scopes.next()) {
        (Some(scope), None) => scope,
        _ => {
            return Err(SignInRefusal::bad_request(
                "invalid_scope",
                70011,
                format!(
                    "The provided request must include a 'scope' input parameter. The provided value for the input \
                     parameter 'scope' is not valid. The scope {asked} is not valid."
                ),
            ));
        }
    };
    // `https://host/` and `/.default` make two slashes: one of them is the resource's.
    scope.strip_suffix("/.default").filter(|resource| !resource.is_empty()).map(str::to_owned).ok_or_else(|| {
        SignInRefusal::bad_request(
            "invalid_scope",
            1_002_012,
            format!(
                "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with \
                 /.default suffixed to the resource identifier (application ID URI)."
            ),
        )
    })
}
