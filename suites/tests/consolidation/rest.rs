//! When consolidation rests: while pods come and go, under constant load, between spot machines.

use catnap::prelude::*;

use super::{A_WHOLE_ROUND, D2, D4, D8, cluster_with, remove_filler, small};

const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";
const VM_WRITE: &str = "Microsoft.Compute/virtualMachines/write";
const VM_DELETE: &str = "Microsoft.Compute/virtualMachines/delete";

/// CONS-25: each pod that comes or goes starts the wait again: with `consolidateAfter: 5m` and a pod every four minutes the
/// node is kept, though it is empty all the time between. Without these pods it goes.
#[scenario]
async fn pods_that_come_and_go_restart_the_wait(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(19))?;
    let pool = node_pool("p").sizes(&[D2]).consolidation_policy("WhenEmpty").consolidate_after("5m");
    let cluster = cluster_with(lab, pool).await?;
    let mark = cluster.mark();
    cluster.apply(deployment("blip").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("blip").all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(1)).within(minutes(1)).await?;
    let before = cluster.claims_of_pool("p");
    cluster.scale("blip", 0).await?;
    cluster.expect(pods("blip").running(0)).within(minutes(1)).await?;
    // The provisioner takes pod events within ten seconds of each other for one.
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(seconds(30)).await?;
    for _ in 0..3 {
        let moment = lab.clock().now();
        cluster.scale("blip", 1).await?;
        cluster.expect(pods("blip").all_running()).within(minutes(1)).await?;
        // The wait is counted from what the provisioner has heard of. It hears of the pod later than the lab, and of one
        // that goes perhaps not at all, as KWOK ends a pod at once.
        cluster.expect(node_claims().of_pool("p").all_with_pod_event_since(moment)).within(minutes(1)).await?;
        cluster.scale("blip", 0).await?;
        cluster.expect(pods("blip").running(0)).within(minutes(1)).await?;
        cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(minutes(4)).await?;
    }

    cluster.expect(nodes().of_pool("p").none()).within(minutes(4)).await?;
    cluster.expect(node_claims().none_consolidatable_before(minutes(5)).even_if_none()).at_every_instant_since(&mark)
}

/// CONS-29: a spot machine is not replaced by a cheaper spot machine unless that is turned on, and says so. That an
/// on-demand machine is replaced by a spot machine cannot be seen away from Azure's public cloud: only there the
/// provisioner asks for prices, and the prices that it comes with are the same for both.
#[scenario]
async fn spot_is_not_replaced_by_spot(lab: &Lab) -> Outcome {
    let pool = node_pool("p").sizes(&[D2, D8]).requirement(CAPACITY_TYPE, "In", &["spot"]);
    let cluster = cluster_with(lab, pool).await?;
    cluster.apply(deployment("filler").cpu("5").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    small(&cluster, "web").await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(1)).within(minutes(1)).await?;
    cluster.expect(vms().all_with("/properties/priority", "Spot")).now()?;
    let before = cluster.claims_of_pool("p");

    remove_filler(&cluster).await?;

    let why = events("Unconsolidatable").about(Kind::Node).saying("SpotToSpotConsolidation is disabled");
    cluster.expect(why.seen()).within(minutes(3)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(A_WHOLE_ROUND).await?;

    // The control: without its pod the same node goes.
    cluster.scale("web", 0).await?;
    cluster.expect(nodes().of_pool("p").none()).within(minutes(2)).await
}

/// CONS-31: under constant load nothing oscillates: when nodes have been packed, no node comes or goes for two hours.
#[scenario]
async fn under_constant_load_nothing_oscillates(lab: &Lab) -> Outcome {
    lab.wait_of(hours(2) + minutes(20))?;
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2, D4, D8])).await?;
    for (name, cpu, replicas) in [("large", "3", 2), ("medium", "1", 3), ("little", "300m", 4)] {
        cluster.apply(deployment(name).replicas(replicas).cpu(cpu).on_pool("p")).await?;
    }
    let all = || pods("large").all_running().and(pods("medium").all_running()).and(pods("little").all_running());
    cluster.expect(all()).within(minutes(10)).await?;
    lab.clock().advance(minutes(15)).await;
    cluster.expect(all()).within(minutes(5)).await?;
    let (settled, mark) = (cluster.claims_of_pool("p"), cluster.mark());

    cluster.expect(node_claims().of_pool("p").kept(&settled)).throughout(hours(2)).await?;
    cluster.expect(requests(VM_WRITE).since(&mark).none()).now()?;
    cluster.expect(requests(VM_DELETE).since(&mark).none()).now()?;
    cluster.expect(all()).at_every_instant_since(&mark)?;

    // The control: another load, and there is movement.
    cluster.scale("large", 0).await?;
    cluster.expect(node_claims().of_pool("p").kept(&settled).not()).within(minutes(5)).await
}
