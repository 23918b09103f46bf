//! What tests of this crate work with: requests without sockets, time that the test moves.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method};
use jiff::{SignedDuration, Timestamp};
use parking_lot::Mutex;
use serde_json::Value;
use uuid::Uuid;

use super::dispatch::{Incoming, dispatch};
use super::response::Rendered;
use crate::clock::Clock;
use crate::directory::{Principal, PrincipalKind};
use crate::providers::authorization;
use crate::world::{Settings, Throttling, World};
use arm::ResourceId;
use rbac::BuiltinRole;

/// A clock that stands until it is moved.
#[derive(Debug)]
pub(crate) struct ManualClock(Mutex<Timestamp>);

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

/// A fake without sockets: its world, its clock, and a caller.
pub(crate) struct TestFake {
    pub(crate) world: World,
    /// Who calls; the owner of the subscription at first.
    pub(crate) caller: Uuid,
    clock: Arc<ManualClock>,
    tasks: tokio::sync::mpsc::UnboundedReceiver<crate::world::Task>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Reply {
    /// Azure's error code, empty where it is no error.
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    /// Azure's error message, empty where it is no error.
    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    /// Asserts the status; returns the body.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }
}

impl TestFake {
    /// An owner of the subscription.
    pub(crate) const OWNER: Uuid = Uuid::from_u128(0x33);
    pub(crate) const SUBSCRIPTION: &str = "11111111-1111-1111-1111-111111111111";

    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock(Mutex::new("2026-01-01T00:00:00Z".parse().unwrap())));
        let subscription = Self::SUBSCRIPTION.parse().unwrap();
        // Tests of providers make many requests at one moment, and do not wait between them.
        let mut settings = Settings::default();
        settings.throttling = Throttling::off();
        settings.conflicts = false;
        let mut world = World::new(clock.clone(), 7, Uuid::from_u128(0x22), subscription, settings).unwrap();
        let tasks = world.take_tasks().unwrap();
        world.add_principal(Principal {
            object_id: Self::OWNER,
            client_id: Uuid::from_u128(0x3333),
            kind: PrincipalKind::User,
            display_name: "owner@bench".to_owned(),
        });
        let scope = ResourceId::subscription_of(subscription);
        authorization::grant(&mut world, Self::OWNER, BuiltinRole::Owner.id(), &scope);
        Self { world, clock, tasks, caller: Self::OWNER }
    }

    /// With a resource group `rg` in eastus.
    pub(crate) fn with_group() -> Self {
        let mut fake = Self::new();
        fake.put("/resourceGroups/rg?api-version=2021-04-01", serde_json::json!({"location": "eastus"})).expect(201);
        fake
    }

    /// A path that starts with `/subscriptions`, and one of the tenant's, is taken as it is; any other is below the
    /// subscription.
    pub(crate) fn call(&mut self, method: Method, path: &str, body: Value) -> Reply {
        self.call_with(method, path, body, HeaderMap::new())
    }

    /// The same, with headers.
    pub(crate) fn call_with(&mut self, method: Method, path: &str, body: Value, headers: HeaderMap) -> Reply {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let path = if path.starts_with("/subscriptions")
            || path.starts_with("/providers/Microsoft.ResourceGraph/")
            || path.starts_with("/providers/Microsoft.Authorization/roleDefinitions")
            || path.starts_with("/providers/Microsoft.Management/")
            || path == "/tenants"
        {
            path.to_owned()
        } else {
            format!("/subscriptions/{}{path}", Self::SUBSCRIPTION)
        };
        let incoming = Incoming {
            method,
            path,
            query: query.to_owned(),
            headers: headers.into(),
            body: Ok(body),
            origin: "https://127.0.0.1:1".to_owned(),
            caller: self.caller,
        };
        let done = dispatch(&mut self.world, incoming);
        let mut headers: Vec<(String, String)> = done.headers.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        match done.result.map(Rendered::read) {
            Ok(r) => {
                headers.extend(r.headers);
                Reply { status: r.status.as_u16(), headers, body: r.body.unwrap_or(Value::Null) }
            }
            Err(e) => {
                headers.extend(e.retry_after.map(|wait| ("retry-after".to_owned(), wait.as_secs().to_string())));
                Reply { status: e.status.as_u16(), headers, body: e.body() }
            }
        }
    }

    pub(crate) fn get(&mut self, path: &str) -> Reply {
        self.call(Method::GET, path, Value::Null)
    }

    pub(crate) fn put(&mut self, path: &str, body: Value) -> Reply {
        self.call(Method::PUT, path, body)
    }

    pub(crate) fn patch(&mut self, path: &str, body: Value) -> Reply {
        self.call(Method::PATCH, path, body)
    }

    pub(crate) fn delete(&mut self, path: &str) -> Reply {
        self.call(Method::DELETE, path, Value::Null)
    }

    pub(crate) fn post(&mut self, path: &str, body: Value) -> Reply {
        self.call(Method::POST, path, body)
    }

    /// Moves the time on.
    pub(crate) fn advance(&mut self, by: Duration) {
        let by = SignedDuration::try_from(by).unwrap();
        {
            let mut now = self.clock.0.lock();
            *now += by;
        }
        self.world.catch_up();
    }

    /// Lets work outside the lock end, without moving the time.
    pub(crate) fn work(&mut self) {
        while let Ok(task) = self.tasks.try_recv() {
            let change = futures::executor::block_on(task);
            change(&mut self.world);
        }
    }

    /// Moves the time on, and lets work outside the lock end, until nothing is left to do.
    pub(crate) fn settle(&mut self) {
        loop {
            self.work();
            let Some(due) = self.world.catch_up() else {
                if self.tasks.is_empty() {
                    return;
                }
                continue;
            };
            *self.clock.0.lock() = due;
        }
    }
}
