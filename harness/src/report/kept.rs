//! A run's folder as data: `run.json` says what ran, `scenario.json` in each scenario's folder what became of it. Reports can
//! be made of them at any time later.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::event::{Reporter, RunEvent, RunPlan, Untold};
use super::scenario::{ScenarioId, ScenarioReport};
use super::whole_file::write_whole;
use crate::format::{Format, NewerFormat};

/// The file of a run, in its folder.
const RUN: &str = "run.json";
/// The file of a scenario, in its own folder.
const SCENARIO: &str = "scenario.json";

const RUN_FORMAT: Format = Format::new("runs", 1);
const SCENARIO_FORMAT: Format = Format::new("reports of scenarios", 1);

/// A run that was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptRun {
    /// What it was to do.
    pub plan: RunPlan,
    /// When it ended; `None` where it is still under way or was broken off.
    pub ended: Option<Timestamp>,
    /// How many scenarios were not started.
    pub not_started: usize,
    /// The scenarios that ended, in the order in which they were to start.
    pub reports: Vec<ScenarioReport>,
}

/// Why a kept run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// A file is not what it is called.
    #[error("{} is not what catnap writes: {source}", file.display())]
    Malformed {
        /// The file.
        file: PathBuf,
        /// Cause.
        source: serde_json::Error,
    },
    /// A newer catnap has written it.
    #[error(transparent)]
    Newer(#[from] NewerFormat),
}

impl KeptRun {
    /// Reads the run in `folder`, which need not be where it was.
    ///
    /// # Errors
    /// [`KeptError`], with the file.
    pub fn read(folder: &Path) -> Result<Self, KeptError> {
        let RunFile { plan, ended, not_started, .. } = read_file(&folder.join(RUN), RUN_FORMAT)?;
        let mut reports = Vec::new();
        for scenario in &plan.scenarios {
            let folder = folder.join(scenario.file_stem());
            let path = folder.join(SCENARIO);
            // It was not started, or has not ended.
            if !path.exists() {
                continue;
            }
            let ScenarioFile { mut report, .. } = read_file(&path, SCENARIO_FORMAT)?;
            for attachment in &mut report.attachments {
                *attachment = folder.join(&attachment);
            }
            reports.push(report);
        }
        Ok(Self { plan, ended, not_started, reports })
    }
}

/// What `run.json` holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RunFile {
    format: u32,
    #[serde(flatten)]
    plan: RunPlan,
    ended: Option<Timestamp>,
    not_started: usize,
}

/// What `scenario.json` holds. Attachments in the scenario's folder are named relative to that.
#[derive(Debug, Serialize, Deserialize)]
struct ScenarioFile {
    format: u32,
    #[serde(flatten)]
    report: ScenarioReport,
}

/// Only the version, which has to be known before the rest can be read.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

fn read_file<T: DeserializeOwned>(file: &Path, format: Format) -> Result<T, KeptError> {
    let text = std::fs::read_to_string(file).map_err(|source| KeptError::Io { file: file.to_path_buf(), source })?;
    let malformed = |source| KeptError::Malformed { file: file.to_path_buf(), source };
    let Version { format: found } = serde_json::from_str(&text).map_err(malformed)?;
    format.check(file, found)?;
    serde_json::from_str(&text).map_err(malformed)
}

/// Keeps a run in its folder as it goes on.
#[derive(Debug)]
pub struct Keeper {
    folder: PathBuf,
    run: Option<RunFile>,
}

impl Keeper {
    /// Keeps a run in `folder`.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), run: None }
    }

    fn scenario(&self, id: &ScenarioId) -> PathBuf {
        self.folder.join(id.file_stem())
    }

    fn keep_run(&self) -> Result<(), Untold> {
        self.run.as_ref().map_or(Ok(()), |run| write(&self.folder.join(RUN), run))
    }
}

impl Reporter for Keeper {
    fn hear(&mut self, event: &RunEvent) -> Result<(), Untold> {
        match event {
            RunEvent::Planned { plan } => {
                for scenario in &plan.scenarios {
                    // A file of an earlier run must not speak for a scenario that this one does not get to.
                    let _ = std::fs::remove_file(self.scenario(scenario).join(SCENARIO));
                }
                let format = RUN_FORMAT.version();
                self.run = Some(RunFile { format, plan: plan.clone(), ended: None, not_started: 0 });
                self.keep_run()
            }
            RunEvent::Finished { report } => {
                let folder = self.scenario(&report.id);
                let mut report = ScenarioReport::clone(report);
                for attachment in &mut report.attachments {
                    if let Ok(within) = attachment.strip_prefix(&folder) {
                        *attachment = within.to_path_buf();
                    }
                }
                let format = SCENARIO_FORMAT.version();
                write(&folder.join(SCENARIO), &ScenarioFile { format, report })
            }
            RunEvent::Ended { at, not_started } => {
                if let Some(run) = &mut self.run {
                    (run.ended, run.not_started) = (Some(*at), *not_started);
                }
                self.keep_run()
            }
            RunEvent::Started { .. } | RunEvent::Told { .. } | RunEvent::Notice { .. } => Ok(()),
        }
    }
}

fn write(path: &Path, what: &impl Serialize) -> Result<(), Untold> {
    let failed = |error: &dyn std::fmt::Display| format!("failed to write {}: {error}", path.display());
    let mut bytes = serde_json::to_vec_pretty(what).map_err(|error| failed(&error))?;
    bytes.push(b'\n');
    write_whole(path, &bytes).map_err(|error| failed(&error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Costs, Facts, Verdict};
    use crate::source::SourcePlace;
    use std::time::Duration;

    fn report(folder: &Path, name: &str, verdict: Verdict) -> ScenarioReport {
        let id = ScenarioId::new("drift", name);
        let mut facts = Facts::default();
        facts.set("seed", "7");
        facts.set("kubernetes", "1.34.4");
        let mut costs = Costs::over(Duration::from_secs(900));
        costs.add("etcd", Duration::from_millis(1250));
        ScenarioReport {
            place: Some(SourcePlace { file: "suites/tests/drift/main.rs".into(), line: 7 }),
            verdict,
            started: "2026-11-21T06:33:00.25Z".parse().unwrap(),
            took: Duration::from_millis(12_340),
            facts,
            costs: Some(costs),
            attachments: vec![folder.join(id.file_stem()).join("history.jsonl"), "/elsewhere/core".into()],
            output: "words".into(),
            repeat: "catnap run drift::a --seed 7".into(),
            id,
        }
    }

    fn plan(folder: &Path, names: &[&str]) -> RunPlan {
        RunPlan {
            started: "2026-11-21T06:33:00Z".parse().unwrap(),
            seed: 7,
            facts: Facts::default(),
            command: "catnap run".into(),
            options: vec!["--no-build".into()],
            jobs: 2,
            scenarios: names.iter().map(|name| ScenarioId::new("drift", *name)).collect(),
            artefacts: folder.to_path_buf(),
        }
    }

    const END: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_run_is_read_again_as_it_was_told_also_where_its_folder_has_moved() {
        let above = tempfile::tempdir().unwrap();
        let folder = above.path().join("run");
        let plan = plan(&folder, &["passes", "fails", "not_started", "known", "skipped", "could_not"]);
        let verdicts = [
            ("passes", Verdict::Passed { assertions: 3 }),
            ("fails", Verdict::Failed { message: "no node".into(), body: "a\nstory".into() }),
            ("known", Verdict::KnownFault { fault: "nic-leak".into(), message: "a".into() }),
            ("skipped", Verdict::Skipped { reason: "no clock".into() }),
            ("could_not", Verdict::CouldNotRun { message: "no Go".into() }),
        ];
        let mut reports = verdicts.map(|(name, verdict)| report(&folder, name, verdict));
        let mut keeper = Keeper::of(&folder);
        keeper.hear(&RunEvent::Planned { plan: plan.clone() }).unwrap();
        assert_eq!(KeptRun::read(&folder).unwrap().ended, None);
        for report in reports.iter().rev() {
            keeper.hear(&RunEvent::Finished { report: Box::new(report.clone()) }).unwrap();
        }
        keeper.hear(&RunEvent::Ended { at: END, not_started: 1 }).unwrap();

        let kept = KeptRun::read(&folder).unwrap();
        assert_eq!((&kept.plan, kept.ended, kept.not_started), (&plan, Some(END), 1));
        assert_eq!(kept.reports, reports);

        let moved = above.path().join("moved");
        std::fs::rename(&folder, &moved).unwrap();
        for report in &mut reports {
            report.attachments[0] = moved.join(report.id.file_stem()).join("history.jsonl");
        }
        assert_eq!(KeptRun::read(&moved).unwrap().reports, reports);
    }

    #[test]
    fn what_an_earlier_run_kept_in_the_same_folder_does_not_speak_for_this_one() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut keeper = Keeper::of(folder);
        keeper.hear(&RunEvent::Planned { plan: plan(folder, &["a", "b"]) }).unwrap();
        for name in ["a", "b"] {
            let report = report(folder, name, Verdict::Passed { assertions: 1 });
            keeper.hear(&RunEvent::Finished { report: Box::new(report) }).unwrap();
        }
        keeper.hear(&RunEvent::Planned { plan: plan(folder, &["a", "c"]) }).unwrap();
        assert!(KeptRun::read(folder).unwrap().reports.is_empty());
    }

    #[test]
    fn what_a_newer_catnap_wrote_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let mut keeper = Keeper::of(folder);
        keeper.hear(&RunEvent::Planned { plan: plan(folder, &["a"]) }).unwrap();
        let report = report(folder, "a", Verdict::Passed { assertions: 1 });
        keeper.hear(&RunEvent::Finished { report: Box::new(report) }).unwrap();
        for (file, what) in [("drift.a/scenario.json", "reports of scenarios"), ("run.json", "runs")] {
            let text = std::fs::read_to_string(folder.join(file)).unwrap();
            assert!(text.starts_with("{\n  \"format\": 1,"), "{text}");
            // Whatever else it says.
            std::fs::write(folder.join(file), r#"{"format": 2, "verdict": "maybe"}"#).unwrap();
            let error = KeptRun::read(folder).unwrap_err().to_string();
            assert!(error.contains(&format!("{file} has version 2 of the format of {what}")), "{error}");
        }
        std::fs::write(folder.join("run.json"), r#"{"format": 1}"#).unwrap();
        assert!(KeptRun::read(folder).unwrap_err().to_string().contains("run.json is not what catnap writes"));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let mut keeper = Keeper::of(&file.join("run"));
        let error = keeper.hear(&RunEvent::Planned { plan: plan(&file, &["a"]) }).unwrap_err().to_string();
        assert!(error.contains("file/run/run.json"), "{error}");
    }
}
