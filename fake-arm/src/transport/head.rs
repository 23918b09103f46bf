//! What a request says before its body: where it goes, and with which headers. Its form is checked here, before
//! anything else is looked at.

use std::borrow::Cow;

use http::request::Parts;
use http::{StatusCode, header};

use crate::gateway::Head;
use arm::{ArmError, decoded};

/// Bytes of all header lines together. Azure's own limit is not documented for ARM; tokens of users with many groups
/// need some ten thousand.
const LARGEST_HEADERS: usize = 64 * 1024;
/// Bytes of path and query. HTTP.sys, in front of ARM, refuses longer ones as well.
const LONGEST_URI: usize = 16 * 1024;
/// Headers that say one thing: twice is two things.
const SINGLE: &[&str] = &[
    "authorization",
    "host",
    "content-type",
    "content-length",
    "if-match",
    "if-none-match",
    "x-ms-client-request-id",
    "x-ms-correlation-request-id",
    "x-identity-header",
];

/// Takes the head of a request over. `endpoint` stands in for a host that is not told.
pub(super) fn read(parts: Parts, endpoint: &str) -> Head {
    let authority = parts.uri.authority().map(http::uri::Authority::as_str);
    let host = authority.or_else(|| parts.headers.get(header::HOST).and_then(|v| v.to_str().ok()));
    let origin = host.map_or_else(|| endpoint.to_owned(), |host| format!("https://{host}"));
    Head {
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        method: parts.method,
        headers: parts.headers.into(),
        origin,
    }
}

/// Refuses what no client sends by accident.
///
/// # Errors
/// 400, 414, 431 (and 401 for a second `Authorization`), in ARM's form.
pub(super) fn check(head: &Head) -> Result<(), ArmError> {
    let size: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if size > LARGEST_HEADERS {
        return Err(ArmError::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "RequestHeaderFieldsTooLarge",
            format!("The size of the request headers, {size} bytes, exceeds the limit of {LARGEST_HEADERS} bytes."),
        ));
    }
    if head.path.len() + head.query.len() > LONGEST_URI {
        return Err(ArmError::new(
            StatusCode::URI_TOO_LONG,
            "RequestUriTooLong",
            format!("The request URI is longer than {LONGEST_URI} characters."),
        ));
    }
    // As many values as names: none of them is given twice.
    let repeated: &[&str] = if head.headers.len() == head.headers.keys_len() { &[] } else { SINGLE };
    for name in repeated {
        if head.headers.get_all(*name).iter().nth(1).is_some() {
            return Err(twice(name));
        }
    }
    check_path(&head.path)
}

fn twice(name: &str) -> ArmError {
    if name == "authorization" {
        return ArmError::unauthorized(
            "AuthenticationFailedInvalidHeader",
            "Authentication failed. The 'Authorization' header is provided in an invalid format.",
        );
    }
    ArmError::bad_request(
        "InvalidHeaderValue",
        format!("The header '{name}' is given more than once; it can have one value only."),
    )
}

/// Refuses paths that mean another one than they show.
fn check_path(path: &str) -> Result<(), ArmError> {
    if path.starts_with("//") {
        return Err(ArmError::not_found(
            "MissingSubscription",
            "The request did not have a subscription or a valid tenant level resource provider.",
        ));
    }
    let Some(reason) = trick(path) else { return Ok(()) };
    Err(ArmError::bad_request("InvalidRequestUri", format!("The request URI path '{path}' is invalid: {reason}.")))
}

/// What is wrong with a path that means another one than it says; `None` where it does not. A `/` at the end is allowed.
fn trick(path: &str) -> Option<&'static str> {
    let path = path.strip_prefix('/').unwrap_or(path);
    let path = path.strip_suffix('/').unwrap_or(path);
    if path.is_empty() {
        return None;
    }
    path.split('/').find_map(|segment| {
        let segment = if segment.contains('%') { Cow::Owned(decoded(segment)) } else { Cow::Borrowed(segment) };
        if segment.is_empty() {
            Some("it has an empty segment")
        } else if segment == "." || segment == ".." {
            Some("it has a segment of dots")
        } else if segment.contains(['/', '\\']) {
            Some("it has an encoded slash")
        } else if segment.contains(char::is_control) {
            Some("it has a control character")
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_mean_another_one_are_refused() {
        for good in ["/", "/subscriptions/s", "/subscriptions/s/", "/a%20b/c.d/e..f/.g", "/a%2"] {
            assert!(check_path(good).is_ok(), "{good}");
        }
        for bad in ["/a/../b", "/a/%2e%2e/b", "/./a", "/a//b", "/a%2fb", "/a%5Cb", "/a%00b", "/a/b//"] {
            assert_eq!(check_path(bad).unwrap_err().code(), "InvalidRequestUri", "{bad}");
        }
        assert_eq!(check_path("//subscriptions/s").unwrap_err().code(), "MissingSubscription");
    }

    proptest::proptest! {
        #[test]
        fn a_path_that_passes_has_plain_segments(path in "(/[a-z.%0-9A-F\\\\]{0,6}){0,5}") {
            if check_path(&path).is_ok() {
                for segment in path.split('/').filter(|s| !s.is_empty()).map(decoded) {
                    proptest::prop_assert!(segment != ".." && !segment.contains('/'));
                }
            }
        }
    }
}
