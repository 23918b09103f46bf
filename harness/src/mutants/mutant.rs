//! One variant: what it is, as its file says.

use std::path::{Path, PathBuf};

/// What a variant changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Module {
    /// The provisioner: the module `github.com/Azure/karpenter-provider-azure`.
    Azure,
    /// The provisioner: the module `sigs.k8s.io/karpenter`.
    Core,
    /// fake-arm; files are relative to the workspace.
    FakeArm,
}

impl Module {
    const ALL: [(&'static str, Self); 3] = [("azure", Self::Azure), ("core", Self::Core), ("fake-arm", Self::FakeArm)];

    /// The module's path, for one that is written in Go.
    pub(super) fn go_path(self) -> Option<&'static str> {
        match self {
            Self::Azure => Some("github.com/Azure/karpenter-provider-azure"),
            Self::Core => Some("sigs.k8s.io/karpenter"),
            Self::FakeArm => None,
        }
    }

    /// The word for it in heads.
    pub(super) fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, module)| *module == self).map_or("", |(word, _)| word)
    }
}

/// A variant with one fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mutant {
    /// Its name, that of its file.
    pub name: String,
    /// What is wrong with it.
    pub what: String,
    /// The scenario that must catch it, as a filter of `catnap run`.
    pub caught_by: String,
    /// What it changes.
    pub module: Module,
    /// The file that it changes, in the module.
    pub file: PathBuf,
    /// The unified diff.
    pub patch: String,
}

/// Why a variant cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum MutantError {
    /// A file cannot be read or written.
    #[error("failed to {what} {}: {cause}", path.display())]
    File {
        /// `read`, `write`, …
        what: &'static str,
        /// Path.
        path: PathBuf,
        /// Cause.
        cause: std::io::Error,
    },
    /// There is none of that name.
    #[error("there is no variant {name}")]
    #[diagnostic(help("there are: {known}"))]
    Unknown {
        /// Name asked for.
        name: String,
        /// Names that there are.
        known: String,
    },
    /// A head is incomplete.
    #[error("{} does not say {field}", path.display())]
    #[diagnostic(help(
        "a variant begins with the lines `What: …`, `Caught-by: suite::scenario`, `Module: azure`, `core` or `fake-arm`, \
         `File: path`, then a blank line and a unified diff"
    ))]
    Head {
        /// Path.
        path: PathBuf,
        /// The missing or unknown line.
        field: &'static str,
    },
    /// The diff does not fit the file any more.
    #[error("the variant {name} does not fit {}: {reason}", file.display())]
    #[diagnostic(help("make its diff anew against that file"))]
    Patch {
        /// Variant.
        name: String,
        /// File in question.
        file: PathBuf,
        /// What the patch says.
        reason: String,
    },
    /// A command failed.
    #[error("{command} failed: {said}")]
    Command {
        /// Its words.
        command: String,
        /// The end of what it said.
        said: String,
    },
}

impl Mutant {
    /// The variants in `folder`, by name; those called `names`, or all.
    ///
    /// # Errors
    /// When a file cannot be read or its head is incomplete, or there is no such variant.
    pub fn load(folder: &Path, names: &[String]) -> Result<Vec<Self>, MutantError> {
        let failed = |cause| MutantError::File { what: "read", path: folder.to_owned(), cause };
        let mut all = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_some_and(|extension| extension == "patch") {
                let text = std::fs::read_to_string(&path);
                let text = text.map_err(|cause| MutantError::File { what: "read", path: path.clone(), cause })?;
                all.push(Self::read(&path, &text)?);
            }
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        let known = || all.iter().map(|mutant| mutant.name.as_str()).collect::<Vec<_>>().join(", ");
        if let Some(name) = names.iter().find(|name| all.iter().all(|mutant| mutant.name != **name)) {
            return Err(MutantError::Unknown { name: name.clone(), known: known() });
        }
        all.retain(|mutant| names.is_empty() || names.contains(&mutant.name));
        Ok(all)
    }

    fn read(path: &Path, text: &str) -> Result<Self, MutantError> {
        let (head, _) = text.split_once("\n--- ").unwrap_or((text, ""));
        let field = |field: &'static str| {
            let line = head.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(": "));
            line.map(str::to_owned).ok_or(MutantError::Head { path: path.to_owned(), field })
        };
        let module = field("Module")?;
        let module = Module::ALL.iter().find(|(word, _)| *word == module).map(|(_, module)| *module);
        let patch = text.get(head.len() + 1..).unwrap_or_default().to_owned();
        if patch.is_empty() {
            return Err(MutantError::Head { path: path.to_owned(), field: "a unified diff" });
        }
        Ok(Self {
            name: path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
            what: field("What")?,
            caught_by: field("Caught-by")?,
            module: module.ok_or(MutantError::Head { path: path.to_owned(), field: "a known Module" })?,
            file: field("File")?.into(),
            patch,
        })
    }

    /// The changed text of its file, whose present one is `text`.
    ///
    /// # Errors
    /// When the diff does not fit.
    pub fn applied(&self, text: &str) -> Result<String, MutantError> {
        let misfit = |reason: String| MutantError::Patch { name: self.name.clone(), file: self.file.clone(), reason };
        let patch = diffy::Patch::from_str(&self.patch).map_err(|error| misfit(error.to_string()))?;
        diffy::apply(text, &patch).map_err(|error| misfit(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "What: Budgets are not counted.\nCaught-by: consolidation::a\nModule: core\nFile: a/b.go\n\n\
                        --- a/a/b.go\n+++ b/a/b.go\n@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n";

    fn read(text: &str) -> Result<Mutant, MutantError> {
        Mutant::read(Path::new("ci/mutants/ignores-budgets.patch"), text)
    }

    #[test]
    fn a_head_and_a_diff_make_a_variant() {
        let mutant = read(TEXT).unwrap();
        assert_eq!((mutant.name.as_str(), mutant.module), ("ignores-budgets", Module::Core));
        assert_eq!((mutant.caught_by.as_str(), mutant.file.as_path()), ("consolidation::a", Path::new("a/b.go")));
        assert_eq!(mutant.applied("one\ntwo\nthree\n").unwrap(), "one\n2\nthree\n");
        let misfit = mutant.applied("one\n2\nthree\n").unwrap_err().to_string();
        assert!(misfit.starts_with("the variant ignores-budgets does not fit a/b.go"), "{misfit}");
    }

    #[test]
    fn what_a_head_lacks_is_named() {
        for field in ["What", "Caught-by", "Module", "File"] {
            let without: String =
                TEXT.lines().filter(|line| !line.starts_with(field)).map(|l| format!("{l}\n")).collect();
            let error = read(&without).unwrap_err().to_string();
            assert!(error.contains(field) && error.contains("ignores-budgets.patch"), "{error}");
        }
        assert!(read(&TEXT.replace("core", "kernel")).unwrap_err().to_string().contains("a known Module"));
        assert!(read(TEXT.split_once("\n---").unwrap().0).unwrap_err().to_string().contains("a unified diff"));
    }

    #[test]
    fn the_projects_own_variants_can_be_read_and_asked_for_by_name() {
        let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../ci/mutants"));
        let all = Mutant::load(folder, &[]).unwrap();
        assert!(all.len() >= 25, "{}", all.len());
        let names = ["ignores-budgets".to_owned()];
        assert_eq!(Mutant::load(folder, &names).unwrap().len(), 1);
        let error = Mutant::load(folder, &["nope".to_owned()]).unwrap_err();
        assert!(miette::Diagnostic::help(&error).unwrap().to_string().contains("ignores-budgets"));
    }
}
