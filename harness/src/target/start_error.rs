//! Why a lab cannot be stood up.

use components::ComponentError;

use crate::process::{NamespaceError, ProcessError};

/// Why no lab could be stood up: a reason why scenarios cannot be run, not one why they fail.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The target cannot be had on this machine: a reason to skip what was to be there.
    #[error("there is no target {target} here: {why}")]
    NotHere {
        /// The target.
        target: &'static str,
        /// What is in the way, with the remedy.
        why: String,
    },
    /// A setting makes no sense.
    #[error("{0}")]
    Settings(String),
    /// A real part is missing.
    #[error(transparent)]
    Component(#[from] ComponentError),
    /// The provisioner cannot be given its service account.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The lab's folder or its guardian could not be had.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A folder, file or thread could not be had.
    #[error("cannot {what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Cause.
        source: std::io::Error,
    },
    /// Whoever lends API servers does not.
    #[error("no API server can be lent: {0}; --fresh-clusters (CATNAP_FRESH_CLUSTERS=1) does without")]
    Lender(String),
    /// The Azure of the lab did not start, or cannot be reached.
    #[error("{0}")]
    Azure(String),
    /// The lab's own threads did not do what they were to.
    #[error("the lab's threads ended: {0}")]
    Threads(String),
}

impl StartError {
    /// The error and its causes in one text.
    #[must_use]
    pub fn explain(&self) -> String {
        crate::causes::error_chain(self)
    }

    pub(crate) fn io(what: &str, source: std::io::Error) -> Self {
        Self::Io { what: what.to_owned(), source }
    }
}
