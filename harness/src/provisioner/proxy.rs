//! Leads `management.azure.com` to the ARM endpoint, for versions of the provisioner that know no other ARM: an HTTP
//! proxy that understands CONNECT and refuses every other host, so that nothing leaves the lab.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

/// The host that versions without another way reach ARM under.
const PUBLIC_ARM: &str = "management.azure.com:443";

/// A running proxy; it ends when it is dropped.
#[derive(Debug)]
pub(super) struct ArmProxy {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl ArmProxy {
    /// Listens on loopback and leads to `arm`.
    pub(super) async fn start(arm: &Url) -> std::io::Result<Self> {
        let host = arm.host_str().unwrap_or("127.0.0.1");
        let target = format!("{host}:{}", arm.port_or_known_default().unwrap_or(443));
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let task = tokio::spawn(async move {
            let mut tunnels = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                while tunnels.try_join_next().is_some() {}
                tunnels.spawn(tunnel(stream, target.clone()));
            }
        });
        Ok(Self { address, task })
    }

    /// For `HTTPS_PROXY`.
    pub(super) fn url(&self) -> Url {
        Url::parse(&format!("http://{}", self.address)).expect("an address makes a URL")
    }
}

impl Drop for ArmProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn tunnel(stream: TcpStream, target: String) -> std::io::Result<()> {
    let mut client = BufReader::new(stream);
    let mut request = String::new();
    client.read_line(&mut request).await?;
    let mut header = String::new();
    while client.read_line(&mut header).await? > 2 {
        header.clear();
    }
    let wanted = request.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap_or_default();
    if wanted != PUBLIC_ARM {
        tracing::debug!(wanted, "the proxy leads to ARM alone");
        return client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
    }
    let mut arm = match TcpStream::connect(&target).await {
        Ok(arm) => arm,
        Err(_) => return client.write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n").await,
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    tokio::io::copy_bidirectional(&mut client, &mut arm).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    async fn connect(proxy: &ArmProxy, host: &str) -> (String, TcpStream) {
        let mut stream = TcpStream::connect(proxy.address).await.expect("connects");
        let request = format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Go\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("asks");
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.expect("is answered");
        (String::from_utf8(answer).expect("text"), stream)
    }

    #[tokio::test]
    async fn the_public_arm_is_led_to_the_endpoint_and_nothing_else_goes_anywhere() {
        let arm = TcpListener::bind("127.0.0.1:0").await.expect("arm");
        let url = Url::parse(&format!("https://{}", arm.local_addr().expect("address"))).expect("url");
        let proxy = ArmProxy::start(&url).await.expect("proxy");
        let (refused, _) = connect(&proxy, "prices.azure.com:443").await;
        assert_eq!(refused, "HTTP/1.1 403");
        let (accepted, mut client) = connect(&proxy, PUBLIC_ARM).await;
        assert_eq!(accepted, "HTTP/1.1 200");
        let (mut server, _) = arm.accept().await.expect("led here");
        server.write_all(b"hello").await.expect("says");
        drop(server);
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.expect("hears");
        assert!(heard.ends_with("hello"), "{heard}");
    }
}
