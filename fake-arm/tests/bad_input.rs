//! What no well-behaved client sends: each gets an answer in ARM's form where HTTP allows one, and the fake lives on.

use std::time::Duration;

use fake_arm::directory::{Principal, PrincipalKind};
use fake_arm::{FakeArm, Settings};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use uuid::Uuid;

#[path = "support/test_support.rs"]
mod test_support;
use test_support::{client, tls_connector};

/// Longer than any of these answers takes, also on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct RawServer {
    azure: FakeArm,
    connector: TlsConnector,
    token: String,
}

/// What came back on a connection.
struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    #[track_caller]
    fn expect(&self, status: u16, code: &str) {
        assert_eq!((self.status, self.body["error"]["code"].as_str()), (status, Some(code)), "{:#}", self.body);
        let message = self.body["error"]["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "the error says what is wrong");
    }
}

impl RawServer {
    async fn start() -> Self {
        let mut settings = Settings::default();
        settings.body_patience = Duration::from_millis(300);
        Self::with(settings).await
    }

    async fn with(settings: Settings) -> Self {
        let azure = FakeArm::builder().settings(settings).start().await.unwrap();
        let oid = Uuid::from_u128(1);
        azure.add_owner(Principal {
            object_id: oid,
            client_id: Uuid::from_u128(2),
            kind: PrincipalKind::ServicePrincipal,
            display_name: "tester".into(),
        });
        let token = azure.token_for(oid);
        Self { connector: tls_connector(azure.ca_pem()), azure, token }
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.azure.endpoint().port().unwrap())
    }

    async fn connect(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address()).await.unwrap();
        self.connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap()
    }

    /// A request's head up to the empty line, which the caller adds.
    fn head(&self, method: &str, path: &str) -> String {
        let path = path.replace("{s}", &format!("/subscriptions/{}", self.azure.subscription_id()));
        format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n", self.address(), self.token)
    }

    async fn say(&self, text: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(text.as_ref()).await.unwrap();
        read(&mut stream).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.say(format!("{}\r\n", self.head("GET", path))).await
    }

    async fn put(&self, path: &str, body: &str) -> Answer {
        let head = self.head("PUT", path);
        self.say(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len())).await
    }

    /// It goes on as if nothing had happened, and nothing that was sent counts as a gap of the fake.
    async fn lives(&self) {
        assert_eq!(self.get(GROUPS).await.status, 200, "the fake lives on");
        let gaps = self.azure.ledger().unknown_routes();
        assert!(gaps.is_empty(), "{gaps:#?}");
    }
}

/// One answer, as far as its length says; status 0 where the other side closed without one.
async fn read(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin)) -> Answer {
    // A TLS stream holds the end of what was written back when its socket is full, and reading does not send it. The
    // other side may have closed already: then the reading says so.
    let _ = tokio::time::timeout(PATIENCE, stream.flush()).await.expect("it takes what it is sent");
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(answer) = parse(&bytes) {
            return answer;
        }
        match tokio::time::timeout(PATIENCE, stream.read(&mut chunk)).await.expect("it answers or closes") {
            Ok(count) if count > 0 => bytes.extend_from_slice(&chunk[..count]),
            _ => return Answer { status: 0, body: Value::Null },
        }
    }
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let length = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    let length: usize = length.unwrap_or(0);
    (body.len() >= length).then(|| Answer { status, body: serde_json::from_str(body).unwrap_or_default() })
}

const GROUPS: &str = "{s}/resourceGroups?api-version=2021-04-01";
const GROUP: &str = "{s}/resourceGroups/rg?api-version=2021-04-01";

#[tokio::test]
async fn bodies_that_are_no_resource() {
    let server = RawServer::start().await;
    for body in
        ["{", "{\"location\": \"eastus\",}", "not json", "[]", "\"eastus\"", "7", "{\"location\": 5, \"tags\": 5}"]
    {
        server.put(GROUP, body).await.expect(400, "InvalidRequestContent");
    }
    server.put(GROUP, "{\"location\": \"eastus\", \"colour\": \"red\"}").await.expect(400, "InvalidRequestContent");
    server.put(GROUP, "").await.expect(400, "LocationRequired");
    server.put(GROUP, &"[".repeat(1_000_000)).await.expect(400, "InvalidRequestContent");
    server.put(GROUP, "{\"location\": \"eastus\\ud800\"}").await.expect(400, "InvalidRequestContent");
    server.lives().await;
}

#[tokio::test]
async fn a_body_of_a_hundred_megabytes() {
    // Far more patience than it needs: this is about size.
    let server = RawServer::with(Settings::default()).await;
    let size = 100 * 1024 * 1024;
    let block = vec![b' '; 1024 * 1024];

    // Told in advance.
    let mut stream = server.connect().await;
    let head = format!("{}Content-Length: {size}\r\n\r\n", server.head("PUT", GROUP));
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..100 {
        stream.write_all(&block).await.unwrap();
    }
    read(&mut stream).await.expect(413, "RequestContentTooLarge");

    // In pieces, with no word of where it ends.
    let mut stream = server.connect().await;
    let head = format!("{}Transfer-Encoding: chunked\r\n\r\n", server.head("PUT", GROUP));
    stream.write_all(head.as_bytes()).await.unwrap();
    for _ in 0..100 {
        stream.write_all(format!("{:x}\r\n", block.len()).as_bytes()).await.unwrap();
        stream.write_all(&block).await.unwrap();
        stream.write_all(b"\r\n").await.unwrap();
    }
    stream.write_all(b"0\r\n\r\n").await.unwrap();
    read(&mut stream).await.expect(413, "RequestContentTooLarge");

    // By an ordinary client, over HTTP/2.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = client(&server.azure);
    let url = format!(
        "{}subscriptions/{}/resourceGroups/rg?api-version=2021-04-01",
        server.azure.endpoint(),
        server.azure.subscription_id()
    );
    let response = client.put(url).bearer_auth(&server.token).body(vec![b' '; size]).send().await.unwrap();
    assert_eq!(response.status(), 413);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["error"]["code"], "RequestContentTooLarge");
    server.lives().await;
}

#[tokio::test]
async fn paths_that_mean_another_one() {
    let server = RawServer::start().await;
    for path in [
        "{s}/../{s}/resourceGroups?api-version=2021-04-01",
        "{s}/resourceGroups/rg/../../resourceGroups?api-version=2021-04-01",
        "{s}/%2e%2e/resourceGroups?api-version=2021-04-01",
        "{s}/resourceGroups/a%2fb?api-version=2021-04-01",
        "{s}/resourceGroups/a%2Fproviders%2FMicrosoft.Network?api-version=2021-04-01",
        "{s}/resourceGroups/a%5cb?api-version=2021-04-01",
        "{s}/resourceGroups/a%00b?api-version=2021-04-01",
        "{s}//resourceGroups?api-version=2021-04-01",
        "{s}/resourceGroups//providers/Microsoft.Network/virtualNetworks?api-version=2022-01-01",
    ] {
        server.get(path).await.expect(400, "InvalidRequestUri");
    }
    server.get("/{s}/resourceGroups?api-version=2021-04-01").await.expect(404, "MissingSubscription");
    let long = format!("{{s}}/resourceGroups/{}?api-version=2021-04-01", "x".repeat(20_000));
    server.get(&long).await.expect(414, "RequestUriTooLong");
    // Longer than the protocol's own library takes: no body then.
    assert_eq!(server.get(&format!("{{s}}/{}", "x".repeat(70_000))).await.status, 414);
    assert_eq!(server.get("{s}/resourceGroups?api-version=2021-04-01&x=%zz&%&&==").await.status, 200);
    server.get("{s}/resourceGroups?api-version=%00").await.expect(400, "InvalidApiVersionParameter");
    assert_eq!(server.get("*").await.status, 400);
    server.lives().await;
}

#[tokio::test]
async fn headers_given_twice() {
    let server = RawServer::start().await;
    let head = server.head("GET", GROUPS);
    let twice = server.say(format!("{head}Authorization: Bearer {}\r\n\r\n", server.token)).await;
    twice.expect(401, "AuthenticationFailedInvalidHeader");
    for header in
        ["Host: other", "If-Match: *\r\nIf-Match: *", "X-Ms-Client-Request-Id: 1\r\nx-ms-client-request-id: 2"]
    {
        server.say(format!("{head}{header}\r\n\r\n")).await.expect(400, "InvalidHeaderValue");
    }
    let put = server.head("PUT", GROUP);
    assert_eq!(server.say(format!("{put}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}")).await.status, 400);
    assert_eq!(server.say(format!("{put}Content-Length: -2\r\n\r\n{{}}")).await.status, 400);
    server.lives().await;
}

#[tokio::test]
async fn huge_heads() {
    let server = RawServer::start().await;
    let head = server.head("GET", GROUPS);
    let huge = server.say(format!("{head}X-Large: {}\r\n\r\n", "x".repeat(80_000))).await;
    huge.expect(431, "RequestHeaderFieldsTooLarge");
    // Beyond what the protocol's own library takes: no body then.
    let many: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    assert_eq!(server.say(format!("{head}{many}\r\n")).await.status, 431);
    assert_eq!(server.say(format!("{head}X-Large: {}\r\n\r\n", "x".repeat(2_000_000))).await.status, 431);
    server.lives().await;
}

#[tokio::test]
async fn a_body_that_does_not_come() {
    let server = RawServer::start().await;
    let head = format!("{}Content-Length: 100\r\n\r\n", server.head("PUT", GROUP));
    server.say(&head).await.expect(408, "RequestTimeout");
    server.say(format!("{head}{{\"location\":")).await.expect(408, "RequestTimeout");
    server.lives().await;
}

#[tokio::test]
async fn connections_closed_halfway() {
    let server = RawServer::start().await;
    // The whole request, then no more to say: the answer still comes.
    let mut stream = server.connect().await;
    stream.write_all(format!("{}\r\n", server.head("GET", GROUPS)).as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(read(&mut stream).await.status, 200);

    // Half a body.
    let mut stream = server.connect().await;
    let head = format!("{}Content-Length: 100\r\n\r\n{{\"loc", server.head("PUT", GROUP));
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    read(&mut stream).await.expect(400, "InvalidRequestContent");

    // Half a head, and gone altogether: nobody is left to answer to.
    for part in ["", "GET /subscr", "PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\n{"] {
        let mut stream = server.connect().await;
        stream.write_all(part.as_bytes()).await.unwrap();
        drop(stream);
    }
    server.lives().await;
}

#[tokio::test]
async fn noise() {
    let server = RawServer::start().await;
    for noise in ["GARBAGE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\0\0\0\0\r\n\r\n", "GET  HTTP/1.1\r\n\r\n"] {
        let status = server.say(noise).await.status;
        assert!(matches!(status, 0 | 400 | 505), "{status} for {noise:?}");
    }
    let chunked = format!("{}Transfer-Encoding: chunked\r\n\r\nzz\r\n", server.head("PUT", GROUP));
    assert_eq!(server.say(chunked).await.status, 400);
    // Plain HTTP where TLS is spoken.
    let mut plain = TcpStream::connect(server.address()).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(read(&mut plain).await.status, 0);
    server.lives().await;
}

#[tokio::test]
async fn what_the_caller_calls_the_request_comes_back_on_demand() {
    let server = RawServer::start().await;
    let ask = async |headers: &str| {
        let mut stream = server.connect().await;
        let head = format!("{}{headers}\r\n", server.head("GET", GROUPS));
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut bytes = vec![0; 8192];
        let count = stream.read(&mut bytes).await.unwrap();
        String::from_utf8_lossy(&bytes[..count]).to_ascii_lowercase()
    };
    let theirs = "x-ms-client-request-id: 5d1b1f5e-0000-0000-0000-000000000001\r\n";
    let quiet = ask(theirs).await;
    assert!(!quiet.contains("x-ms-client-request-id"), "{quiet}");
    let told =
        ask(&format!("{theirs}x-ms-return-client-request-id: True\r\nx-ms-correlation-request-id: abc\r\n")).await;
    assert!(told.contains(theirs), "{told}");
    assert!(told.contains("x-ms-correlation-request-id: abc\r\n"), "{told}");
    assert!(told.contains("x-ms-routing-request-id: eastus:20"), "{told}");
    assert!(told.contains("x-ms-request-id: "), "{told}");
    assert!(told.contains("x-ms-ratelimit-remaining-subscription-reads: 24"), "{told}");
}
