//! Ids at the end of references.

/// The UUID in the last segment of a reference or resource id; the nil UUID where that segment is not a UUID.
pub fn last_id(text: &str) -> uuid::Uuid {
    uuid::Uuid::parse_str(text.rsplit('/').next().unwrap_or_default()).unwrap_or(uuid::Uuid::nil())
}
