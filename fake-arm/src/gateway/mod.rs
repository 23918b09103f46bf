//! Azure's front door, without sockets: a request from its path to its answer. Each step is a file: which service and
//! which route, the caller, throttling, the caller's rights, what must be there around it, the form of its body, the
//! provider, the answer, the ledger.

mod arrival;
mod authentication;
mod authorization;
mod body_schema;
mod cloud;
mod conflict;
mod content;
mod dispatch;
mod entrance;
mod events;
mod graph;
mod head;
mod local_endpoints;
mod long_running;
mod paging;
mod precondition;
mod render;
mod resource_manager;
mod response;
mod route;
mod scope_checks;
mod shared;
mod sign_in;
#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
mod throttle;
mod verified_tokens;

pub(crate) use arrival::Arrival;
#[cfg(test)]
pub(crate) use content::Content;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use dispatch::{Incoming, dispatch};
pub(crate) use entrance::serve;
#[cfg(test)]
pub(crate) use events::take_events;
pub(crate) use head::Head;
pub(crate) use local_endpoints::serve_machine;
pub(crate) use response::ResponseParts;
pub(crate) use shared::Shared;
#[cfg(test)]
pub(crate) use test_support::{Reply, TestFake};
pub(crate) use verified_tokens::VerifiedTokens;
