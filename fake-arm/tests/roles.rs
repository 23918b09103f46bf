//! Giving a role over the sockets, as `az role assignment create` does: Graph, role definitions, the assignment; and what
//! the assignee may do then.

use fake_arm::directory::{ClientSecret, Principal, PrincipalKind};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use uuid::Uuid;

#[path = "support/test_support.rs"]
mod test_support;
use test_support::TestServer;

const ASSIGNEE: Uuid = Uuid::from_u128(0xa55);

async fn call(server: &TestServer, who: Uuid, method: Method, path: &str, body: Option<Value>) -> Response {
    let url = format!("{}/subscriptions/{}{path}", server.origin(), server.azure.subscription_id());
    let mut request = server.client.request(method, url).bearer_auth(server.azure.token_for(who));
    if let Some(body) = body {
        request = request.json(&body);
    }
    request.send().await.unwrap()
}

/// A token for Graph, by the secret of the server's caller.
async fn graph_token(server: &TestServer) -> String {
    let oid = server.oid;
    server.azure.with(|world| world.credentials_mut().add_secret(oid, ClientSecret::new("s3cret")));
    let url = format!("{}/{}/oauth2/v2.0/token", server.origin(), server.azure.tenant_id());
    let (client, scope) = (server.client_id.to_string(), format!("{}/graph//.default", server.origin()));
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", client.as_str()),
        ("client_secret", "s3cret"),
        ("scope", scope.as_str()),
    ];
    let answer: Value = server.client.post(url).form(&form).send().await.unwrap().json().await.unwrap();
    answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn a_role_is_given_as_the_azure_cli_gives_it() {
    let server = TestServer::start().await;
    server.azure.add_principal(Principal {
        object_id: ASSIGNEE,
        client_id: Uuid::from_u128(0xa56),
        kind: PrincipalKind::ManagedIdentity,
        display_name: "cluster".into(),
    });
    let group = "/resourceGroups/rg";
    let path = format!("{group}?api-version=2021-04-01");
    let made = call(&server, server.oid, Method::PUT, &path, Some(json!({"location": "eastus"}))).await;
    assert_eq!(made.status(), 201);
    let vnet = format!("{group}/providers/Microsoft.Network/virtualNetworks/v");
    let body = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}});
    let made = call(&server, server.oid, Method::PUT, &format!("{vnet}?api-version=2022-01-01"), Some(body)).await;
    assert_eq!(made.status(), 201);
    let get = async || call(&server, ASSIGNEE, Method::GET, &format!("{vnet}?api-version=2022-01-01"), None).await;
    let refused = get().await;
    assert_eq!(refused.status(), 403);
    assert_eq!(refused.headers()["x-ms-error-code"], "AuthorizationFailed");

    let token = graph_token(&server).await;
    let graph = format!("{}/graph/v1.0", server.origin());
    let names = format!("{graph}/servicePrincipals?$filter=servicePrincipalNames/any(c:c%20eq%20'{ASSIGNEE}')");
    let none: Value = server.client.get(names).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
    assert_eq!(none["value"], json!([]));
    let ids =
        json!({"ids": [ASSIGNEE], "types": ["user", "group", "servicePrincipal", "directoryObjectPartnerReference"]});
    let request = server.client.post(format!("{graph}/directoryObjects/getByIds")).bearer_auth(&token).json(&ids);
    let found: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(found["value"][0]["displayName"], "cluster");
    let without =
        server.client.get(format!("{graph}/me")).bearer_auth(server.azure.token_for(server.oid)).send().await.unwrap();
    assert_eq!(without.status(), 401, "a token for ARM is none for Graph");

    let roles = format!(
        "{vnet}/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-05-01-preview&$filter=roleName%20eq%20'Network%20Contributor'"
    );
    let found: Value = call(&server, server.oid, Method::GET, &roles, None).await.json().await.unwrap();
    let role = found["value"][0]["id"].as_str().unwrap().to_owned();
    let name = Uuid::from_u128(0xbeef);
    let assignment = format!("{vnet}/providers/Microsoft.Authorization/roleAssignments/{name}?api-version=2022-04-01");
    let body =
        json!({"properties": {"roleDefinitionId": role, "principalId": ASSIGNEE, "principalType": "ServicePrincipal"}});
    assert_eq!(call(&server, server.oid, Method::PUT, &assignment, Some(body)).await.status(), 201);
    assert_eq!(get().await.status(), 200);

    let entries = server.azure.ledger().entries();
    let used = fake_arm::ledger::Footprint::of(entries.iter().map(|entry| &**entry), ASSIGNEE);
    assert_eq!(used.actions().into_iter().collect::<Vec<_>>(), ["Microsoft.Network/virtualNetworks/read"]);
}

#[tokio::test]
async fn the_owner_of_a_fake_gives_roles_without_requests() {
    let server = TestServer::start().await;
    let someone = Principal {
        object_id: ASSIGNEE,
        client_id: Uuid::from_u128(0xa56),
        kind: PrincipalKind::User,
        display_name: "ann@example.com".into(),
    };
    server.azure.add_principal(someone);
    let list = "/resourceGroups?api-version=2021-04-01";
    let refused: Value = call(&server, ASSIGNEE, Method::GET, list, None).await.json().await.unwrap();
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with(&format!("The client 'ann@example.com' with object id '{ASSIGNEE}' does not")),
        "{message}"
    );
    let subscription = format!("/subscriptions/{}", server.azure.subscription_id());
    server.azure.assign_role(ASSIGNEE, "reader", &subscription).unwrap();
    assert_eq!(call(&server, ASSIGNEE, Method::GET, list, None).await.status(), 200);
    assert_eq!(
        server.azure.assign_role(ASSIGNEE, "Nope", &subscription).unwrap_err().code(),
        "RoleDefinitionDoesNotExist"
    );
    server.azure.tune(|settings| settings.enforce_roles = false);
    let stranger = Uuid::from_u128(0xa57);
    server.azure.add_principal(Principal {
        object_id: stranger,
        client_id: stranger,
        kind: PrincipalKind::User,
        display_name: "bob@example.com".into(),
    });
    assert_eq!(call(&server, stranger, Method::GET, list, None).await.status(), 200);
}
