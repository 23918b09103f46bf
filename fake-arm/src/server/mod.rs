//! The running fake: sockets, TLS, and the way of a request: authenticate > authorize > provider > ledger.

mod authorization;
#[cfg(test)]
pub(crate) mod bench;
mod dispatch;
mod fake_arm;
mod keeper;
mod pipeline;
mod render;
mod route;
#[cfg(test)]
mod tests;
mod tls;

pub use fake_arm::{Builder, FakeArm, StartError};
