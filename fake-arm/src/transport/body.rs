//! The body of a request: read within limits of size and time.

use std::time::Duration;

use axum::body::{Body, HttpBody as _};
use bytes::{Bytes, BytesMut};
use futures::StreamExt as _;
use http::StatusCode;

use arm::ArmError;

/// ARM refuses bodies above 4 MiB.
const LARGEST_BODY: usize = 4 * 1024 * 1024;
/// What is too large is still taken off the wire up to this size: a client that is cut off while it writes does not
/// read the answer.
const LARGEST_DRAINED: usize = 512 * 1024 * 1024;

/// Reads the body within `patience` of wall time.
///
/// # Errors
/// 413 for one that is too large, 408 for one that does not come, 400 for one that breaks off.
pub(super) async fn raw(body: Body, patience: Duration) -> Result<Bytes, ArmError> {
    raw_up_to(body, patience, LARGEST_BODY).await
}

/// The same with a limit of one's own.
///
/// # Errors
/// As above.
pub(crate) async fn raw_up_to(body: Body, patience: Duration, limit: usize) -> Result<Bytes, ArmError> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    tokio::time::timeout(patience, gather(body, limit)).await.unwrap_or_else(|_| Err(too_slow(patience)))
}

/// Everything that the client sends; beyond the limit it is read and thrown away.
async fn gather(body: Body, limit: usize) -> Result<Bytes, ArmError> {
    let mut stream = body.into_data_stream();
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut size = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| broken_off(size))?;
        size += chunk.len();
        if size > LARGEST_DRAINED {
            break;
        }
        if size > limit {
            (first, rest) = Default::default();
        } else if first.is_empty() {
            first = chunk;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&chunk);
        }
    }
    if size > limit {
        return Err(too_large(limit));
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

fn too_large(limit: usize) -> ArmError {
    ArmError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "RequestContentTooLarge",
        format!("The request content size exceeds the maximum size of {} MB.", limit / 1024 / 1024),
    )
}

fn too_slow(patience: Duration) -> ArmError {
    ArmError::new(
        StatusCode::REQUEST_TIMEOUT,
        "RequestTimeout",
        format!("The request content was not received within {} seconds.", patience.as_secs_f64()),
    )
}

fn broken_off(size: usize) -> ArmError {
    ArmError::bad_request(
        "InvalidRequestContent",
        format!("The request content was invalid: it broke off after {size} bytes."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::Content;

    #[tokio::test]
    async fn pieces_make_one_body() {
        let pieces = ["{\"a\"", ":", "[1,2", "]}"].map(|p| Ok::<_, std::io::Error>(Bytes::from_static(p.as_bytes())));
        let body = Body::from_stream(futures::stream::iter(pieces));
        let read = Content::parse(&raw(body, Duration::from_secs(5)).await.unwrap()).unwrap();
        assert_eq!((read.value, read.size), (serde_json::json!({"a": [1, 2]}), 11));
    }
}
