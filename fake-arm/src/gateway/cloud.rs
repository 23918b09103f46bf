//! `/metadata/endpoints`: what tools ask a cloud they do not know, to learn where its parts are. No token is needed.

use serde_json::{Value, json};

use super::arrival::{Arrival, LedgerNote};
use super::head::Head;
use super::response::{Rendered, ResponseParts};
use super::shared::Shared;
use arm::{ApiVersion, ArmError};

/// From this version on the answer is one cloud; before, a list of them.
const ONE_CLOUD: &str = "2022-09-01";
/// This one had a form of its own.
const OLDEST: &str = "2015-01-01";

/// Serves `/metadata/endpoints`.
pub(super) fn serve(shared: &Shared, head: &Head, arrival: Arrival) -> ResponseParts {
    let version = url::form_urlencoded::parse(head.query.as_bytes())
        .find(|(name, _)| name.eq_ignore_ascii_case("api-version"))
        .map(|(_, version)| version.into_owned());
    let result = endpoints(&head.origin, version.as_deref());
    let result = result.map(|body| Rendered { body: Some(body), ..Rendered::default() });
    let mut world = shared.world();
    let (id, at) = (world.request_id(), world.now());
    let note = LedgerNote {
        status: result.as_ref().map_or_else(|e| e.status, |r| r.status),
        error: result.as_ref().err().map(|e| (e.code().to_owned(), e.message().to_owned())),
        ..LedgerNote::default()
    };
    shared.note(&mut world, head, arrival, id, note);
    drop(world);
    ResponseParts { result, id, at, headers: Vec::new(), plain: None }
}

/// The answer for an api-version.
///
/// # Errors
/// ARM's refusal of a missing or malformed api-version.
fn endpoints(origin: &str, version: Option<&str>) -> Result<Value, ArmError> {
    let version = version.filter(|version| !version.is_empty()).ok_or_else(|| {
        ArmError::bad_request(
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    })?;
    let parsed: ApiVersion = version.parse().map_err(|_| {
        ArmError::bad_request(
            "InvalidApiVersionParameter",
            format!(
                "The api-version '{version}' is invalid. The supported versions are \
                 '2022-09-01,2020-06-01,2019-10-01,2019-05-01,2018-05-01,2015-01-01'."
            ),
        )
    })?;
    if parsed.as_str() == OLDEST {
        return Ok(json!({
            "galleryEndpoint": format!("{origin}/gallery/"),
            "graphEndpoint": format!("{origin}/graph/"),
            "portalEndpoint": format!("{origin}/portal"),
            "authentication": { "loginEndpoint": format!("{origin}/"), "audiences": [format!("{origin}/")] },
        }));
    }
    let cloud = cloud(origin);
    Ok(if parsed.at_least(ONE_CLOUD) { cloud } else { json!([cloud]) })
}

fn cloud(origin: &str) -> Value {
    json!({
        "name": "FakeArm",
        "portal": format!("{origin}/portal"),
        "authentication": {
            "loginEndpoint": origin,
            "audiences": [format!("{origin}/"), origin, "https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": format!("{origin}/"),
        "graph": format!("{origin}/graph/"),
        "graphAudience": format!("{origin}/graph/"),
        "microsoftGraphResourceId": format!("{origin}/graph/"),
        "gallery": format!("{origin}/gallery/"),
        "batch": format!("{origin}/batch/"),
        "media": format!("{origin}/media/"),
        "sqlManagement": format!("{origin}/sql/"),
        "vmImageAliasDoc": format!("{origin}/aliases.json"),
        "suffixes": {
            "acrLoginServer": "azurecr.fake",
            "keyVaultDns": "vault.fake",
            "storage": "core.fake",
            "sqlServerHostname": "database.fake",
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_form() {
        let origin = "https://127.0.0.1:1";
        let one = endpoints(origin, Some("2022-09-01")).unwrap();
        assert_eq!(one["authentication"]["audiences"][0], "https://127.0.0.1:1/");
        assert_eq!(endpoints(origin, Some("2019-05-01")).unwrap()[0], one);
        assert!(endpoints(origin, Some("2015-01-01")).unwrap()["graphEndpoint"].is_string());
        assert_eq!(endpoints(origin, None).unwrap_err().code(), "MissingApiVersionParameter");
        assert_eq!(endpoints(origin, Some("now")).unwrap_err().code(), "InvalidApiVersionParameter");
    }
}
