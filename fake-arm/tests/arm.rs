//! A fake Azure over its sockets, as a client meets it.

use std::time::Duration;

use fake_arm::FakeArm;
use fake_arm::events::ArmEvent;
use jiff::Timestamp;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use uuid::Uuid;

#[path = "support/test_support.rs"]
mod test_support;
use test_support::{TestServer, client};

impl TestServer {
    fn url(&self, path: &str) -> String {
        format!("{}subscriptions/{}{path}", self.azure.endpoint(), self.azure.subscription_id())
    }

    async fn call(&self, method: Method, path: &str, body: Option<Value>) -> Response {
        let token = self.azure.token_for(self.oid);
        let mut request = self.client.request(method, self.url(path)).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    async fn put(&self, path: &str, body: Value) -> Response {
        self.call(Method::PUT, path, Some(body)).await
    }

    async fn get(&self, path: &str) -> Response {
        self.call(Method::GET, path, None).await
    }

    /// Looks at a long-running operation as its answers say until it has ended; its last body.
    async fn finish(&self, first: Response) -> Value {
        let headers = first.headers();
        let url = headers.get("azure-asyncoperation").or(headers.get("location")).unwrap().to_str().unwrap().to_owned();
        let mut wait = wait_of(&first);
        loop {
            tokio::time::sleep(wait).await;
            let status = self.client.get(&url).bearer_auth(self.azure.token_for(self.oid)).send().await.unwrap();
            wait = wait_of(&status);
            match status.status().as_u16() {
                202 => continue,
                204 => return json!({"status": "Succeeded"}),
                other => assert_eq!(other, 200),
            }
            let body: Value = status.json().await.unwrap();
            if body["status"] != "InProgress" {
                return body;
            }
        }
    }
}

fn wait_of(response: &Response) -> Duration {
    let header = response.headers().get("retry-after-ms").and_then(|v| v.to_str().ok()?.parse().ok());
    Duration::from_millis(header.unwrap_or(0))
}

async fn refusal(response: Response) -> (u16, String, String) {
    let status = response.status().as_u16();
    let header = response.headers().get("x-ms-error-code").map(|v| v.to_str().unwrap().to_owned());
    let body: Value = response.json().await.unwrap();
    let code = body["error"]["code"].as_str().unwrap().to_owned();
    assert_eq!(header.as_deref(), Some(code.as_str()), "header and body name the same code");
    (status, code, body["error"]["message"].as_str().unwrap().to_owned())
}

const GROUPS: &str = "/resourceGroups?api-version=2021-04-01";

#[tokio::test]
async fn tokens_are_looked_at() {
    let server = TestServer::start().await;
    assert_eq!(server.get(GROUPS).await.status(), 200);

    let url = server.url(GROUPS);
    let missing = server.client.get(&url).send().await.unwrap();
    assert!(missing.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer "));
    let (status, code, message) = refusal(missing).await;
    assert_eq!((status, code.as_str()), (401, "AuthenticationFailed"));
    assert_eq!(message, "Authentication failed. The 'Authorization' header is missing.");

    let with = async |value: String| {
        refusal(server.client.get(&url).header("authorization", value).send().await.unwrap()).await
    };
    assert_eq!(with("Basic abc".into()).await.1, "AuthenticationFailedInvalidHeader");
    assert_eq!(with("Bearer nonsense".into()).await.1, "InvalidAuthenticationToken");

    let token = server.azure.token_for(server.oid);
    let (signed, _) = token.rsplit_once('.').unwrap();
    assert_eq!(with(format!("Bearer {signed}.")).await.1, "InvalidAuthenticationToken", "unsigned");
    let tampered = format!("Bearer {}x{}", &token[..40], &token[41..]);
    assert_eq!(with(tampered).await.0, 401);

    // A second fake of the same tenant signs with another key, one of another tenant is another issuer.
    let stranger = FakeArm::builder().start().await.unwrap();
    assert_eq!(with(format!("Bearer {}", stranger.token_for(server.oid))).await.1, "InvalidAuthenticationToken");
    let foreign = FakeArm::builder().tenant(Uuid::from_u128(99)).start().await.unwrap();
    let (_, code, message) = with(format!("Bearer {}", foreign.token_for(server.oid))).await;
    assert_eq!(code, "InvalidAuthenticationTokenTenant");
    assert!(message.contains(&Uuid::from_u128(99).to_string()), "{message}");

    let unknown = server.azure.token_for(Uuid::from_u128(77));
    assert_eq!(with(format!("Bearer {unknown}")).await.1, "InvalidAuthenticationToken");

    let secret = server.azure.identity_header_for(server.oid);
    let vault = server.azure.identity_endpoint().clone();
    let other = server
        .client
        .get(vault)
        .query(&[("api-version", "2019-08-01"), ("resource", "https://vault.azure.net")])
        .header("x-identity-header", &secret)
        .send()
        .await
        .unwrap();
    let other: Value = other.json().await.unwrap();
    let (_, code, message) = with(format!("Bearer {}", other["access_token"].as_str().unwrap())).await;
    assert_eq!(code, "InvalidAuthenticationTokenAudience");
    assert!(message.contains("'https://vault.azure.net'"), "{message}");

    server.clock.advance(Duration::from_secs(24 * 60 * 60 + 1));
    let (status, code, message) = with(format!("Bearer {token}")).await;
    assert_eq!((status, code.as_str()), (401, "ExpiredAuthenticationToken"));
    assert!(message.starts_with("The access token expiry UTC time '"), "{message}");
    assert_eq!(server.get(GROUPS).await.status(), 200, "a new token is good");
}

#[tokio::test]
async fn the_managed_identity_endpoint_gives_tokens_for_its_secret() {
    let server = TestServer::start().await;
    let endpoint = server.azure.identity_endpoint().clone();
    assert_eq!((endpoint.scheme(), endpoint.path()), ("http", "/msi/token"));
    let audience = server.azure.endpoint().as_str().trim_end_matches('/').to_owned();
    let secret = server.azure.identity_header_for(server.oid);
    assert_eq!(secret, server.azure.identity_header_for(server.oid));
    let ask = async |secret: &str, query: &[(&str, &str)]| {
        let request = server.client.get(endpoint.clone()).query(query).header("X-Identity-Header", secret);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap())
    };
    let good = [("api-version", "2019-08-01"), ("resource", audience.as_str())];
    let (status, body) = ask(&secret, &good).await;
    assert_eq!((status, &body["token_type"], &body["resource"]), (200, &json!("Bearer"), &json!(audience)));
    assert!(body["expires_on"].as_str().unwrap().parse::<i64>().unwrap() > Timestamp::now().as_second());
    let token = body["access_token"].as_str().unwrap();
    let response = server.client.get(server.url(GROUPS)).bearer_auth(token).send().await.unwrap();
    assert_eq!(response.status(), 200);

    assert_eq!(ask("wrong", &good).await.0, 401);
    assert_eq!(ask(&secret, &good[..1]).await.0, 400);
    assert_eq!(ask(&secret, &good[1..]).await.0, 400);
    let other = Uuid::from_u128(5).to_string();
    assert_eq!(ask(&secret, &[good[0], good[1], ("client_id", other.as_str())]).await.0, 400);
    let own = Uuid::from_u128(2).to_string();
    assert_eq!(ask(&secret, &[good[0], good[1], ("client_id", own.as_str())]).await.0, 200);

    let entries = server.azure.ledger().entries();
    assert_eq!(entries[0].path, "/msi/token");
    assert_eq!(entries[0].principal, Some(server.oid));
    assert_eq!(entries[2].status, 401);
}

#[tokio::test]
async fn a_network_lives() {
    let server = TestServer::start().await;
    let mut events = server.azure.subscribe();
    assert_eq!(
        server.put("/resourceGroups/Net?api-version=2021-04-01", json!({"location": "eastus"})).await.status(),
        201
    );
    let network = "/resourceGroups/Net/providers/Microsoft.Network";
    let api = "api-version=2022-01-01";
    let body = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}});
    let made = server.put(&format!("{network}/virtualNetworks/v?{api}"), body).await;
    assert_eq!(made.status(), 201);
    let ended = server.finish(made).await;
    assert_eq!(ended["status"], "Succeeded");

    let subnet = json!({"properties": {"addressPrefix": "10.0.1.0/24"}});
    let made = server.put(&format!("{network}/virtualNetworks/v/subnets/s?{api}"), subnet).await;
    let ended = server.finish(made).await;
    assert_eq!(ended["status"], "Succeeded");
    let seen: Value = server.get(&format!("{network}/virtualnetworks/V/SUBNETS/S?{api}")).await.json().await.unwrap();
    assert_eq!((&seen["name"], &seen["properties"]["provisioningState"]), (&json!("s"), &json!("Succeeded")));

    let nic = json!({"location": "eastus", "properties": {"ipConfigurations": [{"name": "aks-a", "properties": {
        "primary": true, "privateIPAllocationMethod": "Dynamic", "subnet": {"id": seen["id"]}}}]}});
    let made = server.put(&format!("{network}/networkInterfaces/aks-a?{api}"), nic).await;
    assert_eq!(made.status(), 201);
    assert!(made.headers().get("azure-asyncoperation").is_none(), "an interface is done when it is answered");
    let made: Value = made.json().await.unwrap();
    assert!(made["id"].as_str().unwrap().ends_with("/networkInterfaces/aks-a"));
    assert_eq!(made["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"], "10.0.1.4");

    let (status, code, _) =
        refusal(server.call(Method::DELETE, &format!("{network}/virtualNetworks/v?{api}"), None).await).await;
    assert_eq!((status, code.as_str()), (400, "InUseSubnetCannotBeDeleted"));

    let gone = server.call(Method::DELETE, "/resourceGroups/net?api-version=2021-04-01", None).await;
    assert_eq!(gone.status(), 202);
    assert!(gone.headers().contains_key("location"));
    assert!(!gone.headers().contains_key("azure-asyncoperation"), "resource groups are followed by Location only");
    assert_eq!(server.finish(gone).await["status"], "Succeeded");
    let head = server.call(Method::HEAD, "/resourceGroups/net?api-version=2021-04-01", None).await;
    assert_eq!(head.status(), 404);

    // What was told is what is in the ledger, in order.
    let entries = server.azure.ledger().entries();
    for (index, entry) in entries.iter().enumerate() {
        assert_eq!(entry.sequence, index as u64 + 1);
        // Changes of resources are told in between.
        let told = loop {
            match events.try_recv().unwrap() {
                ArmEvent::Request(told) => break told,
                ArmEvent::Resource(_) => {}
                ArmEvent::Vm(vm) => panic!("no machine was made: {vm:?}"),
            }
        };
        assert_eq!(told.sequence, entry.sequence);
    }
    assert_eq!(entries[0].operation, "Microsoft.Resources/subscriptions/resourceGroups/write");
    assert!(
        entries.iter().any(|e| e.operation == "Microsoft.Network/virtualNetworks/subnets/write" && e.status == 201)
    );
    let refused = entries.iter().find(|e| e.error_code.is_some()).unwrap();
    assert_eq!(refused.operation, "Microsoft.Network/virtualNetworks/delete");
    assert_eq!(refused.principal, Some(server.oid));
    assert!(server.azure.ledger().unknown_routes().is_empty());
}

#[tokio::test]
async fn an_operation_follows_the_movable_clock() {
    let server = TestServer::start().await;
    server.azure.tune(|s| s.set_duration("Microsoft.Network/virtualNetworks/write", Duration::from_secs(3600)));
    server.put("/resourceGroups/rg?api-version=2021-04-01", json!({"location": "eastus"})).await;
    let body = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}});
    let path = "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v?api-version=2022-01-01";
    let made = server.put(path, body).await;
    let seen: Value = server.get(path).await.json().await.unwrap();
    assert_eq!(seen["properties"]["provisioningState"], "Updating");
    server.clock.advance(Duration::from_secs(3601));
    assert_eq!(server.finish(made).await["status"], "Succeeded");
}

#[tokio::test]
async fn unknown_routes_are_answered_and_remembered() {
    let server = TestServer::start().await;
    let path = "/providers/Microsoft.Bananas/locations/eastus/bunches?api-version=2022-01-01";
    let (status, code, message) = refusal(server.get(path).await).await;
    assert_eq!((status, code.as_str()), (404, "InvalidResourceNamespace"));
    assert_eq!(message, "The resource namespace 'Microsoft.Bananas' is invalid.");
    let gaps = server.azure.ledger().unknown_routes();
    assert_eq!(gaps.len(), 1);
    assert!(gaps[0].path.ends_with("/providers/Microsoft.Bananas/locations/eastus/bunches"));

    let response = server.client.put(server.url("/resourceGroups/x?api-version=2021-04-01"));
    let response = response.bearer_auth(server.azure.token_for(server.oid)).body("{not json").send().await.unwrap();
    assert_eq!(refusal(response).await.1, "InvalidRequestContent");
}

#[tokio::test]
async fn several_live_side_by_side_and_stop() {
    let one = FakeArm::builder().start().await.unwrap();
    let two = FakeArm::builder().start().await.unwrap();
    assert_ne!(one.endpoint(), two.endpoint());
    let trusting_one = client(&one);
    assert!(trusting_one.get(two.endpoint().clone()).send().await.is_err(), "each has its own authority");
    let reached = trusting_one.get(one.endpoint().clone()).send().await.unwrap();
    assert_eq!(reached.status(), 401);
    let endpoint = one.endpoint().clone();
    let address = format!("127.0.0.1:{}", endpoint.port().unwrap());
    one.shutdown().await;
    assert!(tokio::net::TcpStream::connect(&address).await.is_err(), "nobody listens any more");
    drop(two);
}

#[tokio::test]
async fn the_same_seed_gives_the_same_ids() {
    let guid = async || {
        let server = TestServer::start().await;
        server.put("/resourceGroups/rg?api-version=2021-04-01", json!({"location": "eastus"})).await;
        let body = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}});
        let path = "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v?api-version=2022-01-01";
        let made: Value = server.put(path, body).await.json().await.unwrap();
        made["properties"]["resourceGuid"].clone()
    };
    assert_eq!(guid().await, guid().await);
}
