//! Federated credentials of a user-assigned identity: whose tokens stand for it (issuer, subject, audiences).

use serde_json::{Value, json};

use super::user_assigned::API_VERSIONS;
use crate::arm::ArmError;
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};

/// The type of federated credentials.
pub const FEDERATED_CREDENTIAL: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";

/// Azure's limit for an identity.
const MOST: usize = 20;

struct FederatedCredentials;

inventory::submit! { ResourceType::new(FEDERATED_CREDENTIAL, API_VERSIONS, &FederatedCredentials) }

impl Handler for FederatedCredentials {
    fn show(&self, _: &World, resource: &Resource) -> Value {
        json!({
            "id": resource.id,
            "name": resource.name(),
            "type": FEDERATED_CREDENTIAL,
            "properties": resource.properties(),
        })
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        check_name(request.id.name())?;
        let properties = request.properties();
        let text = |name: &str| properties[name].as_str().unwrap_or_default();
        let (issuer, subject) = (text("issuer"), text("subject"));
        let audiences = properties["audiences"].as_array().filter(|all| !all.is_empty());
        let Some(audiences) = audiences.filter(|_| !issuer.is_empty() && !subject.is_empty()) else {
            return Err(ArmError::bad_request(
                "BadRequest",
                "A federated identity credential needs the properties issuer, subject and audiences.",
            ));
        };
        if !issuer.starts_with("https://") && !issuer.starts_with("http://") {
            return Err(ArmError::bad_request("BadRequest", format!("The issuer '{issuer}' is not a URL.")));
        }
        let identity = request.id.parent().unwrap_or_else(|| request.id.clone());
        let others: Vec<&Resource> =
            world.resources().within(&identity, FEDERATED_CREDENTIAL).filter(|r| r.id != request.id).collect();
        if others.iter().any(|r| r.properties()["issuer"] == issuer && r.properties()["subject"] == subject) {
            return Err(ArmError::conflict(
                "Conflict",
                "Issuer and subject combination already exists for this Managed Identity.",
            ));
        }
        if others.len() >= MOST {
            return Err(ArmError::bad_request(
                "BadRequest",
                format!("Too many Federated Identity Credentials: an identity can have {MOST}."),
            ));
        }
        let body = json!({ "properties": { "issuer": issuer, "subject": subject, "audiences": audiences } });
        let new = world.upsert(&request.id, FEDERATED_CREDENTIAL, body);
        Ok(Answer::put(new, &request.id))
    }
}

fn check_name(name: &str) -> Result<(), ArmError> {
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if letters && name.starts_with(|c: char| c.is_ascii_alphanumeric()) && (3..=120).contains(&name.len()) {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "BadRequest",
        format!(
            "The federated identity credential name '{name}' is invalid. It has 3 to 120 letters, digits, hyphens and \
             underscores, and begins with a letter or digit."
        ),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::bench::Bench;

    const IDENTITY: &str = "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    const API: &str = "?api-version=2023-01-31";

    #[test]
    fn an_identity_trusts_issuer_and_subject_once() {
        let mut bench = Bench::with_group();
        let path = |name: &str| format!("{IDENTITY}/federatedIdentityCredentials/{name}{API}");
        let body = |subject: &str| json!({"properties": {"issuer": "https://oidc", "subject": subject, "audiences": ["api://AzureADTokenExchange"]}});
        assert_eq!(bench.put(&path("one"), body("a")).code(), "ParentResourceNotFound");
        bench.put(&format!("{IDENTITY}{API}"), json!({"location": "eastus"})).expect(201);
        let made = bench.put(&path("one"), body("a")).expect(201);
        assert_eq!(made["properties"]["subject"], "a");
        bench.put(&path("one"), body("a")).expect(200);
        let twice = bench.put(&path("two"), body("a"));
        assert_eq!((twice.status, twice.code()), (409, "Conflict"));
        bench.put(&path("two"), body("b")).expect(201);
        let list = bench.get(&format!("{IDENTITY}/federatedIdentityCredentials{API}")).expect(200);
        assert_eq!(list["value"].as_array().unwrap().len(), 2);
        assert_eq!(bench.put(&path("x"), body("c")).status, 400);
        assert_eq!(bench.put(&path("three"), json!({"properties": {"issuer": "https://oidc"}})).status, 400);
        bench.delete(&path("one")).expect(200);
        bench.delete(&path("one")).expect(204);
    }
}
