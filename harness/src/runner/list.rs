//! Asks the suites what they hold.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use super::error::RunnerError;
use super::suites::Suite;
use crate::report::ScenarioId;
use crate::source::ScenarioSource;
use workspace::variables_of_cargo_run;

/// A list that takes longer comes from something that is no libtest binary.
const PATIENCE: Duration = Duration::from_secs(30);

/// A scenario that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// Its name.
    pub id: ScenarioId,
    /// What its source says of it, where that is known.
    pub source: Option<ScenarioSource>,
    /// Whether its suite marks it with `#[ignore]`.
    pub ignored: bool,
    /// The test binary that holds it.
    pub executable: PathBuf,
}

impl Scenario {
    /// Its doc comment; empty where there is none, or it is not known.
    #[must_use]
    pub fn doc(&self) -> &str {
        self.source.as_ref().map_or("", |source| &source.doc)
    }

    /// Whether it says that it creates no cluster.
    #[must_use]
    pub fn azure_only(&self) -> bool {
        self.source.as_ref().is_some_and(|source| source.azure_only)
    }

    /// The first sentence of its doc comment; empty where there is none.
    #[must_use]
    pub fn sentence(&self) -> String {
        self.source.as_ref().and_then(ScenarioSource::sentence).unwrap_or_default()
    }
}

/// Every scenario of `suites`, in the order of the suites and, within one, of names.
///
/// # Errors
/// When a suite cannot be started or does not answer as libtest does.
pub async fn list(suites: &[Suite]) -> Result<Vec<Scenario>, RunnerError> {
    let mut scenarios = Vec::new();
    for suite in suites {
        let names = ask(&suite.executable, &[]).await?;
        let ignored: BTreeSet<String> = ask(&suite.executable, &["--ignored"]).await?.into_iter().collect();
        scenarios.extend(names.into_iter().map(|name| Scenario {
            source: suite.source.scenario(&name).cloned(),
            ignored: ignored.contains(&name),
            id: ScenarioId::new(&suite.name, name),
            executable: suite.executable.clone(),
        }));
    }
    Ok(scenarios)
}

async fn ask(suite: &Path, further: &[&str]) -> Result<Vec<String>, RunnerError> {
    let failed = |why: String| RunnerError::List { suite: suite.to_path_buf(), why };
    let mut command = Command::new(suite);
    command.args(["--list", "--format", "terse"]).args(further).stdin(Stdio::null()).kill_on_drop(true);
    for name in variables_of_cargo_run() {
        command.env_remove(name);
    }
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .map_err(|_| failed(format!("it did not answer within {} s", PATIENCE.as_secs())))?
        .map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("it ended with {}: {}", output.status, said.trim())));
    }
    let names = parse(&String::from_utf8_lossy(&output.stdout));
    names.map_err(|line| failed(format!("it answered `{line}` where libtest would say `<name>: test`")))
}

fn parse(text: &str) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.rsplit_once(": ") {
            Some((name, "test")) => names.push(name.to_owned()),
            Some((_, "benchmark")) => {}
            _ => return Err(line.chars().take(200).collect()),
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_libtest_writes_it() {
        assert_eq!(parse("a: test\nm::b::case_1: test\nspeed: benchmark\n").unwrap(), ["a", "m::b::case_1"]);
        assert_eq!(parse("").unwrap(), Vec::<String>::new());
        assert_eq!(parse("Hello\n").unwrap_err(), "Hello");
    }
}
