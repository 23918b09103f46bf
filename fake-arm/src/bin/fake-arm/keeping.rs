//! The files of a stand-alone fake: its state, the world that it begins with, the certificate.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::time::Duration;

use fake_arm::FakeArm;
use fake_arm::events::ArmEvent;
use fake_arm::seed::WorldDocument;
use fake_arm::server::Saved;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::command_error::CommandError;

/// After a change the state is written this much later, so that many changes are written once.
const REST: Duration = Duration::from_millis(300);

/// What a file keeps; `None` where the file does not exist yet.
pub(crate) fn read_state(path: &Path) -> Result<Option<Saved>, CommandError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(CommandError::File { what: "read the state file", path: path.to_owned(), source }),
    };
    // serde_json tells line and column.
    let read = serde_json::from_slice(&bytes);
    read.map(Some).map_err(|error| CommandError::State { path: path.to_owned(), reason: error.to_string() })
}

/// Writes a file so that a reader sees the old one or the new one, and nobody else reads it: it holds keys.
pub(crate) fn write_state(path: &Path, saved: &Saved) -> Result<(), CommandError> {
    let failed = |source| CommandError::File { what: "write the state file", path: path.to_owned(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(&serde_json::to_vec_pretty(saved)?)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|source| {
        // It may not have been made at all.
        let _ = fs::remove_file(&beside);
        failed(source)
    })
}

/// Writes the state after each change, until the fake is gone.
pub(crate) async fn keep(azure: &FakeArm, path: &Path, mut events: UnboundedReceiver<ArmEvent>) {
    while let Some(event) = events.recv().await {
        if !changes(&event) {
            continue;
        }
        tokio::time::sleep(REST).await;
        while events.try_recv().is_ok() {}
        if let Err(error) = write_state(path, &azure.save()) {
            eprintln!("warning: {}", error.message());
        }
    }
}

/// Reading changes nothing.
fn changes(event: &ArmEvent) -> bool {
    match event {
        ArmEvent::Request(entry) => entry.status < 400 && !matches!(entry.method.as_str(), "GET" | "HEAD"),
        ArmEvent::Vm(_) | ArmEvent::Resource(_) => true,
    }
}

pub(crate) fn read_world(path: &Path) -> Result<WorldDocument, CommandError> {
    let text = fs::read_to_string(path).map_err(|source| CommandError::File {
        what: "read the world file",
        path: path.to_owned(),
        source,
    })?;
    let parsed = WorldDocument::parse(&text);
    parsed.map_err(|error| CommandError::World { path: path.to_owned(), reason: error.to_string() })
}

pub(crate) fn write_certificate(path: &Path, pem: &str) -> Result<(), CommandError> {
    fs::write(path, pem).map_err(|source| CommandError::File {
        what: "write the certificate to",
        path: path.to_owned(),
        source,
    })
}
