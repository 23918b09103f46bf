//! The world itself.

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use tokio::sync::{Notify, mpsc};
use uuid::Uuid;

use super::timer_queue::TimerQueue;
use super::{Change, LongRunning, Outcome, Resource, Resources, Settings};
use crate::clock::Clock;
use crate::directory::{Credentials, InvalidKeySet, Issuer, KeySet, Principal, Principals};
use crate::engine::ClusterEngine;
use crate::events::{ArmEvent, VmEvent};
use arm::{ArmError, Operation, OperationStatus, ResourceId};

/// Work outside the lock that ends in a change.
pub(crate) type Task = BoxFuture<'static, Change>;

/// An issuer of tokens outside of this fake.
pub(super) struct TrustedIssuer {
    /// Its JWKS as given.
    pub(super) document: Value,
    set: KeySet,
}

/// Everything that one fake Azure knows. See [the module](super).
pub struct World {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: ChaCha8Rng,
    /// Ids of requests have a stream of their own: what is created has the same ids however much is asked in between.
    pub(super) request_ids: ChaCha8Rng,
    pub(super) tenant: Uuid,
    pub(super) subscription: Uuid,
    pub(super) settings: Settings,
    pub(super) issuer: Arc<Issuer>,
    pub(super) principals: Principals,
    /// Secrets of the managed-identity endpoint.
    pub(super) secrets: BTreeMap<String, Uuid>,
    pub(super) credentials: Credentials,
    /// Keys of foreign issuers, by their `iss`.
    pub(super) trusted_issuers: BTreeMap<String, TrustedIssuer>,
    /// The identity whose token the instance metadata endpoint gives where a request names no identity.
    pub(super) metadata_principal: Option<Uuid>,
    pub(super) resources: Resources,
    operations: BTreeMap<Uuid, Operation>,
    latest_operations: BTreeMap<ResourceId, Uuid>,
    /// What is to happen when operations have ended.
    waiting: BTreeMap<Uuid, Vec<Change>>,
    timers: TimerQueue,
    wake: Arc<Notify>,
    tasks: mpsc::UnboundedSender<Task>,
    waiting_tasks: Option<mpsc::UnboundedReceiver<Task>>,
    outbox: Vec<ArmEvent>,
    pub(super) state: HashMap<TypeId, Box<dyn Any + Send>>,
    engine: Option<Arc<dyn ClusterEngine>>,
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World")
            .field("tenant", &self.tenant)
            .field("subscription", &self.subscription)
            .field("resources", &self.resources.iter().count())
            .field("timers", &self.timers)
            .finish_non_exhaustive()
    }
}

impl World {
    /// An empty subscription.
    ///
    /// # Errors
    /// Fails where the system has no random numbers for a signing key.
    pub fn new(
        clock: Arc<dyn Clock>,
        seed: u64,
        tenant: Uuid,
        subscription: Uuid,
        settings: Settings,
    ) -> Result<Self, ring::error::Unspecified> {
        let (tasks, waiting_tasks) = mpsc::unbounded_channel();
        Ok(Self {
            clock,
            random: ChaCha8Rng::seed_from_u64(seed),
            request_ids: ChaCha8Rng::seed_from_u64(!seed),
            tenant,
            subscription,
            settings,
            issuer: Arc::new(Issuer::new(tenant)?),
            principals: Principals::default(),
            secrets: BTreeMap::new(),
            credentials: Credentials::default(),
            trusted_issuers: BTreeMap::new(),
            metadata_principal: None,
            resources: Resources::default(),
            operations: BTreeMap::new(),
            latest_operations: BTreeMap::new(),
            waiting: BTreeMap::new(),
            timers: TimerQueue::default(),
            wake: Arc::new(Notify::new()),
            tasks,
            waiting_tasks: Some(waiting_tasks),
            outbox: Vec::new(),
            state: HashMap::new(),
            engine: None,
        })
    }

    /// The owner's clock.
    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// The present moment, by the owner's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The seeded source of everything random.
    pub fn random(&mut self) -> &mut ChaCha8Rng {
        &mut self.random
    }

    /// A new id out of the seed.
    pub fn uuid(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.random()).into_uuid()
    }

    /// A new id of a request, out of the seed as well.
    pub(crate) fn request_id(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.request_ids.random()).into_uuid()
    }

    /// The Entra tenant.
    pub fn tenant(&self) -> Uuid {
        self.tenant
    }

    /// The one subscription.
    pub fn subscription(&self) -> Uuid {
        self.subscription
    }

    /// What the owner tuned.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What the owner tuned, to tune it further.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// All resources.
    pub fn resources(&self) -> &Resources {
        &self.resources
    }

    /// All resources, to change them.
    pub fn resources_mut(&mut self) -> &mut Resources {
        &mut self.resources
    }

    /// Creates a resource, or replaces its body. An existing one keeps its id's case and its creation time.
    /// `true`: it is new.
    pub fn upsert(&mut self, id: &ResourceId, resource_type: &str, body: Value) -> bool {
        let etag = self.uuid();
        let now = self.now();
        match self.resources.get_mut(id) {
            Some(found) => {
                found.body = body;
                found.etag = etag;
                false
            }
            None => {
                let resource_type = resource_type.to_owned();
                self.resources.insert(Resource { id: id.clone(), resource_type, body, created: now, etag });
                true
            }
        }
    }

    /// The directory.
    pub fn principals(&self) -> &Principals {
        &self.principals
    }

    /// The directory, to change who is in which group.
    pub fn principals_mut(&mut self) -> &mut Principals {
        &mut self.principals
    }

    /// Adds someone to the directory.
    pub fn add_principal(&mut self, principal: Principal) {
        self.principals.add(principal);
    }

    /// Takes someone out of the directory: the tokens are refused from now on.
    pub fn remove_principal(&mut self, object_id: Uuid) {
        self.principals.remove(object_id);
        self.secrets.retain(|_, owner| *owner != object_id);
        self.credentials.forget(object_id);
    }

    /// What clients prove with who they are.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// What clients prove with who they are, to change it.
    pub fn credentials_mut(&mut self) -> &mut Credentials {
        &mut self.credentials
    }

    /// Takes tokens of a foreign issuer (a cluster's API server) as assertions: `issuer` is their `iss`, `keys` the
    /// issuer's JWKS. fake-arm fetches no keys itself.
    ///
    /// # Errors
    /// [`InvalidKeySet`], where `keys` is no JWKS.
    pub fn trust_issuer(&mut self, issuer: &str, keys: Value) -> Result<(), InvalidKeySet> {
        let set = KeySet::parse(&keys)?;
        self.trusted_issuers.insert(issuer.to_owned(), TrustedIssuer { document: keys, set });
        Ok(())
    }

    pub(crate) fn trusted_issuer(&self, issuer: &str) -> Option<&KeySet> {
        self.trusted_issuers.get(issuer).map(|trusted| &trusted.set)
    }

    /// Sets the identity whose token the instance metadata endpoint gives where a request names no identity.
    pub fn set_metadata_principal(&mut self, object_id: Option<Uuid>) {
        self.metadata_principal = object_id;
    }

    /// The identity whose token the instance metadata endpoint gives where a request names no identity.
    pub fn metadata_principal(&self) -> Option<Uuid> {
        self.metadata_principal
    }

    /// The secret that a process shows to the managed-identity endpoint to get this principal's tokens. The same each
    /// time.
    pub fn identity_secret(&mut self, object_id: Uuid) -> String {
        if let Some((secret, _)) = self.secrets.iter().find(|(_, owner)| **owner == object_id) {
            return secret.clone();
        }
        let secret = self.uuid().simple().to_string().to_uppercase();
        self.secrets.insert(secret.clone(), object_id);
        secret
    }

    pub(crate) fn principal_of_secret(&self, secret: &str) -> Option<Uuid> {
        self.secrets.get(secret).copied()
    }

    /// Who signs tokens.
    pub fn issuer(&self) -> &Arc<Issuer> {
        &self.issuer
    }

    /// Drops everything that is to happen later, and every operation.
    pub(super) fn forget_what_is_under_way(&mut self) {
        self.timers = TimerQueue::default();
        self.operations.clear();
        self.latest_operations.clear();
    }

    /// What makes Kubernetes clusters; `None` in a fake without them.
    pub fn engine(&self) -> Option<Arc<dyn ClusterEngine>> {
        self.engine.clone()
    }

    /// Sets who makes Kubernetes clusters.
    pub fn set_engine(&mut self, engine: Arc<dyn ClusterEngine>) {
        self.engine = Some(engine);
    }

    /// A provider's own state, made by its `Default` at the first use. One value per type.
    pub fn state<T: Any + Default + Send>(&mut self) -> &mut T {
        self.state
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Box::<T>::default())
            .downcast_mut()
            .expect("the key is the value's type")
    }

    /// A provider's own state to read; `None` where it was never made.
    pub fn peek<T: Any + Send>(&self) -> Option<&T> {
        self.state.get(&TypeId::of::<T>())?.downcast_ref()
    }

    /// Tells the owner what became of a virtual machine. It is told after the request that caused it.
    pub fn emit(&mut self, event: VmEvent) {
        self.outbox.push(ArmEvent::Vm(event));
    }

    /// Drops the events that were not told yet: nobody listens.
    pub(crate) fn forget_events(&mut self) {
        self.outbox.clear();
        self.resources.take_touched();
    }

    /// Takes out what was told of virtual machines.
    pub(crate) fn take_emitted(&mut self) -> Vec<ArmEvent> {
        std::mem::take(&mut self.outbox)
    }

    /// Does something later, by the world's clock.
    pub fn after(&mut self, delay: Duration, change: impl FnOnce(&mut World) + Send + 'static) {
        let due = self.now().saturating_add(SignedDuration::try_from(delay).unwrap_or(SignedDuration::MAX));
        self.timers.add(due.unwrap_or(Timestamp::MAX), Box::new(change));
        self.wake.notify_one();
    }

    /// Runs work outside the lock; the change that it ends in is done under the lock.
    pub fn spawn(&mut self, task: impl Future<Output = Change> + Send + 'static) {
        // The receiver lives as long as the server; without one (the fake is shutting down) nobody wants the result.
        let _ = self.tasks.send(Box::pin(task));
    }

    pub(crate) fn take_tasks(&mut self) -> Option<mpsc::UnboundedReceiver<Task>> {
        self.waiting_tasks.take()
    }

    pub(crate) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.wake)
    }

    /// Does everything that is due. Returns when the next is due.
    pub(crate) fn catch_up(&mut self) -> Option<Timestamp> {
        while let Some(change) = self.timers.take_due(self.clock.now()) {
            // The other appointments are kept even where one of them is its author's mistake.
            if panic::catch_unwind(AssertUnwindSafe(|| change(self))).is_err() {
                tracing::error!("failed to do something that was due: it panicked");
            }
        }
        self.timers.next()
    }

    /// A long-running operation by its id.
    pub fn operation(&self, id: Uuid) -> Option<&Operation> {
        self.operations.get(&id)
    }

    /// The operations that are still at work, the latest of each resource.
    pub(crate) fn operations_in_progress(&self) -> impl Iterator<Item = &Operation> {
        let latest = self.latest_operations.values().filter_map(|id| self.operations.get(id));
        latest.filter(|operation| operation.status == OperationStatus::InProgress)
    }

    /// Starts a long-running operation on a resource; its id. With no time to take it has ended on return.
    pub fn begin(&mut self, resource: &ResourceId, work: LongRunning) -> Uuid {
        let id = self.uuid();
        let started = self.now();
        let operation =
            Operation { id, resource: resource.clone(), started, ended: None, status: OperationStatus::InProgress };
        self.operations.insert(id, operation);
        self.latest_operations.insert(resource.clone(), id);
        match work {
            LongRunning::After(Duration::ZERO, change) => self.conclude(id, change),
            LongRunning::After(duration, change) => self.after(duration, move |world| world.conclude(id, change)),
            LongRunning::Driven(start) => start(self, id),
            LongRunning::Task(task) => self.spawn(async move {
                let change =
                    AssertUnwindSafe(task).catch_unwind().await.unwrap_or_else(|_| Box::new(|_| Err(panicked())));
                Box::new(move |world: &mut World| world.conclude(id, change)) as Change
            }),
        }
        id
    }

    /// Does the last step of an operation. A step that panics fails its operation and nothing else.
    pub fn conclude(&mut self, id: Uuid, change: Outcome) {
        let outcome = panic::catch_unwind(AssertUnwindSafe(|| change(self))).unwrap_or_else(|_| Err(panicked()));
        self.end(id, outcome);
    }

    /// Does something once an operation has ended; at once where it has ended, or where there is no such operation.
    pub(crate) fn when_ended(&mut self, operation: Uuid, change: Change) {
        let at_work = self.operations.get(&operation).is_some_and(|o| o.status == OperationStatus::InProgress);
        if at_work {
            self.waiting.entry(operation).or_default().push(change);
        } else {
            self.after(Duration::ZERO, change);
        }
    }

    /// Ends an operation, and the resource's provisioning state with it.
    fn end(&mut self, id: Uuid, outcome: Result<(), ArmError>) {
        let now = self.now();
        let etag = self.uuid();
        let Some(operation) = self.operations.get_mut(&id) else { return };
        operation.ended = Some(now);
        // A machine that is deleted while it is created says `Deleting` until the deletion ends.
        let latest = self.latest_operations.get(&operation.resource) == Some(&id);
        if latest {
            self.latest_operations.remove(&operation.resource);
        }
        if latest
            && let Some(resource) = self.resources.get_mut(&operation.resource)
            && matches!(resource.provisioning_state(), "Creating" | "Updating" | "Deleting" | "Accepted" | "Running")
        {
            resource.set_provisioning_state(if outcome.is_ok() { "Succeeded" } else { "Failed" });
            resource.etag = etag;
        }
        operation.status = match outcome {
            Ok(()) => OperationStatus::Succeeded,
            Err(error) => OperationStatus::Failed(error),
        };
        for change in self.waiting.remove(&id).unwrap_or_default() {
            self.after(Duration::ZERO, change);
        }
    }
}

fn panicked() -> ArmError {
    let message = "fake-arm failed: the last step of the operation panicked; see the process's standard error.";
    ArmError::new(http::StatusCode::INTERNAL_SERVER_ERROR, "InternalOperationError", message)
}
