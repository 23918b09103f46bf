//! The folder of built suites, `catnap-suites`, which stands beside the executable and can be taken along with it.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::error::RunnerError;
use crate::source::SuiteSource;

/// What the source says of scenarios is kept under this name, so that it is at hand where the source is not.
const SOURCES: &str = "sources.json";

/// A test binary that holds scenarios.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suite {
    /// Its name: `custom_vnet`.
    pub name: String,
    /// The test binary.
    pub executable: PathBuf,
    pub(super) source: SuiteSource,
}

impl Suite {
    /// The suite `name` in the test binary `executable`.
    #[must_use]
    pub fn new(name: impl Into<String>, executable: impl Into<PathBuf>) -> Self {
        Self { name: name.into(), executable: executable.into(), source: SuiteSource::default() }
    }
}

/// A folder of built suites.
#[derive(Debug, Clone)]
pub struct SuiteFolder {
    path: PathBuf,
}

impl SuiteFolder {
    /// The folder at `path`.
    #[must_use]
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder beside the running executable.
    #[must_use]
    pub fn beside_executable() -> Self {
        let executable = std::env::current_exe().unwrap_or_default();
        Self { path: executable.parent().unwrap_or(Path::new("")).join("catnap-suites") }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The suites in it, by name.
    ///
    /// # Errors
    /// When it cannot be read or holds none.
    pub fn open(&self) -> Result<Vec<Suite>, RunnerError> {
        let failed = |cause| RunnerError::SuiteFolder { folder: self.path.clone(), cause };
        let mut sources: BTreeMap<String, SuiteSource> = std::fs::read(self.path.join(SOURCES))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let mut suites = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
            if !name.contains('.') && is_executable(&path) {
                let source = sources.remove(&name).unwrap_or_default();
                suites.push(Suite { name, executable: path, source });
            }
        }
        if suites.is_empty() {
            return Err(RunnerError::EmptySuiteFolder { folder: self.path.clone() });
        }
        suites.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(suites)
    }

    /// Makes the folder hold exactly `built`, and returns those as they stand in it. A process that runs a suite which
    /// was there before is not disturbed.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn install(&self, built: &[Suite]) -> Result<Vec<Suite>, RunnerError> {
        self.fill(built).map_err(|cause| RunnerError::SuiteFolder { folder: self.path.clone(), cause })
    }

    fn fill(&self, built: &[Suite]) -> std::io::Result<Vec<Suite>> {
        std::fs::create_dir_all(&self.path)?;
        // Hard links need the same file system; they are made in a folder of their own and moved into place, so that
        // under its name there is always a whole file.
        let making = tempfile::Builder::new().prefix(".making-").tempdir_in(&self.path)?;
        let mut installed = Vec::new();
        for suite in built {
            let new = making.path().join(&suite.name);
            if std::fs::hard_link(&suite.executable, &new).is_err() {
                std::fs::copy(&suite.executable, &new)?;
            }
            let executable = self.path.join(&suite.name);
            std::fs::rename(&new, &executable)?;
            installed.push(Suite { executable, ..suite.clone() });
        }
        let sources: BTreeMap<&str, &SuiteSource> =
            built.iter().map(|suite| (suite.name.as_str(), &suite.source)).collect();
        let new = making.path().join(SOURCES);
        std::fs::write(&new, serde_json::to_vec_pretty(&sources).map_err(std::io::Error::from)?)?;
        std::fs::rename(&new, self.path.join(SOURCES))?;

        for entry in std::fs::read_dir(&self.path)? {
            let path = entry?.path();
            let gone = path
                .file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| !name.contains('.') && !built.iter().any(|suite| suite.name == name));
            if gone && path.is_file() {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(installed)
    }
}

/// Whether `path` is a file that may be executed.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{ScenarioSource, SourcePlace};

    fn executable(folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn what_is_installed_is_found_again_with_what_its_source_says_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut drift = Suite::new("drift", executable(folder.path(), "drift-0123"));
        let place = SourcePlace { file: "suites/tests/drift.rs".into(), line: 7 };
        drift
            .source
            .scenarios
            .insert("a".into(), ScenarioSource { azure_only: false, doc: "Says something".into(), place });
        let gone = Suite::new("gone", executable(folder.path(), "gone-0123"));
        let suites = SuiteFolder::at(folder.path().join("catnap-suites"));

        suites.install(&[drift.clone(), gone]).unwrap();
        let installed = suites.install(std::slice::from_ref(&drift)).unwrap();

        assert_eq!(suites.open().unwrap(), installed);
        assert_eq!(installed[0].source, drift.source);
        assert_eq!(std::fs::read_dir(suites.path()).unwrap().count(), 2, "drift and sources.json");
    }

    #[test]
    fn a_folder_without_suites_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("README"), "").unwrap();
        let error = SuiteFolder::at(folder.path()).open().unwrap_err().to_string();
        assert!(error.contains("holds no suite"), "{error}");
        let error = SuiteFolder::at("/does/not/exist").open().unwrap_err().to_string();
        assert!(error.contains("/does/not/exist"), "{error}");
    }
}
