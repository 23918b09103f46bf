//! What became of scenarios, run by run: a line of JSON for each in `results.jsonl` of the run's folder.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::report::{Costs, Facts, Reporter, RunEvent, ScenarioReport, Seconds, Untold, Verdict};

/// Name of the file in a run's folder.
const FILE: &str = "results.jsonl";

/// How much of the end of a file holds its last line in any case, in bytes.
const END: u64 = 64 * 1024;

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
    /// How long it took, by the wall clock. Older results do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<Seconds>,
    /// What it cost, where it told: `core_seconds` by process, and `cluster_seconds`.
    #[serde(flatten)]
    pub costs: Option<Costs>,
}

impl LastResult {
    /// Whether it ran with these real parts.
    #[must_use]
    pub fn ran_with(&self, parts: &Facts) -> bool {
        parts.iter().all(|(name, value)| self.facts.get(name).is_some_and(|known| known == value))
    }
}

/// Keeps what becomes of the scenarios of a run, for those who ask later.
#[derive(Debug)]
pub struct Results {
    folder: PathBuf,
}

impl Results {
    /// Keeps it in the run's folder.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf() }
    }
}

impl Reporter for Results {
    fn hear(&mut self, event: &RunEvent) -> Result<(), Untold> {
        if let RunEvent::Finished { report } = event
            && let Err(error) = record_result(&self.folder, report)
        {
            // The run itself tells it anyway.
            tracing::debug!(%error, "the result is not in the run's list");
        }
        Ok(())
    }
}

/// Appends what became of a scenario to the run's results.
fn record_result(run: &Path, report: &ScenarioReport) -> std::io::Result<()> {
    let result = LastResult {
        scenario: report.id.to_string(),
        result: word(&report.verdict).to_owned(),
        message: report.verdict.message().lines().next().unwrap_or_default().to_owned(),
        started: report.started,
        facts: report.facts.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        seconds: Some(Seconds(report.took)),
        costs: report.costs.clone(),
    };
    let mut line = serde_json::to_string(&result)?;
    line.push('\n');
    OpenOptions::new().create(true).append(true).open(run.join(FILE))?.write_all(line.as_bytes())
}

/// The last result of each scenario with these facts (the parts it ran with) in the runs whose folders lie in `above`. Lines
/// that cannot be read are passed over: a run may be under way.
#[must_use]
pub fn last_results(above: &Path, facts: &Facts) -> BTreeMap<String, LastResult> {
    let mut last: BTreeMap<String, LastResult> = BTreeMap::new();
    for run in std::fs::read_dir(above).into_iter().flatten().flatten() {
        // The link to the latest run would only say again what that one says.
        if run.file_type().is_ok_and(|kind| kind.is_symlink()) {
            continue;
        }
        for result in results_in(&run.path()).into_iter().filter(|result| result.ran_with(facts)) {
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

/// When the scenario began that ended last in the run in this folder; `None` where the run has no results. However many there
/// are, only the end of the file is read.
pub(crate) fn last_started(run: &Path) -> Option<Timestamp> {
    let path = run.join(FILE);
    // Anything else may keep whoever opens it waiting.
    let length = path.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
    let mut file = File::open(path).ok()?;
    file.seek(SeekFrom::Start(length.saturating_sub(END))).ok()?;
    let mut end = Vec::new();
    file.take(END).read_to_end(&mut end).ok()?;
    let mut lines = end.rsplit(|byte| *byte == b'\n');
    lines.find_map(|line| serde_json::from_slice::<LastResult>(line).ok()).map(|result| result.started)
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

    fn report(second: i64, version: &str, verdict: Verdict) -> ScenarioReport {
        ScenarioReport {
            id: ScenarioId::new("drift", "a"),
            place: None,
            verdict,
            started: Timestamp::from_second(second).unwrap(),
            took: Duration::ZERO,
            facts: provisioner(version),
            costs: None,
            attachments: Vec::new(),
            output: String::new(),
            repeat: String::new(),
        }
    }

    #[test]
    fn the_latest_word_on_a_scenario_with_these_parts_counts_whatever_the_folders_are_called() {
        let above = tempfile::tempdir().unwrap();
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

    #[test]
    fn what_a_scenario_took_and_cost_is_kept_where_it_is_known() {
        let run = tempfile::tempdir().unwrap();
        let mut report = report(1, "1.7.1", Verdict::Passed { assertions: 1 });
        report.took = Duration::from_millis(12_340);
        record_result(run.path(), &report).unwrap();
        let mut costs = Costs::over(Duration::from_secs(900));
        costs.add("etcd", Duration::from_millis(1250));
        report.costs = Some(costs.clone());
        record_result(run.path(), &report).unwrap();

        let text = std::fs::read_to_string(run.path().join(FILE)).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].ends_with(r#""facts":{"karpenter-azure":"1.7.1"},"seconds":12.34}"#), "{text}");
        assert!(
            lines[1].ends_with(r#""seconds":12.34,"core_seconds":{"etcd":1.25},"cluster_seconds":900.0}"#),
            "{text}"
        );
        let read = results_in(run.path());
        assert_eq!(read[0].seconds, Some(Seconds(report.took)));
        assert_eq!((&read[0].costs, &read[1].costs), (&None, &Some(costs)));
    }

    #[test]
    fn a_line_of_before_costs_were_kept_is_read() {
        let run = tempfile::tempdir().unwrap();
        let line = r#"{"scenario":"drift::a","result":"passed","message":"","started":"2026-11-21T06:33:00Z","facts":{"seed":"7"}}"#;
        std::fs::write(run.path().join(FILE), format!("{line}\n")).unwrap();
        let read = results_in(run.path());
        assert_eq!(read.len(), 1);
        assert_eq!((read[0].scenario.as_str(), read[0].seconds, &read[0].costs), ("drift::a", None, &None));
        assert_eq!(read[0].facts["seed"], "7");
    }

    #[test]
    fn when_a_run_was_is_read_from_its_last_whole_line() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(last_started(run.path()), None);
        for second in 1..=1000 {
            record_result(run.path(), &report(second, "1.7.1", Verdict::Passed { assertions: 1 })).unwrap();
        }
        let path = run.path().join(FILE);
        assert!(path.metadata().unwrap().len() > END, "more than is read");
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"scenario\":\"half a li").unwrap();
        assert_eq!(last_started(run.path()), Some(Timestamp::from_second(1000).unwrap()));

        std::fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(last_started(run.path()), None);
    }
}
