//! Where scenarios run: what stands up an Azure and clusters for a lab, and what a scenario can ask of it.
//!
//! A lab knows its target by [`Target`] and [`Site`] alone. What only some targets can do (order a shortage of machines,
//! kill the provisioner, begin at a date) is a [`Capability`]: a value that a scenario asks for with
//! [`Lab::require`](crate::lab::Lab::require), and without which it is skipped with the reason. Nothing else tells a
//! scenario where it runs.

mod access;
pub mod azure;
mod capability;
mod control;
pub mod embedded;
mod fake;
pub mod kind;
mod list;
mod start_error;
#[allow(clippy::module_inception)] // What the folder is about.
mod target;

pub use access::{AzureAccess, Names};
pub use capability::{Capabilities, Capability, CapabilityKind, MovableClock};
pub use control::{ControlPlaneControl, ControlPlaneHost, ProvisionerControl, ProvisionerHost, ProvisionerOverrides};
pub use fake::{Denial, NetworkModel, Region, SecurityGroup, Tenant, Unknown};
pub use list::{UnknownTarget, all, named};
pub use start_error::StartError;
pub use target::{Entered, Site, Surroundings, Target};
