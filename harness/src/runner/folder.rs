//! The folder of one run: what its scenarios recorded, what they printed, their JUnit files.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::error::RunnerError;
use crate::report::ScenarioId;

/// The file by which a run holds its folder.
const LOCK: &str = ".lock";

/// A run's folder, held against other runs for as long as this value lives.
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    _lock: File,
}

impl RunFolder {
    /// A new folder under `above`, named after the moment and the seed; `latest` beside it leads to it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_under(above: &Path, now: Timestamp, seed: u64) -> Result<Self, RunnerError> {
        let name = format!("{}-{seed}", now.strftime("%Y%m%dT%H%M%SZ"));
        let mut path = above.join(&name);
        std::fs::create_dir_all(above).map_err(failed(above))?;
        // Two runs with one seed within a second: the second one gets a number.
        let mut number = 1;
        while let Err(error) = std::fs::create_dir(&path) {
            if error.kind() != ErrorKind::AlreadyExists {
                return Err(failed(&path)(error));
            }
            number += 1;
            path = above.join(format!("{name}.{number}"));
        }
        let folder = Self::hold(path)?;
        // A convenience; a file system without links still has its runs.
        if let Err(error) = point(&above.join("latest"), &folder.path) {
            tracing::debug!(%error, "`latest` does not lead to this run");
        }
        Ok(folder)
    }

    /// The folder at `path`, made where it is missing.
    ///
    /// # Errors
    /// When it cannot be made, or another run uses it.
    pub fn at(path: &Path) -> Result<Self, RunnerError> {
        std::fs::create_dir_all(path).map_err(failed(path))?;
        Self::hold(path.canonicalize().map_err(failed(path))?)
    }

    fn hold(path: PathBuf) -> Result<Self, RunnerError> {
        let lock = File::create(path.join(LOCK)).map_err(failed(&path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(RunnerError::FolderInUse { folder: path }),
            Err(TryLockError::Error(error)) => Err(failed(&path)(error)),
        }
    }

    /// Whether a folder is a run's, or was once.
    pub(super) fn is_one(path: &Path) -> bool {
        path.join(LOCK).is_file()
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of a scenario.
    #[must_use]
    pub fn scenario(&self, id: &ScenarioId) -> PathBuf {
        self.path.join(id.file_stem())
    }
}

/// Makes sure that files can be written to `path`.
pub(crate) fn make_writable(path: &Path) -> Result<(), RunnerError> {
    std::fs::create_dir_all(path).map_err(failed(path))?;
    tempfile::tempfile_in(path).map_err(failed(path))?;
    Ok(())
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> RunnerError {
    let folder = path.to_path_buf();
    move |cause| RunnerError::Folder { folder: folder.clone(), cause }
}

/// Replaces the link in one step, so that two runs that start together leave one good link.
fn point(link: &Path, to: &Path) -> std::io::Result<()> {
    let (Some(above), Some(name)) = (link.parent(), to.file_name()) else { return Ok(()) };
    let making = tempfile::Builder::new().prefix(".latest-").tempdir_in(above)?;
    let new = making.path().join("latest");
    std::os::unix::fs::symlink(name, &new)?;
    std::fs::rename(&new, link)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_gets_a_folder_and_latest_leads_to_the_last_one() {
        let above = tempfile::tempdir().unwrap();
        let now = "2026-11-21T06:33:00Z".parse().unwrap();
        let first = RunFolder::create_under(above.path(), now, 7).unwrap();
        let second = RunFolder::create_under(above.path(), now, 7).unwrap();
        assert!(first.path().ends_with("20261121T063300Z-7"));
        assert!(second.path().ends_with("20261121T063300Z-7.2"));
        let latest = above.path().join("latest").canonicalize().unwrap();
        assert_eq!(latest, second.path().canonicalize().unwrap());
        assert_eq!(std::fs::read_dir(above.path()).unwrap().count(), 3, "nothing else is left");
        let id = ScenarioId::new("drift", "m::a");
        assert_eq!(first.scenario(&id), first.path().join("drift.m.a"));
    }

    #[test]
    fn a_folder_serves_one_run_at_a_time() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("artefacts");
        let first = RunFolder::at(&path).unwrap();
        let error = RunFolder::at(&path).unwrap_err();
        assert!(matches!(error, RunnerError::FolderInUse { .. }), "{error}");
        drop(first);
        RunFolder::at(&path).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let above = tempfile::tempdir().unwrap();
        let file = above.path().join("file");
        std::fs::write(&file, "").unwrap();
        for error in [
            RunFolder::at(&file.join("run")).unwrap_err(),
            RunFolder::create_under(&file, Timestamp::UNIX_EPOCH, 1).unwrap_err(),
            make_writable(&file.join("junit")).unwrap_err(),
        ] {
            assert!(error.to_string().contains("/file"), "{error}");
        }
    }
}
