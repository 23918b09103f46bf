//! What clients ask before they ask for tokens: the OpenID configuration, the keys, which clouds there are.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::Issuer;

/// `/{tenant}/v2.0/.well-known/openid-configuration` (and without `v2.0`). `shown` is the tenant as in the path.
pub(crate) fn configuration(origin: &str, shown: &str, tenant: Uuid, scoped: bool) -> Value {
    let (version, keys) = if scoped { ("v2.0/", "discovery/v2.0/keys") } else { ("", "discovery/keys") };
    // The documents of `common` and `organizations` stand for every tenant.
    let named = Uuid::parse_str(shown).map_or_else(|_| "{tenantid}".to_owned(), |_| tenant.to_string());
    let issuer = if scoped { format!("{origin}/{named}/v2.0") } else { format!("https://sts.windows.net/{named}/") };
    json!({
        "token_endpoint": format!("{origin}/{shown}/oauth2/{version}token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{origin}/{shown}/{keys}"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer,
        "request_uri_parameter_supported": false,
        "authorization_endpoint": format!("{origin}/{shown}/oauth2/{version}authorize"),
        "device_authorization_endpoint": format!("{origin}/{shown}/oauth2/{version}devicecode"),
        "end_session_endpoint": format!("{origin}/{shown}/oauth2/{version}logout"),
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nbf", "oid", "tid", "ver", "appid", "idtyp"],
        "tenant_region_scope": null,
        "cloud_instance_name": host(origin),
        "cloud_graph_host_name": host(origin),
        "msgraph_host": host(origin),
    })
}

/// The keys that tokens are signed with.
pub(crate) fn keys(issuer: &Issuer) -> Value {
    json!({ "keys": [issuer.public_key()] })
}

/// `/common/discovery/instance`: this host is the only cloud there is.
pub(crate) fn instances(origin: &str, tenant: Uuid) -> Value {
    let host = host(origin);
    json!({
        "tenant_discovery_endpoint": format!("{origin}/{tenant}/v2.0/.well-known/openid-configuration"),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    })
}

fn host(origin: &str) -> &str {
    origin.strip_prefix("https://").unwrap_or(origin)
}
