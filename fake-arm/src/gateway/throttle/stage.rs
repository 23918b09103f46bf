//! Lets a request in or refuses it with 429, and tells the caller how much he may still ask.

use std::collections::HashMap;
use std::time::Duration;

use http::{Method, StatusCode};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::compute::{self, Policy};
use super::meter::Meter;
use crate::gateway::route::{Route, Target};
use crate::world::{Bucket, KeptState, Throttling, World};
use arm::{ArmError, ResourceId};

/// What is asked, and who asks.
pub(in crate::gateway) struct Asked<'a> {
    pub(in crate::gateway) method: &'a Method,
    pub(in crate::gateway) route: &'a Route,
    pub(in crate::gateway) caller: Uuid,
}

inventory::submit! { KeptState::dropped::<Meters>("throttling") }

/// Buckets that were used; those at rest are forgotten from time to time.
#[derive(Debug, Default)]
struct Meters {
    by_key: HashMap<Key, (Bucket, Meter)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Key {
    Arm { tenant: bool, kind: Kind, principal: Option<Uuid> },
    Compute { policy: &'static str, machine: Option<ResourceId> },
    Graph { principal: Uuid },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Read,
    Write,
    Delete,
}

impl Kind {
    fn of(method: &Method) -> Self {
        match method.as_str() {
            "GET" | "HEAD" | "OPTIONS" => Self::Read,
            "DELETE" => Self::Delete,
            _ => Self::Write,
        }
    }

    fn singular(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
        }
    }

    fn bucket(self, limits: &Throttling) -> Bucket {
        match self {
            Self::Read => limits.reads,
            Self::Write => limits.writes,
            Self::Delete => limits.deletes,
        }
    }
}

/// More buckets than this are looked through for such as are at rest.
const MANY: usize = 10_000;

impl Meters {
    /// How long until the bucket gives a token; `None` where it gives one now.
    fn wait(&self, key: &Key, bucket: &Bucket, now: Timestamp) -> Option<Duration> {
        self.by_key.get(key).and_then(|(_, meter)| meter.wait(bucket, now)).or_else(|| {
            // A bucket that holds nothing at all gives nothing even when it is new.
            (bucket.size == 0).then_some(Duration::from_secs(60))
        })
    }

    fn take(&mut self, key: Key, bucket: Bucket, now: Timestamp) -> u32 {
        if self.by_key.len() >= MANY {
            self.by_key.retain(|_, (bucket, meter)| !meter.is_rested(bucket, now));
        }
        let entry = self.by_key.entry(key).or_insert_with(|| (bucket, Meter::full(&bucket, now)));
        entry.0 = bucket;
        entry.1.take(&bucket, now)
    }
}

/// Counts a request. `headers` gets what the caller may still ask; a refused one gets them as well.
///
/// # Errors
/// 429 with `Retry-After`: `SubscriptionRequestsThrottled`, `TenantRequestsThrottled`, the compute provider's
/// `OperationNotAllowed`, Resource Graph's `RateLimiting`.
pub(in crate::gateway) fn admit(
    world: &mut World,
    asked: &Asked<'_>,
    headers: &mut Vec<(&'static str, String)>,
) -> Result<(), ArmError> {
    let limits = world.settings().throttling.clone();
    // Callers are asked to poll much more often than Azure would ask them: that must not use up their requests.
    let polls_often = world.settings().poll_interval < Duration::from_secs(1);
    let is_poll = matches!(asked.route.target, Target::Operation { .. });
    if !limits.enabled || (is_poll && polls_often) {
        return Ok(());
    }
    resource_manager(world, asked, &limits, headers)?;
    if asked.route.type_name.eq_ignore_ascii_case("Microsoft.ResourceGraph/resources") {
        resource_graph(world, asked, limits.resource_graph, headers)?;
    }
    let machine = machine_of(&asked.route.target);
    let known = machine.as_ref().is_some_and(|id| world.resources().contains(id));
    match compute::policy(&asked.route.type_name, &asked.route.target, asked.method, known) {
        Some(policy) if limits.compute => compute_provider(world, policy, machine, headers),
        _ => Ok(()),
    }
}

fn resource_manager(
    world: &mut World,
    asked: &Asked<'_>,
    limits: &Throttling,
    headers: &mut Vec<(&'static str, String)>,
) -> Result<(), ArmError> {
    let now = world.now();
    let kind = Kind::of(asked.method);
    let tenant = !concerns_subscription(&asked.route.target);
    let own = kind.bucket(limits);
    let factor = limits.all_principals.max(1);
    let all = Bucket { size: own.size.saturating_mul(factor), refill: own.refill * f64::from(factor) };
    let own_key = Key::Arm { tenant, kind, principal: Some(asked.caller) };
    let all_key = Key::Arm { tenant, kind, principal: None };
    let meters = world.state::<Meters>();
    let own_wait = meters.wait(&own_key, &own, now);
    let all_wait = if tenant { None } else { meters.wait(&all_key, &all, now) };
    let (own_left, all_left) = match own_wait.max(all_wait) {
        Some(_) => (0, None),
        None => (meters.take(own_key, own, now), (!tenant).then(|| meters.take(all_key, all, now))),
    };
    headers.push((
        match (tenant, kind) {
            (false, Kind::Read) => "x-ms-ratelimit-remaining-subscription-reads",
            (false, Kind::Write) => "x-ms-ratelimit-remaining-subscription-writes",
            (false, Kind::Delete) => "x-ms-ratelimit-remaining-subscription-deletes",
            (true, Kind::Read) => "x-ms-ratelimit-remaining-tenant-reads",
            (true, Kind::Write) => "x-ms-ratelimit-remaining-tenant-writes",
            (true, Kind::Delete) => "x-ms-ratelimit-remaining-tenant-deletes",
        },
        own_left.to_string(),
    ));
    if let Some(left) = all_left {
        let name = match kind {
            Kind::Read => "x-ms-ratelimit-remaining-subscription-global-reads",
            Kind::Write => "x-ms-ratelimit-remaining-subscription-global-writes",
            Kind::Delete => "x-ms-ratelimit-remaining-subscription-global-deletes",
        };
        headers.push((name, left.to_string()));
    }
    let Some(wait) = own_wait.max(all_wait) else { return Ok(()) };
    let (code, what) = if tenant {
        ("TenantRequestsThrottled", format!("tenant '{}'", world.tenant()))
    } else {
        ("SubscriptionRequestsThrottled", format!("subscription '{}'", world.subscription()))
    };
    // The global limit is everybody's: no actor is named then.
    let actor = if own_wait.is_some() { format!(" actor '{}'", asked.caller) } else { String::new() };
    let seconds = whole_seconds(wait);
    let message = format!(
        "Number of '{}' requests for {what}{actor} exceeded. Please try again after '{seconds}' seconds after \
         additional tokens are available. Refer to https://aka.ms/arm-throttling for additional information.",
        kind.singular()
    );
    Err(throttled(code, message, seconds))
}

/// The compute provider refuses with a code of its own, and names the policy in a detail that is JSON in a string.
fn compute_provider(
    world: &mut World,
    policy: &'static Policy,
    machine: Option<ResourceId>,
    headers: &mut Vec<(&'static str, String)>,
) -> Result<(), ArmError> {
    let now = world.now();
    let of_machine = policy.resource.zip(machine).map(|(bucket, id)| {
        (Key::Compute { policy: policy.name, machine: Some(id) }, bucket, format!("{}Resource", policy.name))
    });
    let of_subscription = (
        Key::Compute { policy: policy.name, machine: None },
        policy.subscription,
        format!("{}SubscriptionMaximum", policy.name),
    );
    let buckets: Vec<(Key, Bucket, String)> = std::iter::once(of_subscription).chain(of_machine).collect();
    let meters = world.state::<Meters>();
    let exceeded = buckets
        .iter()
        .filter_map(|(key, bucket, name)| Some((meters.wait(key, bucket, now)?, bucket.size, name.clone())))
        .max_by_key(|(wait, ..)| *wait);
    let mut shown = Vec::new();
    for (key, bucket, name) in buckets {
        let left = match &exceeded {
            None => meters.take(key, bucket, now),
            // A refused request takes nothing; what the other bucket holds is not looked up.
            Some((.., full)) if *full == name => 0,
            Some(_) => continue,
        };
        shown.push(format!("Microsoft.Compute/{name};{left}"));
    }
    headers.push(("x-ms-ratelimit-remaining-resource", shown.join(",")));
    let Some((wait, size, name)) = exceeded else { return Ok(()) };
    let seconds = whole_seconds(wait);
    let detail = json!({
        "operationGroup": name,
        "startTime": now.to_string(),
        "endTime": now.saturating_add(jiff::SignedDuration::from_secs(seconds.try_into().unwrap_or(i64::MAX))).unwrap_or(now).to_string(),
        "allowedRequestCount": size,
        "measuredRequestCount": size + 1,
    });
    let mut error = throttled(
        "OperationNotAllowed",
        "The server rejected the request because too many requests have been received for this subscription.",
        seconds,
    )
    .detail("TooManyRequests", detail.to_string());
    if let Some(detail) = error.error.details.last_mut() {
        detail.target = Some(name);
    }
    Err(error)
}

fn resource_graph(
    world: &mut World,
    asked: &Asked<'_>,
    bucket: Bucket,
    headers: &mut Vec<(&'static str, String)>,
) -> Result<(), ArmError> {
    let now = world.now();
    let key = Key::Graph { principal: asked.caller };
    let meters = world.state::<Meters>();
    let wait = meters.wait(&key, &bucket, now);
    let left = if wait.is_some() { 0 } else { meters.take(key, bucket, now) };
    headers.push(("x-ms-user-quota-remaining", left.to_string()));
    let resets = (f64::from(bucket.size.saturating_sub(left)) / bucket.refill.max(0.001)).ceil() as u64;
    let (hours, minutes, seconds) = (resets / 3600, resets / 60 % 60, resets % 60);
    headers.push(("x-ms-user-quota-resets-after", format!("{hours:02}:{minutes:02}:{seconds:02}")));
    let Some(wait) = wait else { return Ok(()) };
    let message = "Please provide below info when asking for support: the x-ms-correlation-request-id of this answer.";
    Err(throttled("RateLimiting", message, whole_seconds(wait)).detail(
        "RateLimiting",
        "Client application has been throttled and should not attempt to repeat the request until an amount of time \
         has elapsed. Please see help for additional information: https://aka.ms/resourcegraph-throttling",
    ))
}

fn throttled(code: &str, message: impl Into<String>, seconds: u64) -> ArmError {
    ArmError::new(StatusCode::TOO_MANY_REQUESTS, code, message).retry_after(Duration::from_secs(seconds))
}

/// `Retry-After` has whole seconds only, and clients take 0 as if it were missing.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs_f64().ceil().max(1.0) as u64
}

fn concerns_subscription(target: &Target) -> bool {
    match target {
        Target::Resource(id) | Target::Collection(id) | Target::Action(id, _) => id.subscription().is_some(),
        Target::Operation { .. } => true,
    }
}

/// The virtual machine that a request concerns, itself or by an extension.
fn machine_of(target: &Target) -> Option<ResourceId> {
    let (Target::Resource(id) | Target::Collection(id) | Target::Action(id, _)) = target else { return None };
    let mut id = id.clone();
    while !id.is_type("Microsoft.Compute/virtualMachines") {
        id = id.parent()?;
    }
    Some(id)
}
