//! Watches the cluster and records what is seen.

use std::collections::HashMap;
use std::sync::Arc;

use futures::StreamExt;
use kube::api::{Api, DynamicObject};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::history::{Change, Event, History};

/// Kinds whose every change is recorded, with group and version.
const WATCHED: [(&str, &str, &str, &str); 9] = [
    ("", "v1", "Node", "nodes"),
    ("", "v1", "Pod", "pods"),
    ("", "v1", "Event", "events"),
    ("apps", "v1", "Deployment", "deployments"),
    ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
    ("coordination.k8s.io", "v1", "Lease", "leases"),
    ("karpenter.sh", "v1", "NodeClaim", "nodeclaims"),
    ("karpenter.sh", "v1", "NodePool", "nodepools"),
    ("karpenter.azure.com", "v1beta1", "AKSNodeClass", "aksnodeclasses"),
];

/// Watches of one cluster. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Watches {
    _tasks: JoinSet<()>,
}

impl Watches {
    /// Starts watching; must be called in the runtime that shall do it.
    #[must_use]
    pub(super) fn start(client: &kube::Client, history: &History) -> Self {
        let mut tasks = JoinSet::new();
        for (group, version, kind, plural) in WATCHED {
            let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural);
            let api = Api::all_with(client.clone(), &resource);
            tasks.spawn(watch(api, kind, history.clone()));
        }
        Self { _tasks: tasks }
    }
}

async fn watch(api: Api<DynamicObject>, kind: &'static str, history: History) {
    // What is known to exist, so that a list after a broken watch tells what has gone meanwhile.
    let mut known: HashMap<String, Arc<Value>> = HashMap::new();
    let mut listed: HashMap<String, Arc<Value>> = HashMap::new();
    let mut stream = watcher(api, watcher::Config::default()).default_backoff().boxed();
    let record = |change, object: &Arc<Value>| {
        history.record(Event::Kube { kind: kind.to_owned(), change, object: Arc::clone(object) });
    };
    while let Some(event) = stream.next().await {
        match event {
            Ok(watcher::Event::Init) => listed.clear(),
            Ok(watcher::Event::InitApply(object)) => {
                let (uid, object) = plain(object, kind);
                listed.insert(uid, object);
            }
            Ok(watcher::Event::InitDone) => {
                for (uid, object) in &known {
                    if !listed.contains_key(uid) {
                        record(Change::Deleted, object);
                    }
                }
                for (uid, object) in &listed {
                    let version = &object["metadata"]["resourceVersion"];
                    if known.get(uid).is_none_or(|before| &before["metadata"]["resourceVersion"] != version) {
                        record(Change::Applied, object);
                    }
                }
                known = std::mem::take(&mut listed);
            }
            Ok(watcher::Event::Apply(object)) => {
                let (uid, object) = plain(object, kind);
                match known.get(&uid) {
                    Some(before) if is_sign_of_life(before, &object) => {
                        history.record_sign_of_life(kind, before, Arc::unwrap_or_clone(object));
                    }
                    _ => {
                        record(Change::Applied, &object);
                        known.insert(uid, object);
                    }
                }
            }
            Ok(watcher::Event::Delete(object)) => {
                let (uid, object) = plain(object, kind);
                record(Change::Deleted, &object);
                known.remove(&uid);
            }
            Err(error) => tracing::debug!(kind, %error, "the watch broke and is started again"),
        }
    }
}

/// Whether nothing has changed between two states of an object but when, and how often, it was confirmed: conditions of a
/// node, leases, events that are told again.
fn is_sign_of_life(before: &Value, after: &Value) -> bool {
    let timeless = |object: &Value| {
        let mut object = object.clone();
        object["metadata"]["resourceVersion"] = Value::Null;
        for condition in object["status"]["conditions"].as_array_mut().into_iter().flatten() {
            condition["lastHeartbeatTime"] = Value::Null;
        }
        if object["kind"] == "Lease" {
            object["spec"]["renewTime"] = Value::Null;
        }
        if object["kind"] == "Event" {
            for told_again in ["count", "lastTimestamp", "series"] {
                object[told_again] = Value::Null;
            }
        }
        object
    };
    // Most changes show at once.
    let differ = |part: &str| before[part] != after[part];
    !(differ("spec") && before["kind"] != "Lease") && timeless(before) == timeless(after)
}

/// The object as JSON with its kind and without what only the API server's bookkeeping needs.
fn plain(object: DynamicObject, kind: &str) -> (String, Arc<Value>) {
    let uid = object.metadata.uid.clone().unwrap_or_default();
    let mut object = serde_json::to_value(object).unwrap_or_default();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object["kind"] = kind.into();
    (uid, Arc::new(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_heartbeat_is_no_change_and_a_condition_is() {
        let node = |heartbeat: &str, ready: &str| {
            json!({
                "metadata": { "name": "n", "resourceVersion": heartbeat },
                "status": { "conditions": [{ "type": "Ready", "status": ready, "lastHeartbeatTime": heartbeat }] },
            })
        };
        assert!(is_sign_of_life(&node("1", "True"), &node("2", "True")));
        assert!(!is_sign_of_life(&node("1", "True"), &node("2", "False")));
    }

    #[test]
    fn a_lease_that_is_renewed_and_an_event_that_is_told_again_are_no_change() {
        let lease = |holder: &str, renewed: &str| {
            json!({ "kind": "Lease", "metadata": { "resourceVersion": renewed },
                    "spec": { "holderIdentity": holder, "renewTime": renewed } })
        };
        assert!(is_sign_of_life(&lease("a", "1"), &lease("a", "2")));
        assert!(!is_sign_of_life(&lease("a", "1"), &lease("b", "2")));
        let event = |message: &str, count: u32| json!({ "kind": "Event", "message": message, "count": count, "lastTimestamp": count.to_string() });
        assert!(is_sign_of_life(&event("blocked", 1), &event("blocked", 2)));
        assert!(!is_sign_of_life(&event("blocked", 1), &event("removed", 2)));
    }
}
