//! Requests without sockets, for the fuzzers: a panic of a provider is not caught here.

use http::{HeaderMap, Method};
use serde_json::Value;
use uuid::Uuid;

use super::dispatch::{self, Incoming};
use crate::arm::ArmError;
use crate::world::World;

/// A request by a known caller.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) caller: Uuid,
}

/// Serves it; the status.
pub(crate) fn dispatch(world: &mut World, asked: Asked) -> Result<u16, ArmError> {
    let incoming = Incoming {
        method: asked.method,
        path: asked.path,
        query: asked.query,
        headers: asked.headers.into(),
        body: Ok(asked.body),
        origin: "https://127.0.0.1:1".to_owned(),
        caller: asked.caller,
    };
    dispatch::dispatch(world, incoming).result.map(|rendered| rendered.status.as_u16())
}
