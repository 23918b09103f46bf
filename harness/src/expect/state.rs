//! The world at one moment, folded from the records up to it.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::kind::Kind;
use crate::history::{AzureEvent, AzureRequest, Change, Event, Record, ResourceChange};

/// Objects of the cluster, resources of Azure and requests, as they were seen up to one record of the history.
#[derive(Debug, Clone)]
pub struct State {
    at: Timestamp,
    position: usize,
    objects: BTreeMap<String, BTreeMap<String, Arc<Record>>>,
    resources: BTreeMap<String, Arc<Record>>,
    requests: Vec<Arc<Record>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            at: Timestamp::UNIX_EPOCH,
            position: 0,
            objects: BTreeMap::new(),
            resources: BTreeMap::new(),
            requests: Vec::new(),
        }
    }
}

impl State {
    /// Takes in the next record. Returns whether the state of an object or a resource changed by it.
    pub fn apply(&mut self, record: &Arc<Record>) -> bool {
        self.at = record.at;
        self.position = usize::try_from(record.sequence).unwrap_or(usize::MAX);
        match &record.event {
            Event::Kube { kind, change, object } => {
                let Some(uid) = object["metadata"]["uid"].as_str() else { return false };
                let objects = self.objects.entry(kind.clone()).or_default();
                match change {
                    Change::Applied => objects.insert(uid.to_owned(), record.clone()),
                    Change::Deleted => objects.remove(uid),
                };
                true
            }
            Event::Azure { what: AzureEvent::Resource(resource) } => {
                let key = resource.id.to_ascii_lowercase();
                match resource.body {
                    Some(_) => self.resources.insert(key, record.clone()),
                    None => self.resources.remove(&key),
                };
                true
            }
            Event::Azure { what: AzureEvent::Request(_) } => {
                self.requests.push(record.clone());
                true
            }
            _ => false,
        }
    }

    /// Cluster time of the last record.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Number of records folded in.
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Present Kubernetes objects of a kind. One that the lab does not watch has no name here, as nothing would ever be
    /// seen of it:
    ///
    /// ```compile_fail,E0308
    /// # fn scenario(state: &catnap::expect::State) {
    /// let secrets = state.objects("Secret");
    /// # }
    /// ```
    pub fn objects<'a>(&'a self, kind: Kind) -> impl Iterator<Item = &'a Value> + use<'a> {
        self.objects.get(kind.name()).into_iter().flat_map(|objects| objects.values()).filter_map(
            |record| match &record.event {
                Event::Kube { object, .. } => Some(&**object),
                _ => None,
            },
        )
    }

    /// The present object of a kind with this name, whatever its namespace.
    #[must_use]
    pub fn object(&self, kind: Kind, name: &str) -> Option<&Value> {
        self.objects(kind).find(|object| object["metadata"]["name"] == name)
    }

    /// Present Azure resources of a type (case does not matter).
    pub fn resources<'a>(&'a self, resource_type: &'a str) -> impl Iterator<Item = &'a ResourceChange> + use<'a> {
        self.resources.values().filter_map(move |record| match &record.event {
            Event::Azure { what: AzureEvent::Resource(resource) }
                if resource.resource_type.eq_ignore_ascii_case(resource_type) =>
            {
                Some(resource)
            }
            _ => None,
        })
    }

    /// Requests that were answered so far, with their position in the history.
    pub fn requests(&self) -> impl Iterator<Item = (usize, &AzureRequest)> {
        self.requests.iter().filter_map(|record| match &record.event {
            Event::Azure { what: AzureEvent::Request(entry) } => {
                Some((usize::try_from(record.sequence).unwrap_or(usize::MAX), &**entry))
            }
            _ => None,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A state in which these objects were seen, in this order.
    pub(crate) fn state_of(objects: &[Value]) -> State {
        let mut state = State::default();
        for (index, object) in objects.iter().enumerate() {
            let kind = object["kind"].as_str().expect("a kind").to_owned();
            let event = Event::Kube { kind, change: Change::Applied, object: Arc::new(object.clone()) };
            let at = Timestamp::UNIX_EPOCH;
            state.apply(&Arc::new(Record { sequence: index as u64 + 1, at, wall: at, event }));
        }
        state
    }

    /// A state in which these requests, by operation and resource id, were let through.
    pub(crate) fn state_of_requests(requests: &[(&str, &str)]) -> State {
        let mut state = State::default();
        for (index, (operation, resource_id)) in requests.iter().enumerate() {
            let at = Timestamp::UNIX_EPOCH;
            let entry = serde_json::from_value(serde_json::json!({
                "sequence": index + 1, "at": at, "latency": { "secs": 0, "nanos": 0 }, "method": "GET",
                "path": resource_id, "query": "", "operation": operation, "resourceId": resource_id, "principal": null,
                "userAgent": "", "status": 200, "errorCode": null, "errorMessage": null, "requestBody": null,
                "requestId": "00000000-0000-0000-0000-000000000000", "unknownRoute": false,
            }));
            let what = AzureEvent::Request(Arc::new(entry.expect("a request")));
            let event = Event::Azure { what };
            state.apply(&Arc::new(Record { sequence: index as u64 + 1, at, wall: at, event }));
        }
        state
    }
}
