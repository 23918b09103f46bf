//! What a provider is asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, Method};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::ResourceType;
use arm::{ApiVersion, ArmError, ResourceId};

/// A request that passed authentication, the api-version check and the look-up of its resource type.
#[derive(Debug, Clone)]
pub struct Request {
    /// HTTP method.
    pub method: Method,
    /// The resource that is addressed; for a list or a POST to a collection, the scope it is in.
    pub id: ResourceId,
    /// The type that is addressed.
    pub resource_type: &'static ResourceType,
    /// `api-version`.
    pub api_version: ApiVersion,
    /// Query parameters, keys in lower case.
    pub query: BTreeMap<String, String>,
    /// Headers.
    pub headers: Arc<HeaderMap>,
    /// JSON body, null for an empty one.
    pub body: Value,
    /// Object id of who asks.
    pub caller: Uuid,
    /// `https://host:port` as the caller wrote it; absolute links start with it.
    pub origin: String,
}

impl Request {
    /// `location` of the body as Azure stores it: lower case, without blanks. Empty where the body has no location.
    pub fn location(&self) -> String {
        normal_location(self.body["location"].as_str().unwrap_or_default())
    }

    /// `properties` of the body, null where they are missing.
    pub fn properties(&self) -> &Value {
        &self.body["properties"]
    }

    /// The body as a resource keeps it: an object without the read-only `id`, `name`, `type`, `etag`, `systemData`,
    /// with `location` in its normal form and with `properties`.
    pub fn resource_body(&self) -> Value {
        let mut body = self.body.as_object().cloned().unwrap_or_default();
        for read_only in ["id", "name", "type", "etag", "systemData"] {
            body.remove(read_only);
        }
        if body.contains_key("location") {
            body.insert("location".into(), json!(self.location()));
        }
        // Azure leaves out tags and zones that are empty or null.
        body.retain(|_, value| !value.is_null());
        if !body.get("properties").is_some_and(Value::is_object) {
            body.insert("properties".into(), Value::Object(Map::new()));
        }
        Value::Object(body)
    }

    /// A string property of the body by its path below the root, `properties.subnet.id`.
    ///
    /// # Errors
    /// `InvalidRequestFormat` that names the path, where it is missing or no string.
    pub fn require_str(&self, path: &str) -> Result<&str, ArmError> {
        let pointer = format!("/{}", path.replace('.', "/"));
        self.body.pointer(&pointer).and_then(Value::as_str).filter(|s| !s.is_empty()).ok_or_else(|| {
            ArmError::bad_request("InvalidRequestFormat", "Cannot parse the request.")
                .detail("MissingJsonReferenceId", format!("Value for reference id is missing. Path {path}."))
        })
    }
}

/// A region's name as Azure stores it: `East US` is `eastus`.
pub(crate) fn normal_location(location: &str) -> String {
    location.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase()
}
