//! What is read of Kubernetes objects, as JSON, again and again.

use jiff::Timestamp;
use serde_json::Value;

/// The status condition of this type of a Kubernetes object.
pub(crate) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}

/// The status condition of this type of a Kubernetes object, where it is True.
pub(crate) fn true_condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    condition(object, kind).filter(|found| found["status"] == "True")
}

/// Whether a Kubernetes object has this status condition and it is True.
pub(crate) fn is_true(object: &Value, kind: &str) -> bool {
    true_condition(object, kind).is_some()
}

/// `metadata.name`.
pub(crate) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or("?")
}

/// A time as Kubernetes writes it.
pub(crate) fn moment(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// Whether the object is on its way out.
pub(crate) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

/// Whether the object carries this label with this value.
pub(crate) fn has_label(object: &Value, key: &str, value: &str) -> bool {
    object["metadata"]["labels"][key] == value
}
