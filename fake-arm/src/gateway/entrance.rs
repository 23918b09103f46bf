//! Which of the services on the main endpoint a request is for: ARM, or the identity platform, Graph and the cloud's
//! metadata, which share the host with it.

use bytes::Bytes;

use super::arrival::Arrival;
use super::head::Head;
use super::response::ResponseParts;
use super::shared::Shared;
use super::sign_in::{self, AuthRoute};
use super::{cloud, graph, resource_manager};
use arm::ArmError;

/// Serves a request. `form`: what is wrong with its head.
pub(crate) fn serve(
    shared: &Shared,
    head: &Head,
    form: Result<(), ArmError>,
    body: Result<Bytes, ArmError>,
    arrival: Arrival,
) -> ResponseParts {
    match form {
        Ok(()) => match AuthRoute::at(&head.path) {
            Some(route) => sign_in::serve(shared, route, head, body, arrival),
            None if graph::path_of(&head.path).is_some() => {
                graph::serve(shared, graph::path_of(&head.path).unwrap_or_default(), head, body, arrival)
            }
            None if head.path.eq_ignore_ascii_case("/metadata/endpoints") => cloud::serve(shared, head, arrival),
            None => resource_manager::serve(shared, head, None, body, arrival),
        },
        Err(error) => resource_manager::serve(shared, head, Some(error), body, arrival),
    }
}
