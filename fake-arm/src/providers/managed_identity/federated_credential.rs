//! Federated identity credentials: which tokens of foreign issuers speak for an identity.

use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::user_assigned::{USER_ASSIGNED_IDENTITY, principal_of};
use crate::directory::FederatedCredential;
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

/// The type of federated identity credentials.
const FEDERATED_CREDENTIAL: &str = "Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials";

/// Credentials of one identity.
const MOST: usize = 20;

struct FederatedCredentials;

inventory::submit! { ResourceType::new(FEDERATED_CREDENTIAL, super::API_VERSIONS, &FederatedCredentials) }

impl Handler for FederatedCredentials {
    fn show(&self, _: &World, resource: &Resource) -> Value {
        let mut shown = resource.json();
        shown.as_object_mut().map(|s| s.shift_remove("etag"));
        shown
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let owner = owner(world, &request.id)?;
        let credential = read(request)?;
        let known = world.credentials().federated(owner);
        let others = || known.iter().filter(|k| !k.name.eq_ignore_ascii_case(&credential.name));
        if others().any(|k| k.issuer == credential.issuer && k.subject == credential.subject) {
            return Err(ArmError::conflict(
                "Conflict",
                "Issuer and subject combination already exists for this Managed Identity.",
            ));
        }
        if others().count() >= MOST {
            return Err(ArmError::bad_request(
                "BadRequest",
                format!("Too many Federated Identity Credentials: the limit for one Managed Identity is {MOST}."),
            ));
        }
        let body = json!({ "properties": {
            "issuer": credential.issuer,
            "subject": credential.subject,
            "audiences": credential.audiences,
        }});
        world.credentials_mut().set_federated(owner, credential);
        let new = world.upsert(&request.id, FEDERATED_CREDENTIAL, body);
        Ok(Answer::put(new, &request.id))
    }

    fn remove(&self, world: &mut World, resource: &Resource) {
        if let Ok(owner) = owner(world, &resource.id) {
            world.credentials_mut().remove_federated(owner, resource.name());
        }
        world.resources_mut().remove(&resource.id);
    }
}

/// The principal of the identity that a credential belongs to.
fn owner(world: &World, credential: &ResourceId) -> Result<Uuid, ArmError> {
    let identity = credential.parent().unwrap_or_else(ResourceId::tenant);
    principal_of(world, &identity).map(|principal| principal.object_id).ok_or_else(|| {
        ArmError::not_found(
            "ParentResourceNotFound",
            format!(
                "Failed to perform 'write' on resource(s) of type '{}', because the parent resource '{identity}' could \
                 not be found.",
                USER_ASSIGNED_IDENTITY.rsplit('/').next().unwrap_or_default()
            ),
        )
    })
}

fn read(request: &Request) -> Result<FederatedCredential, ArmError> {
    let properties = request.properties();
    let text = |name: &str| {
        let found = properties[name].as_str().filter(|value| !value.is_empty() && value.len() <= 600);
        found.map(str::to_owned).ok_or_else(|| {
            invalid(format!("The '{name}' of a Federated Identity Credential must be a text of 1 to 600 characters."))
        })
    };
    let name = request.id.name();
    let letters = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !(3..=120).contains(&name.len()) || !name.chars().all(letters) || !name.starts_with(char::is_alphanumeric) {
        return Err(invalid(format!(
            "The resource name '{name}' is invalid. It must start with a letter or number, have a length between 3 and \
             120 characters and can only contain a combination of letters, numbers, hyphens and underscores."
        )));
    }
    let (issuer, subject) = (text("issuer")?, text("subject")?);
    if !Url::parse(&issuer).is_ok_and(|url| url.scheme() == "https") {
        return Err(invalid(format!("The issuer '{issuer}' is invalid: it must be an https URL.")));
    }
    let audiences: Option<Vec<String>> =
        properties["audiences"].as_array().and_then(|all| all.iter().map(|a| a.as_str().map(str::to_owned)).collect());
    let audiences = audiences
        .filter(|all| all.len() == 1)
        .ok_or_else(|| invalid("A Federated Identity Credential must have exactly one audience.".to_owned()))?;
    Ok(FederatedCredential { name: name.to_owned(), issuer, subject, audiences })
}

fn invalid(message: String) -> ArmError {
    ArmError::bad_request("BadRequest", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::TestFake;

    const IDENTITY: &str = "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    const API: &str = "api-version=2023-01-31";

    fn fake() -> (TestFake, Uuid) {
        let mut fake = TestFake::with_group();
        let made = fake.put(&format!("{IDENTITY}?{API}"), json!({"location": "eastus"})).expect(201);
        let oid = Uuid::parse_str(made["properties"]["principalId"].as_str().unwrap()).unwrap();
        (fake, oid)
    }

    fn path(name: &str) -> String {
        format!("{IDENTITY}/federatedIdentityCredentials/{name}?{API}")
    }

    fn credential(subject: &str) -> Value {
        json!({"properties": {"issuer": "https://oidc.example/", "subject": subject,
            "audiences": ["api://AzureADTokenExchange"]}})
    }

    #[test]
    fn a_credential_lives_with_its_identity() {
        let (mut fake, oid) = fake();
        let made = fake.put(&path("fic"), credential("a")).expect(201);
        assert_eq!(made["type"], FEDERATED_CREDENTIAL);
        assert!(made.get("etag").is_none());
        fake.put(&path("fic"), credential("b")).expect(200);
        assert_eq!(fake.world.credentials().federated(oid).len(), 1);
        assert_eq!(fake.world.credentials().federated(oid)[0].subject, "b");
        let twin = fake.put(&path("twin"), credential("b"));
        assert_eq!((twin.status, twin.code()), (409, "Conflict"));
        assert_eq!(fake.get(&path("").replace("/?", "?")).expect(200)["value"].as_array().unwrap().len(), 1);
        fake.delete(&path("fic")).expect(200);
        fake.delete(&path("fic")).expect(204);
        assert!(fake.world.credentials().federated(oid).is_empty());
        fake.put(&path("fic"), credential("a")).expect(201);
        fake.delete(&format!("{IDENTITY}?{API}")).expect(200);
        assert!(fake.world.credentials().federated(oid).is_empty());
        assert_eq!(fake.get(&path("fic")).status, 404, "children go with their parent");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let (mut fake, _) = fake();
        let with = |field: &str, value: Value| {
            let mut body = credential("a");
            body["properties"][field] = value;
            body
        };
        for (name, body) in [
            ("fic", with("issuer", json!("http://plain.example"))),
            ("fic", with("issuer", json!(null))),
            ("fic", with("subject", json!(""))),
            ("fic", with("audiences", json!([]))),
            ("fic", with("audiences", json!(["a", "b"]))),
            ("x", credential("a")),
        ] {
            assert_eq!(fake.put(&path(name), body).code(), "BadRequest");
        }
        for n in 0..MOST {
            fake.put(&path(&format!("fic-{n}")), credential(&n.to_string())).expect(201);
        }
        assert!(fake.put(&path("one-more"), credential("x")).message().contains("the limit"));
    }
}
