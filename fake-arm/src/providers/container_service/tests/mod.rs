//! Managed clusters without sockets: what clients send, what AKS answers. One file per document sends its commands' bodies.

mod agent_pools;
mod auto_upgrade;
mod change;
mod creation;
mod document_000;
mod document_001;
mod document_002;
mod document_003;
mod document_004;
mod engine;
mod life;
mod test_support;

use test_support::{API, Aks, CLUSTER, path, recommended, refusal};
