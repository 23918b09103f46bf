//! JUnit: one file per scenario, written as it ends, in the subset that Jenkins, GitLab, Azure Pipelines and the
//! GitHub reporters read alike. What some of them drop (properties) stands in `system-out` as well.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, FixedOffset, Utc};
use jiff::Timestamp;
use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::event::{Reporter, RunEvent, Untold};
use super::scenario::{ScenarioId, ScenarioReport, Verdict};
use super::whole_file::write_whole;
use crate::source::SourcePlace;

/// Azure Pipelines refuses longer names.
const LONGEST_NAME: usize = 512;
/// Messages stand in lists of failures, where more would be in the way; bodies hold all of it.
const LONGEST_MESSAGE: usize = 1000;

/// A JUnit file that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the JUnit file {}: {cause}; give a folder that can be written to", path.display())]
pub struct JunitError {
    path: PathBuf,
    cause: std::io::Error,
}

/// The name of a scenario's file: `TEST-<suite>.<scenario>.xml`, which is what Azure Pipelines looks for by default.
#[must_use]
pub fn file_name(id: &ScenarioId) -> String {
    format!("TEST-{}.xml", id.file_stem())
}

/// Writes the scenario's file into `directory`, whole or not at all, and returns its path.
///
/// # Errors
/// When the folder cannot be made or the file not written.
pub fn write(report: &ScenarioReport, directory: &Path) -> Result<PathBuf, JunitError> {
    let path = directory.join(file_name(&report.id));
    let text = render(report, &hostname(), &attachment_root());
    match write_whole(&path, text.as_bytes()) {
        Ok(()) => Ok(path),
        Err(cause) => Err(JunitError { path, cause }),
    }
}

/// Writes a JUnit file for each scenario of a run as it ends.
#[derive(Debug)]
pub struct JunitFiles {
    directory: PathBuf,
}

impl JunitFiles {
    /// Writes them into `directory`.
    #[must_use]
    pub fn into_folder(directory: PathBuf) -> Self {
        Self { directory }
    }
}

impl Reporter for JunitFiles {
    fn hear(&mut self, event: &RunEvent) -> Result<(), Untold> {
        match event {
            RunEvent::Planned { plan } => {
                for scenario in &plan.scenarios {
                    // A file of an earlier run must not speak for a scenario that this one does not get to.
                    let _ = std::fs::remove_file(self.directory.join(file_name(scenario)));
                }
            }
            RunEvent::Finished { report } => drop(write(report, &self.directory)?),
            RunEvent::Started { .. } | RunEvent::Told { .. } | RunEvent::Notice { .. } | RunEvent::Ended { .. } => {}
        }
        Ok(())
    }
}

fn hostname() -> String {
    nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok()).unwrap_or_else(|| "unknown".to_owned())
}

/// What attachments are named relative to: where a CI system checked the project out, else the working directory.
fn attachment_root() -> PathBuf {
    std::env::var_os("CI_PROJECT_DIR")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| std::env::current_dir().ok())
        .unwrap_or_default()
}

/// The text of the scenario's file.
fn render(report: &ScenarioReport, hostname: &str, root: &Path) -> String {
    let started = stamp(report.started);
    let known = known(report);
    let properties = known.iter().map(|(name, value)| Property::new(clean(name), clean(value)));

    let mut case = TestCase::new(shortened(report.id.name(), LONGEST_NAME), status(&report.verdict));
    case.set_classname(report.id.suite());
    case.set_timestamp(started);
    case.set_time(report.took);
    if let Some(SourcePlace { file, line }) = &report.place {
        case.extra.insert("file".into(), clean(&file.to_string_lossy()).into());
        case.extra.insert("line".into(), line.to_string().into());
    }
    if let Verdict::Passed { assertions } = report.verdict {
        case.set_assertions(assertions);
    }
    case.add_properties(properties.clone());
    case.set_system_out(clean(&system_out(report, &known, root)));

    let mut suite = TestSuite::new(report.id.suite());
    suite.set_timestamp(started);
    suite.set_time(report.took);
    suite.extra.insert("hostname".into(), clean(hostname).into());
    suite.add_properties(properties);
    suite.add_test_case(case);

    let mut junit = Report::new("catnap");
    junit.set_timestamp(started);
    junit.set_time(report.took);
    junit.add_test_suite(suite);
    junit.to_string().expect("text without forbidden characters is always XML")
}

fn status(verdict: &Verdict) -> TestCaseStatus {
    let non_success = |kind, message: &str, what: &str, body: &str| {
        // Readers show the message, the body or both; none may be empty.
        let message = if message.trim().is_empty() { what } else { message };
        let mut body = if body.trim().is_empty() { message.to_owned() } else { body.to_owned() };
        let line = one_line(message);
        let shown = shortened(&line, LONGEST_MESSAGE);
        if shown != line && !body.contains(message) {
            body = format!("{message}\n\n{body}");
        }
        let mut status = match kind {
            Some(kind) => TestCaseStatus::non_success(kind),
            None => TestCaseStatus::skipped(),
        };
        status.set_message(shown).set_type(what).set_description(clean(&body));
        status
    };
    match verdict {
        Verdict::Passed { .. } => TestCaseStatus::success(),
        Verdict::Failed { message, body } => non_success(Some(NonSuccessKind::Failure), message, "failed", body),
        Verdict::CouldNotRun { message } => non_success(Some(NonSuccessKind::Error), message, "could not run", message),
        // A format without expected failures: readers that know them take them for skipped ones of this type.
        Verdict::KnownFault { fault, message } => {
            non_success(None, &format!("known fault {fault}: {message}"), "known fault", message)
        }
        Verdict::Skipped { reason } => non_success(None, reason, "skipped", reason),
    }
}

/// What is known of how the scenario ran, by name: its facts, then what it cost, in seconds. CPU time of all processes is
/// `core-seconds`, that of one is `core-seconds.etcd`.
fn known(report: &ScenarioReport) -> Vec<(String, String)> {
    let mut known: Vec<_> = report.facts.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if let Some(costs) = &report.costs {
        let seconds = |time: Duration| format!("{:.3}", time.as_secs_f64());
        known.push(("core-seconds".to_owned(), seconds(costs.total())));
        let processes = costs.processes().into_iter();
        known.extend(processes.map(|(process, used)| (format!("core-seconds.{process}"), seconds(used))));
        known.push(("cluster-seconds".to_owned(), seconds(costs.cluster_time())));
    }
    known
}

/// What is known first, then attachments, then what it printed. Text of a scenario is never in the way of the tags.
fn system_out(report: &ScenarioReport, known: &[(String, String)], root: &Path) -> String {
    let mut text = String::new();
    for (name, value) in known {
        text.push_str(&format!("{name}: {}\n", one_line(value)));
    }
    if !matches!(report.verdict, Verdict::Passed { .. }) && !report.repeat.is_empty() {
        text.push_str(&format!("again: {}\n", one_line(&report.repeat)));
    }
    for path in &report.attachments {
        let shown = path.strip_prefix(root).unwrap_or(path);
        text.push_str(&format!("[[ATTACHMENT|{}]]\n", shown.display()));
    }
    if !report.output.is_empty() {
        text.push_str("\nlast lines of output:\n");
        text.push_str(&report.output.replace("[[ATTACHMENT|", "[ATTACHMENT|"));
    }
    text
}

fn stamp(at: Timestamp) -> DateTime<FixedOffset> {
    let nanoseconds = u32::try_from(at.subsec_nanosecond()).unwrap_or_default();
    DateTime::<Utc>::from_timestamp(at.as_second(), nanoseconds).unwrap_or_default().fixed_offset()
}

/// Text that XML can hold. Escape sequences and control characters are taken out by quick-junit; it would take out tabs
/// with them, and it leaves the two code points that are no characters.
fn clean(text: &str) -> String {
    text.replace('\t', "    ").replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

fn one_line(text: &str) -> String {
    clean(text).lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

fn shortened(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Costs, Facts};
    use crate::source::SuiteSource;
    use proptest::prelude::*;

    fn report(verdict: Verdict) -> ScenarioReport {
        let mut facts = Facts::default();
        facts.set("seed", "42");
        facts.set("target", "embedded");
        facts.set("karpenter-azure", "1.7.1");
        ScenarioReport {
            id: ScenarioId::new("custom_vnet", "fallback::case_1_default"),
            place: Some(SourcePlace { file: "suites/tests/custom_vnet/main.rs".into(), line: 42 }),
            verdict,
            started: "2026-11-21T06:33:00.25Z".parse().unwrap(),
            took: Duration::from_millis(12_340),
            facts,
            costs: None,
            attachments: vec![
                "/checkout/target/catnap/run/custom_vnet.fallback.case_1_default/history.jsonl".into(),
                "/elsewhere/karpenter.log".into(),
            ],
            output: String::new(),
            repeat: "catnap run custom_vnet::fallback::case_1_default --seed 42".into(),
        }
    }

    fn rendered(verdict: Verdict) -> String {
        render(&report(verdict), "agent-1", Path::new("/checkout"))
    }

    #[test]
    fn a_scenario_that_passed() {
        let mut report = report(Verdict::Passed { assertions: 4 });
        let mut costs = Costs::over(Duration::from_secs(900));
        costs.add("etcd", Duration::from_millis(1250));
        costs.add("kube-apiserver", Duration::from_millis(4100));
        report.costs = Some(costs);
        insta::assert_snapshot!(render(&report, "agent-1", Path::new("/checkout")));
    }

    #[test]
    fn a_scenario_that_failed() {
        let mut report = report(Verdict::Failed {
            message:
                "expected all nodes of pool \"custom\" in custom-subnet,\n saw <1> elsewhere & \u{1b}[31mred\u{1b}[0m"
                    .into(),
            body: "timeline:\n\t06:33:01 \u{1b}[1mNIC\u{1b}[0m aks-custom-1 took 10.0.1.4 ]]>\u{0}".into(),
        });
        report.output = "[[ATTACHMENT|/etc/passwd]]\nthread panicked\n".into();
        insta::assert_snapshot!(render(&report, "agent-1", Path::new("/checkout")));
    }

    #[test]
    fn a_scenario_that_could_not_run() {
        insta::assert_snapshot!(rendered(Verdict::CouldNotRun { message: "Go is missing: install Go 1.26".into() }));
    }

    #[test]
    fn a_scenario_that_was_skipped() {
        insta::assert_snapshot!(rendered(Verdict::Skipped { reason: "the target cannot move its clock".into() }));
    }

    #[test]
    fn readers_get_back_what_was_written() {
        let text = rendered(Verdict::Failed { message: "a < b".into(), body: "line 1\nline 2".into() });
        let junit = Report::deserialize_from_str(&text).unwrap();
        assert_eq!((junit.tests, junit.failures, junit.errors, junit.skipped), (1, 1, 0, 0));
        let suite = &junit.test_suites[0];
        assert_eq!(suite.name.as_str(), "custom_vnet");
        assert_eq!(suite.extra.get("hostname").unwrap().as_str(), "agent-1");
        let case = &suite.test_cases[0];
        assert_eq!(case.classname.as_ref().unwrap().as_str(), "custom_vnet");
        assert_eq!(case.name.as_str(), "fallback::case_1_default");
        assert_eq!(case.extra.get("file").unwrap().as_str(), "suites/tests/custom_vnet/main.rs");
        assert_eq!(case.extra.get("line").unwrap().as_str(), "42");
        assert_eq!(case.time, Some(Duration::from_millis(12_340)));
        let TestCaseStatus::NonSuccess { kind, message, description, .. } = &case.status else { panic!("{case:?}") };
        assert_eq!(*kind, NonSuccessKind::Failure);
        assert_eq!(message.as_ref().unwrap().as_str(), "a < b");
        assert_eq!(description.as_ref().unwrap().as_str(), "line 1\nline 2");
    }

    #[test]
    fn a_failure_always_has_a_message_and_a_body() {
        let text = rendered(Verdict::Failed { message: String::new(), body: String::new() });
        assert!(text.contains(r#"<failure message="failed" type="failed">failed</failure>"#), "{text}");
    }

    #[test]
    fn names_are_kept_within_what_azure_pipelines_takes() {
        assert_eq!(shortened("short", LONGEST_NAME), "short");
        assert_eq!(shortened(&"é".repeat(600), LONGEST_NAME).chars().count(), 512);
    }

    #[test]
    fn a_long_message_is_cut_and_stands_whole_in_the_body() {
        let message = "word ".repeat(500);
        let text = rendered(Verdict::Failed { message: message.clone(), body: "the story".into() });
        assert!(text.contains("word…\"") || text.contains("wor…\""), "{text}");
        assert!(text.contains(&format!("{message}\n\nthe story")), "{text}");
    }

    #[test]
    fn a_file_is_there_as_a_whole_with_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("new/junit");
        let report = report(Verdict::Passed { assertions: 1 });
        let path = write(&report, &directory).unwrap();
        assert_eq!(path, write(&report, &directory).unwrap(), "a second time replaces the first");
        let names: Vec<_> = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["TEST-custom_vnet.fallback.case_1_default.xml"]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = write(&report(Verdict::Passed { assertions: 1 }), &file.join("junit")).unwrap_err().to_string();
        assert!(error.contains("file/junit/TEST-custom_vnet") && error.contains("folder"), "{error}");
    }

    /// Where the name of the suite was taken for that of its file, eleven of sixteen suites led nowhere.
    #[test]
    fn every_scenario_of_every_suite_is_where_its_file_says() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut scenarios = 0;
        for (suite, source) in SuiteSource::all_of_this_build() {
            assert!(!source.scenarios.is_empty(), "{suite} has no scenario");
            for (name, source) in source.scenarios {
                let mut report = report(Verdict::Passed { assertions: 1 });
                (report.id, report.place) = (ScenarioId::new(&suite, &name), Some(source.place));
                let junit = Report::deserialize_from_str(&render(&report, "agent-1", Path::new("/"))).unwrap();
                let extra = &junit.test_suites[0].test_cases[0].extra;
                let file = workspace.join(extra.get("file").unwrap().as_str());
                let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
                let line: usize = extra.get("line").unwrap().as_str().parse().unwrap();
                let function = format!("fn {}(", name.rsplit("::").next().unwrap());
                let found = text.lines().nth(line - 1).unwrap();
                assert!(found.contains(&function), "{}:{line}: {found}", file.display());
                scenarios += 1;
            }
        }
        assert!(scenarios > 200, "{scenarios}");
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_file(message in any::<String>(), body in any::<String>(), output in any::<String>()) {
            let mut report = report(Verdict::Failed { message, body });
            report.output = output;
            let text = render(&report, "agent-1", Path::new("/checkout"));
            let junit = Report::deserialize_from_str(&text).unwrap();
            prop_assert_eq!(junit.failures, 1);
        }
    }
}
