//! Where the tokens come from that requests to Azure carry.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::Value;
use tokio::sync::Mutex;
use url::Url;

/// Gives tokens for Azure Resource Manager. Asked before each request, so that one that is about to expire is replaced.
#[async_trait]
pub trait Credential: Send + Sync {
    /// The token to send now.
    ///
    /// # Errors
    /// Why nobody is signed in.
    async fn token(&self) -> Result<String, SignInError>;
}

/// A token that is made on the spot.
#[async_trait]
impl<F: Fn() -> String + Send + Sync> Credential for F {
    async fn token(&self) -> Result<String, SignInError> {
        Ok(self())
    }
}

/// Why there is no token. It never holds a secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("failed to sign in at {authority} as {client}: {reason}")]
pub struct SignInError {
    /// Where.
    pub authority: String,
    /// Client id.
    pub client: String,
    /// What was answered, or why there was no answer.
    pub reason: String,
}

/// How long before its end a token is replaced.
const BEFORE_THE_END: Duration = Duration::from_secs(5 * 60);

/// A client of the tenant (a service principal) that signs in with its secret: OAuth 2.0 client credentials grant,
/// "Microsoft identity platform and the OAuth 2.0 client credentials flow". Clones share the token.
#[derive(Clone)]
pub struct ClientSecretCredential(Arc<Client>);

struct Client {
    http: reqwest::Client,
    authority: String,
    tenant: String,
    client: String,
    secret: String,
    audience: String,
    /// The last token, and until when it is used.
    held: Mutex<Option<(String, Instant)>>,
}

impl std::fmt::Debug for ClientSecretCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSecretCredential").field("client", &self.0.client).finish_non_exhaustive()
    }
}

/// Who signs in, and where.
#[derive(Clone)]
pub struct ClientSecret {
    /// Where, `https://login.microsoftonline.com`.
    pub authority: String,
    /// Tenant id.
    pub tenant: String,
    /// Client id.
    pub client: String,
    /// The secret.
    pub secret: String,
}

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSecret").field("client", &self.client).finish_non_exhaustive()
    }
}

impl ClientSecretCredential {
    /// The credential of a client for the Resource Manager at `endpoint`, trusting the certificates `ca` (PEM) instead of
    /// the system's where they are given.
    ///
    /// # Errors
    /// When the certificates cannot be read.
    pub fn new(who: ClientSecret, endpoint: &Url, ca: Option<&str>) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder();
        if let Some(pem) = ca {
            builder = builder.tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes())?]);
        }
        let ClientSecret { authority, tenant, client, secret } = who;
        let authority = authority.trim_end_matches('/').to_owned();
        let audience = endpoint.as_str().trim_end_matches('/').to_owned();
        let (http, held) = (builder.build()?, Mutex::default());
        Ok(Self(Arc::new(Client { http, authority, tenant, client, secret, audience, held })))
    }
}

impl Client {
    fn failed(&self, reason: impl Into<String>) -> SignInError {
        SignInError { authority: self.authority.clone(), client: self.client.clone(), reason: reason.into() }
    }

    async fn ask(&self) -> Result<(String, Duration), SignInError> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.client)
            .append_pair("client_secret", &self.secret)
            .append_pair("scope", &format!("{}/.default", self.audience))
            .finish();
        let request = self
            .http
            .post(format!("{}/{}/oauth2/v2.0/token", self.authority, self.tenant))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form);
        let told = |error: reqwest::Error| self.failed(crate::causes::error_chain(&error));
        let answer = request.send().await.map_err(told)?.text().await.map_err(told)?;
        let body: Value = serde_json::from_str(&answer).unwrap_or_default();
        let Some(token) = body["access_token"].as_str() else {
            return Err(self.failed(body["error_description"].as_str().unwrap_or("the answer holds no token")));
        };
        let lifetime = body["expires_in"].as_u64().map_or(BEFORE_THE_END, Duration::from_secs);
        Ok((token.to_owned(), lifetime))
    }
}

#[async_trait]
impl Credential for ClientSecretCredential {
    async fn token(&self) -> Result<String, SignInError> {
        let mut held = self.0.held.lock().await;
        if let Some((token, until)) = &*held
            && Instant::now() < *until
        {
            return Ok(token.clone());
        }
        let (token, lifetime) = self.0.ask().await?;
        *held = Some((token.clone(), Instant::now() + lifetime.saturating_sub(BEFORE_THE_END)));
        Ok(token)
    }
}
