//! Child processes: started, watched, logged, and gone on every way out. A lab owns one [`Processes`]; whatever it
//! starts there ends with it, even when the harness itself is killed.

mod child;
mod clock_probe;
mod error;
mod launch;
mod log;
mod meter;
mod namespace;
mod neighbour;
mod port;
mod probe;
mod processes;
mod scratch;
mod spec;
#[cfg(test)]
mod tests;

pub(crate) use child::memory_of;
pub use child::{Child, Exit};
pub use clock_probe::probe_clock;
pub use error::ProcessError;
pub use log::tail;
pub use meter::Meter;
pub(crate) use meter::own_cpu_time;
pub use namespace::{NamespaceError, ServiceAccountFiles, probe_namespaces};
pub use neighbour::Neighbour;
pub use port::{PortError, PortLease};
pub use probe::Probe;
pub use processes::Processes;
pub use spec::{ChildSpec, ProcessTime};
