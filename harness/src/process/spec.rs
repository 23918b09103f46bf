//! What a child process is to be.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{PortLease, Probe, ServiceAccountFiles};

/// What hangs is given up after this time. A machine with more to do than it can may take a large part of it for what
/// takes a second elsewhere; what ends early is told at once.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// A program to run, how to tell that it is ready and how to let it end.
#[derive(Debug)]
pub struct ChildSpec {
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) probe: Probe,
    pub(super) ready_within: Duration,
    pub(super) grace: Duration,
    pub(super) service_account: Option<ServiceAccountFiles>,
    pub(super) ports: Vec<PortLease>,
    pub(super) time: ProcessTime,
}

/// Which time a process lives in, where the lab's is not the machine's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProcessTime {
    /// The lab's.
    #[default]
    Lab,
    /// Dates that it tells are the lab's; its timers go by the machine's time, and no move of the lab's wakes it.
    LabDates,
    /// The machine's.
    Machine,
}

impl ChildSpec {
    /// A program under its name in the lab, with no arguments and an empty environment. It counts as ready once it
    /// runs, unless [`ready`](Self::ready) says otherwise.
    pub fn new(name: impl Into<String>, program: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            probe: Probe::Started,
            ready_within: READY_WITHIN,
            grace: Duration::from_secs(5),
            service_account: None,
            ports: Vec::new(),
            time: ProcessTime::Lab,
        }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Adds one environment variable. Nothing of the harness's own environment reaches the child; the shell that it is
    /// started through may add `PWD`.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Adds environment variables.
    #[must_use]
    pub fn envs<N: Into<OsString>, V: Into<OsString>>(mut self, variables: impl IntoIterator<Item = (N, V)>) -> Self {
        self.environment.extend(variables.into_iter().map(|(name, value)| (name.into(), value.into())));
        self
    }

    /// How to tell that it is ready.
    #[must_use]
    pub fn ready(mut self, probe: Probe) -> Self {
        self.probe = probe;
        self
    }

    /// How long it may take until it is ready, in real time; two minutes unless said otherwise.
    #[must_use]
    pub fn ready_within(mut self, within: Duration) -> Self {
        self.ready_within = within;
        self
    }

    /// How long it may take to end after SIGTERM before it is killed; 5 seconds unless said otherwise.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Puts these files where a pod finds its service account, for this process only. Needs what
    /// [`probe_namespaces`](super::probe_namespaces) looks for.
    #[must_use]
    pub fn service_account(mut self, files: ServiceAccountFiles) -> Self {
        self.service_account = Some(files);
        self
    }

    /// It lives in the machine's time, also where the lab's is moved: for what only serves the others.
    #[must_use]
    pub fn in_real_time(mut self) -> Self {
        self.time = ProcessTime::Machine;
        self
    }

    /// Dates that it tells are the lab's; its timers go by the machine's time, also where the lab's is moved: for what does
    /// nothing of itself that others wait for, and much housekeeping.
    #[must_use]
    pub fn with_real_timers(mut self) -> Self {
        self.time = ProcessTime::LabDates;
        self
    }

    /// Keeps the lease of a port that it listens on for as long as it runs.
    #[must_use]
    pub fn holding(mut self, lease: PortLease) -> Self {
        self.ports.push(lease);
        self
    }
}
