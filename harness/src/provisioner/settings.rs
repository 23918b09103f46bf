//! What a scenario may choose about the provisioner.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::version::ProvisionerVersion;

/// Which provisioner to run and how.
#[derive(Debug, Clone)]
pub struct ProvisionerSettings {
    /// Its executable.
    pub program: PathBuf,
    /// Its version, which decides how it is led to the endpoints.
    pub version: ProvisionerVersion,
    /// How long it waits for another pending pod before it acts (`BATCH_IDLE_DURATION`). The provisioner's own default
    /// is 1 s.
    pub batch_idle: Duration,
    /// How long it waits at most (`BATCH_MAX_DURATION`). The provisioner's own default is 10 s; a node counts as
    /// nominated for twice this time, but at least 10 s, so up to 5 s change nothing else.
    pub batch_max: Duration,
    /// `LOG_LEVEL`.
    pub log_level: String,
    /// Environment on top of what the cluster's properties give: a value replaces, `None` takes the variable away.
    pub environment: BTreeMap<String, Option<String>>,
    /// Command line.
    pub arguments: Vec<String>,
    /// How long it may take to become ready.
    pub ready_within: Duration,
}

impl ProvisionerSettings {
    /// A provisioner with short batches and everything logged.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>, version: ProvisionerVersion) -> Self {
        Self {
            program: program.into(),
            version,
            batch_idle: Duration::from_millis(200),
            batch_max: Duration::from_secs(1),
            log_level: "debug".into(),
            environment: BTreeMap::new(),
            arguments: Vec::new(),
            ready_within: Duration::from_secs(120),
        }
    }

    /// Sets or replaces a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.insert(name.into(), Some(value.into()));
        self
    }

    /// Takes a variable away.
    #[must_use]
    pub fn without_env(mut self, name: impl Into<String>) -> Self {
        self.environment.insert(name.into(), None);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }
}
