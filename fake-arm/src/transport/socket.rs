//! A port that is listened on, with TLS and without.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use axum::Router;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsConfig;
use axum_server::{Handle, Server};
use tokio::task::JoinHandle;

use super::connection;

/// No port could be had.
#[derive(Debug)]
pub(crate) struct ListenError {
    pub(crate) what: &'static str,
    pub(crate) address: SocketAddr,
    pub(crate) source: std::io::Error,
}

/// An open port.
pub(crate) struct Socket {
    what: &'static str,
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Socket {
    pub(crate) fn open(what: &'static str, address: SocketAddr) -> Result<Self, ListenError> {
        let open = || {
            let listener = TcpListener::bind(address)?;
            listener.set_nonblocking(true)?;
            let address = listener.local_addr()?;
            Ok(Self { what, listener, address })
        };
        open().map_err(|source| ListenError { what, address, source })
    }

    pub(crate) fn serve_tls(
        self,
        tls: Arc<rustls::ServerConfig>,
        router: Router,
        handle: Handle<SocketAddr>,
    ) -> Result<JoinHandle<()>, ListenError> {
        let (what, address) = (self.what, self.address);
        let mut server = axum_server::from_tcp_rustls(self.listener, RustlsConfig::from_config(tls))
            .map_err(|source| ListenError { what, address, source })?
            .map(|tls| tls.acceptor(NoDelayAcceptor::new()))
            .handle(handle);
        connection::limit(server.http_builder());
        Ok(tokio::spawn(async move { ended(server.serve(router.into_make_service()).await) }))
    }

    pub(crate) fn serve(self, router: Router, handle: Handle<SocketAddr>) -> Result<JoinHandle<()>, ListenError> {
        let (what, address) = (self.what, self.address);
        let mut server: Server<SocketAddr> = axum_server::from_tcp(self.listener)
            .map_err(|source| ListenError { what, address, source })?
            .handle(handle);
        connection::limit(server.http_builder());
        Ok(tokio::spawn(async move { ended(server.serve(router.into_make_service()).await) }))
    }
}

fn ended(result: std::io::Result<()>) {
    if let Err(error) = result {
        tracing::error!(%error, "failed to go on serving a fake Azure's endpoint");
    }
}
