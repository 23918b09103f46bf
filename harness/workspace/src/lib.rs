//! The workspace that catnap was built from, where it is still there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

mod building;
mod cargo;

pub use building::Building;
pub use cargo::{Built, CargoError};

/// What is needed to build the suites in the way catnap itself was built, so that nothing is compiled twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// The folder with the workspace's `Cargo.toml`.
    pub root: PathBuf,
    /// cargo.
    pub cargo: PathBuf,
    /// cargo's target folder.
    pub target: PathBuf,
    /// The platform, where catnap was built with `--target`.
    pub triple: Option<String>,
    /// The profile: `dev`, `release`, …
    pub profile: String,
}

impl Workspace {
    /// Looks for the workspace around the running executable.
    ///
    /// # Errors
    /// When suites cannot be built here: the text says why.
    pub fn locate() -> Result<Self, String> {
        let executable =
            std::env::current_exe().map_err(|error| format!("the place of catnap itself is unknown ({error})"))?;
        let built_from = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap_or(Path::new("/"));
        Self::around(&executable, built_from, find_cargo)
    }

    fn around(executable: &Path, built_from: &Path, cargo: impl Fn() -> Option<PathBuf>) -> Result<Self, String> {
        let layout = Layout::of(executable).ok_or_else(|| {
            format!("{} does not stand where cargo builds, so none can be built", executable.display())
        })?;
        // The clone may have been moved since; then the target folder has moved with it.
        let is_root =
            |folder: &&Path| folder.join("Cargo.toml").is_file() && folder.join("suites/Cargo.toml").is_file();
        let root =
            layout.target.ancestors().find(is_root).or_else(|| Some(built_from).filter(is_root)).ok_or_else(|| {
                format!("the clone that catnap was built from, {}, is not there to build them in", built_from.display())
            })?;
        let cargo = cargo().ok_or("cargo is not there to build them")?;
        Ok(Self {
            root: root.to_path_buf(),
            cargo,
            target: layout.target,
            triple: layout.triple,
            profile: layout.profile,
        })
    }
}

/// Where in cargo's target folder an executable stands: `<target>[/<triple>]/<profile>/<executable>`.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    target: PathBuf,
    triple: Option<String>,
    profile: String,
}

impl Layout {
    fn of(executable: &Path) -> Option<Self> {
        let folder = executable.parent()?;
        // A copy of the executable elsewhere has no company; one that cargo put there always has.
        if !folder.join("deps").is_dir() || !folder.join(".fingerprint").is_dir() {
            return None;
        }
        let profile = match folder.file_name()?.to_str()? {
            "debug" => "dev".to_owned(),
            profile => profile.to_owned(),
        };
        let above = folder.parent()?;
        let is_target = |folder: &Path| folder.join(".rustc_info.json").is_file();
        if !is_target(above)
            && let Some(target) = above.parent().filter(|target| is_target(target))
        {
            let triple = above.file_name()?.to_str()?.to_owned();
            return Some(Self { target: target.to_path_buf(), triple: Some(triple), profile });
        }
        Some(Self { target: above.to_path_buf(), triple: None, profile })
    }
}

fn find_cargo() -> Option<PathBuf> {
    // `cargo run` names itself.
    let named = std::env::var_os("CARGO").map(PathBuf::from).filter(|path| path.is_file());
    named.or_else(|| which::which("cargo").ok())
}

/// Variables that `cargo run` sets for the program it starts. A cargo or a scenario started by that program must not
/// see them: build scripts that look at them (ring's does) would take everything for changed and build it again.
#[must_use]
pub fn variables_of_cargo_run() -> Vec<OsString> {
    std::env::vars_os().map(|(name, _)| name).filter(|name| name.to_str().is_some_and(is_of_cargo_run)).collect()
}

fn is_of_cargo_run(name: &str) -> bool {
    const NAMES: [&str; 7] = [
        "CARGO",
        "CARGO_CRATE_NAME",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_LINKS",
        "CARGO_MANIFEST_PATH",
        "CARGO_PRIMARY_PACKAGE",
        "OUT_DIR",
    ];
    NAMES.contains(&name) || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_BIN_")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A clone with a target folder in it, as cargo leaves them.
    fn clone_with(executable: &str) -> (tempfile::TempDir, PathBuf) {
        let clone = tempfile::tempdir().unwrap();
        let root = clone.path();
        std::fs::create_dir_all(root.join("suites")).unwrap();
        std::fs::write(root.join("Cargo.toml"), "").unwrap();
        std::fs::write(root.join("suites/Cargo.toml"), "").unwrap();
        let executable = root.join(executable);
        let folder = executable.parent().unwrap();
        std::fs::create_dir_all(folder.join("deps")).unwrap();
        std::fs::create_dir_all(folder.join(".fingerprint")).unwrap();
        std::fs::write(root.join("target/.rustc_info.json"), "{}").unwrap();
        (clone, executable)
    }

    fn cargo() -> Option<PathBuf> {
        Some("/usr/bin/cargo".into())
    }

    #[test]
    fn the_suites_are_built_with_the_profile_and_platform_of_catnap() {
        for (executable, profile, triple) in [
            ("target/debug/catnap", "dev", None),
            ("target/release/catnap", "release", None),
            ("target/aarch64-unknown-linux-gnu/bench/catnap", "bench", Some("aarch64-unknown-linux-gnu")),
        ] {
            let (clone, executable) = clone_with(executable);
            let workspace = Workspace::around(&executable, Path::new("/gone"), cargo).unwrap();
            assert_eq!(workspace.root, clone.path());
            assert_eq!(workspace.target, clone.path().join("target"));
            assert_eq!((workspace.profile.as_str(), workspace.triple.as_deref()), (profile, triple));
        }
    }

    #[test]
    fn a_target_folder_elsewhere_leads_back_to_the_clone_catnap_was_built_from() {
        let (elsewhere, executable) = clone_with("target/release/catnap");
        std::fs::remove_file(elsewhere.path().join("suites/Cargo.toml")).unwrap();
        let (clone, _) = clone_with("target/release/catnap");
        let workspace = Workspace::around(&executable, clone.path(), cargo).unwrap();
        assert_eq!(workspace.root, clone.path());
        assert_eq!(workspace.target, elsewhere.path().join("target"));
    }

    #[test]
    fn a_copy_of_catnap_a_missing_clone_and_a_missing_cargo_are_told_apart() {
        let (clone, executable) = clone_with("target/release/catnap");
        let why = Workspace::around(&executable, clone.path(), || None).unwrap_err();
        assert!(why.contains("cargo is not there"), "{why}");
        std::fs::remove_file(clone.path().join("suites/Cargo.toml")).unwrap();
        let why = Workspace::around(&executable, Path::new("/gone"), cargo).unwrap_err();
        assert!(why.contains("/gone, is not there"), "{why}");
        let why = Workspace::around(Path::new("/usr/bin/catnap"), clone.path(), cargo).unwrap_err();
        assert!(why.contains("does not stand where cargo builds"), "{why}");
    }

    #[test]
    fn what_cargo_run_leaves_in_the_environment_is_known() {
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO", "OUT_DIR"] {
            assert!(is_of_cargo_run(name), "{name}");
        }
        for name in ["CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_NET_OFFLINE", "CARGO_BUILD_JOBS", "PATH"] {
            assert!(!is_of_cargo_run(name), "{name}");
        }
    }
}
