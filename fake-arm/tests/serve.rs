//! `fake-arm serve` as a user runs it.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::{Client, Method};
use serde_json::{Value, json};

/// A running command and what it announced.
struct Served {
    child: Child,
    told: Value,
    client: Client,
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fake-arm"));
    command.arg("serve").args(arguments).stdin(Stdio::null());
    command
}

/// Runs it to its end: for what does not start.
fn refused(arguments: &[&str]) -> String {
    let Output { status, stderr, .. } = command(arguments).output().unwrap();
    assert_eq!(status.code(), Some(2));
    String::from_utf8(stderr).unwrap()
}

impl Served {
    fn start(arguments: &[&str]) -> Self {
        let mut all = vec!["--json", "--port", "0"];
        all.extend(arguments);
        let mut child = command(&all).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            let mut error = String::new();
            child.stderr.as_mut().unwrap().read_to_string(&mut error).unwrap();
            panic!("it did not start: {error}");
        });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let pem = std::fs::read(told["ca"].as_str().unwrap()).unwrap();
        let ca = reqwest::Certificate::from_pem(&pem).unwrap();
        let client = Client::builder().tls_certs_only([ca]).build().unwrap();
        Self { child, told, client }
    }

    fn text(&self, name: &str) -> &str {
        self.told[name].as_str().unwrap()
    }

    async fn token(&self) -> String {
        let url = format!("{}{}/oauth2/v2.0/token", self.text("endpoint"), self.text("tenant"));
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", self.text("clientId")),
            ("client_secret", self.text("clientSecret")),
            ("scope", "https://management.azure.com/.default"),
        ];
        let body: Value = self.client.post(url).form(&form).send().await.unwrap().json().await.unwrap();
        body["access_token"].as_str().unwrap_or_else(|| panic!("{body:#}")).to_owned()
    }

    async fn arm(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let url = format!("{}subscriptions/{}{path}", self.text("endpoint"), self.text("subscription"));
        let mut request = self.client.request(method, url).bearer_auth(self.token().await);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap_or_default())
    }

    /// What a GET shows once nothing is under way any more.
    async fn settled(&self, path: &str) -> Value {
        for _ in 0..300 {
            let (_, shown) = self.arm(Method::GET, path, None).await;
            let state = shown["properties"]["provisioningState"].as_str().unwrap_or_default();
            if !state.ends_with("ing") {
                return shown;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{path} does not come to rest");
    }

    async fn admin(&self, method: Method, path: &str, body: &str) -> (u16, Value) {
        let url = format!("{}{path}", self.text("adminEndpoint"));
        let response = self.client.request(method, url).body(body.to_owned()).send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    /// Ends it; what it wrote to standard error.
    fn stop(mut self, signal: Signal) -> String {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
        let mut error = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
        assert!(self.child.wait().unwrap().success(), "{error}");
        error
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

const GROUP: &str = "/resourceGroups/rg?api-version=2021-04-01";

#[tokio::test]
async fn what_is_kept_in_a_file_is_there_again() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let first = Served::start(&["--state", path(&state)]);
    let token = first.token().await;
    assert_eq!(first.arm(Method::PUT, GROUP, Some(json!({"location": "eastus"}))).await.0, 201);
    assert_eq!(first.admin(Method::POST, "clock", r#"{"advance": "2h"}"#).await.0, 200);
    let ca = std::fs::read_to_string(first.text("ca")).unwrap();
    let ca_path = first.text("ca").to_owned();
    assert_eq!(first.stop(Signal::SIGTERM), "");
    assert!(!Path::new(&ca_path).exists(), "the temporary certificate goes with it");

    let again = Served::start(&["--state", path(&state)]);
    assert_eq!(std::fs::read_to_string(again.text("ca")).unwrap(), ca, "clients go on trusting it");
    assert_eq!(again.arm(Method::GET, GROUP, None).await.0, 200);
    let (_, clock) = again.admin(Method::GET, "clock", "").await;
    let now: jiff::Timestamp = clock["now"].as_str().unwrap().parse().unwrap();
    assert!(now.duration_since(jiff::Timestamp::now()).as_secs() > 7000, "time does not go back");
    let url = format!("{}subscriptions/{}{GROUP}", again.text("endpoint"), again.text("subscription"));
    let old = again.client.get(url).bearer_auth(token).send().await.unwrap();
    let body: Value = old.json().await.unwrap();
    assert_eq!(body["error"]["code"], "ExpiredAuthenticationToken", "the same key signed it, two hours ago");
    again.stop(Signal::SIGINT);
}

#[tokio::test]
async fn changes_are_written_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state.json");
    let served = Served::start(&["--state", path(&state)]);
    served.arm(Method::PUT, GROUP, Some(json!({"location": "eastus"}))).await;
    let written = async {
        loop {
            let text = std::fs::read_to_string(&state).unwrap_or_default();
            if text.contains("/resourceGroups/rg") {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), written).await.expect("the state is written after a change");
    // Killed, it has lost nothing.
    drop(served);
    let again = Served::start(&["--state", path(&state)]);
    assert_eq!(again.arm(Method::GET, GROUP, None).await.0, 200);
    // One that runs may be writing.
    again.stop(Signal::SIGTERM);
    let leftovers: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(leftovers, ["state.json"]);
}

#[tokio::test]
async fn a_written_world_and_the_admin_api() {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path().join("world.yaml");
    let text = "
resources:
  - {id: /resourceGroups/seeded, location: eastus}
principals:
  - name: reader
    clientId: 11111111-2222-3333-4444-555555555555
    secret: s
    roles: [{role: Reader, scope: /resourceGroups/seeded}]
";
    std::fs::write(&world, text).unwrap();
    let ca = folder.path().join("ca.pem");
    let served = Served::start(&["--world", path(&world), "--ca-out", path(&ca), "--seed", "5"]);
    assert_eq!(served.text("ca"), path(&ca));
    let seeded = "/resourceGroups/seeded?api-version=2021-04-01";
    assert_eq!(served.arm(Method::GET, seeded, None).await.0, 200);

    let (_, overview) = served.admin(Method::GET, "", "").await;
    assert_eq!(overview["endpoint"].as_str().unwrap(), served.text("endpoint").trim_end_matches('/'));
    let (_, snapshot) = served.admin(Method::GET, "snapshot", "").await;
    assert_eq!(
        served.admin(Method::POST, "seed", "resources: [{id: /resourceGroups/b, location: eastus}]").await.0,
        200
    );
    let (status, refused) = served.admin(Method::POST, "seed", "resources: [{id: /resourceGroups/c}]").await;
    assert_eq!((status, &refused["error"]["code"]), (400, &json!("InvalidWorld")));
    let b = "/resourceGroups/b?api-version=2021-04-01";
    assert_eq!(served.arm(Method::GET, b, None).await.0, 200);
    assert_eq!(served.admin(Method::PUT, "snapshot", &snapshot.to_string()).await.0, 200);
    assert_eq!(served.arm(Method::GET, b, None).await.0, 404, "the snapshot is from before");
    assert_eq!(served.arm(Method::GET, seeded, None).await.0, 200);
    assert_eq!(served.admin(Method::PUT, "snapshot", "{}").await.1["error"]["code"], "InvalidSnapshot");

    let who = format!("identity?client_id={}", served.text("clientId"));
    assert_eq!(served.admin(Method::GET, &who, "").await.1["IDENTITY_HEADER"], served.told["identityHeader"]);
    assert_eq!(served.admin(Method::GET, "identity?client_id=x", "").await.0, 404);
    let (_, ledger) = served.admin(Method::GET, "ledger?after=1", "").await;
    assert_eq!(ledger["entries"][0]["sequence"], 2);
    assert_eq!(served.admin(Method::GET, "ledger?after=x", "").await.0, 400);
    assert_eq!(served.admin(Method::POST, "clock", r#"{"advance": "-1h"}"#).await.0, 400);
    assert_eq!(served.admin(Method::POST, "faults", "{}").await, {
        let told = "Faults cannot be injected yet: this version of fake-arm has none.";
        (501, json!({"error": {"code": "NotYet", "message": told}}))
    });
    assert_eq!(served.admin(Method::GET, "nothing", "").await.0, 404);
    // A web page, or a name that was made to point here.
    for (header, value) in [("origin", "https://evil.example"), ("host", "evil.example:80")] {
        let request = served.client.get(served.text("adminEndpoint")).header(header, value);
        assert_eq!(request.send().await.unwrap().status(), 403, "{header}");
    }
    served.stop(Signal::SIGINT);
    assert!(ca.exists(), "the certificate that was asked for stays");
}

#[tokio::test]
async fn mistakes_are_told_in_one_message() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file
    };
    let served = Served::start(&[]);
    let port = reqwest::Url::parse(served.text("endpoint")).unwrap().port().unwrap().to_string();
    let told = refused(&["--port", &port]);
    assert!(told.contains(&format!("failed to listen on 127.0.0.1:{port} for the ARM endpoint")), "{told}");
    assert!(told.contains("--port"), "{told}");
    let admin = reqwest::Url::parse(served.text("adminEndpoint")).unwrap().port().unwrap().to_string();
    assert!(refused(&["--port", "0", "--admin-port", &admin]).contains("--admin-port"));

    let broken = file("broken.json", "{\n  \"authority\": 5\n}\n");
    let told = refused(&["--port", "0", "--state", path(&broken)]);
    assert!(told.contains("broken.json") && told.contains("line 2"), "{told}");
    let told = refused(&["--port", "0", "--state", path(folder.path())]);
    assert!(told.contains("failed to read the state file"), "{told}");

    let world = file("world.yaml", "resources:\n  - id: /resourceGroups/rg\n    location: [\n");
    let told = refused(&["--port", "0", "--world", path(&world)]);
    assert!(told.contains("world.yaml") && told.contains("line"), "{told}");
    let world = file("refused.yaml", "resources: [{id: /resourceGroups/rg}]");
    let told = refused(&["--port", "0", "--world", path(&world)]);
    assert!(told.contains("number 1") && told.contains("LocationRequired"), "{told}");
    assert!(refused(&["--port", "0", "--world", "/nowhere/world.yaml"]).contains("/nowhere/world.yaml"));
    assert!(refused(&["--port", "0", "--ca-out", "/nowhere/ca.pem"]).contains("/nowhere/ca.pem"));
    assert!(refused(&["--port", "0", "--listen", "203.0.113.1"]).contains("no address of this machine"));
    assert!(refused(&["--port", "70000"]).contains("--port"));
    assert!(refused(&["--listen", "here"]).contains("--listen"));
    assert!(refused(&["--tenant", "contoso"]).contains("--tenant"));
    assert!(refused(&["--bogus"]).contains("--bogus"));

    let open = Served::start(&["--listen", "0.0.0.0"]);
    assert!(open.text("endpoint").starts_with("https://127.0.0.1:"));
    assert_eq!(open.arm(Method::GET, "/resourceGroups?api-version=2021-04-01", None).await.0, 200);
    let told = open.stop(Signal::SIGTERM);
    assert!(told.starts_with("warning: listening on 0.0.0.0: "), "{told}");
}

#[test]
fn people_are_told_how_to_log_in() {
    let mut child = command(&["--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut page = String::new();
    while !page.contains("az login") {
        assert!(out.read_line(&mut page).unwrap() > 0, "{page}");
    }
    child.kill().unwrap();
    child.wait().unwrap();
    for part in ["az cloud register --name FakeArm", "REQUESTS_CA_BUNDLE=", "client secret", "admin API"] {
        assert!(page.contains(part), "{page}");
    }
}

#[tokio::test]
async fn a_managed_cluster_is_made_changed_and_deleted_without_kubernetes() {
    const CLUSTER: &str = "/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/c";
    let served = Served::start(&[]);
    served.arm(Method::PUT, GROUP, Some(json!({"location": "eastus"}))).await;
    let cluster = format!("{CLUSTER}?api-version=2025-05-01");
    let body = |mode: &str| {
        json!({"location": "eastus", "identity": {"type": "SystemAssigned"}, "properties": {
            "dnsPrefix": "c",
            "agentPoolProfiles": [{"name": "nodepool1", "count": 1, "mode": "System"}],
            "nodeProvisioningProfile": {"mode": mode}}})
    };
    for mode in ["Auto", "Manual"] {
        let (status, _) = served.arm(Method::PUT, &cluster, Some(body(mode))).await;
        assert!(status == 200 || status == 201, "{mode}: {status}");
        let made = served.settled(&cluster).await;
        assert_eq!(made["properties"]["nodeProvisioningProfile"]["mode"], mode);
    }
    for (action, context) in [("listClusterUserCredential", "c"), ("listClusterAdminCredential", "c-admin")] {
        let path = format!("{CLUSTER}/{action}?api-version=2025-05-01");
        let (_, found) = served.arm(Method::POST, &path, None).await;
        let text = BASE64_STANDARD.decode(found["kubeconfigs"][0]["value"].as_str().unwrap()).unwrap();
        let config: Value = serde_saphyr::from_slice(&text).unwrap();
        assert_eq!((&config["current-context"], &config["contexts"][0]["name"]), (&json!(context), &json!(context)));
        let server = config["clusters"][0]["cluster"]["server"].as_str().unwrap();
        assert!(server.starts_with("https://c-") && server.ends_with(".hcp.eastus.azmk8s.io:443"), "{server}");
    }
    assert_eq!(served.arm(Method::DELETE, &cluster, None).await.0, 202);
    assert_eq!(served.settled(&cluster).await["error"]["code"], "ResourceNotFound");
}
