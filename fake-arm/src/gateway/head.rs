//! What a request says before its body: where it goes, and with which headers.

use std::sync::Arc;

use http::{HeaderMap, Method, header};

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Arc<HeaderMap>,
    /// `https://host:port` as the caller wrote it; absolute links start with it.
    pub(crate) origin: String,
}

impl Head {
    /// A header as text; `None` where it is missing or not a text.
    pub(crate) fn text(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }
}
