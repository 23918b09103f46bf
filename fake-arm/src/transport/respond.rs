//! The answer on the wire: status, the headers that every answer of ARM has, body.

use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::gateway::{Head, ResponseParts};
use arm::ArmError;

/// Writes an answer of ARM.
pub(super) fn respond(head: &Head, parts: ResponseParts) -> Response {
    let id = parts.id.to_string();
    let mut response = Response::builder();
    if let Some(headers) = response.headers_mut() {
        // As many as most answers have, so that the map does not grow on the way.
        headers.reserve(16);
    }
    let fixed = HeaderValue::from_static;
    response = response
        .header("x-ms-correlation-request-id", head.text("x-ms-correlation-request-id").unwrap_or(&id))
        .header("x-ms-routing-request-id", format!("EASTUS:{}:{id}", parts.at.strftime("%Y%m%dT%H%M%SZ")))
        .header(header::STRICT_TRANSPORT_SECURITY, fixed("max-age=31536000; includeSubDomains"))
        .header(header::X_CONTENT_TYPE_OPTIONS, fixed("nosniff"))
        .header(header::CACHE_CONTROL, fixed("no-cache"))
        .header(header::PRAGMA, fixed("no-cache"))
        .header(header::EXPIRES, fixed("-1"));
    let asks_back = head.text("x-ms-return-client-request-id").is_some_and(|v| v.eq_ignore_ascii_case("true"));
    if let Some(theirs) = head.headers.get("x-ms-client-request-id").filter(|_| asks_back) {
        response = response.header("x-ms-client-request-id", theirs);
    }
    response = response.header("x-ms-request-id", id);
    for (name, value) in parts.headers {
        response = response.header(name, value);
    }
    let (status, headers, body) = match parts.result {
        Ok(rendered) => {
            (rendered.status, rendered.headers, rendered.text.or_else(|| rendered.body.as_ref().map(text_of)))
        }
        Err(error) => {
            // A message may hold what the caller sent; a header takes no line breaks.
            if let Ok(code) = HeaderValue::from_str(error.code()) {
                response = response.header("x-ms-error-code", code);
            }
            (error.status, error_headers(&error), Some(text_of(&error.body())))
        }
    };
    response = response.status(status);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response = response.header(name, value);
        }
    }
    let bodiless = head.method == http::Method::HEAD || status == StatusCode::NO_CONTENT;
    let body = match body.filter(|_| !bodiless) {
        Some(text) => {
            response = response.header(header::CONTENT_TYPE, fixed("application/json; charset=utf-8"));
            Body::from(text)
        }
        None => Body::empty(),
    };
    let mut response = response.body(body).unwrap_or_else(|error| {
        tracing::error!(%error, "failed to write an answer: a header that HTTP does not allow");
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    if let Some(text) = parts.plain {
        response.headers_mut().insert(header::CONTENT_TYPE, fixed("text/plain; charset=utf-8"));
        *response.body_mut() = Body::from(text);
    }
    response
}

fn text_of(body: &Value) -> Vec<u8> {
    // Most are no longer.
    let mut text = Vec::with_capacity(4096);
    match serde_json::to_writer(&mut text, body) {
        Ok(()) => text,
        Err(_) => Vec::new(),
    }
}

fn error_headers(error: &ArmError) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    if error.status == StatusCode::UNAUTHORIZED {
        let told: String = error
            .message()
            .chars()
            .map(|c| if c == '"' || c.is_control() || !c.is_ascii() { '\'' } else { c })
            .collect();
        let challenge = format!(
            "Bearer authorization_uri=\"https://login.windows.net/\", error=\"invalid_token\", error_description=\"{told}\""
        );
        headers.push((header::WWW_AUTHENTICATE.to_string(), challenge));
    }
    if let Some(wait) = error.retry_after {
        headers.push((header::RETRY_AFTER.to_string(), Duration::as_secs_f64(&wait).ceil().max(1.0).to_string()));
    }
    headers
}
