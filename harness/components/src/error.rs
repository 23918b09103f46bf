//! Why a component cannot be had.

use std::path::PathBuf;

use super::{Component, Program};

/// A component could not be had. Each text names the thing, the place and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum ComponentError {
    /// A path that was given for a program leads to nothing that can be run.
    #[error("failed to use {} as {program} (given by {by}): {problem}", path.display())]
    NotExecutable {
        /// The program it was given for.
        program: Program,
        /// The path.
        path: PathBuf,
        /// The option or environment variable that gave it.
        by: String,
        /// What is wrong with it, and the remedy.
        problem: String,
    },
    /// The folder given for the provisioner's CRDs holds none.
    #[error("failed to use {} as the folder of the provisioner's CRDs (given by CATNAP_CRDS): {problem}", path.display())]
    NoCrds {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// No pinned sources for that version.
    #[error(
        "failed to find {component} {version}: there are {known}; another version can be used by giving the paths of its programs ({})",
        component.programs().iter().map(|program| program.variable()).collect::<Vec<_>>().join(", ")
    )]
    UnknownVersion {
        /// The component.
        component: Component,
        /// The version that was asked for.
        version: String,
        /// The versions there are.
        known: String,
    },
    /// Neither a cache folder was given nor a home folder is known.
    #[error(
        "failed to find a folder for the cache: HOME is not set; set CATNAP_CACHE to a folder that can be written to"
    )]
    NoCacheFolder,
    /// The cache cannot be written.
    #[error(
        "failed to write the cache folder {}: {source}; set CATNAP_CACHE to a folder that can be written to, or make this one writable",
        path.display()
    )]
    CacheUnwritable {
        /// The folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file of the cache cannot be read.
    #[error("failed to read {} of the cache: {source}; if it cannot be repaired, `catnap components clean --all` empties the cache", path.display())]
    CacheUnreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file of the cache is not what was built.
    #[error(
        "failed to use {}: its SHA-256 is {found}, but {expected} when it was put into the cache; remove it with `catnap components clean {component}@{version}` and it will be made anew",
        path.display()
    )]
    Damaged {
        /// The component it belongs to.
        component: Component,
        /// Its version.
        version: String,
        /// The file.
        path: PathBuf,
        /// The sum that the manifest holds.
        expected: String,
        /// The sum of the file, or that it is gone.
        found: String,
    },
    /// There is no Go toolchain.
    #[error(
        "failed to build {wanted}: no `go` on PATH. Any one of these helps:\n\
         - install Go {needed} or later: https://go.dev/dl/\n\
         - give the paths of programs you have: {paths}\n\
         - copy the cache of a machine of this kind that has them, and name it with CATNAP_CACHE (here it is {})",
        cache.display()
    )]
    GoMissing {
        /// What was to be built.
        wanted: String,
        /// The oldest Go that builds all of it.
        needed: String,
        /// The environment variables that give paths.
        paths: String,
        /// The cache folder.
        cache: PathBuf,
    },
    /// The Go toolchain is older than the sources.
    #[error(
        "failed to build {wanted}: {found}, Go {needed} or later is needed ({detail}); install it from https://go.dev/dl/, or let Go fetch it with GOTOOLCHAIN=auto"
    )]
    GoTooOld {
        /// What was to be built.
        wanted: String,
        /// The `go` that was found and its version.
        found: String,
        /// The oldest Go that builds all of it.
        needed: String,
        /// Why Go does not fetch a newer one by itself.
        detail: String,
    },
    /// `go` cannot be run or does not answer as Go does.
    #[error("failed to run {}: {problem}; put a working Go first on PATH (https://go.dev/dl/)", go.display())]
    GoBroken {
        /// The `go` that was found.
        go: PathBuf,
        /// What happened.
        problem: String,
    },
    /// A source module could not be downloaded.
    #[error(
        "failed to download {module} for {component} {version}: {detail}\n\
         Building needs the Go module proxy; check the network, or set GOPROXY to one that can be reached. {instead}"
    )]
    Network {
        /// What was to be built.
        component: Component,
        /// Its version.
        version: String,
        /// The module, as far as Go named it.
        module: String,
        /// Go's words.
        detail: String,
        /// The proxies in use, and what can be used without a network.
        instead: String,
    },
    /// A source module is not the one that is pinned.
    #[error(
        "failed to build {component} {version}: {module} is not what is pinned in catnap's go.sum\n{detail}\n\
         Nothing was built. Either the download was altered on its way (ask whoever runs {proxy}) or Go's module cache is damaged (`go clean -modcache` empties it)"
    )]
    Checksum {
        /// What was to be built.
        component: Component,
        /// Its version.
        version: String,
        /// The module.
        module: String,
        /// Both sums, as Go shows them.
        detail: String,
        /// The proxies in use.
        proxy: String,
    },
    /// A disk is full.
    #[error("failed to build {component} {version}: no space left on the device ({detail})\n{places}")]
    DiskFull {
        /// What was to be built.
        component: Component,
        /// Its version.
        version: String,
        /// The words of whoever noticed.
        detail: String,
        /// The folders in question with the space left in each, and the remedy.
        places: String,
    },
    /// The compiler or the linker was killed.
    #[error(
        "failed to build {component} {version}: {detail}, most likely because memory ran out; close other programs and start again: what is compiled is kept, and the build goes on from there"
    )]
    OutOfMemory {
        /// What was to be built.
        component: Component,
        /// Its version.
        version: String,
        /// Go's words.
        detail: String,
    },
    /// Go's own folders cannot be written.
    #[error(
        "failed to build {component} {version}: {detail}; GOCACHE is {}, GOMODCACHE is {}: both must be writable",
        build_cache.display(),
        module_cache.display()
    )]
    GoCacheUnwritable {
        /// What was to be built.
        component: Component,
        /// Its version.
        version: String,
        /// Go's words.
        detail: String,
        /// Go's build cache.
        build_cache: PathBuf,
        /// Go's module cache.
        module_cache: PathBuf,
    },
    /// Go failed for another reason.
    #[error("failed to build {component} {version}; the whole output is in {}, its end:\n{tail}", log.display())]
    BuildFailed {
        /// What was to be built.
        component: Component,
        /// Its version.
        version: String,
        /// The whole output of Go.
        log: PathBuf,
        /// Its last lines.
        tail: String,
    },
}
