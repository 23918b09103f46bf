//! Ids at the end of references.

/// The id that a reference or a resource's last segment holds; nil for what is none, which is nobody and nothing.
pub fn last_id(text: &str) -> uuid::Uuid {
    uuid::Uuid::parse_str(text.rsplit('/').next().unwrap_or_default()).unwrap_or(uuid::Uuid::nil())
}
