//! How fast the fake answers, beside a bare axum handler on the same kind of socket in the same run: the numbers of one
//! machine on one day say little, their ratio says how much the fake costs.
//!
//! `cargo bench -p fake-arm` runs it all; `cargo bench -p fake-arm -- --seconds 1` is quicker and rougher, and
//! `--only list` takes the lines alone whose name holds "list", for a profiler to look at.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsConfig;
use fake_arm::directory::{Principal, PrincipalKind};
use fake_arm::world::{Bucket, Throttling, World};
use fake_arm::{FakeArm, Settings};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use uuid::Uuid;

#[path = "../tests/support/test_support.rs"]
mod test_support;
use test_support::tls_connector;

/// That of the command `fake-arm`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const MACHINES: usize = 10_000;
const ASSIGNMENTS: usize = 1_000;
const API: &str = "api-version=2024-07-01";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| arguments.iter().position(|a| a == name).and_then(|at| arguments.get(at + 1));
    let seconds = value("--seconds").and_then(|seconds| seconds.parse().ok());
    let only = value("--only").cloned().unwrap_or_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(Duration::from_secs_f64(seconds.unwrap_or(4.0)), &only));
}

async fn measure(each: Duration, only: &str) {
    let wanted = |name: &str| name.contains(only);
    let empty = RawServer::start(0, 0).await;
    let bare = Bare::start(&empty).await;
    println!(
        "{:<44} {:>4} {:>10} {:>9} {:>9} {:>10} {:>8}",
        "", "conn", "requests/s", "p50 ms", "p99 ms", "bare axum", "of bare"
    );
    let full = RawServer::start(MACHINES, ASSIGNMENTS).await;
    for (name, server) in [("empty", &empty), ("10,000 machines, 1,000 assignments", &full)] {
        for (name, target) in [(format!("GET, {name}"), server.get()), (format!("PUT, {name}"), server.put())] {
            for connections in [1, 16] {
                if wanted(&name) {
                    compare(&name, &target, &bare.target(), connections, each).await;
                }
            }
        }
    }
    println!();
    full.take(only, "list of 10,000 machines, first page", &full.list(200), 20).await;
    full.azure.tune(|settings| settings.page_size = MACHINES);
    full.take(only, "list of 10,000 machines, one page", &full.list(MACHINES), 10).await;
    let provisioners = "Resources | where type == \"microsoft.compute/virtualmachines\" | where resourceGroup == \"rg\" | \
                        where tags has_cs \"karpenter.sh_nodepool\"";
    full.take(only, "Resource Graph, the provisioner's query", &full.query(provisioners), 20).await;
    full.take(only, "Resource Graph, one of 10,000", &full.query("Resources | where name == \"vm-5000\""), 20).await;
    full.take(only, "Resource Graph, count", &full.query("Resources | count"), 20).await;
}

/// A server and a request for it.
struct Target {
    address: String,
    connector: TlsConnector,
    request: Vec<u8>,
}

impl Target {
    async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        self.connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
    }
}

/// Asks and reads the whole answer.
async fn ask(stream: &mut TlsStream<TcpStream>, request: &[u8], buffer: &mut Vec<u8>) {
    stream.write_all(request).await.unwrap();
    // What the TLS session may have kept back: nobody else would send it.
    stream.flush().await.unwrap();
    buffer.clear();
    let mut end = None;
    loop {
        assert!(stream.read_buf(buffer).await.unwrap() > 0, "the server closed the connection");
        if end.is_none()
            && let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n")
        {
            let head = String::from_utf8_lossy(&buffer[..at]).to_ascii_lowercase();
            assert!(head.starts_with("http/1.1 20"), "{}", String::from_utf8_lossy(buffer));
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            end = Some(at + 4 + length.parse::<usize>().unwrap());
        }
        if end.is_some_and(|end| buffer.len() >= end) {
            return;
        }
    }
}

/// More than this no request takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// Slices of a measurement. The handler and the fake take turns, so that a machine that gets slower or faster meanwhile
/// does so for both.
const TURNS: u32 = 8;

/// Keeps connections to the fake busy, and in turn as many to the bare handler; `each` is the time of either.
async fn compare(name: &str, target: &Target, bare: &Target, connections: usize, each: Duration) {
    let (mut fakes, mut bares) = (connected(target, connections).await, connected(bare, connections).await);
    let (mut times, mut bare_times) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        bare_times.extend(drive(bare, &mut bares, each / TURNS).await);
        times.extend(drive(target, &mut fakes, each / TURNS).await);
    }
    let rate = |times: &[Duration]| times.len() as f64 / each.as_secs_f64();
    times.sort_unstable();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1000.0;
    let (own, other) = (rate(&times), rate(&bare_times));
    println!(
        "{name:<44} {connections:>4} {own:>10.0} {:>9.2} {:>9.2} {other:>10.0} {:>6.0} %",
        at(0.5),
        at(0.99),
        own / other * 100.0
    );
}

async fn connected(target: &Target, connections: usize) -> Vec<TlsStream<TcpStream>> {
    let mut streams = Vec::new();
    for _ in 0..connections {
        let mut stream = target.connect().await;
        ask(&mut stream, &target.request, &mut Vec::new()).await;
        streams.push(stream);
    }
    streams
}

/// Keeps connections busy for a time; how long each request took.
async fn drive(target: &Target, streams: &mut Vec<TlsStream<TcpStream>>, time: Duration) -> Vec<Duration> {
    let start = Instant::now();
    let workers = std::mem::take(streams).into_iter().map(|mut stream| {
        let request = target.request.clone();
        tokio::spawn(async move {
            let (mut times, mut buffer) = (Vec::new(), Vec::new());
            while start.elapsed() < time {
                let asked = Instant::now();
                ask(&mut stream, &request, &mut buffer).await;
                times.push(asked.elapsed());
            }
            (stream, times)
        })
    });
    let mut all = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        let (stream, times) =
            tokio::time::timeout(time + PATIENCE, worker).await.expect("a request is answered").unwrap();
        streams.push(stream);
        all.extend(times);
    }
    all
}

struct RawServer {
    azure: FakeArm,
    connector: TlsConnector,
    token: String,
}

impl RawServer {
    async fn start(machines: usize, assignments: usize) -> Self {
        let mut settings = Settings::default();
        // Requests are counted as usual, but nobody reaches the limit.
        let endless = Bucket::per_second(u32::MAX, 1e9);
        settings.throttling = Throttling {
            reads: endless,
            writes: endless,
            deletes: endless,
            resource_graph: endless,
            compute: false,
            ..Throttling::default()
        };
        let azure = FakeArm::builder().settings(settings).ledger_limit(10_000).start().await.unwrap();
        let caller = Principal {
            object_id: Uuid::from_u128(1),
            client_id: Uuid::from_u128(2),
            kind: PrincipalKind::ServicePrincipal,
            display_name: "bench".into(),
        };
        azure.add_principal(caller);
        let scope = format!("/subscriptions/{}", azure.subscription_id());
        azure.assign_role(Uuid::from_u128(1), "Contributor", &scope).unwrap();
        for n in 0..assignments {
            let scope = format!("{scope}/resourceGroups/rg{}", n % 50);
            azure.assign_role(Uuid::from_u128(1000 + n as u128), "Reader", &scope).unwrap();
        }
        azure.with(|world| fill(world, machines));
        let token = azure.token_for(Uuid::from_u128(1));
        Self { connector: tls_connector(azure.ca_pem()), azure, token }
    }

    fn target(&self, method: &str, path: &str, body: Option<Value>) -> Target {
        let address = format!("127.0.0.1:{}", self.azure.endpoint().port().unwrap());
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nUser-Agent: bench\r\nAccept: \
             application/json\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        Target { address, connector: self.connector.clone(), request: request.into_bytes() }
    }

    fn group(&self) -> String {
        format!("/subscriptions/{}/resourceGroups/rg", self.azure.subscription_id())
    }

    fn get(&self) -> Target {
        let path = format!("{}/providers/Microsoft.Compute/virtualMachines/vm?{API}", self.group());
        self.target("GET", &path, None)
    }

    fn put(&self) -> Target {
        let path = format!("{}/providers/Microsoft.Network/publicIPAddresses/ip?api-version=2024-05-01", self.group());
        let body = json!({"location": "eastus", "tags": {"a": "b"}, "sku": {"name": "Standard"},
            "properties": {"publicIPAllocationMethod": "Static"}});
        self.target("PUT", &path, Some(body))
    }

    fn list(&self, expected: usize) -> (Target, usize) {
        let path = format!("{}/providers/Microsoft.Compute/virtualMachines?{API}", self.group());
        (self.target("GET", &path, None), expected)
    }

    fn query(&self, query: &str) -> (Target, usize) {
        let path = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-03-01";
        let body = json!({"query": query, "subscriptions": [self.azure.subscription_id()]});
        (self.target("POST", path, Some(body)), 1)
    }

    /// The time of single requests.
    async fn take(&self, only: &str, name: &str, (target, expected): &(Target, usize), times: usize) {
        if !name.contains(only) {
            return;
        }
        let mut stream = target.connect().await;
        let mut buffer = Vec::new();
        let mut taken = Vec::new();
        for _ in 0..times {
            let start = Instant::now();
            ask(&mut stream, &target.request, &mut buffer).await;
            taken.push(start.elapsed());
        }
        let found = buffer.windows(9).filter(|w| w.eq_ignore_ascii_case(b"\"vmSize\":")).count();
        assert!(found >= *expected || *expected == 1, "{found} machines are in the answer");
        taken.sort_unstable();
        let middle = taken[taken.len() / 2].as_secs_f64() * 1000.0;
        let worst = taken[taken.len() - 1].as_secs_f64() * 1000.0;
        println!("{name:<44} {middle:>9.1} ms in the middle, {worst:.1} ms at worst, {} KB", buffer.len() / 1024);
    }
}

/// A group with machines as the provisioner makes them.
fn fill(world: &mut World, machines: usize) {
    let group = format!("/subscriptions/{}/resourceGroups/rg", world.subscription());
    let group_type = "Microsoft.Resources/subscriptions/resourceGroups";
    for n in 0..50 {
        let body = json!({"location": "eastus", "properties": {"provisioningState": "Succeeded"}});
        world.upsert(&format!("{group}{n}").parse().unwrap(), group_type, body);
    }
    let body = json!({"location": "eastus", "properties": {"provisioningState": "Succeeded"}});
    world.upsert(&group.parse().unwrap(), group_type, body);
    let names = (0..machines).map(|n| format!("vm-{n}")).chain(["vm".to_owned()]);
    for name in names {
        let id = format!("{group}/providers/Microsoft.Compute/virtualMachines/{name}");
        let body = json!({
            "location": "eastus",
            "zones": ["1"],
            "tags": {"karpenter.sh_nodepool": "default", "compute.aks.billing": "linux", "karpenter.azure.com_cluster": "c"},
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {}},
            "properties": {
                "provisioningState": "Succeeded",
                "vmId": "00000000-0000-0000-0000-000000000000",
                "timeCreated": "2026-01-01T00:00:00Z",
                "hardwareProfile": {"vmSize": "Standard_D4s_v5"},
                "storageProfile": {
                    "osDisk": {"name": name, "createOption": "FromImage", "diskSizeGB": 128, "osType": "Linux",
                        "managedDisk": {"storageAccountType": "Premium_LRS"}, "deleteOption": "Delete"},
                    "imageReference": {"communityGalleryImageId": "/CommunityGalleries/AKSUbuntu/images/2204/versions/1.0"},
                },
                "osProfile": {"computerName": name, "adminUsername": "azureuser",
                    "linuxConfiguration": {"disablePasswordAuthentication": true}},
                "networkProfile": {"networkInterfaces": [{"id": format!("{group}/providers/Microsoft.Network/networkInterfaces/{name}"),
                    "properties": {"primary": true, "deleteOption": "Delete"}}]},
                "priority": "Regular",
            },
        });
        world.upsert(&id.parse().unwrap(), "Microsoft.Compute/virtualMachines", body);
    }
}

/// A handler that does nothing but answer with as many bytes as ARM's GET has, behind the same TLS.
struct Bare {
    address: String,
    connector: TlsConnector,
}

impl Bare {
    async fn start(server: &RawServer) -> Self {
        let mut answer = Vec::new();
        let get = server.get();
        ask(&mut get.connect().await, &get.request, &mut answer).await;
        let body = String::from_utf8_lossy(&answer).split_once("\r\n\r\n").unwrap().1.to_owned();

        let key = rcgen::KeyPair::generate().unwrap();
        let certificate =
            rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let router = Router::new().fallback(move || {
            let body = body.clone();
            async move { ([("content-type", "application/json")], body) }
        });
        let server = axum_server::from_tcp_rustls(listener, RustlsConfig::from_config(Arc::new(server)))
            .unwrap()
            .map(|tls| tls.acceptor(NoDelayAcceptor::new()));
        tokio::spawn(server.serve(router.into_make_service()));
        Self { address, connector: tls_connector(&certificate.pem()) }
    }

    fn target(&self) -> Target {
        let request = format!(
            "GET /anything HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
            self.address,
            "x".repeat(600)
        );
        Target { address: self.address.clone(), connector: self.connector.clone(), request: request.into_bytes() }
    }
}
