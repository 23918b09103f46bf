//! What becomes of a scenario, and what tells a known fault from others.

use std::path::PathBuf;

use super::run::run_in;
use super::{Needs, run};
use crate::expect::breaks;
use crate::expect::{Expectation, Failure, State};
use crate::lab::Lab;
use crate::report::{Costs, Line, ProgressReader, ProgressWriter};
use crate::settings::Settings;

fn broken(assertion: &str) -> Failure {
    Failure::new(format!("expected: {assertion}\n    seen: something else")).of_assertion(assertion)
}

fn sign(holds: bool) -> Expectation {
    let verdict = move |_: &State| if holds { Ok(()) } else { Err("it is Ready".to_owned()) };
    Expectation::new("the node class is not Ready", verdict)
}

#[test]
fn a_failure_is_the_known_one_where_it_breaks_the_same_assertion() {
    let fault = breaks("pods of web: all running");
    let state = State::default();
    assert_eq!(fault.is_of(&broken("pods of web: all running within 5m"), &state), Ok(()));
    for other in [
        broken("pods of other: all running within 5m"),
        broken("exactly 2 nodes (now)"),
        Failure::new("LinkedAuthorizationFailed: pods of web: all running"),
        Failure::skipped("pods of web: all running"),
        Failure::could_not_run("pods of web: all running"),
    ] {
        let why = fault.is_of(&other, &state).unwrap_err();
        assert!(why.contains("`pods of web: all running`"), "{other}: {why}");
    }
}

#[test]
fn a_failure_is_another_one_where_the_sign_of_the_fault_is_missing() {
    let failure = broken("pods of web: all running within 5m");
    let state = State::default();
    assert_eq!(breaks("pods of web").with_sign(sign(true)).is_of(&failure, &state), Ok(()));
    let why = breaks("pods of web").with_sign(sign(false)).is_of(&failure, &state).unwrap_err();
    assert!(why.contains("the node class is not Ready") && why.contains("it is Ready"), "{why}");
}

#[tokio::test]
async fn a_failure_that_a_scenario_recovers_from_is_none() {
    let outcome = run(Needs::default(), async |lab: &Lab| {
        if lab.verify("the first way", 1, 2).is_err() {
            return lab.verify("the second way", 2, 2);
        }
        Err(Failure::new("the first way is open"))
    });
    assert!(outcome.await.is_ok());
}

#[tokio::test]
async fn a_scenario_that_is_skipped_goes_no_further_and_is_no_failure() {
    let outcome = run(Needs::default(), async |lab: &Lab| {
        lab.needs_provisioner_since("999.0.0", "the far future is known")?;
        lab.verify("what comes after", 1, 2)
    });
    assert!(outcome.await.is_ok());
}

#[tokio::test]
async fn a_scenario_that_asserts_nothing_fails() {
    let failure = run(Needs::default(), async |_: &Lab| Ok(())).await.unwrap_err();
    assert!(failure.text().contains("proves nothing"), "{failure}");
}

#[tokio::test]
async fn what_the_last_step_returns_is_the_failure_of_a_scenario() {
    let failure = run(Needs::default(), async |lab: &Lab| lab.verify("one", 1, 2)).await.unwrap_err();
    assert!(failure.text().starts_with("expected: one = 1\n    seen: 2"), "{failure}");
}

#[tokio::test]
async fn a_request_that_nothing_serves_fails_the_scenario() {
    let outcome = run(Needs::default(), async |lab: &Lab| {
        let id = format!("/subscriptions/{}/providers/Microsoft.Unheard/of", lab.azure().subscription_id());
        let answer = lab.azure().client().get(&id, "2025-01-01").await;
        lab.verify("the request is refused", true, answer.is_err())
    });
    let failure = outcome.await.unwrap_err();
    let says = "a request went to a route that fake-arm does not serve: GET /subscriptions/";
    assert!(failure.text().contains(says), "{failure}");
}

#[tokio::test]
async fn a_failed_scenario_leaves_a_history_that_can_be_read() {
    let mut folder = PathBuf::new();
    let outcome = run(Needs::default(), async |lab: &Lab| {
        lab.folder().clone_into(&mut folder);
        lab.verify("one and one", 3, 1 + 1)
    });
    outcome.await.unwrap_err();

    let history = std::fs::read_to_string(folder.join("history.jsonl")).unwrap();
    // What Azure tells of its own start may come behind it.
    let records = history.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let assertion = records.into_iter().find(|record| record["event"] == "assertion").unwrap();
    assert_eq!(assertion["held"].as_bool(), Some(false));
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn what_a_scenario_cost_is_told_before_its_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("progress.jsonl");
    let progress = ProgressWriter::to_file(&path);
    let lab = Lab::start(Settings::from_env().unwrap(), progress.clone()).await;
    let outcome = run_in(lab, progress, async |lab: &Lab| {
        // A process of the lab that has ended before the lab does.
        lab.clock_drift().await.map_err(Failure::new)?;
        lab.verify("one and one", 2, 1 + 1)
    });
    outcome.await.unwrap();

    let lines = ProgressReader::new(path).read();
    let costs = lines.iter().position(|line| matches!(line, Line::Costs(_))).expect("costs are told");
    assert!(lines[costs..].iter().any(|line| matches!(line, Line::Verdict { .. })), "{lines:?}");
    let Line::Costs(costs) = &lines[costs] else { unreachable!() };
    let names: Vec<_> = costs.processes().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [Costs::OWN_PROCESS, "date"]);
    assert!(!costs.cluster_time().is_zero());
}
