//! Runs scenarios: finds the suites' test binaries, asks them what they hold, and runs each scenario as a process of
//! its own. What a scenario does is its own matter; here is how it is started, watched, ended and judged by its end.

mod build;
mod error;
mod exit_status;
mod folder;
mod list;
mod order;
mod plan;
mod scenario_process;
mod selection;
mod suites;

#[cfg(all(test, unix))]
mod tests;

pub use build::build;
pub use error::RunnerError;
pub use folder::RunFolder;
pub(crate) use folder::make_writable;
pub use list::{Scenario, list};
pub use order::Order;
pub use plan::{Outcome, Parts, Plan, Stop};
pub use selection::select;
pub(crate) use suites::is_executable;
pub use suites::{Suite, SuiteFolder};
