//! Builds the suites with cargo, in the way catnap itself was built.

use std::path::PathBuf;
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use super::docs;
use super::error::RunnerError;
use super::suites::Suite;
use super::workspace::{Workspace, variables_of_cargo_run};
use crate::process::Leash;

/// Builds every suite of the workspace; `said` is told each line that cargo says meanwhile. cargo and its compilers end
/// with us, however we end, and when the future is dropped.
///
/// # Errors
/// When cargo cannot be started or the suites do not compile; then with all that the compiler said.
pub async fn build(workspace: &Workspace, mut said: impl FnMut(&str)) -> Result<Vec<Suite>, RunnerError> {
    let arguments = workspace.build_arguments();
    let mut command = Command::new(&workspace.cargo);
    command.args(&arguments).current_dir(&workspace.root);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for name in variables_of_cargo_run() {
        command.env_remove(name);
    }
    let failed = |cause| RunnerError::Cargo { cargo: workspace.cargo.clone(), cause };
    let mut leash = Leash::new().map_err(failed)?;
    let mut cargo = leash.spawn(&mut command).map_err(failed)?;
    let (Some(mut stdout), Some(stderr)) = (cargo.stdout.take(), cargo.stderr.take()) else {
        unreachable!("both were asked for")
    };

    let mut messages = String::new();
    let mut spoken = String::new();
    let listen = async {
        let mut lines = BufReader::new(stderr).lines();
        while let Some(line) = lines.next_line().await? {
            said(line.trim());
            spoken.push_str(&line);
            spoken.push('\n');
        }
        Ok(())
    };
    tokio::try_join!(listen, stdout.read_to_string(&mut messages)).map_err(failed)?;
    let status = cargo.wait().await.map_err(failed)?;
    leash.release();
    leash.finish().await;
    if !status.success() {
        let mut words = vec![workspace.cargo.to_string_lossy().into_owned()];
        words.extend(arguments.iter().map(|argument| argument.to_string_lossy().into_owned()));
        let words: Vec<String> = words.iter().map(|word| crate::report::quoted(word)).collect();
        return Err(RunnerError::Build { command: words.join(" "), status: status.to_string(), output: spoken });
    }
    let mut suites = built_suites(&messages);
    for (suite, source) in &mut suites {
        suite.docs = docs::of_suite(source);
    }
    Ok(suites.into_iter().map(|(suite, _)| suite).collect())
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

fn built_suites(messages: &str) -> Vec<(Suite, PathBuf)> {
    let mut suites = Vec::new();
    for line in messages.lines() {
        let Ok(Message { reason, target: Some(target), executable: Some(executable) }) = serde_json::from_str(line)
        else {
            continue;
        };
        if reason == "compiler-artifact" && target.kind.iter().any(|kind| kind == "test") {
            suites.push((Suite::new(target.name, executable), target.src_path));
        }
    }
    suites
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_that_cargo_built_only_test_binaries_are_suites() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"suites","src_path":"/c/suites/src/lib.rs"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"catnap","src_path":"/c/harness/src/main.rs"},"executable":"/t/catnap"}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"drift","src_path":"/c/suites/tests/drift.rs"},"executable":"/t/deps/drift-01"}
not json
{"reason":"build-finished","success":true}
"#;
        assert_eq!(
            built_suites(messages),
            [(Suite::new("drift", "/t/deps/drift-01"), PathBuf::from("/c/suites/tests/drift.rs"))]
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
            built = build(&workspace, |_| {}) => panic!("{built:?}"),
            compiler = compiler => compiler.unwrap(),
        };
        // The end comes when nobody is left to write.
        let end = tokio::task::spawn_blocking(move || std::io::read_to_string(compiler));
        assert_eq!(end.await.unwrap().unwrap(), "");
    }
}
