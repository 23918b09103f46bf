//! Addresses, security rules and routes as Azure counts and evaluates them: pure functions over values, without a
//! world. The network provider reads the values out of resources; whoever asks whether a packet passes asks here.

mod conflict;
mod fabric;
mod packet;
mod range;
mod route;
mod security;
mod space;
#[cfg(test)]
mod test_support;

pub use conflict::{Conflict, Purpose, Range, conflicts};
pub use fabric::{Fabric, Place, Segment};
pub use packet::{Packet, Protocol};
pub use range::{first_free, is_assignable, overlap, usable, usable_count};
pub use route::{NextHop, Origin, Route, RouteTable, routes_of_a_network};
pub use security::{Access, Direction, NetworkContext, Peer, PortRange, RuleVerdict, SecurityRule, SecurityRules};
pub use space::{common, covered, first_overlap};
