//! Why the command could not do what it was told: one message that names the thing, the place and the remedy.

use std::io::ErrorKind;
use std::path::PathBuf;

use fake_arm::StartError;
use fake_arm::causes::with_causes;

#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    #[error("failed to start")]
    Start(#[from] StartError),
    #[error("failed to {what} {}", .path.display())]
    File {
        what: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("failed to read the state file {}: {reason}", .path.display())]
    State { path: PathBuf, reason: String },
    #[error("failed to read the world file {}: {reason}", .path.display())]
    World { path: PathBuf, reason: String },
    #[error("failed to wait for signals")]
    Signals(#[source] std::io::Error),
}

impl CommandError {
    /// The message with its causes and what to do.
    pub(crate) fn message(&self) -> String {
        let mut text = match self {
            // What was to be started is said by its cause.
            Self::Start(cause) => with_causes(cause),
            other => with_causes(other),
        };
        if let Some(remedy) = self.remedy() {
            text = format!("{text}\n  {remedy}");
        }
        text
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::Start(StartError::Listen { what, address, source }) => match source.kind() {
                ErrorKind::AddrInUse => {
                    let flag = match *what {
                        "the admin API" => "--admin-port",
                        "the managed-identity endpoint" => "--identity-port",
                        _ => "--port",
                    };
                    Some(format!(
                        "port {} is in use, perhaps by another fake-arm: name another one with {flag}, or 0 for any that \
                         is free",
                        address.port()
                    ))
                }
                ErrorKind::AddrNotAvailable => {
                    Some(format!("{} is no address of this machine: name one with --listen", address.ip()))
                }
                ErrorKind::PermissionDenied => Some("ports below 1024 need privileges: name a higher one".to_owned()),
                _ => None,
            },
            Self::State { path, .. } => {
                Some(format!("mend it, or take it away to begin anew: mv {0} {0}.old", path.display()))
            }
            _ => None,
        }
    }
}
