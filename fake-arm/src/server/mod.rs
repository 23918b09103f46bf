//! The running fake: sockets, TLS, and the way of a request through small stages: form > signature > body > caller >
//! throttling > authorization > provider > ledger.

mod authentication;
#[cfg(test)]
pub(crate) mod bench;
mod conflict;
mod connection;
mod content;
mod dispatch;
mod envelope;
mod fake_arm;
mod head;
mod keeper;
mod paging;
mod pipeline;
mod precondition;
mod render;
mod respond;
mod route;
mod surroundings;
#[cfg(test)]
mod tests;
mod throttle;
mod tls;

pub(crate) use dispatch::{Incoming, ask_within};
pub use fake_arm::{Builder, FakeArm, StartError};
pub(crate) use render::shown;
