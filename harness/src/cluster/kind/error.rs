//! Why there is no cluster of kind.

use std::path::PathBuf;

/// What is in the way of a cluster of kind, with the remedy.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KindError {
    /// There is no program `kind`.
    #[error(
        "the program kind is not here: {looked_for}; install kind {least} or newer (https://kind.sigs.k8s.io), or name one with \
         CATNAP_KIND; where no image can be pulled, `ci/kind/build` makes both kind and its node image"
    )]
    NoKind {
        /// Where it was looked for.
        looked_for: String,
        /// The oldest version that will do.
        least: &'static str,
    },
    /// kind is older than what is needed.
    #[error("{} is kind {found}; install kind {least} or newer, or name one with CATNAP_KIND", program.display())]
    TooOld {
        /// The program.
        program: PathBuf,
        /// Its version.
        found: String,
        /// The oldest version that will do.
        least: &'static str,
    },
    /// There is no container runtime.
    #[error(
        "the program {runtime} is not on PATH; install it, or name another one with KIND_EXPERIMENTAL_PROVIDER (docker, podman, nerdctl)"
    )]
    NoRuntime {
        /// `docker`.
        runtime: String,
    },
    /// The runtime's daemon does not answer.
    #[error(
        "the daemon of {runtime} does not answer: {said}; start it (`systemctl start {runtime}`, or `ci/kind/docker start`)"
    )]
    NoDaemon {
        /// `docker`.
        runtime: String,
        /// What the program said.
        said: String,
    },
    /// The daemon answers, but not to this user.
    #[error(
        "the daemon of {runtime} refuses this user: {said}; add the user to its group (`usermod -aG {runtime} $USER`, then sign in anew)"
    )]
    NoRights {
        /// `docker`.
        runtime: String,
        /// What the program said.
        said: String,
    },
    /// There is no node image of a version.
    #[error(
        "there is no node image {image}: {said}; pull or build one (`kind build node-image`, or `ci/kind/build` where nothing can \
         be pulled), or name another one with CATNAP_KIND_IMAGE"
    )]
    NoImage {
        /// The image.
        image: String,
        /// What the runtime said.
        said: String,
    },
    /// The machine lets no more containers start that run an init of their own.
    #[error(
        "{command} could not start one more node: {said}; each takes a dozen inotify instances, of which a user may have few: \
         `sysctl fs.inotify.max_user_instances=1024` allows more, `--jobs` asks for fewer at a time"
    )]
    NoMoreNodes {
        /// What was run.
        command: String,
        /// What it said.
        said: String,
    },
    /// A disk is full.
    #[error("{command} found no room on a disk: {said}; free some (`{runtime} system df` says what takes it)")]
    DiskFull {
        /// What was run.
        command: String,
        /// `docker`.
        runtime: String,
        /// What it said.
        said: String,
    },
    /// A command failed.
    #[error("{command} ended with {status}: {said}")]
    Failed {
        /// What was run.
        command: String,
        /// `exit status: 1`.
        status: String,
        /// The end of what it said.
        said: String,
    },
    /// A command could not be started.
    #[error("failed to run {command}: {cause}")]
    NotRun {
        /// What was to run.
        command: String,
        /// The cause.
        cause: String,
    },
    /// Something of kind's output is not what it was.
    #[error("{command} said something else than was asked: {said}")]
    Unexpected {
        /// What was run.
        command: String,
        /// What it said.
        said: String,
    },
}
