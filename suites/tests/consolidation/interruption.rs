//! Consolidation whose provisioner ends in the middle of it.

use catnap::prelude::*;

use super::{D2, D8, as_many_resources_as_nodes, cluster_with, remove_filler, small};

const DISRUPTED: &str = "karpenter.sh/disrupted";

/// CONS-32: a provisioner that is killed when it has tainted the old node and ordered its replacement, and comes back
/// after a while, takes the taint away or goes on: there is never a second replacement, and the pod runs in the end.
#[scenario]
async fn a_killed_provisioner_leaves_no_half_of_a_replacement(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2, D8])).await?;
    cluster.apply(deployment("filler").cpu("5").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    small(&cluster, "web").await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(1)).within(minutes(1)).await?;
    let node = cluster.nodes_of_pool("p").remove(0);
    lab.require::<Machines>()?.after(minutes(1));
    let mark = cluster.mark();

    remove_filler(&cluster).await?;
    let ordered = nodes().named(&node).all_tainted(DISRUPTED).and(vms().count(2));
    cluster.expect(ordered).within(minutes(2)).await?;
    lab.require::<ProvisionerControl>()?.kill(&cluster).await?;
    cluster.expect(pods("web").all_running().and(nodes().named(&node).count(1))).now()?;
    lab.clock().advance(minutes(2)).await;
    lab.require::<ProvisionerControl>()?.restart(&cluster).await?;

    let replaced = nodes().of_pool("p").count(1).and(nodes().of_pool("p").all_of_size(&[D2]));
    cluster.expect(replaced).within(minutes(10)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
    cluster.expect(nodes().none_tainted(DISRUPTED)).now()?;
    cluster.expect(node_claims().of_pool("p").at_most(2).and(vms().at_most(2))).at_every_instant_since(&mark)?;
    cluster.expect(as_many_resources_as_nodes(1)).within(minutes(2)).await
}
