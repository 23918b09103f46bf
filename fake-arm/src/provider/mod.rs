//! The contract between the gateway and the providers of resource types.
//!
//! A provider is a unit struct that implements [`Handler`] for one resource type, and one registration:
//!
//! ```
//! use fake_arm::provider::{Answer, Handler, Reply, Request, ResourceType};
//! use fake_arm::world::World;
//!
//! struct Widgets;
//!
//! impl Handler for Widgets {
//!     fn put(&self, world: &mut World, request: &Request) -> Reply {
//!         let new = world.upsert(&request.id, request.resource_type.name, request.resource_body());
//!         Ok(Answer::put(new, &request.id))
//!     }
//! }
//!
//! fake_arm::provider::submit! {
//!     ResourceType::new("Microsoft.Widgets/widgets", &["2024-01-01"], &Widgets).tracked()
//! }
//! ```
//!
//! GET, lists, PATCH of tags and DELETE work without further code, as do authentication, api-version checks,
//! case-insensitive ids, paging and the ledger.

mod answer;
mod forwarded;
mod handler;
mod internal;
mod link;
mod registry;
mod request;
mod stored;

pub use answer::{Answer, Body, Polling, Reply};
pub(crate) use forwarded::{Entrance, ForwardedRequest, forward};
pub use handler::Handler;
pub use internal::{internal_delete, internal_put};
pub use inventory::submit;
pub use link::Link;
pub(crate) use link::identity_link;
pub(crate) use registry::Registry;
pub use registry::ResourceType;
pub use request::Request;
pub(crate) use request::normal_location;
pub(crate) use stored::{remove, shown};

pub use crate::world::{FirstStep, LongRunning, Outcome};
