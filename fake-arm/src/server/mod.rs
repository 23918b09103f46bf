//! The running fake: sockets, TLS, and the way of a request through small stages: form > signature > body > caller >
//! throttling > authorization > provider > ledger.

mod admin;
mod authentication;
mod authorization;
#[cfg(test)]
pub(crate) mod bench;
mod builder;
mod cloud;
mod conflict;
mod connection;
mod content;
mod dispatch;
mod envelope;
mod fake_arm;
mod graph;
mod head;
mod keeper;
mod machine;
mod paging;
mod pipeline;
mod precondition;
mod render;
mod respond;
mod route;
mod saved;
mod sign_in;
mod surroundings;
#[cfg(test)]
mod tests;
mod throttle;
mod tls;

pub use builder::{Builder, StartError};
pub use fake_arm::FakeArm;
pub use saved::Saved;
pub use tls::Authority;
