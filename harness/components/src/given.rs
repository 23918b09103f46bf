//! Paths that the user gives instead of having catnap fetch something.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{ComponentError, Program};

/// The variable that names a folder with the provisioner's CRDs.
pub(super) const CRDS_VARIABLE: &str = "CATNAP_CRDS";

/// What the user says about where components are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreOptions {
    /// The cache folder; otherwise `catnap` in the system's folder for caches.
    pub cache: Option<PathBuf>,
    /// A folder with the provisioner's CRDs; otherwise those of its version.
    pub crds: Option<PathBuf>,
    /// The `go` to build with; otherwise the first on PATH.
    pub go: Option<PathBuf>,
    /// Where to look for `go` instead of PATH.
    pub(super) search: Option<OsString>,
    pub(super) programs: BTreeMap<Program, Given>,
}

/// A path to a program and what gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) path: PathBuf,
    pub(super) by: String,
}

impl StoreOptions {
    /// What the environment says: `CATNAP_CACHE`, `CATNAP_CRDS` and a variable for each program.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::from_variables(|name| std::env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        // A variable that is set to nothing counts as not set.
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let mut options = Self { cache: path("CATNAP_CACHE"), crds: path(CRDS_VARIABLE), ..Self::default() };
        for program in Program::ALL {
            if let Some(path) = path(program.variable()) {
                options = options.program(program, path, program.variable());
            }
        }
        options
    }

    /// Uses the executable at `path`; `by` says in messages who wants that, as `--provisioner`.
    #[must_use]
    pub fn program(mut self, program: Program, path: impl Into<PathBuf>, by: &str) -> Self {
        self.programs.insert(program, Given { path: path.into(), by: by.to_owned() });
        self
    }

    /// Uses a provisioner of one's own.
    #[must_use]
    pub fn provisioner(self, path: impl Into<PathBuf>) -> Self {
        self.program(Program::Karpenter, path, "--provisioner")
    }

    /// The path given for a program, made absolute, after a look at whether it can be run.
    pub(super) fn given(&self, program: Program) -> Result<Option<PathBuf>, ComponentError> {
        let Some(given) = self.programs.get(&program) else { return Ok(None) };
        executable(&given.path).map(Some).map_err(|problem| ComponentError::NotExecutable {
            program,
            path: given.path.clone(),
            by: given.by.clone(),
            problem,
        })
    }

    /// The folder given for the CRDs, after a look at whether there are any in it.
    pub(super) fn given_crds(&self) -> Result<Option<PathBuf>, ComponentError> {
        let Some(folder) = &self.crds else { return Ok(None) };
        let fail = |problem: String| ComponentError::NoCrds { path: folder.clone(), problem };
        let mut items = std::fs::read_dir(folder).map_err(|error| fail(error.to_string()))?.flatten();
        if !items.any(|item| item.path().extension().is_some_and(|extension| extension == "yaml")) {
            return Err(fail("there is no *.yaml file in it".to_owned()));
        }
        std::path::absolute(folder).map(Some).map_err(|error| fail(error.to_string()))
    }
}

fn executable(path: &Path) -> Result<PathBuf, String> {
    let data = path.metadata().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        _ => error.to_string(),
    })?;
    if data.is_dir() {
        return Err("it is a folder; give the path of the program itself".to_owned());
    }
    if data.permissions().mode() & 0o111 == 0 {
        return Err(format!("it is not executable; if it is the right file: chmod +x {}", path.display()));
    }
    std::path::absolute(path).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(path: &Path) -> String {
        StoreOptions::default().provisioner(path).given(Program::Karpenter).unwrap_err().to_string()
    }

    #[test]
    fn a_provisioner_that_cannot_be_run_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("karpenter");
        assert!(problem(&file).contains("no such file"));
        assert!(problem(folder.path()).contains("is a folder"));
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        let text = problem(&file);
        assert!(text.contains("--provisioner") && text.contains("chmod +x") && text.contains("karpenter"), "{text}");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(StoreOptions::default().provisioner(&file).given(Program::Karpenter).unwrap(), Some(file));
    }

    #[test]
    fn the_environment_gives_paths_and_an_option_overrides_it() {
        let options = StoreOptions::from_variables(|name| match name {
            "CATNAP_CACHE" => Some("/cache".into()),
            "CATNAP_ETCD" => Some("/bin/sh".into()),
            "CATNAP_KARPENTER_AZURE" => Some("/one".into()),
            "CATNAP_KWOK" => Some("".into()),
            _ => None,
        });
        assert_eq!(options.cache.as_deref(), Some(Path::new("/cache")));
        assert_eq!(options.given(Program::Etcd).unwrap().as_deref(), Some(Path::new("/bin/sh")));
        assert_eq!(options.given(Program::Kwok).unwrap(), None);
        assert!(options.given(Program::Karpenter).unwrap_err().to_string().contains("CATNAP_KARPENTER_AZURE"));
        assert!(options.provisioner("/two").given(Program::Karpenter).unwrap_err().to_string().contains("/two"));
    }

    #[test]
    fn a_folder_without_crds_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions { crds: Some(folder.path().to_owned()), ..StoreOptions::default() };
        assert!(options.given_crds().is_err());
        std::fs::write(folder.path().join("nodepools.yaml"), "").unwrap();
        assert_eq!(options.given_crds().unwrap().as_deref(), Some(folder.path()));
    }
}
