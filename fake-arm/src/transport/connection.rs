//! What a connection may take in time and size before its first request is understood.

use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::server::conn::auto::Builder;

/// Within this much wall time a request's head must have come.
const HEAD_PATIENCE: Duration = Duration::from_secs(30);
/// HTTP/2 headers above this are refused by the protocol itself; below it ARM's own limit applies.
const LARGEST_HEADERS: u32 = 256 * 1024;

/// Sets the limits of a server's connections.
pub(super) fn limit(http: &mut Builder<TokioExecutor>) {
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        // A client may close its side once it has asked, and still read the answer.
        .half_close(true);
    http.http2().timer(TokioTimer::new()).max_header_list_size(LARGEST_HEADERS);
}
