//! What a deployment shows of itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::request::{Draft, registered_type};
use arm::ResourceId;

/// `properties` of a deployment that is accepted, or of one that is only validated.
pub(super) fn properties(draft: &Draft, template: &Value, correlation: Uuid, now: Timestamp) -> Value {
    let hash = Uuid::new_v5(&Uuid::NAMESPACE_OID, template.to_string().as_bytes()).as_u128() as u64;
    json!({
        "templateHash": hash.to_string(),
        "parameters": parameters(draft),
        "mode": "Incremental",
        "provisioningState": "Accepted",
        "timestamp": now.to_string(),
        "duration": "PT0S",
        "correlationId": correlation,
        "providers": providers(draft),
        "dependencies": dependencies(draft),
    })
}

/// `{"name": {"type", "value"}}`, without the values of secrets.
fn parameters(draft: &Draft) -> Value {
    let shown = draft.plan.parameters.iter().map(|(name, value)| {
        let declared = draft.declared.get(name).and_then(|d| d["type"].as_str()).unwrap_or_default();
        let kind = kind(declared);
        let secret = kind.starts_with("Secure");
        let shown = if secret { json!({ "type": kind }) } else { json!({ "type": kind, "value": value }) };
        (name.clone(), shown)
    });
    Value::Object(shown.collect())
}

/// `string` is shown as `String`.
pub(super) fn kind(declared: &str) -> &'static str {
    match declared.to_ascii_lowercase().as_str() {
        "int" => "Int",
        "bool" => "Bool",
        "object" => "Object",
        "array" => "Array",
        "securestring" => "SecureString",
        "secureobject" => "SecureObject",
        _ => "String",
    }
}

fn providers(draft: &Draft) -> Value {
    let mut by_namespace: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for resource in &draft.plan.resources {
        let (namespace, kind) = resource.resource_type.split_once('/').unwrap_or((&resource.resource_type, ""));
        let location = resource.body["location"].as_str().filter(|location| !location.starts_with('['));
        let entry = json!({ "resourceType": kind, "locations": [location] });
        let types = by_namespace.entry(namespace).or_default();
        if !types.contains(&entry) {
            types.push(entry);
        }
    }
    by_namespace
        .into_iter()
        .map(|(namespace, types)| json!({ "namespace": namespace, "resourceTypes": types }))
        .collect()
}

fn dependencies(draft: &Draft) -> Value {
    let shown = |id: &ResourceId| {
        let kind = draft.plan.resources.iter().find(|r| r.id == *id).map(registered_type);
        json!({ "id": id, "resourceType": kind, "resourceName": id.name() })
    };
    let waiting = draft.plan.resources.iter().filter(|resource| !resource.waits_for.is_empty());
    waiting
        .map(|resource| {
            let mut one = shown(&resource.id);
            one["dependsOn"] = resource.waits_for.iter().map(shown).collect();
            one
        })
        .collect()
}

/// `[{"id"}]` of a list of resources.
pub(super) fn ids<'r>(ids: impl Iterator<Item = &'r ResourceId>) -> Value {
    ids.map(|id| json!({ "id": id })).collect()
}

/// `PT62.500S`: seconds and milliseconds.
pub(super) fn duration(from: Timestamp, to: Timestamp) -> String {
    let span = to.duration_since(from);
    format!("PT{}.{:03}S", span.as_secs().max(0), span.subsec_millis().max(0))
}

/// `outputs`, without the values of secrets.
pub(super) fn output(declared: &str, value: Value) -> Map<String, Value> {
    let kind = kind(declared);
    let mut shown = Map::from_iter([("type".to_owned(), json!(kind))]);
    if !kind.starts_with("Secure") {
        shown.insert("value".to_owned(), value);
    }
    shown
}
