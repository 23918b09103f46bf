//! What became of scenarios, run by run: a line of JSON for each in `results.jsonl` of the run's folder.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::report::{Facts, ScenarioReport, Verdict};

/// Name of the file in a run's folder.
const FILE: &str = "results.jsonl";

/// What a scenario came to when it was run last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastResult {
    /// Its name.
    pub scenario: String,
    /// `passed`, `failed`, `known fault`, `skipped` or `could not run`.
    pub result: String,
    /// One line; empty when it passed.
    pub message: String,
    /// When it started, by the wall clock.
    pub started: Timestamp,
    /// What it ran with: versions, target, seed.
    pub facts: BTreeMap<String, String>,
}

/// Appends what became of a scenario to the run's results.
///
/// # Errors
/// When the file cannot be written.
pub fn record_result(run: &Path, report: &ScenarioReport) -> std::io::Result<()> {
    let result = LastResult {
        scenario: report.id.to_string(),
        result: word(&report.verdict).to_owned(),
        message: report.verdict.message().lines().next().unwrap_or_default().to_owned(),
        started: report.started,
        facts: report.facts.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    };
    let mut line = serde_json::to_string(&result)?;
    line.push('\n');
    OpenOptions::new().create(true).append(true).open(run.join(FILE))?.write_all(line.as_bytes())
}

/// The last result of each scenario with these facts (the parts it ran with) in the runs whose folders lie in `above`. Lines
/// that cannot be read are passed over: a run may be under way.
#[must_use]
pub fn last_results(above: &Path, facts: &Facts) -> BTreeMap<String, LastResult> {
    let with_these = |result: &LastResult| {
        facts.iter().all(|(name, value)| result.facts.get(name).is_some_and(|known| known == value))
    };
    let mut last: BTreeMap<String, LastResult> = BTreeMap::new();
    for run in std::fs::read_dir(above).into_iter().flatten().flatten() {
        // The link to the latest run would only say again what that one says.
        if run.file_type().is_ok_and(|kind| kind.is_symlink()) {
            continue;
        }
        for result in results_in(&run.path()).into_iter().filter(with_these) {
            if last.get(&result.scenario).is_none_or(|known| known.started <= result.started) {
                last.insert(result.scenario.clone(), result);
            }
        }
    }
    last
}

/// What the scenarios of the run in this folder came to, in the order in which they ended.
pub(crate) fn results_in(run: &Path) -> Vec<LastResult> {
    let text = std::fs::read_to_string(run.join(FILE)).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed { .. } => "passed",
        Verdict::Failed { .. } => "failed",
        Verdict::KnownFault { .. } => "known fault",
        Verdict::Skipped { .. } => "skipped",
        Verdict::CouldNotRun { .. } => "could not run",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ScenarioId;
    use std::time::Duration;

    fn provisioner(version: &str) -> Facts {
        let mut facts = Facts::default();
        facts.set("karpenter-azure", version);
        facts
    }

    #[test]
    fn the_latest_word_on_a_scenario_with_these_parts_counts_whatever_the_folders_are_called() {
        let above = tempfile::tempdir().unwrap();
        let report = |second: i64, version, verdict| ScenarioReport {
            id: ScenarioId::new("drift", "a"),
            verdict,
            started: Timestamp::from_second(second).unwrap(),
            took: Duration::ZERO,
            facts: provisioner(version),
            costs: None,
            attachments: Vec::new(),
            output: String::new(),
            repeat: String::new(),
        };
        for (run, second, version, verdict) in [
            ("b", 1, "1.7.1", Verdict::Passed { assertions: 1 }),
            ("a", 2, "1.7.1", Verdict::Failed { message: "no node\nmore".into(), body: String::new() }),
            ("c", 3, "1.6.3", Verdict::Skipped { reason: "too old".into() }),
        ] {
            std::fs::create_dir(above.path().join(run)).unwrap();
            record_result(&above.path().join(run), &report(second, version, verdict)).unwrap();
        }
        std::fs::write(above.path().join("b/results.jsonl.tmp"), "half a li").unwrap();
        let word = |version| {
            let last = last_results(above.path(), &provisioner(version));
            last.get("drift::a").map(|last| (last.result.clone(), last.message.clone()))
        };
        assert_eq!(word("1.7.1"), Some(("failed".into(), "no node".into())));
        assert_eq!(word("1.6.3"), Some(("skipped".into(), "too old".into())));
        assert_eq!(word("1.5.1"), None);
    }
}
