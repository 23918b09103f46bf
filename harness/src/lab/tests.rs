//! What a lab makes of a scenario's end.

use crate::expect::Kind;
use serde_json::json;

use super::{Lab, Settings};
use crate::manifest::deployment;
use crate::report::{Costs, Line, ProgressReader, ProgressWriter};

async fn lab() -> Lab {
    let settings = Settings::from_env().expect("the environment makes sense");
    Lab::start(settings, ProgressWriter::silent()).await.unwrap_or_else(|error| panic!("{}", error.explain()))
}

#[tokio::test]
async fn a_scenario_whose_assertion_held_passes() {
    let lab = lab().await;
    lab.verify("one and one", 2, 1 + 1).unwrap();
}

#[tokio::test]
#[should_panic(expected = "the scenario ended without evaluating a single assertion")]
async fn a_scenario_without_an_assertion_fails() {
    let lab = lab().await;
    lab.azure().ensure_group().await.unwrap();
}

#[tokio::test]
#[should_panic(expected = "a request went to a route that fake-arm does not serve: GET /subscriptions/")]
async fn a_request_that_nothing_serves_fails_the_scenario() {
    let lab = lab().await;
    let id = format!("/subscriptions/{}/providers/Microsoft.Unheard/of", lab.azure().subscription_id());
    let answer = lab.azure().client().get(&id, "2025-01-01").await;
    lab.verify("the request is refused", true, answer.is_err()).unwrap();
}

#[tokio::test]
async fn a_failed_scenario_leaves_a_history_that_can_be_read() {
    let lab = lab().await;
    let folder = lab.folder().to_owned();
    lab.verify("one and one", 3, 1 + 1).unwrap_err();
    drop(lab);

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
    let progress = folder.path().join("progress.jsonl");
    let settings = Settings::from_env().expect("the environment makes sense");
    let lab = Lab::start(settings, ProgressWriter::to_file(&progress)).await;
    let lab = lab.unwrap_or_else(|error| panic!("{}", error.explain()));
    // A process of the lab that has ended before the lab does.
    lab.clock_drift().await.unwrap();
    lab.verify("one and one", 2, 1 + 1).unwrap();
    drop(lab);

    let told = ProgressReader::new(progress).read();
    let costs = told.iter().position(|line| matches!(line, Line::Costs(_))).expect("costs are told");
    assert!(told[costs..].iter().any(|line| matches!(line, Line::Verdict { .. })), "{told:?}");
    let Line::Costs(costs) = &told[costs] else { unreachable!() };
    let names: Vec<_> = costs.processes().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [Costs::OWN_PROCESS, "date"]);
    assert!(!costs.cluster_time().is_zero());
}

#[tokio::test]
async fn a_scenario_reads_what_it_wrote() {
    let lab = lab().await;
    let cluster = lab.managed_cluster().create().await.unwrap();
    cluster.apply(deployment("web")).await.unwrap();
    for replicas in [3, 1, 4, 1, 5, 9, 2, 6] {
        cluster.scale("web", replicas).await.unwrap();
        let state = cluster.state();
        let seen = state.object(Kind::Deployment, "web").map(|object| object["spec"]["replicas"].clone());
        lab.verify("replicas", Some(json!(replicas)), seen).unwrap();
    }
    // Twice the same changes nothing, so that no change is to be waited for.
    cluster.scale("web", 6).await.unwrap();
    cluster.delete(Kind::Deployment, "web").await.unwrap();
    lab.verify("the deployment is gone", true, cluster.state().object(Kind::Deployment, "web").is_none()).unwrap();
}
