//! When consolidation rests: while pods come and go.

use catnap::prelude::*;
use rstest::rstest;

use super::{D2, cluster_with};

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
    for _ in 0..3 {
        cluster.scale("blip", 0).await?;
        cluster.expect(pods("blip").running(0)).within(minutes(1)).await?;
        cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(minutes(4)).await?;
        let moment = lab.clock().now();
        cluster.scale("blip", 1).await?;
        cluster.expect(pods("blip").all_running()).within(minutes(1)).await?;
        // The provisioner writes it down when it has heard of the pod, which is after the lab did.
        cluster.expect(node_claims().of_pool("p").all_with_pod_event_since(moment)).within(minutes(1)).await?;
    }

    cluster.scale("blip", 0).await?;
    cluster.expect(nodes().of_pool("p").none()).within(minutes(8)).await?;
    cluster.expect(node_claims().none_consolidatable_before(minutes(5))).at_every_instant_since(&mark)
}
