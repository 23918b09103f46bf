//! What an API server holds: when it is fresh, and when a scenario has left it. What is too much is removed; what is
//! otherwise than in a fresh one keeps it from being used again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::{Node, Taint};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::ApiResource;
use kube::discovery::{Discovery, verbs};
use serde_json::{Value, json};

use super::ClusterError;

/// How many requests are under way at a time.
const AT_A_TIME: usize = 16;

/// How long a fresh API server may take to make what it makes for itself, in real time; mostly two seconds.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);

/// Between two looks at what a fresh one holds, in real time.
const LOOK: Duration = Duration::from_millis(50);

/// How often what is too much is removed: what is removed may bring something else to light.
const ROUNDS: usize = 4;

/// A list of the events of a group has the same objects as the one of `v1`.
const SAME_EVENTS: &str = "events.k8s.io";

/// Kinds that change what the API server does with all others, some of it in caches that no list shows.
const CHANGES_THE_SERVER: [&str; 10] = [
    "APIService",
    "CustomResourceDefinition",
    "LimitRange",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "ResourceQuota",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
];

/// Whose finalizers are taken away: those of parts of a cluster that have ended by then, so that nobody would. Those of
/// others are there on purpose, and nobody knows what for.
const KNOWN_FINALIZERS: [&str; 8] = [
    "batch.kubernetes.io/",
    "foregroundDeletion",
    "karpenter.azure.com/",
    "karpenter.sh/",
    "kubernetes.io/",
    "orphan",
    "resource.kubernetes.io/",
    "service.kubernetes.io/",
];

/// One of an API server's objects: its kind as `Kind.group`, its namespace (empty where it has none) and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: String,
    namespace: String,
    name: String,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, namespace, name } = self;
        if namespace.is_empty() { write!(f, "{kind} {name}") } else { write!(f, "{kind} {namespace}/{name}") }
    }
}

/// Everything that an API server holds.
#[derive(Debug, Clone)]
pub(super) struct Inventory {
    resources: BTreeMap<String, ApiResource>,
    objects: BTreeMap<Key, Value>,
}

impl Inventory {
    /// What a fresh API server holds, when it has made all that it makes for itself. `definitions` are the custom resources
    /// that it serves by now.
    pub(super) async fn of_fresh(client: &kube::Client, definitions: &[Value]) -> Result<Self, ClusterError> {
        let began = Instant::now();
        loop {
            let missing = match Self::settled(client, definitions).await {
                Ok(inventory) => return Ok(inventory),
                Err(missing) => missing,
            };
            if began.elapsed() > SETTLED_WITHIN {
                return Err(ClusterError::NotInTime {
                    what: "a fresh API server did not come to rest".to_owned(),
                    within: SETTLED_WITHIN,
                    seen: missing,
                });
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What it holds, or what is still missing.
    async fn settled(client: &kube::Client, definitions: &[Value]) -> Result<Self, String> {
        let told = |error: kube::Error| error.to_string();
        let request = http::Request::get("/readyz").body(Vec::new()).map_err(|error| error.to_string())?;
        client.request_text(request).await.map_err(told)?;
        let resources = resources(client).await.map_err(told)?;
        for definition in definitions {
            let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let kind = kind_of(text("/spec/names/kind"), text("/spec/group"));
            if !resources.contains_key(&kind) {
                return Err(format!("{kind} is not among what discovery shows"));
            }
        }
        let before: BTreeSet<Key> = found(client, &resources).await.map_err(told)?.into_keys().collect();
        for namespace in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            let key = Key { kind: NAMESPACE.to_owned(), namespace: String::new(), name: namespace.to_owned() };
            if !before.contains(&key) {
                return Err(format!("there is no {key}"));
            }
        }
        let mut objects = objects(client, &resources).await.map_err(told)?;
        // They come, change and go by themselves.
        objects.retain(|key, _| key.kind != EVENT);
        match objects.keys().find(|key| !before.contains(key)) {
            Some(new) => Err(format!("{new} has just come")),
            None => Ok(Self { resources, objects }),
        }
    }

    /// Removes what is too much and holds the rest against what is known.
    ///
    /// # Errors
    /// What is otherwise than it was.
    pub(super) async fn restore(&self, client: &kube::Client) -> Result<(), String> {
        let told = |error: kube::Error| format!("it could not be emptied: {error}");
        let mut seen = found(client, &self.resources).await.map_err(told)?;
        // What tells of a change of the server comes first: discovery shows a new kind only some time after its definition,
        // which in its turn brings about an APIService.
        let harm = |(key, found): (&Key, &Found)| {
            let reason = (!self.objects.contains_key(key)).then(|| found.harm(key)).flatten()?;
            Some((!key.kind.starts_with("CustomResourceDefinition"), reason))
        };
        if let Some((_, reason)) = seen.iter().filter_map(harm).min() {
            return Err(reason);
        }
        let resources = resources(client).await.map_err(told)?;
        if let Some(kind) = resources.keys().find(|kind| !self.resources.contains_key(*kind)) {
            return Err(format!("it serves {kind}, which a fresh one does not"));
        }
        for _ in 0..ROUNDS {
            let extra: Vec<(&Key, &Found)> = seen.iter().filter(|(key, _)| !self.objects.contains_key(key)).collect();
            if extra.is_empty() {
                break;
            }
            if let Some(reason) = extra.iter().find_map(|(key, found)| found.harm(key)) {
                return Err(reason);
            }
            if let Some(reason) = self.tainted(client, &extra).await.map_err(told)? {
                return Err(reason);
            }
            self.remove(client, &extra).await.map_err(told)?;
            seen = found(client, &self.resources).await.map_err(told)?;
        }
        // A part of the cluster that works on may always have something more to tell.
        if let Some(key) = seen.keys().find(|key| !self.objects.contains_key(key) && key.kind != EVENT) {
            return Err(format!("{key} could not be removed"));
        }
        self.compare(client, &seen).await
    }

    /// A node of the cluster's own, not of the scenario's, that the scenario has kept pods from. It goes like all others; but
    /// whoever reaches for what is the cluster's has done so on purpose, and nobody knows what else.
    async fn tainted(&self, client: &kube::Client, extra: &[(&Key, &Found)]) -> kube::Result<Option<String>> {
        if !extra.iter().any(|(key, _)| key.kind == NODE) {
            return Ok(None);
        }
        let nodes: Api<Node> = Api::all(client.clone());
        let nodes = nodes.list(&ListParams::default().labels(SYSTEM_NODES)).await?;
        for node in nodes.items {
            let taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
            let of_nobody = |taint: &&Taint| !KNOWN_TAINTS.iter().any(|known| taint.key.starts_with(known));
            if let Some(Taint { key, value, effect, .. }) = taints.iter().find(of_nobody) {
                let name = node.metadata.name.unwrap_or_default();
                let value = value.as_deref().unwrap_or_default();
                return Ok(Some(format!(
                    "Node {name}, of the cluster's own, was left with the taint {key}={value}:{effect}"
                )));
            }
        }
        Ok(None)
    }

    /// Removes objects: those in namespaces first, so that these are empty when their turn comes.
    async fn remove(&self, client: &kube::Client, extra: &[(&Key, &Found)]) -> kube::Result<()> {
        for (key, found) in extra {
            if found.is_held {
                let none = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
                gone(self.api(client, key).patch(&key.name, &PatchParams::default(), &none).await)?;
            }
        }
        // Of a kind of which nothing is to stay in a namespace, all of it goes with one request.
        let mut together: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for (key, _) in extra.iter().filter(|(key, _)| key.kind != NAMESPACE) {
            *together.entry((&key.kind, &key.namespace)).or_default() += 1;
        }
        for key in self.objects.keys() {
            together.remove(&(key.kind.as_str(), key.namespace.as_str()));
        }
        together.retain(|(kind, _), count| *count > 2 && *kind != IP_ADDRESS);
        let services = extra.iter().any(|(key, _)| key.kind == "Service");
        let mut removals = Vec::new();
        for (kind, namespace) in together.keys() {
            let any = Key { kind: (*kind).to_owned(), namespace: (*namespace).to_owned(), name: String::new() };
            removals.push(remove_all(self.api(client, &any)).boxed());
        }
        for (key, _) in extra {
            // The API server gives an address back when the Service goes that had it.
            if key.kind == IP_ADDRESS && services {
                continue;
            }
            let is_alone = !together.contains_key(&(key.kind.as_str(), key.namespace.as_str()));
            if is_alone && key.kind != NAMESPACE {
                removals.push(remove_one(self.api(client, key), key.name.clone()).boxed());
            }
        }
        stream::iter(removals).buffer_unordered(AT_A_TIME).try_collect::<Vec<()>>().await?;
        for (key, _) in extra {
            if key.kind == NAMESPACE {
                self.remove_namespace(client, key).await?;
            }
        }
        Ok(())
    }

    /// Removes a namespace that is empty, which kube-controller-manager would do if it still ran.
    async fn remove_namespace(&self, client: &kube::Client, key: &Key) -> kube::Result<()> {
        gone(self.api(client, key).delete(&key.name, &DeleteParams::default()).await)?;
        let Some(mut namespace) = self.api(client, key).get_opt(&key.name).await? else { return Ok(()) };
        namespace.data["spec"]["finalizers"] = json!([]);
        let body = serde_json::to_vec(&namespace).map_err(kube::Error::SerdeError)?;
        let path = format!("/api/v1/namespaces/{}/finalize", key.name);
        let request = http::Request::put(path).header(http::header::CONTENT_TYPE, "application/json").body(body);
        let request = request.map_err(kube::Error::HttpError)?;
        gone(client.request::<Value>(request).await)
    }

    /// Whether all that is there is as it was.
    async fn compare(&self, client: &kube::Client, seen: &BTreeMap<Key, Found>) -> Result<(), String> {
        let mut changed = Vec::new();
        for (key, object) in &self.objects {
            match seen.get(key) {
                None => return Err(format!("{key} is gone")),
                // Whoever writes something gives it a new version.
                Some(found) if object["metadata"]["resourceVersion"] == found.version.as_str() => {}
                Some(_) => changed.push(key),
            }
        }
        let told = |error: kube::Error| format!("it could not be compared: {error}");
        let roles = if changed.iter().any(|key| key.kind == CLUSTER_ROLE) {
            let kind = [(CLUSTER_ROLE.to_owned(), self.resources[CLUSTER_ROLE].clone())].into();
            objects(client, &kind).await.map_err(told)?
        } else {
            BTreeMap::new()
        };
        for key in changed {
            let Some(now) = self.api(client, key).get_opt(&key.name).await.map_err(told)? else {
                return Err(format!("{key} is gone"));
            };
            let now = serde_json::to_value(now).unwrap_or_default();
            let (mut before, mut now) = (essence(self.objects[key].clone()), essence(now));
            if now["aggregationRule"].is_object() {
                // Filled in by kube-controller-manager from other roles, which are as they were or told of by themselves. It
                // may have been ended before it was done; the next one goes on.
                let sum = aggregated(&now, roles.values());
                if now["rules"].as_array().into_iter().flatten().all(|rule| sum.contains(rule)) {
                    before["rules"] = Value::Null;
                    now["rules"] = Value::Null;
                }
            }
            if let Some(difference) = crate::expect::differences(&before, &now).first() {
                return Err(format!("{key} is not as it was: {difference}"));
            }
        }
        Ok(())
    }

    fn api(&self, client: &kube::Client, key: &Key) -> Api<DynamicObject> {
        // Kinds come from this very map.
        let resource = &self.resources[&key.kind];
        if key.namespace.is_empty() {
            Api::all_with(client.clone(), resource)
        } else {
            Api::namespaced_with(client.clone(), &key.namespace, resource)
        }
    }
}

/// At once, whatever grace it would have.
fn at_once() -> DeleteParams {
    DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::background() }
}

async fn remove_all(api: Api<DynamicObject>) -> kube::Result<()> {
    gone(api.delete_collection(&at_once(), &ListParams::default()).await)
}

async fn remove_one(api: Api<DynamicObject>, name: String) -> kube::Result<()> {
    gone(api.delete(&name, &at_once()).await)
}

const EVENT: &str = "Event";
const NODE: &str = "Node";
/// The label that AKS gives the nodes of system pools.
const SYSTEM_NODES: &str = "kubernetes.azure.com/mode=system";
/// Taints that the parts of a cluster set.
const KNOWN_TAINTS: [&str; 4] =
    ["CriticalAddonsOnly", "karpenter.", "node.cloudprovider.kubernetes.io/", "node.kubernetes.io/"];
const IP_ADDRESS: &str = "IPAddress.networking.k8s.io";
const NAMESPACE: &str = "Namespace";
const CLUSTER_ROLE: &str = "ClusterRole.rbac.authorization.k8s.io";

/// What has to be known of an object that is there.
#[derive(Debug)]
struct Found {
    version: String,
    /// Whether it has a finalizer.
    is_held: bool,
    /// A finalizer that is not taken away.
    held_by: Option<String>,
}

impl Found {
    /// Why nobody may have the API server again that this object was in.
    fn harm(&self, key: &Key) -> Option<String> {
        let kind = key.kind.split('.').next().unwrap_or_default();
        if CHANGES_THE_SERVER.contains(&kind) {
            return Some(format!("{key} was left, which changes what the API server does"));
        }
        let finalizer = self.held_by.as_ref()?;
        Some(format!("{key} was left with the finalizer {finalizer}"))
    }
}

fn kind_of(kind: &str, group: &str) -> String {
    if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") }
}

/// The kinds whose objects can be listed and removed, each in one version.
async fn resources(client: &kube::Client) -> kube::Result<BTreeMap<String, ApiResource>> {
    let discovery = Discovery::new(client.clone()).run_aggregated().await?;
    let groups = discovery.groups().filter(|group| group.name() != SAME_EVENTS);
    let resources = groups.flat_map(|group| group.resources_by_stability());
    let lasting =
        resources.filter(|(_, can)| can.supports_operation(verbs::LIST) && can.supports_operation(verbs::DELETE));
    Ok(lasting.map(|(resource, _)| (kind_of(&resource.kind, &resource.group), resource)).collect())
}

/// What `list` tells of each kind.
async fn of_each<T, L>(
    client: &kube::Client,
    resources: &BTreeMap<String, ApiResource>,
    list: impl Fn(Api<DynamicObject>, String) -> L,
) -> kube::Result<BTreeMap<Key, T>>
where
    L: Future<Output = kube::Result<Vec<(Key, T)>>>,
{
    let mut lists = Vec::new();
    for (kind, resource) in resources {
        lists.push(list(Api::all_with(client.clone(), resource), kind.clone()));
    }
    let lists: Vec<_> = stream::iter(lists).buffer_unordered(AT_A_TIME).try_collect().await?;
    Ok(lists.into_iter().flatten().collect())
}

/// What is there, without what is in it.
async fn found(client: &kube::Client, resources: &BTreeMap<String, ApiResource>) -> kube::Result<BTreeMap<Key, Found>> {
    of_each(client, resources, found_of).await
}

async fn found_of(api: Api<DynamicObject>, kind: String) -> kube::Result<Vec<(Key, Found)>> {
    let list = api.list_metadata(&ListParams::default()).await?;
    let found = list.items.into_iter().map(|object| {
        let metadata = object.metadata;
        let finalizers = metadata.finalizers.unwrap_or_default();
        let known = |finalizer: &String| KNOWN_FINALIZERS.iter().any(|known| finalizer.starts_with(known));
        let found = Found {
            version: metadata.resource_version.unwrap_or_default(),
            is_held: !finalizers.is_empty(),
            held_by: finalizers.into_iter().find(|finalizer| !known(finalizer)),
        };
        (key(&kind, metadata.namespace, metadata.name), found)
    });
    Ok(found.collect())
}

/// What is there, whole.
async fn objects(
    client: &kube::Client,
    resources: &BTreeMap<String, ApiResource>,
) -> kube::Result<BTreeMap<Key, Value>> {
    of_each(client, resources, objects_of).await
}

async fn objects_of(api: Api<DynamicObject>, kind: String) -> kube::Result<Vec<(Key, Value)>> {
    let list = api.list(&ListParams::default()).await?;
    let objects = list.items.into_iter().map(|object| {
        let key = key(&kind, object.metadata.namespace.clone(), object.metadata.name.clone());
        let mut object = serde_json::to_value(object).unwrap_or_default();
        if let Some(metadata) = object["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        (key, object)
    });
    Ok(objects.collect())
}

fn key(kind: &str, namespace: Option<String>, name: Option<String>) -> Key {
    Key { kind: kind.to_owned(), namespace: namespace.unwrap_or_default(), name: name.unwrap_or_default() }
}

/// An object without what the API server writes by itself at every change, or all the time.
fn essence(mut object: Value) -> Value {
    // In what versions objects of a custom resource may be stored: all else that a status says follows from the rest.
    let stored = object["status"]["storedVersions"].take();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
        fields.insert("storedVersions".to_owned(), stored);
        // Lists leave both out.
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for bookkeeping in ["generation", "managedFields", "resourceVersion"] {
            metadata.remove(bookkeeping);
        }
    }
    if let Some(finalizers) = object["metadata"]["finalizers"].as_array_mut() {
        // Set by kube-controller-manager on the range of Services that the API server has made, at its first start.
        finalizers.retain(|finalizer| finalizer != "networking.k8s.io/service-cidr-finalizer");
        if finalizers.is_empty()
            && let Some(metadata) = object["metadata"].as_object_mut()
        {
            metadata.remove("finalizers");
        }
    }
    if let Some(spec) = object.get_mut("spec").and_then(Value::as_object_mut) {
        // The API server's own Lease says that it lives.
        spec.remove("renewTime");
    }
    object
}

/// The rules that kube-controller-manager writes into a role which is the sum of others: theirs, by name, each once.
/// (`syncClusterRole` in `pkg/controller/clusterroleaggregation`.)
fn aggregated<'a>(role: &Value, roles: impl Iterator<Item = &'a Value> + Clone) -> Vec<Value> {
    let name = &role["metadata"]["name"];
    let mut rules: Vec<Value> = Vec::new();
    for selector in role["aggregationRule"]["clusterRoleSelectors"].as_array().into_iter().flatten() {
        let wanted = selector["matchLabels"].as_object();
        let has = |other: &&Value| {
            let labels = &other["metadata"]["labels"];
            wanted.is_some_and(|wanted| wanted.iter().all(|(label, value)| &labels[label] == value))
        };
        let mut parts: Vec<&Value> =
            roles.clone().filter(has).filter(|other| &other["metadata"]["name"] != name).collect();
        parts.sort_by_key(|part| part["metadata"]["name"].as_str().unwrap_or_default());
        for rule in parts.iter().flat_map(|part| part["rules"].as_array().into_iter().flatten()) {
            if !rules.contains(rule) {
                rules.push(rule.clone());
            }
        }
    }
    rules
}

/// What is gone already need not be removed.
fn gone<T>(result: kube::Result<T>) -> kube::Result<()> {
    match result {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bookkeeping_is_no_change_and_a_label_is() {
        let role = |version: &str, label: &str| {
            essence(json!({
                "metadata": { "name": "view", "resourceVersion": version, "generation": 1, "labels": { "a": label } },
                "status": { "conditions": [] },
            }))
        };
        assert_eq!(role("1", "x"), role("2", "x"));
        assert_ne!(role("1", "x"), role("1", "y"));
    }

    #[test]
    fn a_sum_of_roles_has_each_rule_once_in_the_order_of_their_names() {
        let part = |name: &str, rules: &[&str]| {
            let rules: Vec<Value> = rules.iter().map(|verb| json!({ "verbs": [verb] })).collect();
            json!({ "metadata": { "name": name, "labels": { "to": "sum" } }, "rules": rules })
        };
        let other = json!({ "metadata": { "name": "a", "labels": { "to": "else" } }, "rules": [{ "verbs": ["no"] }] });
        let sum = json!({
            "metadata": { "name": "sum", "labels": { "to": "sum" } },
            "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { "to": "sum" } }] },
            "rules": [{ "verbs": ["old"] }],
        });
        let roles = [part("c", &["get", "list"]), part("b", &["list"]), other, sum.clone()];
        let rules = aggregated(&sum, roles.iter());
        assert_eq!(rules, [json!({ "verbs": ["list"] }), json!({ "verbs": ["get"] })]);
        assert!(aggregated(&sum, std::iter::empty()).is_empty());
    }

    #[test]
    fn what_changes_the_server_and_finalizers_of_strangers_are_harm() {
        let found = |held_by: Option<&str>| Found {
            version: String::new(),
            is_held: held_by.is_some(),
            held_by: held_by.map(str::to_owned),
        };
        let key = |kind: &str| Key { kind: kind.to_owned(), namespace: "default".into(), name: "x".into() };
        let pod = key("Pod");
        assert_eq!(found(None).harm(&pod), None);
        assert_eq!(
            found(Some("example.com/hold")).harm(&pod).as_deref(),
            Some("Pod default/x was left with the finalizer example.com/hold")
        );
        let webhook = key("ValidatingWebhookConfiguration.admissionregistration.k8s.io");
        assert!(found(None).harm(&webhook).is_some_and(|harm| harm.contains("changes what the API server does")));
    }
}
