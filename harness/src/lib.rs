//! The harness of catnap: stands up an AKS-shaped world, lets the real provisioner work in it and judges what became
//! of the nodes. Scenarios (crate `suites`) are written against [`prelude`].

pub mod azure;
pub mod cli;
pub mod cluster;
pub mod components;
pub mod expect;
pub mod history;
pub mod lab;
pub mod manifest;
pub mod node;
pub mod process;
pub mod provisioner;
pub mod report;
pub mod runner;

pub mod prelude {
    //! Everything that a scenario needs.
}
