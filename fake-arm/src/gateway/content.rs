//! The body of a request as JSON.

use serde_json::Value;

use arm::ArmError;

/// A body as JSON, null for an empty one, and its size in bytes.
#[derive(Debug, Default)]
pub(crate) struct Content {
    pub(crate) value: Value,
    pub(crate) size: usize,
}

impl Content {
    /// Reads bytes as JSON.
    ///
    /// # Errors
    /// 400 `InvalidRequestContent`.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ArmError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::default());
        }
        // A byte order mark is what PowerShell writes.
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        // Deployments come in the lenient form of template files.
        let read = serde_json::from_slice(text).or_else(|error| template::deployment_body(text).ok_or(error));
        let value = read.map_err(|error| {
            ArmError::bad_request(
                "InvalidRequestContent",
                format!("The request content was invalid and could not be deserialized: '{error}'."),
            )
        })?;
        Ok(Self { value, size: bytes.len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_is_nothing_and_a_mark_is_skipped() {
        assert_eq!(Content::parse(b" \r\n").unwrap().value, Value::Null);
        assert_eq!(Content::parse(b"\xef\xbb\xbf{\"a\":1}").unwrap().value["a"], 1);
        for bad in ["{", "{\"a\":1,}", "[1", "nul", "{\"a\":\u{1}}"] {
            assert_eq!(Content::parse(bad.as_bytes()).unwrap_err().code(), "InvalidRequestContent", "{bad}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(Content::parse(deep.as_bytes()).unwrap_err().code(), "InvalidRequestContent");
    }
}
