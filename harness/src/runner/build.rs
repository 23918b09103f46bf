//! The suites, built with cargo in the way catnap itself was built.

use workspace::{CargoError, Workspace};

use super::error::RunnerError;
use super::suites::Suite;
use crate::source::SuiteSource;

/// Builds every suite of the workspace; `said` is told each line that cargo says meanwhile. cargo and its compilers end
/// with us, however we end, and when the future is dropped.
///
/// # Errors
/// When cargo cannot be started or the suites do not compile; then with all that the compiler said.
pub async fn build(workspace: &Workspace, said: impl FnMut(&str)) -> Result<Vec<Suite>, RunnerError> {
    let built = workspace.build_suites(said).await.map_err(|error| match error {
        CargoError::NotRun { cargo, cause } => RunnerError::Cargo { cargo, cause },
        CargoError::Failed { command, status, output } => {
            let words: Vec<String> =
                command.iter().map(|word| crate::report::quoted(&word.to_string_lossy())).collect();
            RunnerError::Build { command: words.join(" "), status, output }
        }
    })?;
    let suite = |built: workspace::Built| {
        // A scenario of which nothing is known can be run all the same.
        let source = SuiteSource::read(&built.source, &workspace.root).unwrap_or_else(|error| {
            tracing::warn!("{error}");
            SuiteSource::default()
        });
        Suite { source, ..Suite::new(built.name, built.executable) }
    };
    Ok(built.into_iter().map(suite).collect())
}
