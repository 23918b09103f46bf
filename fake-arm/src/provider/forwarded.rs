//! Requests that a provider makes in its caller's name: they go the whole way of a request, with its checks. Providers
//! do not know who leads them there; whoever does registers itself as the [`Entrance`].

use http::{Method, StatusCode};
use serde_json::Value;
use uuid::Uuid;

use crate::world::World;
use arm::ArmError;

/// A request in a caller's name.
#[derive(Debug)]
pub(crate) struct ForwardedRequest {
    pub(crate) method: Method,
    /// Full id of a resource.
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) body: Value,
    /// `https://host:port` as the caller wrote it; absolute links start with it.
    pub(crate) origin: String,
    /// Object id of whom it is made for.
    pub(crate) caller: Uuid,
}

/// Where requests of providers come in; there is one, submitted by the gateway.
pub(crate) struct Entrance(pub(crate) fn(&mut World, ForwardedRequest) -> Result<StatusCode, ArmError>);

inventory::collect!(Entrance);

/// Makes a request; the status of its answer.
///
/// # Errors
/// What the caller would have been answered.
pub(crate) fn forward(world: &mut World, request: ForwardedRequest) -> Result<StatusCode, ArmError> {
    let entrance = inventory::iter::<Entrance>.into_iter().next().expect("the gateway submits its entrance");
    (entrance.0)(world, request)
}
