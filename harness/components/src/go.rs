//! The Go toolchain of this machine.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::time::MissedTickBehavior;

use super::StoreOptions;
use super::pin::Platform;
use super::versions::numeric;
use leash::Leash;

/// Found on PATH, and what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Go {
    pub(super) path: PathBuf,
    pub(super) environment: Environment,
}

/// The answer of `go env -json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE", default)]
pub(super) struct Environment {
    /// `go1.26.8`.
    pub(super) goversion: String,
    /// `local`, `auto`, …; empty before Go 1.21.
    pub(super) gotoolchain: String,
    pub(super) goproxy: String,
    pub(super) gocache: PathBuf,
    pub(super) gomodcache: PathBuf,
}

/// Why there is no Go to build with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoGo {
    Missing,
    Broken { path: PathBuf, problem: String },
}

/// What a run of `go` tells while it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// A line on standard error.
    Line(&'a str),
    /// About a second has passed.
    Tick,
}

/// What a run of `go` left.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) status: ExitStatus,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Go {
    /// Takes the `go` that is given, or looks for one, and asks it for its version and folders.
    pub(super) async fn find(options: &StoreOptions) -> Result<Self, NoGo> {
        let path = match (&options.go, &options.search) {
            (Some(path), _) => Ok(path.clone()),
            (None, Some(search)) => which::which_in("go", Some(search), "/"),
            (None, None) => which::which("go"),
        }
        .map_err(|_| NoGo::Missing)?;
        let broken = |problem: String| NoGo::Broken { path: path.clone(), problem };
        let output = command(&path, Path::new("/"))
            .args(["env", "-json", "GOVERSION", "GOTOOLCHAIN", "GOPROXY", "GOCACHE", "GOMODCACHE"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .map_err(|error| broken(error.to_string()))?;
        if !output.status.success() {
            return Err(broken(format!("`go env` failed: {}", String::from_utf8_lossy(&output.stderr).trim())));
        }
        let environment: Environment = serde_json::from_slice(&output.stdout)
            .map_err(|error| broken(format!("`go env -json` answered something else: {error}")))?;
        if !environment.goversion.contains("go1") && !environment.goversion.contains("devel") {
            return Err(broken("`go env GOVERSION` is empty: it is older than Go 1.16".to_owned()));
        }
        Ok(Self { path, environment })
    }

    /// Whether it builds sources that ask for Go `needed`, or may fetch a Go that does. `Err` says why not.
    pub(super) fn suffices(&self, needed: &str) -> Result<(), String> {
        let has = &self.environment.goversion;
        if has.contains("devel") || numeric(has) >= numeric(needed) {
            return Ok(());
        }
        match self.environment.gotoolchain.as_str() {
            "" => Err("it is too old to fetch a newer one by itself".to_owned()),
            // `go1.24.1` names one, `local` the one that is installed; with `+auto` or `+path` it looks further.
            setting if setting.contains("auto") || setting.contains("path") => Ok(()),
            setting => Err(format!("GOTOOLCHAIN={setting}")),
        }
    }

    /// `1.26.8`.
    pub(super) fn version(&self) -> &str {
        self.environment.goversion.trim_start_matches("go")
    }

    /// `/usr/local/go/bin/go is Go 1.26.8`.
    pub(super) fn title(&self) -> String {
        format!("{} is Go {}", self.path.display(), self.version())
    }

    /// Runs `go` in the scratch folder. Its standard error is heard line by line and kept in the log; it ends with us.
    pub(super) async fn run(
        &self,
        leash: &mut Leash,
        scratch: &Path,
        arguments: &[impl AsRef<OsStr>],
        log: &mut File,
        mut hear: impl FnMut(Heard<'_>),
    ) -> std::io::Result<Outcome> {
        let mut command = command(&self.path, scratch);
        command
            .args(arguments)
            // Go would leave its work folder behind when it is killed.
            .env("GOTMPDIR", scratch.join("tmp"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = leash.spawn(&mut command)?;
        let mut stdout = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
        let mut lines = BufReader::new(child.stderr.take().ok_or(std::io::ErrorKind::BrokenPipe)?).split(b'\n');
        let reading = tokio::spawn(async move {
            let mut bytes = Vec::new();
            stdout.read_to_end(&mut bytes).await.map(|_| String::from_utf8_lossy(&bytes).into_owned())
        });
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stderr = String::new();
        loop {
            tokio::select! {
                line = lines.next_segment() => {
                    let Some(line) = line? else { break };
                    let line = String::from_utf8_lossy(&line);
                    writeln!(log, "{line}")?;
                    stderr.push_str(&line);
                    stderr.push('\n');
                    hear(Heard::Line(&line));
                }
                _ = ticks.tick() => hear(Heard::Tick),
            }
        }
        let stdout = reading.await.map_err(std::io::Error::other)??;
        let status = child.wait().await?;
        leash.release();
        Ok(Outcome { status, stdout, stderr })
    }
}

/// `go` with an environment in which the user's settings for other projects do not change what is built. Settings of
/// where modules come from and where things are cached stay as they are, and so does GOTOOLCHAIN.
fn command(go: &Path, folder: &Path) -> Command {
    let platform = Platform::here();
    let mut command = Command::new(go);
    command
        .current_dir(folder)
        .env("PWD", folder)
        .env("GOFLAGS", "-mod=readonly")
        .env("GOWORK", "off")
        .env("GO111MODULE", "on")
        .env("CGO_ENABLED", "0")
        .env("GOOS", platform.os)
        .env("GOARCH", platform.arch)
        .env_remove("GOEXPERIMENT");
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(version: &str, toolchain: &str) -> Go {
        let environment =
            Environment { goversion: version.to_owned(), gotoolchain: toolchain.to_owned(), ..Environment::default() };
        Go { path: "go".into(), environment }
    }

    #[test]
    fn an_old_go_suffices_only_if_it_may_fetch_a_newer_one() {
        assert_eq!(go("go1.26.8", "local").suffices("1.26.0"), Ok(()));
        assert_eq!(go("go1.26.8", "local").suffices("1.9"), Ok(()));
        assert_eq!(go("devel go1.27-abc", "local").suffices("1.26.0"), Ok(()));
        assert_eq!(go("go1.24.1", "auto").suffices("1.26.0"), Ok(()));
        assert_eq!(go("go1.24.1", "go1.24.1+auto").suffices("1.26.0"), Ok(()));
        assert!(go("go1.24.1", "local").suffices("1.26.0").unwrap_err().contains("GOTOOLCHAIN=local"));
        assert!(go("go1.20.4", "").suffices("1.26.0").is_err());
    }

    #[tokio::test]
    async fn a_go_that_is_none_is_called_broken() {
        let find = async |go: &str| Go::find(&StoreOptions { go: Some(go.into()), ..StoreOptions::default() }).await;
        let problem = find("/bin/false").await.unwrap_err();
        assert!(matches!(problem, NoGo::Broken { .. }), "{problem:?}");
        let problem = find("/bin/echo").await.unwrap_err();
        assert!(
            matches!(problem, NoGo::Broken { ref problem, .. } if problem.contains("something else")),
            "{problem:?}"
        );
    }
}
