//! Why scenarios cannot be run.

use std::path::PathBuf;

use miette::Diagnostic;

/// Something that keeps a run from starting. The help says what to do.
#[derive(Debug, thiserror::Error, Diagnostic)]
pub enum RunnerError {
    /// There is neither a place to build suites in nor one where they are.
    #[error("there are no scenario suites: {} does not exist, and {why}", folder.display())]
    #[diagnostic(help(
        "run `cargo run --release -- run` in a clone of catnap, or copy the folder `catnap-suites` from beside a built \
         catnap and name it with --suites"
    ))]
    NoSuites {
        /// Where built suites were looked for.
        folder: PathBuf,
        /// Why they cannot be built here.
        why: String,
    },
    /// The folder of suites cannot be read or written.
    #[error("failed to use the suites in {}: {cause}", folder.display())]
    #[diagnostic(help(
        "name a folder that holds the suites' test binaries with --suites, and that this user may read and write"
    ))]
    SuiteFolder {
        /// The folder.
        folder: PathBuf,
        /// What went wrong.
        cause: std::io::Error,
    },
    /// The folder of suites holds none.
    #[error("{} holds no suite", folder.display())]
    #[diagnostic(help("a suite is an executable test binary, built from suites/tests/<suite>.rs"))]
    EmptySuiteFolder {
        /// The folder.
        folder: PathBuf,
    },
    /// cargo could not be started.
    #[error("failed to start {}: {cause}", cargo.display())]
    #[diagnostic(help("install Rust from https://rustup.rs, or use suites that are built already with --no-build"))]
    Cargo {
        /// cargo.
        cargo: PathBuf,
        /// What went wrong.
        cause: std::io::Error,
    },
    /// The suites do not compile.
    #[error("the suites do not build: `{command}` ended with {status}\n{output}")]
    #[diagnostic(help(
        "repair what the compiler names above, or run the suites as they were last built with --no-build"
    ))]
    Build {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
        /// What it said.
        output: String,
    },
    /// A suite does not say what it holds.
    #[error("failed to ask {} for its scenarios: {why}", suite.display())]
    #[diagnostic(help("a suite has to be a libtest test binary for this machine; build it anew without --no-build"))]
    List {
        /// The suite.
        suite: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// A filter that selects nothing.
    #[error("no scenario matches `{filter}`")]
    #[diagnostic(help("{}", near.help()))]
    UnknownFilter {
        /// The filter.
        filter: String,
        /// Names like it.
        near: NearMatches,
    },
    /// The suites are there but hold nothing.
    #[error("the suites hold no scenario")]
    #[diagnostic(help("a scenario is a #[tokio::test] in suites/tests/<suite>.rs"))]
    NoScenario,
    /// The run's folder cannot be used.
    #[error("failed to prepare the folder {}: {cause}", folder.display())]
    #[diagnostic(help("name a folder that this user can write to, with --artefacts or --junit"))]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// What went wrong.
        cause: std::io::Error,
    },
    /// Another run uses the folder.
    #[error("the folder {} is in use by another run", folder.display())]
    #[diagnostic(help(
        "name another folder with --artefacts, or leave it out: each run then gets a folder of its own"
    ))]
    FolderInUse {
        /// The folder.
        folder: PathBuf,
    },
}

/// Names that a mistyped filter may have meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearMatches(pub Vec<String>);

impl NearMatches {
    fn help(&self) -> String {
        if self.0.is_empty() {
            return "`catnap run --list` names every scenario".to_owned();
        }
        let mut text = "did you mean one of these? `catnap run --list` names every scenario".to_owned();
        for name in &self.0 {
            text.push_str("\n  ");
            text.push_str(name);
        }
        text
    }
}
