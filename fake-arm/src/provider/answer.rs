//! What a provider answers.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use crate::world::{LongRunning, Outcome, World};
use arm::{ArmError, ResourceId};

/// A provider's answer, or Azure's error.
pub type Reply = Result<Answer, ArmError>;

/// An answer: status, body, headers, and what remains to be done after it.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Body.
    pub body: Body,
    /// Headers beyond those that every answer has.
    pub headers: Vec<(String, String)>,
    /// The rest of a long-running operation.
    pub long_running: Option<LongRunning>,
    /// How callers follow it.
    pub polling: Polling,
}

/// How callers follow a long-running operation. Azure's providers differ in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Polling {
    /// `Azure-AsyncOperation`, and `Location` as well with 202: most providers.
    #[default]
    AsyncOperation,
    /// `Location` only: 202 there while it is at work, then the result. Resource groups.
    Location,
    /// No header: callers read the resource until its `provisioningState` is a last one.
    ProvisioningState,
}

/// What stands in the answer's body.
#[derive(Debug)]
pub enum Body {
    /// Nothing.
    Empty,
    /// This JSON.
    Json(Value),
    /// The resource with this id, as its handler shows it once the request is done.
    Resource(ResourceId),
    /// A list: cut into pages by the server.
    List(Vec<Value>),
    /// A list of resources: cut into pages by the server, and only those of the page are shown by their handlers.
    Resources(Vec<ResourceId>),
}

impl Answer {
    fn new(status: StatusCode, body: Body) -> Self {
        Self { status, body, headers: Vec::new(), long_running: None, polling: Polling::default() }
    }

    /// 200 with JSON.
    pub fn json(body: Value) -> Self {
        Self::new(StatusCode::OK, Body::Json(body))
    }

    /// 200 with a resource.
    pub fn resource(id: &ResourceId) -> Self {
        Self::new(StatusCode::OK, Body::Resource(id.clone()))
    }

    /// 201 with a resource that is new, 200 with one that was there.
    pub fn put(new: bool, id: &ResourceId) -> Self {
        let status = if new { StatusCode::CREATED } else { StatusCode::OK };
        Self::new(status, Body::Resource(id.clone()))
    }

    /// 200 with `{"value":[…]}`, in pages.
    pub fn list(items: Vec<Value>) -> Self {
        Self::new(StatusCode::OK, Body::List(items))
    }

    /// 200 with `{"value":[…]}`, in pages, of resources as their handlers show them.
    pub fn resources(ids: Vec<ResourceId>) -> Self {
        Self::new(StatusCode::OK, Body::Resources(ids))
    }

    /// 200 without a body.
    pub fn ok() -> Self {
        Self::new(StatusCode::OK, Body::Empty)
    }

    /// 202 without a body; give it a [`LongRunning`].
    pub fn accepted() -> Self {
        Self::new(StatusCode::ACCEPTED, Body::Empty)
    }

    /// 204.
    pub fn no_content() -> Self {
        Self::new(StatusCode::NO_CONTENT, Body::Empty)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Makes it a long-running operation that ends after `duration` of the world's time with `outcome`. Meanwhile the
    /// resource should say `Creating`, `Updating` or `Deleting`; at the end `Succeeded` or `Failed` is written for it.
    /// Zero ends it before the answer is written.
    #[must_use]
    pub fn after(
        mut self,
        duration: Duration,
        outcome: impl FnOnce(&mut World) -> Result<(), ArmError> + Send + 'static,
    ) -> Self {
        self.long_running = Some(LongRunning::After(duration, Box::new(outcome)));
        self
    }

    /// Makes it a long-running operation that ends when `work` does. The work runs outside the lock; the [`Outcome`]
    /// it returns runs under it.
    #[must_use]
    pub fn when(mut self, work: impl Future<Output = Outcome> + Send + 'static) -> Self {
        self.long_running = Some(LongRunning::Task(Box::pin(work)));
        self
    }

    /// Makes it a long-running operation that goes on in steps: `start` is told its id, and whoever it hands that to ends
    /// it with [`World::conclude`].
    #[must_use]
    pub fn driven(mut self, start: impl FnOnce(&mut World, Uuid) + Send + 'static) -> Self {
        self.long_running = Some(LongRunning::Driven(Box::new(start)));
        self
    }

    /// Says how callers follow the long-running operation.
    #[must_use]
    pub fn polled_by(mut self, polling: Polling) -> Self {
        self.polling = polling;
        self
    }
}
