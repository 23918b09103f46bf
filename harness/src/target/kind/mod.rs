//! The kind target: fake-arm in this process, clusters of kind in containers on this machine, real time.

mod site;

pub use site::Kind;
