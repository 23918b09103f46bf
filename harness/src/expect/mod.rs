//! Assertions over the history: what a scenario expects of pods, nodes, node claims and Azure resources, now, within a
//! time, throughout a time or at every instant since a moment.

mod condition;
mod difference;
mod drift;
mod event;
mod expectation;
mod failure;
mod kind;
mod node;
mod node_claim;
mod node_mark;
mod pod;
mod request;
mod resource;
mod right;
mod selection;
mod signature;
mod state;
mod waiting;

pub use crate::duration::{days, hours, minutes, seconds};
pub use condition::{ConditionSelection, NamedObject};
pub use difference::differences;
pub use event::{EventSelection, Events, events};
pub use expectation::{Expectation, Verdict};
pub(crate) use failure::headline;
pub use failure::{Failure, FailureKind, Outcome};
pub use kind::Kind;
pub use node::{NodeSelection, Nodes, nodes};
pub use node_claim::{NodeClaimSelection, NodeClaims, node_claims};
pub use pod::{PodSelection, Pods, pods};
pub use request::{RequestSelection, Requests, all_requests, requests, token_requests};
pub use resource::{ResourceSelection, Resources, disks, nics, vms};
pub use right::{RightSelection, rights_of};
pub use selection::{Selection, Subject};
pub use signature::{Signature, breaks};
pub use state::State;
pub use waiting::{Mark, Pending, Witness};
