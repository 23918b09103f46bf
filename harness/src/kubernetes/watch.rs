//! Watches the cluster and records what is seen.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::api::{Api, DynamicObject, ListParams, WatchEvent, WatchParams};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::expect::Kind;
use crate::history::{Change, Event, History, Unseen};

/// How long a watch that goes on from a version may take to send what happened since, in real time.
const CATCHING_UP: Duration = Duration::from_millis(10);

/// Between two attempts to reach the API server, in real time.
const RETRY: Duration = Duration::from_millis(50);

/// Watches of one cluster. They end when this is dropped.
#[derive(Debug)]
pub(crate) struct Watches {
    _tasks: JoinSet<()>,
    sight: WatchPosition,
}

/// How far the watches of a cluster see: the version of the last change of each kind that is recorded. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct WatchPosition(Arc<HashMap<Kind, watch::Receiver<u64>>>);

impl WatchPosition {
    /// Waits until a state of an object that the API server answered is recorded, or a later one. Who has written something
    /// does so: what is judged next would otherwise be judged by how things were before.
    pub(super) async fn reaches(&self, kind: Kind, version: &str) {
        // The versions of one API server ascend; one that is no number says nothing of what came before it.
        let (Some(mut seen), Ok(version)) = (self.0.get(&kind).cloned(), version.parse::<u64>()) else { return };
        if seen.wait_for(|seen| *seen >= version).await.is_err() {
            // The watch is over, and will never show it.
            std::future::pending::<()>().await;
        }
    }
}

impl Watches {
    /// Starts watching; must be called in the runtime that shall do it.
    #[must_use]
    pub(crate) fn start(client: &kube::Client, history: &History) -> Self {
        let mut tasks = JoinSet::new();
        let mut sight = HashMap::new();
        for &kind in Kind::WATCHED {
            let api = Api::all_with(client.clone(), &kind.resource());
            let unseen = history.unseen(kind.name());
            let (sees, seen) = watch::channel(0);
            sight.insert(kind, seen);
            tasks.spawn(Watch { api, kind, history: history.clone(), known: HashMap::new(), sees }.go_on(unseen));
        }
        Self { _tasks: tasks, sight: WatchPosition(Arc::new(sight)) }
    }

    /// How far they see.
    pub(crate) fn sight(&self) -> WatchPosition {
        self.sight.clone()
    }
}

/// A watch of one kind. Client libraries have such loops; none of them says when it does not see what happens, and what
/// is judged by what was seen must know: time moves on by minutes within milliseconds, watches end every few of them, and
/// a library's pause before the next attempt is a long time here.
struct Watch {
    api: Api<DynamicObject>,
    kind: Kind,
    history: History,
    /// What is known to exist, so that a list after a broken watch tells what has gone meanwhile.
    known: HashMap<String, Arc<Value>>,
    /// Told after each change is recorded.
    sees: watch::Sender<u64>,
}

impl Watch {
    async fn go_on(mut self, unseen: Unseen) {
        let mut unseen = Some(unseen);
        let mut version = None;
        loop {
            let from = match version.take() {
                Some(version) => Ok(version),
                None => self.list().await,
            };
            let ended = match from {
                Ok(version) => self.follow(version, &mut unseen).await,
                Err(error) => Err(error),
            };
            unseen.get_or_insert_with(|| self.history.unseen(self.kind.name()));
            match ended {
                Ok(last) => version = last,
                Err(error) => {
                    tracing::debug!(kind = self.kind.name(), %error, "the watch broke and is started again");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Records what has changed since the last look; the version that a watch can go on from.
    async fn list(&mut self) -> kube::Result<String> {
        let list = self.api.list(&ListParams::default()).await?;
        let version = list.metadata.resource_version.unwrap_or_default();
        let listed: HashMap<_, _> = list.items.into_iter().map(|object| plain(object, self.kind)).collect();
        for (uid, object) in &self.known {
            if !listed.contains_key(uid) {
                self.record(Change::Deleted, object);
            }
        }
        for (uid, object) in &listed {
            let version = &object["metadata"]["resourceVersion"];
            if self.known.get(uid).is_none_or(|before| &before["metadata"]["resourceVersion"] != version) {
                self.record(Change::Applied, object);
            }
        }
        self.known = listed;
        self.saw(&version);
        Ok(version)
    }

    /// Records what happens after `version` until the watch ends, as all do after some minutes; the version to go on
    /// from, `None` when a new list is needed.
    async fn follow(&mut self, version: String, unseen: &mut Option<Unseen>) -> kube::Result<Option<String>> {
        let stream = self.api.watch(&WatchParams::default(), &version).await?;
        self.read(pin!(stream), version, unseen).await
    }

    async fn read(
        &mut self,
        mut stream: impl Stream<Item = kube::Result<WatchEvent<DynamicObject>>> + Unpin,
        mut version: String,
        unseen: &mut Option<Unseen>,
    ) -> kube::Result<Option<String>> {
        loop {
            let next = match unseen.is_some() {
                true => tokio::time::timeout(CATCHING_UP, stream.next()).await,
                false => Ok(stream.next().await),
            };
            let event = match next {
                Err(_) => {
                    *unseen = None;
                    continue;
                }
                Ok(None) => return Ok(Some(version)),
                Ok(Some(event)) => event?,
            };
            version = match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => self.see(object),
                WatchEvent::Deleted(object) => {
                    let version = object.metadata.resource_version.clone().unwrap_or_default();
                    let (uid, object) = plain(object, self.kind);
                    self.record(Change::Deleted, &object);
                    self.known.remove(&uid);
                    version
                }
                WatchEvent::Bookmark(bookmark) => bookmark.metadata.resource_version,
                WatchEvent::Error(status) => {
                    tracing::debug!(kind = self.kind.name(), %status, "the watch cannot go on from its version");
                    return Ok(None);
                }
            };
            self.saw(&version);
        }
    }

    fn see(&mut self, object: DynamicObject) -> String {
        let version = object.metadata.resource_version.clone().unwrap_or_default();
        let (uid, object) = plain(object, self.kind);
        match self.known.get(&uid) {
            Some(before) if is_sign_of_life(before, &object) => {
                self.history.record_sign_of_life(self.kind.name(), before, Arc::unwrap_or_clone(object));
            }
            _ => {
                self.record(Change::Applied, &object);
                self.known.insert(uid, object);
            }
        }
        version
    }

    /// All up to this version is recorded.
    fn saw(&self, version: &str) {
        if let Ok(version) = version.parse() {
            self.sees.send_replace(version);
        }
    }

    fn record(&self, change: Change, object: &Arc<Value>) {
        self.history.record(Event::Kube { kind: self.kind.name().to_owned(), change, object: Arc::clone(object) });
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
fn plain(object: DynamicObject, kind: Kind) -> (String, Arc<Value>) {
    let uid = object.metadata.uid.clone().unwrap_or_default();
    let mut object = serde_json::to_value(object).unwrap_or_default();
    if let Some(metadata) = object["metadata"].as_object_mut() {
        metadata.remove("managedFields");
    }
    object["kind"] = kind.name().into();
    (uid, Arc::new(object))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
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

    #[tokio::test]
    async fn what_was_written_is_waited_for() {
        let (sees, seen) = watch::channel(7);
        let sight = WatchPosition(Arc::new([(Kind::Pod, seen)].into()));
        let is_seen = |kind, version| sight.reaches(kind, version).now_or_never().is_some();
        assert!(is_seen(Kind::Pod, "7"));
        assert!(!is_seen(Kind::Pod, "8"));

        tokio::join!(sight.reaches(Kind::Pod, "9"), async { sees.send_replace(10) });
        drop(sees);
        assert!(!is_seen(Kind::Pod, "11"), "a watch that is over shows nothing more");
    }
}
