//! A managed cluster that exists, as a scenario uses it.

use std::time::Duration;

use futures::TryStreamExt;
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, ValidationDirective, WatchEvent,
    WatchParams,
};
use kube::core::{ApiResource, GroupVersionKind, TypeMeta};
use kube::discovery::{Scope, pinned_kind};
use serde_json::{Value, json};

use super::cluster_error::ClusterError;
use super::watch::WatchPosition;
use crate::azure::PrincipalId;
use crate::expect::{Expectation, Kind, Mark, Pending, State, Witness};
use crate::history::{AzureEvent, Event, History, MachineChange};
use crate::manifest::Apply;
use crate::node::CustomData;

/// Field manager of everything that scenarios apply.
const MANAGER: &str = "catnap";

/// How long the watch may take to show what was written, in real time; it takes milliseconds.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);

/// A managed cluster: where scenarios apply manifests and state expectations. Clones speak to the same cluster.
#[derive(Clone)]
pub struct Cluster {
    client: kube::Client,
    witness: Witness,
    history: History,
    resource: Value,
    /// `None` where nobody watches yet.
    sight: Option<WatchPosition>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl Cluster {
    pub(crate) fn new(client: kube::Client, witness: Witness, history: History, resource: Value) -> Self {
        Self { client, witness, history, resource, sight: None }
    }

    /// The same, where what is written is there for whoever judges next.
    pub(crate) fn seen_by(self, sight: Option<WatchPosition>) -> Self {
        Self { sight, ..self }
    }

    /// How far its watches see.
    pub(crate) fn sight(&self) -> Option<WatchPosition> {
        self.sight.clone()
    }

    /// ARM id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.resource["id"].as_str().unwrap_or_default()
    }

    /// The managed cluster as ARM showed it after its creation.
    #[must_use]
    pub fn resource(&self) -> &Value {
        &self.resource
    }

    /// Whose rights its control plane and its provisioner have: the identity that roles are assigned to.
    #[must_use]
    pub fn identity(&self) -> PrincipalId {
        let shown = &self.resource["identity"];
        let assigned = shown["userAssignedIdentities"].as_object().and_then(|all| all.values().next());
        let user_assigned = || assigned.and_then(|identity| identity["principalId"].as_str());
        shown["principalId"].as_str().or_else(user_assigned).unwrap_or_default().into()
    }

    /// Resource group of its machines.
    #[must_use]
    pub fn node_resource_group(&self) -> &str {
        self.resource["properties"]["nodeResourceGroup"].as_str().unwrap_or_default()
    }

    /// The Kubernetes client, for what no method covers.
    #[must_use]
    pub fn client(&self) -> &kube::Client {
        &self.client
    }

    /// Starts an assertion.
    pub fn expect(&self, expectation: Expectation) -> Pending<'_> {
        self.witness.expect(expectation)
    }

    /// The present moment, for assertions about everything since.
    #[must_use]
    pub fn mark(&self) -> Mark {
        self.witness.mark()
    }

    /// The present state.
    #[must_use]
    pub fn state(&self) -> State {
        self.witness.state()
    }

    /// Tells whenever something new was recorded.
    #[must_use]
    pub fn changes(&self) -> tokio::sync::watch::Receiver<usize> {
        self.history.changes()
    }

    /// Names of the nodes of a node pool, in order.
    #[must_use]
    pub fn nodes_of_pool(&self, pool: &str) -> Vec<String> {
        let state = self.state();
        let mut names: Vec<_> = state
            .objects(Kind::Node)
            .filter(|node| node["metadata"]["labels"]["karpenter.sh/nodepool"] == pool)
            .filter_map(|node| node["metadata"]["name"].as_str().map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    /// ARM id of a node's virtual machine, from its `spec.providerID`.
    #[must_use]
    pub fn machine_of(&self, node: &str) -> Option<String> {
        let state = self.state();
        let provider = state.object(Kind::Node, node)?["spec"]["providerID"].as_str()?;
        provider.strip_prefix("azure://").map(str::to_owned)
    }

    /// The kubelet's flags in the script that a machine of node auto-provisioning was started with; `None` where no such
    /// machine has started.
    #[must_use]
    pub fn kubelet_flags(&self, node: &str) -> Option<String> {
        self.history.since(0).iter().rev().find_map(|record| match &record.event {
            Event::Azure { what: AzureEvent::Machine(MachineChange::Started(machine)) }
                if machine.computer_name == node =>
            {
                Some(CustomData::decode(machine.custom_data.as_deref()).ok()?.kubelet_flags)
            }
            _ => None,
        })
    }

    /// Names of the pods labelled `app=<app>`, in order.
    #[must_use]
    pub fn pods_of(&self, app: &str) -> Vec<String> {
        let state = self.state();
        let pods = state.objects(Kind::Pod).filter(|pod| pod["metadata"]["labels"]["app"] == app);
        let mut names: Vec<_> = pods.filter_map(|pod| pod["metadata"]["name"].as_str().map(str::to_owned)).collect();
        names.sort();
        names
    }

    /// Uids of the node claims of a node pool, for [`kept`](crate::expect::NodeClaimSelection::kept).
    #[must_use]
    pub fn claims_of_pool(&self, pool: &str) -> Vec<String> {
        let state = self.state();
        let claims = crate::expect::node_claims().of_pool(pool);
        claims.of(&state).filter_map(|claim| claim["metadata"]["uid"].as_str().map(str::to_owned)).collect()
    }

    /// Creates or changes objects: server-side apply with strict field validation, so that a field that does not exist
    /// is an error and not silence.
    ///
    /// # Errors
    /// When the manifest cannot be read, names an unknown kind, or is refused.
    pub async fn apply(&self, what: impl Apply) -> Result<(), ClusterError> {
        let origin = what.origin();
        for (index, object) in what.objects()?.iter().enumerate() {
            let place = || origin.as_ref().map(|origin| format!("document {} of the manifest {origin}", index + 1));
            self.apply_one(object).await.map_err(|error| error.at(place()))?;
        }
        Ok(())
    }

    /// Creates objects without regard to fields that their kinds do not have, which the API server drops, as
    /// `kubectl create --validate=ignore` does it. (Server-side apply refuses such fields in any case.)
    ///
    /// # Errors
    /// When the manifest cannot be read, names an unknown kind, or is refused.
    pub async fn create_ignoring_unknown_fields(&self, what: impl Apply) -> Result<(), ClusterError> {
        for object in what.objects()? {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
            let name = text(&object["metadata"]["name"]);
            self.step(format!("create {kind} {name}"));
            let api = self.api(&api_version, &kind, &name).await?;
            let failed = |error| ClusterError::from_kube("create", &kind, &name, error);
            let dynamic = serde_json::from_value(object).map_err(|error| failed(kube::Error::SerdeError(error)))?;
            let created = api.create(&PostParams::default(), &dynamic).await.map_err(failed)?;
            self.until_seen("create", Kind::written(&api_version, &kind), &name, &created).await?;
        }
        Ok(())
    }

    /// The events of a source component in all namespaces, as the API server selects them:
    /// `kubectl get events -A --field-selector source=<component>`.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn events_from(&self, component: &str) -> Result<Vec<Value>, ClusterError> {
        let selected = ListParams::default().fields(&format!("source={component}"));
        let list = self.all_events().list(&selected).await;
        let list = list.map_err(|error| ClusterError::from_kube("list", "Event", component, error))?;
        Ok(list.items.into_iter().map(|event| serde_json::to_value(event).unwrap_or_default()).collect())
    }

    /// Watches the events of a source component in all namespaces while something is done:
    /// `kubectl get events -A --field-selector source=<component> --watch-only`. What came, in its order, and what was
    /// done.
    ///
    /// # Errors
    /// When the API server refuses, or breaks the watch.
    pub async fn watch_events_from<T>(
        &self,
        component: &str,
        meanwhile: impl Future<Output = T>,
    ) -> Result<(Vec<Value>, T), ClusterError> {
        /// What is done is seen a moment later, in real time.
        const ARRIVING: Duration = Duration::from_secs(1);
        let failed = |error| ClusterError::from_kube("watch", "Event", component, error);
        let selected = WatchParams::default().fields(&format!("source={component}"));
        let now = self.all_events().list(&ListParams::default().limit(1)).await.map_err(failed)?;
        let version = now.metadata.resource_version.unwrap_or_default();
        let mut stream = Box::pin(self.all_events().watch(&selected, &version).await.map_err(failed)?);
        let mut seen = Vec::new();
        let mut see = |event| {
            if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event {
                seen.push(serde_json::to_value::<DynamicObject>(object).unwrap_or_default());
            }
        };
        let mut meanwhile = std::pin::pin!(meanwhile);
        let done = loop {
            tokio::select! {
                done = &mut meanwhile => break done,
                event = stream.try_next() => match event.map_err(failed)? {
                    Some(event) => see(event),
                    None => break meanwhile.await,
                },
            }
        };
        while let Ok(Ok(Some(event))) = tokio::time::timeout(ARRIVING, stream.try_next()).await {
            see(event);
        }
        Ok((seen, done))
    }

    fn all_events(&self) -> Api<DynamicObject> {
        Api::all_with(self.client.clone(), &Kind::Event.resource())
    }

    /// Sets the number of replicas of a deployment.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn scale(&self, deployment: &str, replicas: u32) -> Result<(), ClusterError> {
        self.step(format!("scale {deployment} to {replicas}"));
        self.merge(Kind::Deployment, deployment, &json!({ "spec": { "replicas": replicas } })).await
    }

    /// Changes fields of an object (JSON merge patch).
    ///
    /// # Errors
    /// When the cluster does not have the kind or the API server refuses.
    pub async fn patch(&self, kind: Kind, name: &str, patch: &Value) -> Result<(), ClusterError> {
        self.step(format!("patch {kind} {name}: {patch}"));
        self.merge(kind, name, patch).await
    }

    /// Sets an annotation of an object, or removes it with `None`.
    ///
    /// # Errors
    /// When the cluster does not have the kind or the API server refuses.
    pub async fn annotate(&self, kind: Kind, name: &str, key: &str, value: Option<&str>) -> Result<(), ClusterError> {
        self.patch(kind, name, &json!({ "metadata": { "annotations": { key: value } } })).await
    }

    /// Deletes an object, as `kubectl delete --wait=false` does.
    ///
    /// # Errors
    /// When the cluster does not have the kind or the API server refuses.
    pub async fn delete(&self, kind: Kind, name: &str) -> Result<(), ClusterError> {
        self.step(format!("delete {kind} {name}"));
        let api = self.api(&kind.api_version(), kind.name(), name).await?;
        let deleted = api.delete(name, &DeleteParams::default()).await;
        let deleted = deleted.map_err(|error| ClusterError::from_kube("delete", kind.name(), name, error))?;
        // One that goes later is answered as it is now, one that is gone with what it was.
        if let Some(going) = deleted.as_ref().left() {
            return self.until_seen("delete", Some(kind), name, going).await;
        }
        let gone = deleted.right().and_then(|status| status.details);
        let (Some(_), Some(gone)) = (&self.sight, gone) else { return Ok(()) };
        let is_gone = || self.state().objects(kind).all(|object| object["metadata"]["uid"] != gone.uid.as_str());
        let lost = async {
            let mut changes = self.changes();
            while !is_gone() && changes.changed().await.is_ok() {}
        };
        self.shown("delete", kind, name, lost).await
    }

    /// Reads an object from the API server.
    ///
    /// # Errors
    /// When the cluster does not have the kind or there is no such object.
    pub async fn get(&self, kind: Kind, name: &str) -> Result<Value, ClusterError> {
        self.get_unwatched(&kind.api_version(), kind.name(), name).await
    }

    /// Reads an object of a kind that the lab does not watch, of which nothing can be expected, from the API server:
    /// `cluster.get_unwatched("v1", "Service", "web")`.
    ///
    /// # Errors
    /// When the kind is unknown or there is no such object.
    pub async fn get_unwatched(&self, api_version: &str, kind: &str, name: &str) -> Result<Value, ClusterError> {
        let api = self.api(api_version, kind, name).await?;
        let object = api.get(name).await.map_err(|error| ClusterError::from_kube("get", kind, name, error))?;
        Ok(serde_json::to_value(object).unwrap_or_default())
    }

    async fn apply_one(&self, object: &Value) -> Result<(), ClusterError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let name = text(&object["metadata"]["name"]);
        self.step(format!("apply {kind} {name}"));
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or("default");
        let api = self.api_in(namespace, &api_version, &kind, &name).await?;
        let parameters = PatchParams {
            field_manager: Some(MANAGER.into()),
            field_validation: Some(ValidationDirective::Strict),
            force: true,
            dry_run: false,
        };
        let mut dynamic: DynamicObject =
            serde_json::from_value(object.clone()).map_err(|error| ClusterError::Client {
                verb: "apply",
                kind: kind.clone(),
                name: name.clone(),
                source: kube::Error::SerdeError(error),
            })?;
        dynamic.types = Some(TypeMeta { api_version: api_version.clone(), kind: kind.clone() });
        let applied = api.patch(&name, &parameters, &Patch::Apply(&dynamic)).await;
        let applied = applied.map_err(|error| ClusterError::of_write("apply", &api_version, &kind, &name, error))?;
        self.until_seen("apply", Kind::written(&api_version, &kind), &name, &applied).await
    }

    async fn merge(&self, kind: Kind, name: &str, patch: &Value) -> Result<(), ClusterError> {
        let api_version = kind.api_version();
        let api = self.api(&api_version, kind.name(), name).await?;
        let parameters = PatchParams { field_validation: Some(ValidationDirective::Strict), ..PatchParams::default() };
        let patched = api.patch(name, &parameters, &Patch::Merge(patch)).await;
        let patched =
            patched.map_err(|error| ClusterError::of_write("patch", &api_version, kind.name(), name, error))?;
        self.until_seen("patch", Some(kind), name, &patched).await
    }

    /// Waits until the watch has shown what was written; what nobody watches is judged by nobody.
    async fn until_seen(
        &self,
        verb: &'static str,
        kind: Option<Kind>,
        name: &str,
        written: &DynamicObject,
    ) -> Result<(), ClusterError> {
        let (Some(sight), Some(kind)) = (&self.sight, kind) else { return Ok(()) };
        let Some(version) = &written.metadata.resource_version else { return Ok(()) };
        self.shown(verb, kind, name, sight.reaches(kind, version)).await
    }

    /// Gives the watch time to show what was written.
    async fn shown(
        &self,
        verb: &'static str,
        kind: Kind,
        name: &str,
        shown: impl Future<Output = ()>,
    ) -> Result<(), ClusterError> {
        tokio::time::timeout(SHOWN_WITHIN, shown).await.map_err(|_| ClusterError::NotSeen {
            verb,
            kind: kind.name().to_owned(),
            name: name.to_owned(),
            within: SHOWN_WITHIN,
        })
    }

    async fn api(&self, api_version: &str, kind: &str, name: &str) -> Result<Api<DynamicObject>, ClusterError> {
        self.api_in("default", api_version, kind, name).await
    }

    /// Where objects of this kind live: the namespace, or `None` for those that live in none.
    async fn api_in(
        &self,
        namespace: &str,
        api_version: &str,
        kind: &str,
        name: &str,
    ) -> Result<Api<DynamicObject>, ClusterError> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let wanted = GroupVersionKind::gvk(group, version, kind);
        let (resource, capabilities): (ApiResource, _) =
            pinned_kind(&self.client, &wanted).await.map_err(|error| match error {
                kube::Error::Discovery(_) => ClusterError::UnknownKind {
                    name: name.to_owned(),
                    kind: kind.to_owned(),
                    api_version: api_version.to_owned(),
                },
                kube::Error::Api(status) if status.code == 404 => ClusterError::UnknownKind {
                    name: name.to_owned(),
                    kind: kind.to_owned(),
                    api_version: api_version.to_owned(),
                },
                error => ClusterError::from_kube("find the kind of", kind, name, error),
            })?;
        Ok(match capabilities.scope {
            Scope::Cluster => Api::all_with(self.client.clone(), &resource),
            Scope::Namespaced => Api::namespaced_with(self.client.clone(), namespace, &resource),
        })
    }

    fn step(&self, text: String) {
        self.history.record(Event::Step { text });
    }
}
