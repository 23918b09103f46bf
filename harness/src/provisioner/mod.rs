//! Runs the real provisioner: its environment follows from the managed cluster, it is ready when its health endpoint
//! says so, and its log goes to the history line by line.

mod cause;
mod environment;
mod follow;
mod log_line;
mod proxy;
mod run;
mod settings;
#[cfg(test)]
mod trial;
mod version;

pub use environment::ProvisionerWorld;
#[cfg(test)]
pub(crate) use environment::tests::cluster as trial_cluster;
pub use run::{Provisioner, ProvisionerError};
pub use settings::ProvisionerSettings;
pub use version::{ArmRoute, ProvisionerVersion, VersionError};
