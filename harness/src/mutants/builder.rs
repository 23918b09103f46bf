//! Where variants are built.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::mutant::{Module, Mutant, MutantError};
use leash::Leash;
use workspace::Workspace;

/// What came out of building a variant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Built {
    /// A provisioner, for `catnap run --provisioner`.
    Provisioner(PathBuf),
    /// A catnap with a fake-arm of its own, which builds its own suites.
    Catnap(PathBuf),
}

/// The folder in which variants are built, and what they are made from.
#[derive(Debug)]
pub struct MutantBuilder {
    workspace: Workspace,
    folder: PathBuf,
    /// The provisioner's version.
    version: String,
}

/// The package that the provisioner's program is.
const PROGRAM: &str = "github.com/Azure/karpenter-provider-azure/cmd/controller";

impl MutantBuilder {
    /// A builder in the workspace's target folder, for this version of the provisioner.
    #[must_use]
    pub fn new(workspace: Workspace, version: &str) -> Self {
        let folder = workspace.target.join("mutants");
        Self { workspace, folder, version: version.to_owned() }
    }

    /// Where the variants of the workspace are written down.
    #[must_use]
    pub fn variants(&self) -> PathBuf {
        self.workspace.root.join("ci/mutants")
    }

    /// A folder for what a variant leaves.
    #[must_use]
    pub fn folder_of(&self, mutant: &Mutant) -> PathBuf {
        self.folder.join("variants").join(&mutant.name)
    }

    /// Builds a variant; the first of its kind takes minutes.
    ///
    /// # Errors
    /// When the diff does not fit, something does not compile, or a file cannot be written.
    pub async fn build(&self, mutant: &Mutant) -> Result<Built, MutantError> {
        match mutant.module {
            Module::Azure | Module::Core => self.provisioner(mutant).await.map(Built::Provisioner),
            Module::FakeArm => self.catnap(mutant).await.map(Built::Catnap),
        }
    }

    async fn provisioner(&self, mutant: &Mutant) -> Result<PathBuf, MutantError> {
        let sources = self.sources().await?;
        let original = sources.join("src").join(mutant.module.word()).join(&mutant.file);
        let folder = self.folder_of(mutant);
        let changed = folder.join(mutant.file.file_name().unwrap_or_default());
        make(&folder)?;
        write(&changed, &mutant.applied(&read(&original)?)?)?;
        let overlay = folder.join("overlay.json");
        write(&overlay, &serde_json::json!({ "Replace": { original.to_string_lossy(): changed } }).to_string())?;
        let output = folder.join("karpenter");
        let mut build = go(&sources.join("wrapper"));
        build.args(["build", "-mod=mod", "-trimpath", "-overlay"]).arg(&overlay).arg("-o").arg(&output).arg(PROGRAM);
        done(build).await?;
        Ok(output)
    }

    /// A folder with the two modules as `src/azure` and `src/core`, and a `wrapper` that is built with them.
    async fn sources(&self) -> Result<PathBuf, MutantError> {
        let folder = self.folder.join(format!("karpenter-azure-{}", self.version));
        let ready = folder.join("ready");
        if ready.exists() {
            return Ok(folder);
        }
        let pinned = self.workspace.root.join("harness/components/pinned/karpenter-azure").join(&self.version);
        let wrapper = folder.join("wrapper");
        // What an interrupted attempt left is not looked at.
        if folder.exists() {
            let removed = std::fs::remove_dir_all(&folder);
            removed.map_err(|cause| MutantError::File { what: "remove", path: folder.clone(), cause })?;
        }
        make(&wrapper)?;
        for name in ["go.mod", "go.sum"] {
            write(&wrapper.join(name), &read(&pinned.join(name))?)?;
        }
        for module in [Module::Azure, Module::Core] {
            let Some(path) = module.go_path() else { continue };
            let mut download = go(&wrapper);
            download.args(["mod", "download", path]);
            done(download).await?;
            let mut list = go(&wrapper);
            list.args(["list", "-mod=mod", "-m", "-f", "{{.Dir}}", path]);
            let from = PathBuf::from(done(list).await?.trim());
            let to = folder.join("src").join(module.word());
            mirror(&from, &to, &|_| true)?;
            let mut replace = go(&wrapper);
            replace.args(["mod", "edit", "-replace"]).arg(format!("{path}={}", to.display()));
            done(replace).await?;
        }
        write(&ready, "")?;
        Ok(folder)
    }

    async fn catnap(&self, mutant: &Mutant) -> Result<PathBuf, MutantError> {
        let copy = self.folder.join("workspace");
        let root = self.workspace.root.clone();
        // Of what a checkout holds besides, nothing is compiled.
        let wanted = move |path: &Path| {
            let Ok(inside) = path.strip_prefix(&root) else { return true };
            let first = inside.components().next().map(|part| part.as_os_str().to_owned()).unwrap_or_default();
            first != "target" && first != ".git"
        };
        mirror(&self.workspace.root, &copy, &wanted)?;
        let file = copy.join(&mutant.file);
        write(&file, &mutant.applied(&read(&file)?)?)?;
        make(&self.folder_of(mutant))?;
        // Inside of it, or the suites would be built from the workspace around.
        let target = copy.join("target");
        let mut build = Command::new(&self.workspace.cargo);
        for name in workspace::variables_of_cargo_run() {
            build.env_remove(name);
        }
        build.current_dir(&copy).args(["build", "--quiet", "--package", "catnap", "--target-dir"]).arg(&target);
        done(build).await?;
        Ok(target.join("debug/catnap"))
    }
}

fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command.current_dir(folder).env("GOFLAGS", "").env("GOWORK", "off").env("CGO_ENABLED", "0");
    command
}

/// Runs a command to its end; what it printed. It ends with us, and so does all that it started.
async fn done(mut command: Command) -> Result<String, MutantError> {
    let words = || {
        let inner = command.as_std();
        let words = std::iter::once(inner.get_program()).chain(inner.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    };
    let words = words();
    let failed = |said: String| MutantError::Command { command: words.clone(), said };
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let ended = async {
        let mut leash = Leash::new()?;
        let output = leash.spawn(&mut command)?.wait_with_output().await?;
        leash.release();
        leash.finish().await;
        Ok(output)
    };
    let output = ended.await.map_err(|error: std::io::Error| failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().collect();
    Err(failed(lines[lines.len().saturating_sub(30)..].join("\n")))
}

fn read(path: &Path) -> Result<String, MutantError> {
    std::fs::read_to_string(path).map_err(|cause| MutantError::File { what: "read", path: path.to_owned(), cause })
}

fn write(path: &Path, text: &str) -> Result<(), MutantError> {
    std::fs::write(path, text).map_err(|cause| MutantError::File { what: "write", path: path.to_owned(), cause })
}

fn make(folder: &Path) -> Result<(), MutantError> {
    let made = std::fs::create_dir_all(folder);
    made.map_err(|cause| MutantError::File { what: "make", path: folder.to_owned(), cause })
}

/// Makes `to` hold what is in `from`. What is not `wanted` there is neither copied nor touched where it stands in `to`.
/// What is the same already is not written, so that builds see what has changed and nothing more.
fn mirror(from: &Path, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> Result<(), MutantError> {
    fn inner(from: &Path, to: &Path, wanted: &dyn Fn(&Path) -> bool) -> std::io::Result<()> {
        std::fs::create_dir_all(to)?;
        let mut kept = std::collections::BTreeSet::new();
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            let (path, copy) = (entry.path(), to.join(entry.file_name()));
            if !wanted(&path) {
                continue;
            }
            kept.insert(entry.file_name());
            let kind = entry.file_type()?;
            if kind.is_dir() {
                inner(&path, &copy, wanted)?;
            } else if kind.is_file() {
                let bytes = std::fs::read(&path)?;
                if std::fs::read(&copy).ok().as_ref() != Some(&bytes) {
                    // Written anew: in Go's module cache files are read-only, and a copy would be too.
                    std::fs::write(&copy, bytes)?;
                }
            }
        }
        for entry in std::fs::read_dir(to)? {
            let entry = entry?;
            if kept.contains(&entry.file_name()) || !wanted(&from.join(entry.file_name())) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
    inner(from, to, wanted).map_err(|cause| MutantError::File { what: "copy", path: from.to_owned(), cause })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_holds_what_is_wanted_and_leaves_alone_what_is_not() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for (path, text) in [("a/b", "1"), ("target/x", "2"), ("c", "3")] {
            let path = from.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        std::fs::create_dir_all(to.path().join("old")).unwrap();
        std::fs::create_dir_all(to.path().join("target")).unwrap();
        std::fs::write(to.path().join("target/y"), "4").unwrap();
        std::fs::write(to.path().join("c"), "3").unwrap();
        let before = std::fs::metadata(to.path().join("c")).unwrap().modified().unwrap();
        mirror(from.path(), to.path(), &|path| !path.ends_with("target")).unwrap();
        assert_eq!(std::fs::read_to_string(to.path().join("a/b")).unwrap(), "1");
        assert!(!to.path().join("target/x").exists() && !to.path().join("old").exists());
        assert_eq!(std::fs::read_to_string(to.path().join("target/y")).unwrap(), "4");
        assert_eq!(std::fs::metadata(to.path().join("c")).unwrap().modified().unwrap(), before);
    }
}
