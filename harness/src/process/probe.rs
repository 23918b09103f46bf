//! How to tell that a child process is ready: one enum, asked again and again.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;

/// A question to a child process. `Err` holds what it answered instead of "ready".
type Question = Arc<dyn Fn() -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

/// How to tell that a child process is ready.
#[derive(Clone)]
pub enum Probe {
    /// It is, as soon as it runs.
    Started,
    /// It accepts connections on this Unix socket.
    Socket(PathBuf),
    /// It answers a GET of this URL with a 2xx status.
    Http {
        /// What to get.
        url: String,
        /// PEM of the only authority to trust; `None` for plain http.
        ca: Option<String>,
        /// PEM of a client certificate and its key, one after the other.
        identity: Option<String>,
    },
    /// Whatever this asks.
    Custom(Question),
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started => f.write_str("Started"),
            Self::Socket(path) => f.debug_tuple("Socket").field(path).finish(),
            Self::Http { url, .. } => f.debug_tuple("Http").field(url).finish(),
            Self::Custom(_) => f.write_str("Custom"),
        }
    }
}

impl Probe {
    /// A GET over plain http.
    pub fn http(url: impl Into<String>) -> Self {
        Self::Http { url: url.into(), ca: None, identity: None }
    }

    /// A GET over https to a server of a private authority.
    pub fn https(url: impl Into<String>, ca: impl Into<String>) -> Self {
        Self::Http { url: url.into(), ca: Some(ca.into()), identity: None }
    }

    /// Presents a client certificate. Without effect on probes other than https.
    #[must_use]
    pub fn identity(mut self, certificate: &str, key: &str) -> Self {
        if let Self::Http { identity, .. } = &mut self {
            *identity = Some(format!("{certificate}\n{key}"));
        }
        self
    }

    /// A question of the caller's own; its error is what an impatient reader is told.
    pub fn custom<F, A>(question: F) -> Self
    where
        F: Fn() -> A + Send + Sync + 'static,
        A: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self::Custom(Arc::new(move || Box::pin(question())))
    }

    /// The question that this probe asks.
    ///
    /// # Errors
    /// When a certificate cannot be read.
    pub(super) fn question(&self) -> Result<Question, String> {
        Ok(match self {
            Self::Started => Arc::new(|| Box::pin(async { Ok(()) })),
            Self::Socket(path) => {
                let path = path.clone();
                Arc::new(move || {
                    let path = path.clone();
                    Box::pin(async move {
                        tokio::net::UnixStream::connect(&path)
                            .await
                            .map(drop)
                            .map_err(|e| format!("{}: {e}", path.display()))
                    })
                })
            }
            Self::Http { url, ca, identity } => {
                let client = client(ca.as_deref(), identity.as_deref())?;
                let url = url.clone();
                Arc::new(move || {
                    let request = client.get(&url).send();
                    let url = url.clone();
                    Box::pin(async move {
                        let answer = request.await.map_err(|error| format!("GET {url}: {}", root_cause(&error)))?;
                        if answer.status().is_success() {
                            return Ok(());
                        }
                        let status = answer.status();
                        let body = answer.text().await.unwrap_or_default();
                        let body: String = body.trim().chars().take(1_000).collect();
                        Err(format!("GET {url} answered {status}: {body}"))
                    })
                })
            }
            Self::Custom(question) => question.clone(),
        })
    }
}

fn client(ca: Option<&str>, identity: Option<&str>) -> Result<reqwest::Client, String> {
    // Whoever comes first installs it; the others find it there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5));
    if let Some(ca) = ca {
        let ca = reqwest::Certificate::from_pem(ca.as_bytes()).map_err(|error| format!("the authority: {error}"))?;
        builder = builder.tls_certs_only([ca]);
    } else {
        // Plain http: no need to read the system's authorities.
        builder = builder.tls_certs_only([]);
    }
    if let Some(identity) = identity {
        let identity = reqwest::Identity::from_pem(identity.as_bytes())
            .map_err(|error| format!("the client certificate: {error}"))?;
        builder = builder.identity(identity);
    }
    builder.build().map_err(|error| root_cause(&error))
}

fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    cause.to_string()
}
