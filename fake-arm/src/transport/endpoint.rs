//! The endpoints as the HTTP server calls them: the parts of a request are read, the gateway is asked, its answer is
//! written.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::Request;

use super::respond::respond;
use super::{body, head};
use crate::gateway::{self, Arrival, Shared};

/// Serves the main endpoint: ARM, and beside it the identity platform and the cloud's metadata.
pub(crate) async fn serve_main(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let arrival = Arrival::now();
    let (parts, body) = request.into_parts();
    let head = head::read(parts, &shared.endpoint);
    // Also the body of a refused request is read: a connection goes on after it.
    let body = body::raw(body, shared.body_patience).await;
    let answer = gateway::serve(&shared, &head, head::check(&head), body, arrival);
    respond(&head, answer)
}

/// Serves what a process finds on its machine: the managed-identity endpoint and the metadata service.
pub(crate) async fn serve_machine(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let arrival = Arrival::now();
    let (parts, _) = request.into_parts();
    let head = head::read(parts, &shared.endpoint);
    let answer = gateway::serve_machine(&shared, &head, arrival);
    respond(&head, answer)
}
