//! When consolidation rests: while pods come and go.

use catnap::prelude::*;
use rstest::rstest;

use super::{D2, cluster_with};

/// When the last pod of the pool's only node came or went.
fn last_pod_event(cluster: &Cluster) -> String {
    let state = cluster.state();
    let claim = state.objects("NodeClaim").next();
    claim.and_then(|claim| claim["status"]["lastPodEventTime"].as_str()).unwrap_or_default().to_owned()
}

/// CONS-25: each pod that comes or goes starts the wait again: with `consolidateAfter: 5m` and a pod every four minutes the
/// node is kept, though it is empty all the time between. Without these pods it goes.
#[rstest]
#[tokio::test]
async fn pods_that_come_and_go_restart_the_wait(#[future(awt)] lab: Lab) -> Outcome {
    if !lab.has_patience_for(minutes(19)) {
        return Ok(());
    }
    let pool = node_pool("p").sizes(&[D2]).consolidation_policy("WhenEmpty").consolidate_after("5m");
    let cluster = cluster_with(&lab, pool).await?;
    let mark = cluster.mark();
    cluster.apply(deployment("blip").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("blip").all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(1)).within(minutes(1)).await?;
    let before = cluster.claims_of_pool("p");
    let mut moments = Vec::new();
    for _ in 0..3 {
        cluster.scale("blip", 0).await?;
        cluster.expect(pods("blip").running(0)).within(minutes(1)).await?;
        cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(minutes(4)).await?;
        cluster.scale("blip", 1).await?;
        cluster.expect(pods("blip").all_running()).within(minutes(1)).await?;
        moments.push(last_pod_event(&cluster));
    }
    let ordered = moments.windows(2).all(|pair| !pair[0].is_empty() && pair[0] < pair[1]);
    lab.verify(&format!("the last pod event moves on in {moments:?}"), true, ordered)?;

    cluster.scale("blip", 0).await?;
    cluster.expect(nodes().of_pool("p").none()).within(minutes(8)).await?;
    cluster.expect(node_claims().none_consolidatable_before(minutes(5))).at_every_instant_since(&mark)
}
