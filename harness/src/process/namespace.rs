//! A pod's service account files for a process that is not in a pod, without root.
//!
//! `rest.InClusterConfig` of client-go reads `/var/run/secrets/kubernetes.io/serviceaccount/token` and no other path.
//! A process can have a `/run` of its own in a mount namespace, and an ordinary user may make one inside a user
//! namespace. `unshare` and `mount` of util-linux do it; the shell then becomes the program, so the process id stays.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use super::launch::tool;

const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// What a pod finds in `/var/run/secrets/kubernetes.io/serviceaccount`.
#[derive(Debug, Clone, Default)]
pub struct ServiceAccountFiles {
    /// `token`. Any text will do where nobody checks it.
    pub token: String,
    /// `ca.crt`, PEM.
    pub ca_crt: String,
    /// `namespace`.
    pub namespace: String,
}

/// No process can be given files of its own under `/var/run/secrets`.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "failed to give the process its own {TOKEN}: {reason}\n\
     one of these helps:\n{}\
     - run as root\n\
     - make the file once (it is gone after a restart of the machine): sudo sh -c 'umask 022; mkdir -p ${{0%/*}} && echo catnap >$0' {TOKEN}",
    remedies.iter().map(|remedy| format!("- {remedy}\n")).collect::<String>()
)]
pub struct NamespaceError {
    reason: String,
    remedies: Vec<String>,
}

/// How the files come to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// A mount namespace; needs root.
    Mount,
    /// A mount namespace inside a user namespace.
    UserAndMount,
    /// A file of that name is there for everyone already.
    AsIs,
}

/// Whether processes can be given service account files of their own, or find some there anyway.
///
/// # Errors
/// When they cannot; the error says what would help on this machine.
pub fn probe_namespaces() -> Result<(), NamespaceError> {
    way().map(drop)
}

/// The arguments that put `files` where a pod has them and then run the command line appended to them. What they need
/// is written to `folder`.
pub(super) fn wrapper(files: &ServiceAccountFiles, folder: &Path) -> Result<Vec<OsString>, NamespaceError> {
    let way = way()?;
    if way == Way::AsIs {
        return Ok(Vec::new());
    }
    let written = || -> std::io::Result<(PathBuf, PathBuf)> {
        let (source, staging) = (folder.join("serviceaccount"), folder.join("run"));
        std::fs::create_dir_all(&source)?;
        std::fs::create_dir_all(&staging)?;
        std::fs::write(source.join("token"), &files.token)?;
        std::fs::write(source.join("ca.crt"), &files.ca_crt)?;
        std::fs::write(source.join("namespace"), &files.namespace)?;
        Ok((source, staging))
    };
    let (source, staging) =
        written().map_err(|error| NamespaceError { reason: error.to_string(), remedies: Vec::new() })?;
    let mut arguments = way.unshare()?;
    arguments.extend(["/bin/sh", "-c", MOUNTS, "catnap-mounts"].map(OsString::from));
    arguments.extend([staging.into(), run().into(), source.into()]);
    Ok(arguments)
}

/// Builds a `/run` with the service account's files and links to all that the machine's own `/run` holds, then puts it
/// over that one.
const MOUNTS: &str = r#"
set -e
staging=$1 run=$2 source=$3
shift 3
system=/usr/sbin:/usr/bin:/sbin:/bin
(
  PATH=$system
  mount -t tmpfs -o mode=0755 catnap "$staging"
  mkdir -p "$staging/.machine" "$staging/secrets/kubernetes.io/serviceaccount"
  mount --rbind "$run" "$staging/.machine"
  cp "$source"/* "$staging/secrets/kubernetes.io/serviceaccount/"
  cd "$run"
  set --
  for entry in *; do
    [ "$entry" = secrets ] || set -- "$@" ".machine/$entry"
  done
  ln -s "$@" "$staging/"
  mount --rbind "$staging" "$run"
)
exec "$@"
"#;

/// `/run`, or `/var/run` on machines where that is not a link to it.
fn run() -> PathBuf {
    std::fs::canonicalize("/var/run").unwrap_or_else(|_| PathBuf::from("/var/run"))
}

impl Way {
    fn unshare(self) -> Result<Vec<OsString>, NamespaceError> {
        let unshare = tool("unshare").ok_or_else(|| NamespaceError {
            reason: "the command unshare is not installed".to_owned(),
            remedies: vec!["install util-linux".to_owned()],
        })?;
        let mut arguments = vec![unshare.into_os_string()];
        if self == Self::UserAndMount {
            // Only who is root in there may mount.
            arguments.extend(["--user", "--map-root-user"].map(OsString::from));
        }
        arguments.extend(["--mount", "--"].map(OsString::from));
        Ok(arguments)
    }

    /// Does it once for nothing; the error is what the commands said.
    fn attempt(self) -> Result<(), NamespaceError> {
        let failed = |reason: String| NamespaceError { reason, remedies: remedies() };
        if self == Self::AsIs {
            return std::fs::read(TOKEN).map(drop).map_err(|error| failed(error.to_string()));
        }
        let arguments = self.unshare()?;
        let tried = Command::new(&arguments[0])
            .args(&arguments[1..])
            .args(["/bin/sh", "-c", r#"PATH=/usr/sbin:/usr/bin:/sbin:/bin; mount -t tmpfs catnap "$0""#])
            .arg(run())
            .env_clear()
            .output()
            .map_err(|error| failed(format!("unshare: {error}")))?;
        if tried.status.success() {
            return Ok(());
        }
        Err(failed(String::from_utf8_lossy(&tried.stderr).trim().replace('\n', "; ")))
    }
}

/// The way that works here; found once.
fn way() -> Result<Way, NamespaceError> {
    static WAY: OnceLock<Result<Way, NamespaceError>> = OnceLock::new();
    WAY.get_or_init(|| {
        if !cfg!(target_os = "linux") {
            return Way::AsIs.attempt().map(|()| Way::AsIs).map_err(|_| NamespaceError {
                reason: "this system has no mount namespaces".to_owned(),
                remedies: Vec::new(),
            });
        }
        // Root needs no user namespace, in which it would lose its right to read what other users own.
        let first =
            if nix::unistd::geteuid().is_root() { [Way::Mount, Way::UserAndMount] } else { [Way::UserAndMount; 2] };
        let mut refused = None;
        for way in first.into_iter().chain([Way::AsIs]) {
            match way.attempt() {
                Ok(()) => return Ok(way),
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        Err(refused.unwrap_or_else(|| NamespaceError { reason: String::new(), remedies: remedies() }))
    })
    .clone()
}

/// What the kernel's settings of this machine suggest.
fn remedies() -> Vec<String> {
    let mut remedies = Vec::new();
    let mut suggest = |setting: &str, refusing: &str, value: &str| {
        let path = format!("/proc/sys/{}", setting.replace('.', "/"));
        if std::fs::read_to_string(path).is_ok_and(|found| found.trim() == refusing) {
            remedies.push(format!("allow user namespaces: sudo sysctl -w {setting}={value}"));
        }
    };
    suggest("kernel.unprivileged_userns_clone", "0", "1");
    suggest("user.max_user_namespaces", "0", "10000");
    suggest("kernel.apparmor_restrict_unprivileged_userns", "1", "0");
    if remedies.is_empty() {
        remedies.push(
            "in a container, allow it to unshare and mount: docker run --security-opt seccomp=unconfined \
             --security-opt apparmor=unconfined"
                .to_owned(),
        );
    }
    remedies
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_the_reason_and_every_remedy() {
        let error = NamespaceError {
            reason: "unshare: unshare failed: Operation not permitted".to_owned(),
            remedies: vec!["allow user namespaces: sudo sysctl -w user.max_user_namespaces=10000".to_owned()],
        };
        insta::assert_snapshot!(error);
    }
}
