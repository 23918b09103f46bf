//! fake-arm in this process, for the targets whose Azure it is: what it tells, what a scenario can order of it, and what
//! its network means for machines.

mod engine;
mod host;
mod network;
mod network_aware_boot;
mod observation;
mod region;
mod site;
mod slot;
mod tenant;

pub(super) use engine::Programs;
pub use network::NetworkModel;
pub(super) use observation::observed;
pub use region::Region;
pub(super) use site::{LocalParts, LocalSite};
pub(super) use slot::Slot;
pub use tenant::{Denial, SecurityGroup, Tenant, Unknown};
