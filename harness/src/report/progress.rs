//! The lines that a scenario's process appends to a file while it works, and both ends of that file.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Instant;

use jiff::Timestamp;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::cost::Costs;
use super::environment;
use super::junit;
use super::repeat::repeat_command;
use super::scenario::{Facts, ScenarioId, ScenarioReport, Verdict};
use crate::source::{SourcePlace, SuiteSource};

/// One thing that a scenario tells while it works. Written as one line of JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "camelCase")]
pub enum Line {
    /// It goes on to its next step.
    Step {
        /// What it does, in the present tense.
        text: String,
    },
    /// How much there is in its world now.
    Counts {
        /// Nodes in the cluster.
        nodes: usize,
        /// Pods of the scenario.
        pods: usize,
        /// Virtual machines in Azure.
        vms: usize,
    },
    /// Something worth knowing about how it runs: `target`, a component's version.
    Fact {
        /// What it is about.
        name: String,
        /// What is the case.
        value: String,
    },
    /// A file that belongs to it.
    Attachment {
        /// Where it is.
        path: PathBuf,
    },
    /// What it cost. The last word counts.
    Costs(Costs),
    /// What became of it. The last word counts.
    Verdict {
        /// The verdict.
        is: Verdict,
    },
}

/// The scenario's end: tells what it does to whoever started it. Clones write to the same place.
///
/// Under a runner (`CATNAP_PROGRESS`) lines go to the runner's file. Under plain `cargo test` they go nowhere, except
/// that with `CATNAP_JUNIT` set the verdict is written as a JUnit file.
#[derive(Debug, Clone)]
pub struct ProgressWriter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    file: Option<Mutex<File>>,
    alone: Option<Alone>,
}

/// What is needed to report without a runner.
#[derive(Debug)]
struct Alone {
    id: ScenarioId,
    place: Option<SourcePlace>,
    directory: PathBuf,
    started: Timestamp,
    clock: Instant,
    told: Mutex<Told>,
}

/// What was told until now.
#[derive(Debug, Default)]
struct Told {
    facts: Facts,
    attachments: Vec<PathBuf>,
    costs: Option<Costs>,
}

impl ProgressWriter {
    /// The writer that the environment of this process asks for.
    ///
    /// Under a runner this also ties the process to it: should the runner be gone (however it went), this process gets
    /// a SIGTERM and cleans up as on any other.
    #[must_use]
    pub fn from_env() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(file) = path(environment::PROGRESS) {
            follow_runner();
            return Self::to_file(&file);
        }
        let id = std::env::var(environment::SCENARIO)
            .ok()
            .and_then(|id| id.parse().ok())
            .or_else(ScenarioId::of_this_thread);
        match (path(environment::JUNIT), id) {
            (Some(directory), Some(id)) => Self::to_junit(id, directory),
            (Some(_), None) => {
                tracing::warn!("no JUnit file: this thread bears no test's name (is --test-threads=1 given?)");
                Self::silent()
            }
            _ => Self::silent(),
        }
    }

    /// A writer that nobody listens to.
    #[must_use]
    pub fn silent() -> Self {
        Self(Arc::new(Inner { file: None, alone: None }))
    }

    /// A writer that appends to `path`. A file that cannot be opened costs the display, not the scenario.
    #[must_use]
    pub fn to_file(path: &Path) -> Self {
        let file = OpenOptions::new().create(true).append(true).open(path);
        if let Err(error) = &file {
            tracing::warn!(path = %path.display(), %error, "progress is not told");
        }
        Self(Arc::new(Inner { file: file.ok().map(Mutex::new), alone: None }))
    }

    fn to_junit(id: ScenarioId, directory: PathBuf) -> Self {
        let mut facts = Facts::default();
        if let Ok(seed) = std::env::var(environment::SEED) {
            facts.set("seed", seed);
        }
        let told = Mutex::new(Told { facts, ..Told::default() });
        let place =
            SuiteSource::of_this_build(id.suite()).and_then(|suite| Some(suite.scenario(id.name())?.place.clone()));
        let alone = Alone { id, place, directory, started: Timestamp::now(), clock: Instant::now(), told };
        Self(Arc::new(Inner { file: None, alone: Some(alone) }))
    }

    /// Whether a runner reads it.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.0.file.is_some()
    }

    /// The scenario goes on to its next step: `create the managed cluster my-aks-cluster`.
    pub fn step(&self, text: &str) {
        self.tell(&Line::Step { text: text.to_owned() });
    }

    /// How many nodes, pods and virtual machines there are now.
    pub fn counts(&self, nodes: usize, pods: usize, vms: usize) {
        self.tell(&Line::Counts { nodes, pods, vms });
    }

    /// Something worth knowing about how the scenario runs: `target`, `kubernetes`, `karpenter-azure`. The runner knows
    /// the seed.
    pub fn fact(&self, name: &str, value: &str) {
        self.tell(&Line::Fact { name: name.to_owned(), value: value.to_owned() });
    }

    /// A file that belongs to the scenario.
    pub fn attachment(&self, path: &Path) {
        self.tell(&Line::Attachment { path: path.to_path_buf() });
    }

    /// What the scenario cost: to be told before its verdict, with which the report is made.
    pub fn costs(&self, costs: Costs) {
        self.tell(&Line::Costs(costs));
    }

    /// What became of the scenario. Only the last verdict counts, so a clean-up that fails can correct it.
    pub fn verdict(&self, verdict: Verdict) {
        self.tell(&Line::Verdict { is: verdict });
    }

    fn tell(&self, line: &Line) {
        if let Some(file) = &self.0.file {
            // One write for the whole line: the reader never sees two lines mixed.
            let mut text = serde_json::to_string(line).expect("a line is always JSON");
            text.push('\n');
            let mut file = file.lock();
            if let Err(error) = file.write_all(text.as_bytes()) {
                tracing::debug!(%error, "a line of progress was lost");
            }
        }
        if let Some(alone) = &self.0.alone {
            alone.note(line);
        }
    }
}

impl Alone {
    fn note(&self, line: &Line) {
        let mut told = self.told.lock();
        match line {
            Line::Fact { name, value } => told.facts.set(name, value),
            Line::Attachment { path } => told.attachments.push(path.clone()),
            Line::Costs(costs) => told.costs = Some(costs.clone()),
            Line::Step { .. } | Line::Counts { .. } => {}
            Line::Verdict { is } => {
                let report = ScenarioReport {
                    id: self.id.clone(),
                    place: self.place.clone(),
                    verdict: is.clone(),
                    started: self.started,
                    took: self.clock.elapsed(),
                    facts: told.facts.clone(),
                    costs: told.costs.clone(),
                    attachments: told.attachments.clone(),
                    output: String::new(),
                    repeat: told
                        .facts
                        .get("seed")
                        .and_then(|seed| seed.parse().ok())
                        .map_or_else(String::new, |seed| repeat_command(&self.id, seed)),
                };
                if let Err(error) = junit::write(&report, &self.directory) {
                    // Standard error and not a log: whoever asked for the file must learn that it is not there.
                    eprintln!("error: {error}");
                }
            }
        }
    }
}

/// A runner keeps the other end of our standard input open for as long as it lives.
fn follow_runner() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let watch = || {
            let mut nothing = [0_u8; 64];
            while matches!(std::io::stdin().read(&mut nothing), Ok(1..)) {}
            let _ = nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGTERM);
        };
        let _ = std::thread::Builder::new().name("catnap-follow-runner".to_owned()).spawn(watch);
    });
}

/// The runner's end: reads what was appended since the last look.
#[derive(Debug)]
pub struct ProgressReader {
    path: PathBuf,
    position: u64,
}

impl ProgressReader {
    /// A reader of `path`, which need not exist yet.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path, position: 0 }
    }

    /// The lines that are complete and were not read before. A line that is not ours is left out: a scenario that
    /// writes nonsense must not bring down the run.
    pub fn read(&mut self) -> Vec<Line> {
        let Ok(mut file) = File::open(&self.path) else { return Vec::new() };
        let mut bytes = Vec::new();
        if file.seek(SeekFrom::Start(self.position)).and_then(|_| file.read_to_end(&mut bytes)).is_err() {
            return Vec::new();
        }
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else { return Vec::new() };
        self.position += end as u64 + 1;
        bytes[..end].split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn costs() -> Costs {
        let mut costs = Costs::over(Duration::from_secs(900));
        costs.add("etcd", Duration::from_millis(1250));
        costs
    }

    #[test]
    fn what_is_written_is_read_once_and_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("progress.jsonl");
        let mut reader = ProgressReader::new(path.clone());
        assert!(reader.read().is_empty());

        let writer = ProgressWriter::to_file(&path);
        writer.step("create the network");
        writer.counts(1, 2, 3);
        assert_eq!(
            reader.read(),
            [Line::Step { text: "create the network".into() }, Line::Counts { nodes: 1, pods: 2, vms: 3 }]
        );
        writer.fact("target", "embedded");
        writer.clone().attachment(Path::new("/a/history.jsonl"));
        writer.costs(costs());
        writer.verdict(Verdict::Skipped { reason: "the target cannot move its clock".into() });
        assert_eq!(
            reader.read(),
            [
                Line::Fact { name: "target".into(), value: "embedded".into() },
                Line::Attachment { path: "/a/history.jsonl".into() },
                Line::Costs(costs()),
                Line::Verdict { is: Verdict::Skipped { reason: "the target cannot move its clock".into() } },
            ]
        );
        assert!(reader.read().is_empty());
    }

    /// Not a test by itself: what the next one starts as a process of its own.
    #[test]
    fn a_process_with_a_runner() {
        if std::env::var_os("CATNAP_TEST_RUNNER").is_some() {
            let progress = ProgressWriter::from_env();
            progress.step("wait for the end of the runner");
            std::thread::sleep(Duration::from_secs(60));
        }
    }

    #[test]
    fn a_process_whose_runner_is_gone_is_told_to_end() {
        use std::os::unix::process::ExitStatusExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("progress.jsonl");
        let mut process = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "report::progress::tests::a_process_with_a_runner", "--test-threads=1"])
            .env("CATNAP_TEST_RUNNER", "1")
            .env(environment::PROGRESS, &file)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let mut reader = ProgressReader::new(file);
        let patience = Instant::now();
        while reader.read().is_empty() {
            assert!(patience.elapsed().as_secs() < 30, "it does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(process.try_wait().unwrap(), None, "it lives as long as its runner");
        // What the system does when a runner ends, however it ends.
        drop(process.stdin.take());
        assert_eq!(process.wait().unwrap().signal(), Some(15));
    }

    #[test]
    fn half_a_line_waits_for_its_other_half_and_nonsense_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("progress.jsonl");
        let mut reader = ProgressReader::new(path.clone());
        std::fs::write(&path, "nonsense\n{\"line\":\"step\",").unwrap();
        assert!(reader.read().is_empty());
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"\"text\":\"go\"}\n").unwrap();
        assert_eq!(reader.read(), [Line::Step { text: "go".into() }]);
    }

    #[test]
    fn verdicts_survive_the_way_through_the_file() {
        for verdict in [
            Verdict::Passed { assertions: 3 },
            Verdict::Failed { message: "a".into(), body: "b\nc".into() },
            Verdict::CouldNotRun { message: "no Go".into() },
            Verdict::KnownFault { fault: "nic-leak".into(), message: "a".into() },
            Verdict::Skipped { reason: "no clock".into() },
        ] {
            let line = Line::Verdict { is: verdict };
            let text = serde_json::to_string(&line).unwrap();
            assert!(!text.contains('\n'), "{text}");
            assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
        }
    }

    #[test]
    fn without_a_runner_the_verdict_becomes_a_junit_file_and_the_last_word_counts() {
        let folder = tempfile::tempdir().unwrap();
        let writer = ProgressWriter::to_junit(ScenarioId::new("drift", "a"), folder.path().to_owned());
        writer.fact("target", "embedded");
        writer.costs(costs());
        writer.verdict(Verdict::Passed { assertions: 1 });
        writer.verdict(Verdict::Failed { message: "a process was left".into(), body: "4711".into() });
        let text = std::fs::read_to_string(folder.path().join("TEST-drift.a.xml")).unwrap();
        assert!(text.contains("a process was left"), "{text}");
        assert!(text.contains("target: embedded") && text.contains("core-seconds.etcd: 1.250"), "{text}");
    }
}
