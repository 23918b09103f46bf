//! How requests come in and answers go out: sockets, TLS, heads and bodies with their limits, the bytes of an answer.
//! What a request means is the [gateway](crate::gateway)'s.

mod body;
mod connection;
mod endpoint;
mod head;
mod respond;
mod socket;
mod tls;

pub(crate) use body::raw_up_to;
pub(crate) use endpoint::{serve_machine, serve_main};
pub(crate) use socket::{ListenError, Socket};
pub use tls::Authority;
