//! cargo, asked to build something in the way catnap itself was built.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use leash::Leash;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use crate::{Workspace, variables_of_cargo_run};

/// Something that cargo built and that can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// `bin` or `test`, as cargo calls the kind of its target.
    pub kind: String,
    /// The target's name.
    pub name: String,
    /// The file that the target begins with.
    pub source: PathBuf,
    /// The program.
    pub executable: PathBuf,
}

/// Why cargo built nothing.
#[derive(Debug, thiserror::Error)]
pub enum CargoError {
    /// It could not be started or listened to.
    #[error("failed to run {}: {cause}", cargo.display())]
    NotRun {
        /// cargo.
        cargo: PathBuf,
        /// What went wrong.
        cause: std::io::Error,
    },
    /// What it was to build does not compile.
    #[error("cargo ended with {status}\n{output}")]
    Failed {
        /// The command, word by word.
        command: Vec<OsString>,
        /// How it ended.
        status: String,
        /// What it said.
        output: String,
    },
}

impl Workspace {
    /// Builds the suites, all of them.
    ///
    /// # Errors
    /// As [`Workspace::build_catnap`].
    pub async fn build_suites(&self, said: impl FnMut(&str)) -> Result<Vec<Built>, CargoError> {
        let built = self.cargo(&["test", "--package", "suites", "--test", "*", "--no-run"], said).await?;
        Ok(built.into_iter().filter(|built| built.kind == "test").collect())
    }

    /// Builds the catnap command. `said` is told each line that cargo says meanwhile. cargo and its compilers end with
    /// us, however we end, and when the future is dropped.
    ///
    /// # Errors
    /// When cargo cannot be started or something does not compile; then with all that the compiler said.
    pub async fn build_catnap(&self, said: impl FnMut(&str)) -> Result<Built, CargoError> {
        // With the suites, so that what both depend on has the same features and is not built for each.
        let built =
            self.cargo(&["build", "--package", "catnap", "--package", "suites", "--bin", "catnap"], said).await?;
        let catnap = built.into_iter().find(|built| built.kind == "bin" && built.name == "catnap");
        catnap.ok_or_else(|| CargoError::NotRun {
            cargo: self.cargo.clone(),
            cause: std::io::Error::other("it did not say where it put catnap"),
        })
    }

    async fn cargo(&self, what: &[&str], mut said: impl FnMut(&str)) -> Result<Vec<Built>, CargoError> {
        let arguments = self.arguments(what);
        let mut command = Command::new(&self.cargo);
        command.args(&arguments).current_dir(&self.root);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in variables_of_cargo_run() {
            command.env_remove(name);
        }
        let not_run = |cause| CargoError::NotRun { cargo: self.cargo.clone(), cause };
        let mut leash = Leash::new().map_err(not_run)?;
        let mut cargo = leash.spawn(&mut command).map_err(not_run)?;
        let (Some(mut stdout), Some(stderr)) = (cargo.stdout.take(), cargo.stderr.take()) else {
            unreachable!("both were asked for")
        };

        let (mut messages, mut output) = (String::new(), String::new());
        let listen = async {
            let mut lines = BufReader::new(stderr).lines();
            while let Some(line) = lines.next_line().await? {
                said(line.trim());
                output.push_str(&line);
                output.push('\n');
            }
            Ok(())
        };
        tokio::try_join!(listen, stdout.read_to_string(&mut messages)).map_err(not_run)?;
        let status = cargo.wait().await.map_err(not_run)?;
        leash.release();
        leash.finish().await;
        if status.success() {
            return Ok(built(&messages));
        }
        let command = std::iter::once(self.cargo.clone().into_os_string()).chain(arguments).collect();
        Err(CargoError::Failed { command, status: status.to_string(), output })
    }

    /// The arguments that have cargo do something the way catnap was built.
    fn arguments(&self, what: &[&str]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = what.iter().map(Into::into).collect();
        arguments.extend(["--color", "never", "--message-format=json-render-diagnostics"].map(Into::into));
        arguments.extend(["--manifest-path".into(), self.root.join("Cargo.toml").into()]);
        arguments.extend(["--target-dir".into(), self.target.clone().into()]);
        if let Some(triple) = &self.triple {
            arguments.extend(["--target".into(), triple.into()]);
        }
        if self.profile != "dev" {
            arguments.extend(["--profile".into(), OsString::from(&self.profile)]);
        }
        arguments
    }
}

/// What cargo says of each thing it built; the parts that matter here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
    src_path: PathBuf,
}

fn built(messages: &str) -> Vec<Built> {
    let mut all = Vec::new();
    for line in messages.lines() {
        let Ok(Message { reason, target: Some(target), executable: Some(executable) }) = serde_json::from_str(line)
        else {
            continue;
        };
        if reason == "compiler-artifact" {
            let kind = target.kind.into_iter().next().unwrap_or_default();
            all.push(Built { kind, name: target.name, source: target.src_path, executable });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_that_cargo_says_only_programs_are_built() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"suites","src_path":"/c/suites/src/lib.rs"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"catnap","src_path":"/c/harness/src/main.rs"},"executable":"/t/catnap"}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"drift","src_path":"/c/suites/tests/drift.rs"},"executable":"/t/deps/drift-01"}
not json
{"reason":"build-finished","success":true}
"#;
        let built_of = |kind: &str, name: &str, source: &str, executable: &str| Built {
            kind: kind.into(),
            name: name.into(),
            source: source.into(),
            executable: executable.into(),
        };
        assert_eq!(
            built(messages),
            [
                built_of("bin", "catnap", "/c/harness/src/main.rs", "/t/catnap"),
                built_of("test", "drift", "/c/suites/tests/drift.rs", "/t/deps/drift-01"),
            ]
        );
    }

    #[tokio::test]
    async fn a_build_that_is_called_off_leaves_no_compiler() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_path_buf();
        let fifo = root.join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // cargo's first argument is `test`, which a shell takes for the name of a script.
        std::fs::write(root.join("test"), "(sleep 60; echo lived on) >fifo &\nwait\n").unwrap();
        let cargo = "/bin/sh".into();
        let workspace = Workspace { target: root.join("target"), root, cargo, triple: None, profile: "dev".into() };
        let compiler = tokio::task::spawn_blocking(move || std::fs::File::open(fifo).unwrap());
        let compiler = tokio::select! {
            built = workspace.build_suites(|_| {}) => panic!("{built:?}"),
            compiler = compiler => compiler.unwrap(),
        };
        // The end comes when nobody is left to write.
        let end = tokio::task::spawn_blocking(move || std::io::read_to_string(compiler));
        assert_eq!(end.await.unwrap().unwrap(), "");
    }
}
