//! What can go wrong with a child process.

use std::path::PathBuf;
use std::time::Duration;

use super::{Exit, NamespaceError};
use child_clock::ClockError;

/// A child process could not be started or did not become ready.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The program cannot be run at all.
    #[error("failed to start {name}: {} {problem}; give the path of an executable for this machine", path.display())]
    NotExecutable {
        /// Name of the process in the lab.
        name: String,
        /// What was to be run.
        path: PathBuf,
        /// Why it cannot be.
        problem: String,
    },
    /// It ended before it was ready.
    #[error("{name} {exit} before it was ready; the end of {}:\n{tail}", log.display())]
    ExitedEarly {
        /// Name of the process in the lab.
        name: String,
        /// How it ended.
        exit: Exit,
        /// Its whole log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// It runs, but its probe did not succeed in time.
    #[error("{name} was not ready within {within:?}: {answer}; the end of {}:\n{tail}", log.display())]
    NotReady {
        /// Name of the process in the lab.
        name: String,
        /// How long it was given.
        within: Duration,
        /// What the probe said last.
        answer: String,
        /// Its whole log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// The file that its output was to go to.
    #[error("failed to write the log {}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The temporary folder of the lab.
    #[error("failed to set up the temporary folder {}; set TMPDIR to a folder that can be written to", path.display())]
    Scratch {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The operating system refused a new process.
    #[error("failed to start {name}")]
    Spawn {
        /// Name of the process in the lab.
        name: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The probe's own configuration is wrong.
    #[error("failed to set up the readiness probe of {name}: {problem}")]
    Probe {
        /// Name of the process in the lab.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It needs namespaces of its own and the system gives none.
    #[error("failed to start {name}")]
    Namespaces {
        /// Name of the process in the lab.
        name: String,
        /// The cause, with the remedy.
        source: NamespaceError,
    },
    /// It could not be given the lab's time.
    #[error("failed to start {name} in the lab's time; with --clock real it runs in the machine's")]
    Clock {
        /// Name of the process in the lab.
        name: String,
        /// The cause, with the remedy.
        source: ClockError,
    },
    /// The lab is coming down; nothing is started any more.
    #[error("failed to start {name}: the lab is being stopped")]
    Stopping {
        /// Name of the process in the lab.
        name: String,
    },
}

impl ProcessError {
    /// Whether it ended because a stranger took its port between choosing and binding: another port is worth a try.
    #[must_use]
    pub fn is_port_taken(&self) -> bool {
        matches!(self, Self::ExitedEarly { tail, .. } if tail.to_ascii_lowercase().contains("address already in use"))
    }
}
