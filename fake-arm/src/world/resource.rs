//! One resource as the store keeps it.

use jiff::Timestamp;
use serde::ser::{SerializeMap as _, Serializer as _};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use arm::ResourceId;

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
        out.insert("etag".into(), json!(self.shown_etag()));
        out.insert("type".into(), json!(self.resource_type));
        if let Value::Object(body) = &self.body {
            out.extend(body.iter().map(|(key, value)| (key.clone(), value.clone())));
        }
        Value::Object(out)
    }

    /// [`json`](Self::json) as text, without a copy of the body in between; `None` for a body that says one of the four
    /// itself.
    pub(crate) fn text(&self) -> Option<Vec<u8>> {
        let body = self.body.as_object()?;
        if ["name", "id", "etag", "type"].iter().any(|own| body.contains_key(*own)) {
            return None;
        }
        // Most are no longer.
        let mut text = Vec::with_capacity(4096);
        let mut json = serde_json::Serializer::new(&mut text);
        let mut fields = json.serialize_map(None).ok()?;
        fields.serialize_entry("name", self.id.name()).ok()?;
        fields.serialize_entry("id", self.id.as_str()).ok()?;
        fields.serialize_entry("etag", &self.shown_etag()).ok()?;
        fields.serialize_entry("type", &self.resource_type).ok()?;
        for (name, value) in body {
            fields.serialize_entry(name, value).ok()?;
        }
        fields.end().ok()?;
        Some(text)
    }

    /// The etag in the quoted form of the network provider.
    pub(crate) fn shown_etag(&self) -> String {
        format!("W/\"{}\"", self.etag)
    }

    /// `properties`, null where they are missing.
    pub fn properties(&self) -> &Value {
        &self.body["properties"]
    }

    /// `properties`, made where they are missing.
    pub fn properties_mut(&mut self) -> &mut Map<String, Value> {
        if !self.body["properties"].is_object() {
            self.body["properties"] = json!({});
        }
        self.body["properties"].as_object_mut().expect("just made")
    }

    /// `properties.provisioningState`, empty where it is missing.
    pub fn provisioning_state(&self) -> &str {
        self.properties()["provisioningState"].as_str().unwrap_or_default()
    }

    /// Sets `properties.provisioningState`.
    pub fn set_provisioning_state(&mut self, state: &str) {
        self.properties_mut().insert("provisioningState".into(), json!(state));
    }

    /// `location`, empty where it is missing.
    pub fn location(&self) -> &str {
        self.body["location"].as_str().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(body: Value) -> Resource {
        let id = ResourceId::group_of("s", "RG").resource("Microsoft.Foo/bars", "b\"ar");
        let resource_type = "Microsoft.Foo/bars".to_owned();
        Resource { id, resource_type, body, created: Timestamp::UNIX_EPOCH, etag: Uuid::from_u128(1) }
    }

    #[test]
    fn the_text_is_that_of_the_json() {
        let body =
            json!({"location": "eastus", "tags": {"a": "b"}, "zones": ["1"], "properties": {"n": 1.5, "t": "ä\n"}});
        for body in [body, json!({}), json!({"properties": null})] {
            let resource = resource(body);
            assert_eq!(String::from_utf8(resource.text().unwrap()).unwrap(), resource.json().to_string());
        }
        assert_eq!(resource(json!({"name": "other"})).text(), None);
    }
}
