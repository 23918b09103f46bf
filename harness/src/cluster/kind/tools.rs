//! The programs that make clusters of kind: kind itself and the container runtime.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::error::KindError;

/// The oldest kind that will do: the first whose kubeadm configuration is of `v1beta4` for Kubernetes 1.31 and newer.
const LEAST: &str = "0.27.0";

/// The node images of kind's releases; what a version of Kubernetes is pulled as, unless `CATNAP_KIND_IMAGE` says otherwise.
const IMAGES: &str = "kindest/node:v{version}";

/// What `ci/kind/build` calls the images that it makes.
const BUILT_HERE: &str = "kindest/node:v{version}-catnap";

/// The network that the clusters of labs are in, apart from those of people.
pub(super) const NETWORK: &str = "catnap";

/// Reads the process group that makes the cluster, and nothing when that is done, until nobody is left to write. What is still
/// made is ended first; but what the runtime was asked for by then it may go on to make, so deletion is tried until there has
/// been nothing to delete for a second. At last the network goes, where no other cluster is in it.
const GUARDIAN: &str = r#"
trap '' HUP INT QUIT TERM PIPE
maker=
while read -r group; do maker=$group; done
[ -n "$maker" ] && kill -9 -- "-$maker" 2>/dev/null
attempt=0
quiet=0
while [ $attempt -lt 60 ] && [ $quiet -lt 2 ]; do
  "$1" delete cluster --name "$2" >/dev/null 2>&1
  if [ -n "$("$3" ps --all --quiet --filter "label=io.x-k8s.kind.cluster=$2" 2>/dev/null)" ]; then quiet=0; else quiet=$((quiet + 1)); fi
  [ -z "$maker" ] && quiet=2
  [ $quiet -lt 2 ] && sleep 1
  attempt=$((attempt + 1))
done
"$3" network rm "$4" >/dev/null 2>&1
true
"#;

/// How much of what a command said stands in an error.
const TAIL: usize = 600;

/// kind and the container runtime of this machine.
#[derive(Debug, Clone)]
pub struct KindTools {
    kind: PathBuf,
    /// `docker`.
    runtime: String,
    /// The name of node images, with `{version}` in the place of the version; `None` where it was left to us.
    image: Option<String>,
}

impl KindTools {
    /// Finds them and tries that they work. `CATNAP_KIND` names kind's program, `CATNAP_KIND_IMAGE` the node image, in which
    /// `{version}` stands for the version of Kubernetes; `KIND_EXPERIMENTAL_PROVIDER` the runtime.
    ///
    /// # Errors
    /// What is missing, with the remedy.
    pub async fn find() -> Result<Self, KindError> {
        let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |name: &str| named(name).map(|value| value.to_string_lossy().into_owned());
        let runtime = text("KIND_EXPERIMENTAL_PROVIDER").unwrap_or_else(|| "docker".to_owned());
        let (looked_for, found) = match named("CATNAP_KIND") {
            Some(path) => (format!("CATNAP_KIND={}", path.display()), which::which(&path)),
            None => ("it is not on PATH".to_owned(), which::which("kind")),
        };
        let kind = found.map_err(|_| KindError::NoKind { looked_for, least: LEAST })?;
        let tools = Self { kind, runtime, image: text("CATNAP_KIND_IMAGE") };
        tools.has_version().await?;
        tools.has_daemon().await?;
        Ok(tools)
    }

    async fn has_version(&self) -> Result<(), KindError> {
        let said = self.kind(["version"]).await?;
        // `kind v0.32.0 go1.26.0 linux/amd64`
        let version = said.split_whitespace().nth(1).unwrap_or_default().trim_start_matches('v').to_owned();
        let Some(number) = numbers(&version) else {
            return Err(KindError::Unexpected { command: format!("{} version", self.kind.display()), said });
        };
        if Some(number) < numbers(LEAST) {
            return Err(KindError::TooOld { program: self.kind.clone(), found: version, least: LEAST });
        }
        Ok(())
    }

    async fn has_daemon(&self) -> Result<(), KindError> {
        let runtime = self.runtime.clone();
        if which::which(&runtime).is_err() {
            return Err(KindError::NoRuntime { runtime });
        }
        match self.runtime(["info"]).await {
            Ok(_) => Ok(()),
            Err(KindError::Failed { said, .. }) if said.to_lowercase().contains("permission denied") => {
                Err(KindError::NoRights { runtime, said: last_line(&said) })
            }
            Err(KindError::Failed { said, .. }) => Err(KindError::NoDaemon { runtime, said: last_line(&said) }),
            Err(error) => Err(error),
        }
    }

    /// The node image of a version of Kubernetes: the one that `CATNAP_KIND_IMAGE` names, else one that is here, else the one
    /// that kind's release would pull.
    ///
    /// # Errors
    /// When it is neither here nor to be pulled.
    pub async fn image(&self, version: &str) -> Result<String, KindError> {
        let of_version = |pattern: &str| pattern.replace("{version}", version);
        let candidates = match &self.image {
            Some(named) => vec![of_version(named)],
            None => vec![of_version(IMAGES), of_version(BUILT_HERE)],
        };
        for image in &candidates {
            if self.runtime(["image", "inspect", "--format", "{{.Id}}", image]).await.is_ok() {
                return Ok(image.clone());
            }
        }
        let image = candidates[0].clone();
        match self.runtime(["pull", "--quiet", &image]).await {
            Ok(_) => Ok(image),
            Err(KindError::Failed { said, .. }) => Err(KindError::NoImage { image, said: last_line(&said) }),
            Err(error) => Err(error),
        }
    }

    /// Runs kind; what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub(super) async fn kind<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<String, KindError> {
        self.run(&self.kind, arguments).await
    }

    /// Runs the container runtime; what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub(super) async fn runtime<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<String, KindError> {
        self.run(Path::new(&self.runtime), arguments).await
    }

    async fn run<S: AsRef<OsStr>>(
        &self,
        program: &Path,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<String, KindError> {
        let mut command = Command::new(program);
        command.args(arguments).envs(self.environment()).stdin(Stdio::null()).kill_on_drop(true);
        let told = told(command.as_std());
        let output = command.output().await;
        let output = output.map_err(|cause| KindError::NotRun { command: told.clone(), cause: cause.to_string() })?;
        self.outcome(told, &output)
    }

    /// What kind is told by its environment: the network, apart from that of other clusters.
    fn environment(&self) -> [(&'static str, &str); 2] {
        [("KIND_EXPERIMENTAL_PROVIDER", &self.runtime), ("KIND_EXPERIMENTAL_DOCKER_NETWORK", NETWORK)]
    }

    /// The command that waits until its standard input ends, and then deletes a cluster.
    pub(super) fn guardian(&self, cluster: &str) -> std::process::Command {
        let mut command = std::process::Command::new("/bin/sh");
        command.args(["-c", GUARDIAN, "catnap-kind-guardian"]).arg(&self.kind).args([cluster, &self.runtime, NETWORK]);
        command.envs(self.environment());
        command
    }

    /// kind with these arguments, in a process group of its own.
    pub(super) fn making<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(&self.kind);
        command.args(arguments).envs(self.environment()).stdin(Stdio::null()).process_group(0);
        command
    }

    /// What came of a command: what it printed.
    ///
    /// # Errors
    /// When it failed.
    pub(super) fn outcome(&self, told: String, output: &std::process::Output) -> Result<String, KindError> {
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = tail(&said);
        if said.contains("no space left on device") {
            let (runtime, said) = (self.runtime.clone(), last_line(&said));
            return Err(KindError::DiskFull { command: told, runtime, said });
        }
        // What kind says of a node whose init ended at once, and what that says where it can.
        if ["could not find a log line", "too many open files"].iter().any(|sign| said.to_lowercase().contains(sign)) {
            return Err(KindError::NoMoreNodes { command: told, said: first_error(&said) });
        }
        Err(KindError::Failed { command: told, status: output.status.to_string(), said })
    }

    /// Whether the cluster's machine runs.
    pub(super) fn runs(&self, cluster: &str) -> bool {
        let inspect = std::process::Command::new(&self.runtime)
            .args(["container", "inspect", "--format", "{{.State.Running}}", &machine_of(cluster)])
            .stdin(Stdio::null())
            .output();
        inspect.is_ok_and(|output| output.stdout.starts_with(b"true"))
    }
}

/// The container that a cluster's control plane is in.
pub(super) fn machine_of(cluster: &str) -> String {
    format!("{cluster}-control-plane")
}

/// A command as a person would type it.
pub(super) fn told(command: &std::process::Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// The numbers of a version: `0.32.0`, `0.33.0-alpha`.
fn numbers(version: &str) -> Option<(u32, u32, u32)> {
    let mut numbers = version.split(['.', '-', '+']).map(|part| part.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next().flatten().unwrap_or(0)))
}

fn tail(said: &str) -> String {
    let said = said.trim();
    match said.char_indices().rev().nth(TAIL) {
        Some((at, _)) => format!("… {}", &said[at..]),
        None => said.to_owned(),
    }
}

/// The line that begins with `ERROR`, else the last one.
fn first_error(said: &str) -> String {
    let error = said.lines().map(str::trim).find(|line| line.starts_with("ERROR"));
    error.map_or_else(|| last_line(said), str::to_owned)
}

fn last_line(said: &str) -> String {
    said.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(numbers("0.9.0") < numbers("0.27.0"));
        assert!(numbers("0.33.0-alpha+1") > numbers(LEAST));
        assert_eq!(numbers("nonsense"), None);
    }

    #[test]
    fn of_what_was_said_the_end_is_told() {
        assert_eq!(last_line("a\n b \n\n"), "b");
        assert_eq!(tail("short\n"), "short");
        let long = tail(&"ä".repeat(2 * TAIL));
        assert!(long.starts_with("… ä") && long.chars().count() == TAIL + 3, "{}", long.chars().count());
    }
}
