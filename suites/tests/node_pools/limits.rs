//! `spec.limits`: how much a node pool may have.

use catnap::prelude::*;
use serde_json::json;

use super::*;

/// NP-33, NP-34: a pool never has more than its limit; pods beyond it stay pending, and an event names the limit. The
/// document says that new machines stop "once the limit is exceeded"; 1.7.1 stops before it would be. Memory is counted
/// without what a node keeps for itself, 7.5 percent.
#[scenario]
#[case::of_cpu("cpu", "8", 2)]
#[case::of_memory("memory", "32Gi", 2)]
#[case::that_is_no_multiple_of_a_machine("cpu", "11", 2)]
async fn a_pool_never_has_more_than_its_limit(
    lab: &Lab,
    #[case] resource: &str,
    #[case] limit: &str,
    #[case] machines: usize,
) -> Outcome {
    // Machines of four vCPUs and 16 GiB, three pods on each.
    let pool = node_pool("p").sizes(&[D4]).limit(resource, limit).consolidate_after("Never");
    let cluster = cluster_with(lab, &[("p", pool)]).await?;
    let mark = cluster.mark();

    cluster.apply(deployment("web").replicas(10).cpu("1200m").on_pool("p")).await?;

    cluster.expect(pods("web").running(3 * machines)).within(minutes(5)).await?;
    let told = events("FailedScheduling").about(Kind::Pod).named("web").saying("exceed limits for nodepool");
    cluster.expect(told.seen()).within(minutes(1)).await?;
    cluster.expect(pods("web").pending(10 - 3 * machines)).throughout(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("p").at_most(machines)).at_every_instant_since(&mark)?;
    cluster.expect(vms().of_pool("p").at_most(machines)).at_every_instant_since(&mark)?;

    // The control: with a higher limit the rest runs.
    let more = if resource == "cpu" { "100" } else { "400Gi" };
    let wider = json!({ "spec": { "limits": { resource: more } } });
    cluster.patch(Kind::NodePool, "p", &wider).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await
}

/// NP-35: a limit that is lowered below what the pool has stops new nodes, and takes nothing away from those that run.
#[scenario]
async fn a_limit_below_the_use_stops_new_nodes_and_keeps_the_old(lab: &Lab) -> Outcome {
    let pool = node_pool("p").sizes(&[D4]).limit("cpu", "100").consolidate_after("Never");
    let cluster = cluster_with(lab, &[("p", pool)]).await?;
    cluster.apply(deployment("web").replicas(6).cpu("1200m").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    let (claims, pods_before) = (cluster.claims_of_pool("p"), cluster.pods_of("web"));
    lab.verify("the number of nodes", 2, claims.len())?;

    cluster.patch(Kind::NodePool, "p", &json!({ "spec": { "limits": { "cpu": "4" } } })).await?;
    cluster.apply(deployment("more").cpu("1200m").on_pool("p")).await?;

    let told = events("FailedScheduling").about(Kind::Pod).named("more").saying("exceed limits for nodepool");
    cluster.expect(told.seen()).within(minutes(1)).await?;
    let kept = node_claims().of_pool("p").kept(&claims).and(pods("web").kept(&pods_before));
    cluster.expect(kept.and(pods("more").pending(1))).throughout(minutes(6)).await?;

    // The control: it is the limit that kept the pod waiting.
    cluster.patch(Kind::NodePool, "p", &json!({ "spec": { "limits": { "cpu": "100" } } })).await?;
    cluster.expect(pods("more").all_running()).within(minutes(5)).await
}
