//! The embedded target: fake-arm in this process, control planes as child processes on loopback, time that can be moved.

mod cluster_source;
mod lab_processes;
mod site;

pub use site::Embedded;
