//! One resource as the store keeps it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::arm::ResourceId;

/// A resource: its id and its JSON body.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Resource {
    /// Full id, in the case in which it was created.
    pub id: ResourceId,
    /// Registered type, `Microsoft.Network/virtualNetworks`.
    pub resource_type: String,
    /// The body without `id`, `name`, `type` and `etag`, which [`Resource::json`] adds.
    pub body: Value,
    /// When it was created.
    pub created: Timestamp,
    /// New at each change.
    pub etag: Uuid,
}

impl Resource {
    /// Last segment of its id.
    pub fn name(&self) -> &str {
        self.id.name()
    }

    /// The body as Azure shows it: `name`, `id`, `etag` (in the quoted form of the network provider), `type`, then
    /// the rest.
    pub fn json(&self) -> Value {
        let mut out = Map::new();
        out.insert("name".into(), json!(self.id.name()));
        out.insert("id".into(), json!(self.id));
        out.insert("etag".into(), json!(format!("W/\"{}\"", self.etag)));
        out.insert("type".into(), json!(self.resource_type));
        if let Value::Object(body) = &self.body {
            out.extend(body.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        Value::Object(out)
    }

    /// `properties`, null where there are none.
    pub fn properties(&self) -> &Value {
        &self.body["properties"]
    }

    /// `properties`, made where there are none.
    pub fn properties_mut(&mut self) -> &mut Map<String, Value> {
        if !self.body["properties"].is_object() {
            self.body["properties"] = json!({});
        }
        self.body["properties"].as_object_mut().expect("just made")
    }

    /// `properties.provisioningState`, empty where there is none.
    pub fn provisioning_state(&self) -> &str {
        self.properties()["provisioningState"].as_str().unwrap_or_default()
    }

    /// Sets `properties.provisioningState`.
    pub fn set_provisioning_state(&mut self, state: &str) {
        self.properties_mut().insert("provisioningState".into(), json!(state));
    }

    /// `location`, empty where there is none.
    pub fn location(&self) -> &str {
        self.body["location"].as_str().unwrap_or_default()
    }
}
