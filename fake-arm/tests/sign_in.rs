//! How clients get tokens: by secret, by another issuer's token, on a machine; and what they are told when they do not.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use fake_arm::directory::{ClientSecret, FederatedCredential};
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde_json::{Value, json};
use uuid::Uuid;

#[path = "support/test_support.rs"]
mod test_support;
use test_support::TestServer;

const ISSUER: &str = "https://oidc.example/cluster/";
const SUBJECT: &str = "system:serviceaccount:kube-system:karpenter-sa";
const AUDIENCE: &str = "api://AzureADTokenExchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

async fn ask(server: &TestServer, path: &str, form: &[(&str, &str)]) -> (u16, Value) {
    let url = format!("{}/{path}", server.origin());
    let response = server.client.post(url).form(form).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

/// The tenant's token endpoint, asked with changes to a good form.
async fn token(server: &TestServer, changes: &[(&str, &str)]) -> (u16, Value) {
    let (client, scope) = (server.client_id.to_string(), format!("{}/.default", server.origin()));
    let mut form = vec![
        ("grant_type", "client_credentials"),
        ("client_id", client.as_str()),
        ("client_secret", "s3cret"),
        ("scope", scope.as_str()),
    ];
    for (name, value) in changes {
        form.retain(|(known, _)| known != name);
        if !value.is_empty() {
            form.push((name, value));
        }
    }
    ask(server, &format!("{}/oauth2/v2.0/token", server.azure.tenant_id()), &form).await
}

#[track_caller]
fn refused(answer: (u16, Value), status: u16, error: &str, code: u32) {
    let (found, body) = answer;
    assert_eq!((found, &body["error"], &body["error_codes"]), (status, &json!(error), &json!([code])), "{body:#}");
    let told = body["error_description"].as_str().unwrap();
    assert!(told.starts_with(&format!("AADSTS{code}: ")), "{told}");
    assert!(told.contains("Trace ID: ") && told.contains("Correlation ID: ") && told.contains("Timestamp: "), "{told}");
}

async fn with_secret() -> TestServer {
    let server = TestServer::start().await;
    let oid = server.oid;
    server.azure.with(|world| world.credentials_mut().add_secret(oid, ClientSecret::new("s3cret")));
    server
}

async fn works(server: &TestServer, token: &Value) {
    let url = format!("{}/subscriptions?api-version=2022-12-01", server.origin());
    let response = server.client.get(url).bearer_auth(token["access_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_secret_gives_a_token() {
    let server = with_secret().await;
    let (status, body) = token(&server, &[]).await;
    assert_eq!((status, &body["token_type"], &body["expires_in"]), (200, &json!("Bearer"), &json!(3600)));
    works(&server, &body).await;
    // As the Azure CLI writes it: the resource ends in a slash of its own.
    let scope = format!("{}//.default", server.origin());
    works(&server, &token(&server, &[("scope", &scope)]).await.1).await;
    works(
        &server,
        &token(&server, &[("scope", "https://management.azure.com/.default openid offline_access")]).await.1,
    )
    .await;

    let tenant = server.azure.tenant_id();
    let (client, origin) = (server.client_id.to_string(), server.origin());
    let v1 = [
        ("grant_type", "client_credentials"),
        ("client_id", client.as_str()),
        ("client_secret", "s3cret"),
        ("resource", origin.as_str()),
    ];
    let (status, body) = ask(&server, &format!("{tenant}/oauth2/token"), &v1).await;
    assert_eq!((status, &body["resource"], &body["expires_in"]), (200, &json!(origin), &json!("3600")));
    works(&server, &body).await;

    let url = format!("{origin}/{tenant}/oauth2/v2.0/token");
    let form = [("grant_type", "client_credentials"), ("scope", scope.as_str())];
    let basic = server.client.post(url).basic_auth(&client, Some("s3cret")).form(&form).send().await.unwrap();
    works(&server, &basic.json().await.unwrap()).await;

    let entry = server.azure.ledger().entries()[0].clone();
    assert_eq!(
        (entry.principal, entry.status, &entry.request_body),
        (Some(server.oid), 200, &None),
        "no secret is kept"
    );
}

#[tokio::test]
async fn refusals_have_entras_numbers() {
    let server = with_secret().await;
    refused(token(&server, &[("client_secret", "wrong")]).await, 401, "invalid_client", 7_000_215);
    refused(token(&server, &[("client_secret", "")]).await, 401, "invalid_client", 7_000_216);
    refused(
        token(&server, &[("client_id", &Uuid::from_u128(9).to_string())]).await,
        400,
        "unauthorized_client",
        700_016,
    );
    refused(token(&server, &[("client_id", "not-an-id")]).await, 400, "unauthorized_client", 700_016);
    refused(token(&server, &[("client_id", "")]).await, 400, "invalid_request", 900_144);
    refused(token(&server, &[("grant_type", "")]).await, 400, "invalid_request", 900_144);
    refused(token(&server, &[("grant_type", "password")]).await, 400, "unsupported_grant_type", 70003);
    refused(token(&server, &[("scope", "")]).await, 400, "invalid_request", 900_144);
    refused(token(&server, &[("scope", "https://a/.default https://b/.default")]).await, 400, "invalid_scope", 70011);
    refused(
        token(&server, &[("scope", "https://management.azure.com/user_impersonation")]).await,
        400,
        "invalid_scope",
        1_002_012,
    );
    let elsewhere = ask(&server, &format!("{}/oauth2/v2.0/token", Uuid::from_u128(9)), &[]).await;
    assert!(elsewhere.1["error_description"].as_str().unwrap().contains(&Uuid::from_u128(9).to_string()));
    refused(elsewhere, 400, "invalid_request", 90002);
    let url = format!("{}/{}/oauth2/v2.0/token", server.origin(), server.azure.tenant_id());
    let got = server.client.get(url).send().await.unwrap();
    refused((got.status().as_u16(), got.json().await.unwrap()), 400, "invalid_request", 900_561);

    let (oid, now) = (server.oid, Timestamp::now());
    server.azure.with(|world| {
        world.credentials_mut().add_secret(oid, ClientSecret { value: "old".into(), expires: Some(now) });
    });
    refused(token(&server, &[("client_secret", "old")]).await, 401, "invalid_client", 7_000_222);
    let entry = server.azure.ledger().entries().last().unwrap().clone();
    assert_eq!(entry.error_code.as_deref(), Some("AADSTS7000222"));
    assert!(server.azure.ledger().unknown_routes().is_empty());
}

/// An issuer such as a cluster's API server.
struct Cluster {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

impl Cluster {
    fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { key, random }
    }

    fn keys(&self) -> Value {
        let point = &self.key.public_key().as_ref()[1..];
        json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "x": BASE64.encode(&point[..32]), "y": BASE64.encode(&point[32..])}]})
    }

    fn sign(&self, changes: &[(&str, Value)]) -> String {
        let now = Timestamp::now().as_second();
        let mut claims = json!({"iss": ISSUER, "sub": SUBJECT, "aud": [AUDIENCE], "exp": now + 3600, "nbf": now - 5});
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        let header = BASE64.encode(json!({"alg": "ES256", "kid": "k"}).to_string());
        let signed = format!("{header}.{}", BASE64.encode(claims.to_string()));
        let signature = self.key.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", BASE64.encode(signature.as_ref()))
    }
}

async fn federated(server: &TestServer, assertion: &str) -> (u16, Value) {
    let changes = [("client_secret", ""), ("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)];
    token(server, &changes).await
}

#[tokio::test]
async fn a_clusters_token_speaks_for_an_identity() {
    let server = TestServer::start().await;
    let cluster = Cluster::new();
    refused(federated(&server, &cluster.sign(&[])).await, 401, "invalid_client", 70025);

    let credential = FederatedCredential {
        name: "karpenter".into(),
        issuer: ISSUER.into(),
        subject: SUBJECT.into(),
        audiences: vec![AUDIENCE.into()],
    };
    let oid = server.oid;
    server.azure.with(|world| world.credentials_mut().set_federated(oid, credential));
    refused(federated(&server, &cluster.sign(&[])).await, 400, "invalid_request", 50166);
    server.azure.with(|world| world.trust_issuer(ISSUER, cluster.keys())).unwrap();
    let (status, body) = federated(&server, &cluster.sign(&[])).await;
    assert_eq!(status, 200, "{body:#}");
    works(&server, &body).await;

    let wrong = |name: &'static str, value: &str| cluster.sign(&[(name, json!(value))]);
    refused(federated(&server, &wrong("iss", "https://oidc.example/cluster")).await, 401, "invalid_client", 700_211);
    refused(federated(&server, &wrong("sub", &SUBJECT.to_uppercase())).await, 401, "invalid_client", 700_213);
    refused(federated(&server, &wrong("aud", "https://other")).await, 401, "invalid_client", 700_212);
    let past = Timestamp::now().as_second() - 10;
    refused(federated(&server, &cluster.sign(&[("exp", json!(past))])).await, 401, "invalid_client", 700_024);
    refused(federated(&server, &Cluster::new().sign(&[])).await, 401, "invalid_client", 700_027);
    refused(federated(&server, "no.token").await, 400, "invalid_request", 50027);
    let changes = [("client_secret", ""), ("client_assertion_type", "x"), ("client_assertion", "a.b.c")];
    refused(token(&server, &changes).await, 401, "invalid_client", 70002);
    server.clock.advance(Duration::from_secs(2 * 3600));
    refused(federated(&server, &cluster.sign(&[])).await, 401, "invalid_client", 700_024);
}

#[tokio::test]
async fn the_published_keys_verify_the_tokens() {
    let server = with_secret().await;
    let get = async |path: &str| {
        let response = server.client.get(format!("{}/{path}", server.origin())).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let tenant = server.azure.tenant_id();
    let (status, document) = get(&format!("{tenant}/v2.0/.well-known/openid-configuration")).await;
    assert_eq!(status, 200);
    assert_eq!(document["issuer"], format!("{}/{tenant}/v2.0", server.origin()));
    assert_eq!(document["token_endpoint"], format!("{}/{tenant}/oauth2/v2.0/token", server.origin()));
    let keys = document["jwks_uri"].as_str().unwrap().strip_prefix(&format!("{}/", server.origin())).unwrap();
    let (_, keys) = get(keys).await;
    let key = &keys["keys"][0];
    let part = |name: &str| BASE64.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], part("x"), part("y")].concat();
    let token = token(&server, &[]).await.1["access_token"].as_str().unwrap().to_owned();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64.decode(signature).unwrap();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &signature).unwrap();

    assert_eq!(get("common/v2.0/.well-known/openid-configuration").await.0, 200);
    assert_eq!(get("organizations/v2.0/.well-known/openid-configuration").await.0, 200);
    refused(get("contoso.com/v2.0/.well-known/openid-configuration").await, 400, "invalid_tenant", 90002);
    assert_eq!(get("common/discovery/instance?api-version=1.1").await.0, 200);
    let (_, cloud) = get("metadata/endpoints?api-version=2022-09-01").await;
    assert_eq!(cloud["resourceManager"], format!("{}/", server.origin()));
    assert_eq!(get("metadata/endpoints").await.1["error"]["code"], "MissingApiVersionParameter");
    assert!(server.azure.ledger().unknown_routes().is_empty());
}

#[tokio::test]
async fn a_machine_gets_tokens_and_knows_itself() {
    let server = TestServer::start().await;
    let base = server.azure.identity_endpoint().join("/").unwrap();
    let ask = async |path: &str, marked: bool| {
        let mut request = server.client.get(base.join(path).unwrap());
        if marked {
            request = request.header("Metadata", "true");
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let query = format!("api-version=2018-02-01&resource={}", server.origin());
    let path = format!("/metadata/identity/oauth2/token?{query}");
    assert_eq!(ask(&path, false).await.0, 400, "without the header it may be a forwarded request");
    assert_eq!(json(&ask(&path, true).await.1)["error_description"], "Identity not found");
    let (status, body) = ask(&format!("{path}&client_id={}", server.client_id), true).await;
    assert_eq!(status, 200);
    works(&server, &json(&body)).await;
    let secret = server.azure.identity_header_for(server.oid);
    assert_eq!(ask(&format!("/{secret}{path}"), true).await.0, 200);
    assert_eq!(ask(&format!("/{secret}{path}&client_id={}", Uuid::from_u128(5)), true).await.0, 400);
    let oid = server.oid;
    server.azure.with(|world| world.set_metadata_principal(Some(oid)));
    assert_eq!(ask(&path, true).await.0, 200);
    assert_eq!(ask("/metadata/identity/oauth2/token?api-version=2018-02-01", true).await.0, 400);

    let instance = "/metadata/instance?api-version=2021-02-01";
    assert_eq!(ask(instance, true).await.0, 404, "there is no machine");
    server.azure.with(|world| {
        let id = format!(
            "/subscriptions/{}/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm",
            world.subscription()
        );
        world.upsert(
            &id.parse().unwrap(),
            "Microsoft.Compute/virtualMachines",
            json!({
            "location": "eastus", "tags": {"a": "b", "c": "d"}, "zones": ["2"],
            "properties": {"vmId": "0-1", "hardwareProfile": {"vmSize": "Standard_D2s_v5"}}}),
        );
    });
    let (status, body) = ask(instance, true).await;
    assert_eq!(status, 200);
    let compute = &json(&body)["compute"];
    assert_eq!(
        (&compute["vmSize"], &compute["zone"], &compute["tags"]),
        (&json!("Standard_D2s_v5"), &json!("2"), &json!("a:b;c:d"))
    );
    let leaf = "/metadata/instance/compute/location?api-version=2021-02-01&format=text";
    assert_eq!(ask(leaf, true).await, (200, "eastus".to_owned()));
    assert_eq!(ask(&format!("/vm{instance}"), true).await.0, 200);
    assert_eq!(ask(&format!("/other{instance}"), true).await.0, 404);
    assert_eq!(ask("/metadata/instance?api-version=2000-01-01", true).await.0, 400);
    assert_eq!(ask(instance, false).await.0, 400);
    assert!(server.azure.ledger().unknown_routes().is_empty());
    assert_eq!(ask("/metadata/unknown", true).await.0, 404);
    assert_eq!(server.azure.ledger().unknown_routes().len(), 1);
}
