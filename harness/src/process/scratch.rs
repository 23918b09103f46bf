//! The temporary folder of a lab: keys, sockets, data of etcd. What a person wants to read afterwards is not here.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use rand::Rng;

const PREFIX: &str = "catnap-";

/// A Unix socket's path has room for 103 bytes on macOS and 107 on Linux; this leaves 40 for what lies in the folder.
const LONGEST: usize = 63;

/// A folder that is locked by this process for as long as it lives.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    _lock: Flock<File>,
}

/// A new path in the system's folder for temporary files, or in `/tmp` where that one's name is too long for sockets.
pub(super) fn choose() -> PathBuf {
    let name = format!("{PREFIX}{:08x}", rand::rng().random::<u32>());
    let path = base().join(&name);
    if path.as_os_str().len() <= LONGEST { path } else { Path::new("/tmp").join(name) }
}

fn base() -> PathBuf {
    std::env::temp_dir()
}

impl Scratch {
    /// Makes the folder, readable by its owner only.
    pub(super) fn create(path: &Path) -> std::io::Result<Self> {
        DirBuilder::new().mode(0o700).create(path)?;
        let lock = lock(path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

fn lock(path: &Path) -> std::io::Result<Flock<File>> {
    Flock::lock(File::open(path)?, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error.into())
}

/// Removes what earlier labs left behind. That takes a kill of the harness *and* of its guardian, for example by the
/// end of a container that shares the folder.
pub(super) fn sweep() {
    let mine = nix::unistd::geteuid().as_raw();
    for base in [base(), PathBuf::from("/tmp")] {
        let Ok(entries) = std::fs::read_dir(base) else { continue };
        for entry in entries.flatten() {
            if entry.file_name().to_str().is_some_and(is_ours) && is_stale(&entry.path(), mine) {
                let _ = std::fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn is_ours(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.len() == 8 && rest.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whether a folder is ours and no living process has it locked. One that is younger than a minute may be about to be
/// locked.
fn is_stale(path: &Path, mine: u32) -> bool {
    let Ok(about) = std::fs::symlink_metadata(path) else { return false };
    let age = about.modified().ok().and_then(|at| at.elapsed().ok()).unwrap_or_default();
    about.is_dir() && about.uid() == mine && age > Duration::from_secs(60) && lock(path).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_with_our_names_are_swept() {
        assert!(is_ours("catnap-0a1b2c3d"));
        assert!(!is_ours("catnap-cache"));
        assert!(!is_ours("catnap-0a1b2c3d-notes"));
        assert!(!is_ours("notcatnap-0a1b2c3d"));
    }

    #[test]
    fn a_folder_in_use_is_not_stale() {
        let scratch = Scratch::create(&choose()).unwrap();
        let mine = nix::unistd::geteuid().as_raw();
        let old = File::open(scratch.path()).unwrap();
        old.set_modified(std::time::SystemTime::now() - Duration::from_secs(120)).unwrap();
        assert!(!is_stale(scratch.path(), mine));
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(is_stale(&path, mine));
        std::fs::remove_dir(path).unwrap();
    }
}
