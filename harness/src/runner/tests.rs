//! The runner against a suite that is a shell script, with a scenario for every way in which one can end.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::kill;
use nix::unistd::Pid;
use tokio::sync::watch;

use super::*;
use crate::clock::ClockKind;
use crate::coverage::Results;
use crate::report::{
    Facts, JunitFiles, Keeper, KeptRun, Line, Reporter, Reporters, RunEvent, ScenarioReport, Seconds, Untold, Verdict,
};
use crate::source::{ScenarioSource, SourcePlace};

type Expected = fn(&Verdict) -> bool;

/// Notes what it is shown.
#[derive(Debug, Default)]
struct Notes {
    lines: Vec<String>,
    on_step: Option<watch::Sender<Stop>>,
    stop: Stop,
    /// What is told of the programs when a scenario has ended.
    when_finished: Option<(watch::Sender<Parts>, Parts)>,
}

impl Reporter for Notes {
    fn hear(&mut self, event: &RunEvent) -> Result<(), Untold> {
        self.lines.push(match event {
            RunEvent::Planned { plan } => format!("planned {} by {}", plan.scenarios.len(), plan.jobs),
            RunEvent::Started { scenario } => format!("started {scenario}"),
            RunEvent::Told { scenario, told } => {
                if let (Line::Step { .. }, Some(sender)) = (told, &self.on_step) {
                    let _ = sender.send(self.stop);
                }
                format!("told {scenario} {}", serde_json::to_string(told).unwrap())
            }
            RunEvent::Finished { report } => {
                if let Some((sender, parts)) = &self.when_finished {
                    let _ = sender.send(*parts);
                }
                format!("finished {}", report.id)
            }
            RunEvent::Notice { text } => format!("notice {text}"),
            RunEvent::Ended { .. } => "ended".to_owned(),
        });
        Ok(())
    }
}

/// One run in a folder of its own.
struct Trial {
    folder: tempfile::TempDir,
    notes: Notes,
    jobs: usize,
    timeout: Duration,
    grace: Duration,
    parts: Option<watch::Receiver<Parts>>,
    /// The scenarios that say that they create no cluster.
    azure_only: &'static [&'static str],
}

impl Trial {
    fn new() -> Self {
        let minute = Duration::from_secs(60);
        Self {
            folder: tempfile::tempdir().unwrap(),
            notes: Notes::default(),
            jobs: 2,
            timeout: minute,
            grace: minute,
            parts: None,
            azure_only: &[],
        }
    }

    fn junit(&self, name: &str) -> PathBuf {
        self.folder.path().join("junit").join(format!("TEST-fake.{name}.xml"))
    }

    fn artefact(&self, scenario: &str, name: &str) -> PathBuf {
        self.folder.path().join("run").join(format!("fake.{scenario}")).join(name)
    }

    async fn run(&mut self, filters: &[&str]) -> Outcome {
        let suites = SuiteFolder::at(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/suites"));
        let mut scenarios = list(&suites.open().unwrap()).await.unwrap();
        for scenario in &mut scenarios {
            if self.azure_only.iter().any(|name| scenario.id.to_string() == format!("fake::{name}")) {
                let place = SourcePlace { file: "fake.rs".into(), line: 1 };
                scenario.source = Some(ScenarioSource { doc: String::new(), azure_only: true, place });
            }
        }
        let filters: Vec<String> = filters.iter().map(|name| format!("fake::{name}")).collect();
        let mut facts = Facts::default();
        facts.set("kubernetes", "1.34.4");
        let plan = Plan {
            scenarios: select(scenarios, &filters).unwrap(),
            jobs: self.jobs,
            parts: self.parts.clone(),
            seed: 7,
            keep: true,
            provisioner: Some("/bin/karpenter".into()),
            provisioner_version: Some("1.6.3".into()),
            kubernetes_version: None,
            fresh_clusters: false,
            lender: None,
            timeout: self.timeout,
            grace: self.grace,
            folder: RunFolder::at(&self.folder.path().join("run")).unwrap(),
            facts,
            command: "catnap run".into(),
            target: None,
            labs: Some(2),
            clock: Some(ClockKind::Real),
            patience: Some(Duration::from_secs(60)),
            options: vec!["--provisioner-version".into(), "1.6.3".into()],
        };
        let (sender, stop) = watch::channel(Stop::NotYet);
        if self.notes.stop != Stop::NotYet {
            self.notes.on_step = Some(sender);
        }
        let run = plan.folder.path();
        let reporters = Reporters::new(vec![
            Box::new(JunitFiles::into_folder(self.folder.path().join("junit"))),
            Box::new(Results::of(run)),
            Box::new(Keeper::of(run)),
            Box::new(&mut self.notes),
        ]);
        plan.run(reporters, stop).await.unwrap()
    }

    async fn report_of(&mut self, scenario: &str) -> ScenarioReport {
        self.run(&[scenario]).await.reports.remove(0)
    }
}

fn is_alive(file: &Path) -> bool {
    let number = std::fs::read_to_string(file).unwrap().trim().parse().unwrap();
    // A zombie of ours counts as gone: `sleep` is init's child by then.
    kill(Pid::from_raw(number), None).is_ok()
        && !std::fs::read_to_string(format!("/proc/{number}/stat")).is_ok_and(|stat| stat.contains(") Z "))
}

#[tokio::test]
async fn a_scenario_that_passes_is_told_from_start_to_end() {
    let mut trial = Trial::new();
    let report = trial.report_of("passes").await;
    assert_eq!(report.verdict, Verdict::Passed { assertions: 2 });
    assert_eq!(
        report.facts.iter().collect::<Vec<_>>(),
        [("kubernetes", "1.34.4"), ("seed", "7"), ("target", "embedded")]
    );
    assert_eq!(report.repeat, "catnap run fake::passes --seed 7 --provisioner-version 1.6.3");
    let names: Vec<_> = report.attachments.iter().map(|path| path.file_name().unwrap()).collect();
    assert_eq!(names, ["output.log", "history.jsonl"]);
    let lines: Vec<&str> = trial.notes.lines.iter().map(String::as_str).collect();
    assert_eq!(lines[..2], ["planned 1 by 1", "started fake::passes"]);
    assert!(lines.contains(&r#"told fake::passes {"line":"counts","nodes":3,"pods":7,"vms":3}"#), "{lines:?}");
    assert_eq!(lines[lines.len() - 2..], ["finished fake::passes", "ended"]);
    let junit = std::fs::read_to_string(trial.junit("passes")).unwrap();
    assert!(junit.contains(r#"failures="0""#) && junit.contains("history.jsonl]]"), "{junit}");
    assert!(junit.contains(r#"<property name="core-seconds" value="6.000"/>"#), "{junit}");
    let kept = KeptRun::read(&trial.folder.path().join("run")).unwrap();
    assert_eq!((kept.plan.seed, kept.plan.command.as_str(), kept.not_started), (7, "catnap run", 0));
    assert!(kept.ended.is_some_and(|ended| ended >= kept.plan.started));
    assert_eq!((&kept.reports[0].verdict, &kept.reports[0].facts), (&report.verdict, &report.facts));
    assert_eq!(kept.reports[0].attachments, report.attachments);
    // The next run asks for them.
    let results = crate::coverage::results_in(&trial.folder.path().join("run"));
    assert_eq!(results[0].seconds.map(f64::from), Some(f64::from(Seconds(report.took))));
    assert_eq!(results[0].costs, report.costs);
    assert_eq!(report.costs.unwrap().to_string(), "6.0 core-seconds: kube-apiserver 4.5, etcd 1.5");
}

#[tokio::test]
async fn every_way_of_ending_has_its_verdict_and_its_junit_file() {
    let mut trial = Trial::new();
    let expected: [(&str, Expected, &str); 9] = [
        ("passes", |v| matches!(v, Verdict::Passed { .. }), ""),
        ("fails", |v| matches!(v, Verdict::Failed { .. }), "expected 3 nodes, saw 2"),
        ("panics", |v| matches!(v, Verdict::Failed { .. }), "panicked at suites/tests/fake.rs:3:5: the pod vanished"),
        ("says_nothing", |v| matches!(v, Verdict::Failed { .. }), "asserted nothing"),
        ("contradicts", |v| matches!(v, Verdict::Failed { .. }), "ended with status 101"),
        ("killed", |v| matches!(v, Verdict::Failed { .. }), "signal 9 (SIGKILL)"),
        ("cannot_run", |v| matches!(v, Verdict::CouldNotRun { .. }), "Go is missing"),
        ("skipped", |v| matches!(v, Verdict::Skipped { .. }), "cannot move its clock"),
        ("later", |v| matches!(v, Verdict::Skipped { .. }), "#[ignore]"),
    ];
    let outcome = trial.run(&expected.map(|(name, ..)| name)).await;
    assert_eq!(outcome.reports.len(), expected.len());
    assert_eq!(outcome.exit_code(), 1);
    for (name, is_expected, message) in expected {
        let report = outcome.reports.iter().find(|report| report.id.name() == name).unwrap();
        assert!(is_expected(&report.verdict), "{name}: {:?}", report.verdict);
        assert!(report.verdict.message().contains(message), "{name}: {:?}", report.verdict);
        let junit = std::fs::read_to_string(trial.junit(name)).unwrap();
        assert!(junit.contains(&format!(r#"testcase name="{name}" classname="fake""#)), "{junit}");
    }
    let junit = std::fs::read_to_string(trial.junit("fails")).unwrap();
    assert!(junit.contains("a line of output") && junit.contains("again: catnap run fake::fails --seed 7"), "{junit}");
}

#[tokio::test]
async fn what_an_earlier_run_recorded_is_gone_and_what_is_not_ours_is_not() {
    let mut trial = Trial::new();
    trial.run(&["passes"]).await;
    let stale = trial.artefact("passes", "old.log");
    std::fs::write(&stale, "").unwrap();
    let foreign = trial.artefact("fails", "notes");
    std::fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    std::fs::write(&foreign, "").unwrap();
    let outcome = trial.run(&["passes", "fails"]).await;
    assert_eq!(outcome.exit_code(), 1);
    assert!(!stale.exists() && foreign.exists());
}

#[tokio::test]
async fn exit_codes_tell_failure_from_what_could_not_run() {
    for (names, code) in [
        (&["passes", "skipped"][..], 0),
        (&["passes", "fails"], 1),
        (&["passes", "cannot_run"], 2),
        (&["cannot_run", "fails"], 1),
    ] {
        assert_eq!(Trial::new().run(names).await.exit_code(), code, "{names:?}");
    }
}

#[tokio::test]
async fn where_the_first_could_not_run_no_more_are_started() {
    let mut trial = Trial::new();
    trial.jobs = 1;
    // They start in the suite's order.
    let outcome = trial.run(&["cannot_run", "skipped", "later"]).await;
    assert_eq!((outcome.reports.len(), outcome.not_started, outcome.exit_code()), (1, 2, 2));
    let mut trial = Trial::new();
    trial.jobs = 1;
    // One that has run shows that scenarios can be.
    let outcome = trial.run(&["passes", "cannot_run", "skipped"]).await;
    assert_eq!((outcome.reports.len(), outcome.not_started), (3, 0));
}

#[tokio::test]
async fn a_scenario_is_told_what_it_needs_and_nothing_of_cargo() {
    let mut trial = Trial::new();
    trial.run(&["reads_its_environment"]).await;
    let environment = std::fs::read_to_string(trial.artefact("reads_its_environment", "environment")).unwrap();
    let folder = trial.artefact("reads_its_environment", "").canonicalize().unwrap();
    for variable in [
        "CATNAP_SCENARIO=fake::reads_its_environment",
        "CATNAP_SEED=7",
        "CATNAP_KEEP=1",
        "CATNAP_LABS=2",
        "CATNAP_CLOCK=real",
        "CATNAP_PATIENCE=60s",
        "CATNAP_PROVISIONER=/bin/karpenter",
        "CATNAP_PROVISIONER_VERSION=1.6.3",
        &format!("CATNAP_ARTEFACTS={}", folder.display()),
        &format!("CATNAP_PROGRESS={}/progress.jsonl", folder.display()),
        "CATNAP_REPEAT=catnap run fake::reads_its_environment --seed 7 --provisioner-version 1.6.3",
    ] {
        assert!(environment.lines().any(|line| line == variable), "{variable} is missing in\n{environment}");
    }
    // `cargo test` sets it for us.
    assert!(!environment.contains("CARGO_PKG_NAME"), "{environment}");
    let arguments = std::fs::read_to_string(trial.artefact("reads_its_environment", "arguments")).unwrap();
    assert_eq!(arguments.trim(), "--exact reads_its_environment --nocapture --test-threads=1");
}

#[tokio::test]
async fn what_a_scenario_leaves_in_its_group_is_gone_after_it() {
    let mut trial = Trial::new();
    let report = trial.report_of("leaves_a_child").await;
    assert_eq!(report.verdict, Verdict::Passed { assertions: 2 });
    let child = trial.artefact("leaves_a_child", "child");
    let patience = Instant::now();
    while is_alive(&child) {
        assert!(patience.elapsed() < Duration::from_secs(10), "the child is still there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_scenario_that_takes_too_long_has_failed_and_its_step_is_named() {
    let mut trial = Trial::new();
    trial.timeout = Duration::from_secs(2);
    let report = trial.report_of("hangs").await;
    let Verdict::Failed { message, .. } = &report.verdict else { panic!("{report:?}") };
    assert_eq!(message, "timed out after 2.0s, in the step `wait for ever`");
    assert!(trial.junit("hangs").exists());
}

#[tokio::test]
async fn a_scenario_that_takes_too_long_may_clean_up() {
    let mut trial = Trial::new();
    trial.timeout = Duration::from_secs(2);
    let report = trial.report_of("cleans_up").await;
    assert!(report.verdict.message().starts_with("timed out after"), "{report:?}");
    assert!(trial.artefact("cleans_up", "cleaned").exists());
}

#[tokio::test]
async fn a_scenario_that_will_not_end_is_killed_after_its_grace() {
    let mut trial = Trial::new();
    (trial.timeout, trial.grace) = (Duration::from_millis(300), Duration::from_millis(300));
    let report = trial.report_of("stubborn").await;
    assert!(report.verdict.message().starts_with("timed out after"), "{report:?}");
}

#[tokio::test]
async fn an_interrupted_run_lets_scenarios_clean_up_and_starts_no_more() {
    let mut trial = Trial::new();
    (trial.jobs, trial.notes.stop) = (1, Stop::Graceful);
    let outcome = trial.run(&["cleans_up", "says_nothing"]).await;
    // They start in the suite's order, in which `says_nothing` comes first.
    assert_eq!(outcome.reports.len(), 2);
    let report = outcome.reports.last().unwrap();
    assert_eq!(
        report.verdict,
        Verdict::CouldNotRun { message: "the run was interrupted, in the step `wait for the signal`".into() }
    );
    assert!(trial.artefact("cleans_up", "cleaned").exists());
    assert!(trial.junit("cleans_up").exists());

    let mut trial = Trial::new();
    (trial.jobs, trial.notes.stop) = (1, Stop::Graceful);
    let outcome = trial.run(&["hangs", "cleans_up", "reads_its_environment"]).await;
    assert_eq!((outcome.reports.len(), outcome.not_started), (1, 2));
    assert_eq!(outcome.exit_code(), 2);
    assert!(!trial.junit("reads_its_environment").exists());
}

#[tokio::test]
async fn a_second_interrupt_kills() {
    let mut trial = Trial::new();
    trial.notes.stop = Stop::Immediate;
    let report = trial.report_of("stubborn").await;
    assert!(report.verdict.message().starts_with("the run was interrupted"), "{report:?}");
}

/// Which scenarios have ended, in their order, and how many were not started.
fn ended(outcome: &Outcome) -> (Vec<String>, usize) {
    (outcome.reports.iter().map(|report| report.id.to_string()).collect(), outcome.not_started)
}

#[tokio::test]
async fn while_programs_are_built_only_what_has_no_clusters_starts() {
    let (tell, parts) = watch::channel(Parts::InTheMaking);
    let mut trial = Trial::new();
    (trial.parts, trial.azure_only, trial.jobs) = (Some(parts), &["passes"], 1);
    trial.notes.when_finished = Some((tell, Parts::Ready));
    let outcome = trial.run(&["fails", "passes"]).await;
    assert_eq!(ended(&outcome), (vec!["fake::passes".into(), "fake::fails".into()], 0));
}

#[tokio::test]
async fn without_programs_only_what_has_no_clusters_runs_and_the_rest_is_told_as_not_started() {
    for tell in [Some(Parts::Missing), None] {
        let (teller, parts) = watch::channel(Parts::InTheMaking);
        let mut trial = Trial::new();
        (trial.parts, trial.azure_only) = (Some(parts), &["passes"]);
        match tell {
            Some(parts) => teller.send(parts).unwrap(),
            None => drop(teller),
        }
        let outcome = trial.run(&["fails", "passes"]).await;
        assert_eq!(outcome.exit_code(), 2);
        assert_eq!(outcome.not_started, 2, "{tell:?}: who makes them has given up before the first began");
    }
    let (teller, parts) = watch::channel(Parts::InTheMaking);
    let mut trial = Trial::new();
    (trial.parts, trial.azure_only) = (Some(parts), &["passes"]);
    trial.notes.when_finished = Some((teller, Parts::Missing));
    let outcome = trial.run(&["fails", "passes"]).await;
    assert_eq!(ended(&outcome), (vec!["fake::passes".into()], 1));
    assert_eq!(outcome.exit_code(), 2);
}

#[tokio::test]
async fn a_suite_that_is_gone_could_not_run() {
    let mut trial = Trial::new();
    let folder = RunFolder::at(&trial.folder.path().join("run")).unwrap();
    let plan = Plan {
        scenarios: vec![Scenario {
            id: crate::report::ScenarioId::new("gone", "a"),
            source: None,
            ignored: false,
            executable: "/does/not/exist".into(),
        }],
        jobs: 0,
        parts: None,
        seed: 1,
        keep: false,
        provisioner: None,
        provisioner_version: None,
        kubernetes_version: None,
        fresh_clusters: false,
        lender: None,
        timeout: trial.timeout,
        grace: trial.grace,
        folder,
        facts: Facts::default(),
        command: "catnap run".into(),
        target: None,
        labs: None,
        clock: None,
        patience: None,
        options: Vec::new(),
    };
    let (_sender, stop) = watch::channel(Stop::NotYet);
    let outcome = plan.run(Reporters::new(vec![Box::new(&mut trial.notes)]), stop).await.unwrap();
    assert_eq!(outcome.exit_code(), 2);
    assert!(outcome.reports[0].verdict.message().contains("/does/not/exist"), "{outcome:?}");
}

#[tokio::test]
async fn what_is_no_suite_is_an_error_that_says_so() {
    let not_there = list(&[Suite::new("a", "/does/not/exist")]).await.unwrap_err().to_string();
    assert!(not_there.contains("/does/not/exist"), "{not_there}");
    let no_libtest = list(&[Suite::new("echo", "/bin/echo")]).await.unwrap_err().to_string();
    assert!(no_libtest.contains("it answered `--list --format terse`"), "{no_libtest}");
    let fails = list(&[Suite::new("false", "/bin/false")]).await.unwrap_err().to_string();
    assert!(fails.contains("exit status: 1"), "{fails}");
}
