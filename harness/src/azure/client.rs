//! Requests to Azure Resource Manager: bearer token, api-version, error bodies, long-running operations, paging.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::Value;
use url::Url;

use super::credential::Credential;
use super::error::{ArmError, ArmFault};
use crate::clock::LabClock;

/// How often a request is repeated that Azure refuses because there are too many.
const THROTTLED_TRIES: u32 = 10;

/// A client of Azure Resource Manager. Clones share the connection pool.
#[derive(Clone)]
pub struct ArmClient {
    http: reqwest::Client,
    endpoint: Url,
    credential: Arc<dyn Credential>,
    patience: Duration,
    clock: LabClock,
}

impl std::fmt::Debug for ArmClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArmClient").field("endpoint", &self.endpoint.as_str()).finish_non_exhaustive()
    }
}

impl ArmClient {
    /// A client of the Resource Manager at `endpoint`, trusting `ca_pem` besides the system's roots, that waits for
    /// long-running operations in the time of `clock`.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub fn new(
        endpoint: Url,
        ca_pem: Option<&str>,
        credential: Arc<dyn Credential>,
        clock: LabClock,
    ) -> Result<Self, reqwest::Error> {
        let mut builder = reqwest::Client::builder().user_agent(concat!("catnap/", env!("CARGO_PKG_VERSION")));
        if let Some(pem) = ca_pem {
            builder = builder.tls_certs_only([reqwest::Certificate::from_pem(pem.as_bytes())?]);
        }
        Ok(Self {
            http: builder.no_proxy().build()?,
            endpoint,
            credential,
            patience: Duration::from_secs(30 * 60),
            clock,
        })
    }

    /// Base URL of the Resource Manager.
    #[must_use]
    pub fn endpoint(&self) -> &Url {
        &self.endpoint
    }

    /// Reads a resource or a list page.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn get(&self, id: &str, api_version: &str) -> Result<Value, ArmError> {
        let url = self.url(id, api_version);
        Ok(self.send(Method::GET, &url, id, None).await?.body)
    }

    /// Reads a whole list, following `nextLink`.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn list(&self, id: &str, api_version: &str) -> Result<Vec<Value>, ArmError> {
        let mut items = Vec::new();
        let mut url = self.url(id, api_version);
        loop {
            let page = self.send(Method::GET, &url, id, None).await?.body;
            items.extend(page["value"].as_array().into_iter().flatten().cloned());
            match page["nextLink"].as_str() {
                Some(next) => url = parse(next, "GET", id)?,
                None => return Ok(items),
            }
        }
    }

    /// Creates or replaces a resource and waits until it is there.
    ///
    /// # Errors
    /// What Azure answers, also at the end of a long-running operation.
    pub async fn put(&self, id: &str, api_version: &str, body: &Value) -> Result<Value, ArmError> {
        self.change(Method::PUT, id, api_version, Some(Body::Json(body))).await
    }

    /// Changes a resource in place and waits until it is done.
    ///
    /// # Errors
    /// What Azure answers, also at the end of a long-running operation.
    pub async fn patch(&self, id: &str, api_version: &str, body: &Value) -> Result<Value, ArmError> {
        self.change(Method::PATCH, id, api_version, Some(Body::Json(body))).await
    }

    /// Deletes a resource and waits until it is gone. A resource that is not there is deleted already.
    ///
    /// # Errors
    /// What Azure answers, also at the end of a long-running operation.
    pub async fn delete(&self, id: &str, api_version: &str) -> Result<(), ArmError> {
        match self.change(Method::DELETE, id, api_version, None).await {
            Err(ArmError::Refused(fault)) if fault.status == 404 => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// Calls an action of a resource: `id` ends in the action's name.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn post(&self, id: &str, api_version: &str, body: &Value) -> Result<Value, ArmError> {
        let url = self.url(id, api_version);
        Ok(self.send(Method::POST, &url, id, Some(Body::Json(body))).await?.body)
    }

    /// Sends a PUT and does not wait for the end of what it starts: what Azure answers at once.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn begin_put(&self, id: &str, api_version: &str, body: &Value) -> Result<Begun, ArmError> {
        let answer = self.send(Method::PUT, &self.url(id, api_version), id, Some(Body::Json(body))).await?;
        Ok(Begun {
            id: id.to_owned(),
            status: answer.status.as_u16(),
            operation: answer.header("azure-asyncoperation").or_else(|| answer.header("location")),
            pause: answer.pause(),
            body: answer.body,
        })
    }

    /// The operation of a [begun](Self::begin_put) request as it shows itself now: `{"status": "InProgress", …}`.
    ///
    /// # Errors
    /// What Azure answers; that there is no operation where the request was done at once.
    pub async fn look(&self, begun: &Begun) -> Result<Value, ArmError> {
        let url = parse(begun.operation.as_deref().unwrap_or_default(), "PUT", &begun.id)?;
        Ok(self.send(Method::GET, &url, &begun.id, None).await?.body)
    }

    /// Waits for the end of a [begun](Self::begin_put) request.
    ///
    /// # Errors
    /// What Azure answers at the end of the operation.
    pub async fn finish_put(&self, begun: &Begun) -> Result<(), ArmError> {
        match &begun.operation {
            Some(operation) => self.finish("PUT", &begun.id, operation, begun.pause).await,
            None => Ok(()),
        }
    }

    /// Lets so much cluster time go by before the next look at something that has no operation to follow.
    pub(super) async fn pause(&self, pause: Duration) {
        self.clock.pass(pause).await;
    }

    /// Creates or replaces a resource out of a text that is sent as it is, and waits until it is there: what Azure CLI
    /// makes of a template file is no strict JSON.
    ///
    /// # Errors
    /// What Azure answers, also at the end of a long-running operation.
    pub async fn put_text(&self, id: &str, api_version: &str, body: &str) -> Result<Value, ArmError> {
        self.change(Method::PUT, id, api_version, Some(Body::Text(body))).await
    }

    async fn change(
        &self,
        method: Method,
        id: &str,
        api_version: &str,
        body: Option<Body<'_>>,
    ) -> Result<Value, ArmError> {
        let url = self.url(id, api_version);
        let answer = self.send(method.clone(), &url, id, body).await?;
        let Some(operation) = answer.header("azure-asyncoperation").or_else(|| answer.header("location")) else {
            return Ok(answer.body);
        };
        self.finish(method.as_str(), id, &operation, answer.pause()).await?;
        if method == Method::DELETE {
            return Ok(Value::Null);
        }
        Ok(self.send(Method::GET, &url, id, None).await?.body)
    }

    /// Follows a long-running operation to its end. Its pace is the one that the service asks for in `Retry-After`.
    async fn finish(&self, method: &str, id: &str, operation: &str, mut pause: Duration) -> Result<(), ArmError> {
        let url = parse(operation, method, id)?;
        let begun = self.clock.now();
        loop {
            self.clock.pass(pause).await;
            let answer = self.send(Method::GET, &url, id, None).await?;
            let status = answer.body["status"].as_str().unwrap_or_default().to_owned();
            match status.as_str() {
                "Succeeded" => return Ok(()),
                "Failed" | "Canceled" => {
                    let fault =
                        ArmFault::read(format!("{method} {id}"), answer.status.as_u16(), &answer.body.to_string());
                    return Err(ArmError::OperationFailed {
                        method: method.to_owned(),
                        id: id.to_owned(),
                        status,
                        fault: Box::new(fault),
                    });
                }
                "" if answer.status != StatusCode::ACCEPTED => return Ok(()),
                _ => {}
            }
            if Duration::try_from(self.clock.now().duration_since(begun)).is_ok_and(|waited| waited > self.patience) {
                return Err(ArmError::Unexpected {
                    method: method.to_owned(),
                    id: id.to_owned(),
                    what: format!("the operation {operation} has not ended after {:?}", self.patience),
                });
            }
            pause = answer.pause();
        }
    }

    async fn send(&self, method: Method, url: &Url, id: &str, body: Option<Body<'_>>) -> Result<Answer, ArmError> {
        let unreachable = |source: reqwest::Error| ArmError::Unreachable {
            method: method.to_string(),
            id: id.to_owned(),
            endpoint: self.endpoint.to_string(),
            source,
        };
        let mut left = THROTTLED_TRIES;
        let (status, headers, text) = loop {
            let token = self.credential.token().await.map_err(|source| ArmError::NotSignedIn {
                method: method.to_string(),
                id: id.to_owned(),
                source,
            })?;
            let mut request = self.http.request(method.clone(), url.clone()).bearer_auth(token);
            request = match body {
                Some(Body::Json(json)) => request.json(json),
                Some(Body::Text(text)) => request.header("content-type", "application/json").body(text.to_owned()),
                None => request,
            };
            let response = request.send().await.map_err(unreachable)?;
            let (status, headers) = (response.status(), response.headers().clone());
            let text = response.text().await.map_err(unreachable)?;
            // As Azure's SDKs do: whoever asked too much, or too early, is told when to come again.
            if status != StatusCode::TOO_MANY_REQUESTS || left == 0 {
                break (status, headers, text);
            }
            left -= 1;
            tokio::time::sleep(Answer { status, headers, body: Value::Null }.pause()).await;
        };
        if !status.is_success() {
            return Err(ArmError::Refused(Box::new(ArmFault::read(format!("{method} {id}"), status.as_u16(), &text))));
        }
        let body = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).map_err(|error| ArmError::Unexpected {
                method: method.to_string(),
                id: id.to_owned(),
                what: format!("the answer is no JSON: {error}"),
            })?
        };
        Ok(Answer { status, headers, body })
    }

    fn url(&self, id: &str, api_version: &str) -> Url {
        let mut url = self.endpoint.clone();
        let (path, query) = id.split_once('?').unwrap_or((id, ""));
        url.set_path(path);
        url.set_query((!query.is_empty()).then_some(query));
        url.query_pairs_mut().append_pair("api-version", api_version);
        url
    }
}

fn parse(url: &str, method: &str, id: &str) -> Result<Url, ArmError> {
    Url::parse(url).map_err(|error| ArmError::Unexpected {
        method: method.to_owned(),
        id: id.to_owned(),
        what: format!("the answer leads on to {url:?}, which is no URL: {error}"),
    })
}

/// What goes along with a request.
#[derive(Debug, Clone, Copy)]
enum Body<'a> {
    Json(&'a Value),
    /// Sent as it is.
    Text(&'a str),
}

/// A PUT that Azure has taken and may not have finished yet.
#[derive(Debug, Clone)]
pub struct Begun {
    id: String,
    status: u16,
    operation: Option<String>,
    pause: Duration,
    body: Value,
}

impl Begun {
    /// HTTP status of the answer.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The resource as the answer showed it.
    #[must_use]
    pub fn body(&self) -> &Value {
        &self.body
    }

    /// Where the long-running operation is to be followed; `None` where the request was done at once.
    #[must_use]
    pub fn operation(&self) -> Option<&str> {
        self.operation.as_deref()
    }
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)?.to_str().ok().map(str::to_owned)
    }

    /// How long the service asks to wait before the next poll; 5 s where it does not say.
    fn pause(&self) -> Duration {
        let number = |name| self.header(name).and_then(|text| text.parse::<u64>().ok());
        number("retry-after-ms")
            .map(Duration::from_millis)
            .or_else(|| number("retry-after").map(Duration::from_secs))
            .unwrap_or(Duration::from_secs(5))
    }
}
