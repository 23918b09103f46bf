//! Step 5: the mode Manual.

use catnap::prelude::*;

use super::{
    A_NODE_FULL, agent_pool, closed, cluster_with, disabled, in_service, mode, nothing_left, pool, refused, turned_off,
    web,
};

/// DIS-01, DIS-23+: as long as there is a node of node auto-provisioning, at limit zero or in the middle of the work, the
/// mode cannot be Manual: the refusal names the node, and nothing has changed. The provisioner is still at work.
#[scenario]
#[case::after_step_one(true)]
#[case::straight_away(false)]
async fn a_node_stands_against_it(lab: &Lab, #[case] limited: bool) -> Outcome {
    let cluster = cluster_with(lab, pool()).await?;
    let before = web(&cluster, 1).await?;
    if limited {
        cluster.apply(closed()).await?;
    }
    let (pod, mark) = (cluster.pods_of("web"), cluster.mark());

    refused(lab, &cluster, &[&cluster.nodes_of_pool("p")[0]]).await?;

    cluster.expect(node_claims().kept(&before).and(pods("web").kept(&pod))).at_every_instant_since(&mark)?;
    cluster.apply(pool()).await?;
    cluster.scale("web", 2).await?;
    in_service(&cluster, "web", 2).await.map(drop)
}

/// DIS-40+: Manual twice is Manual. Auto again starts the provisioner: pods get nodes as soon as the limits let them.
#[scenario]
async fn it_can_be_turned_off_twice_and_on_again(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, closed()).await?;
    turned_off(lab, &cluster).await?;
    turned_off(lab, &cluster).await?;
    cluster.apply(deployment("web").cpu(A_NODE_FULL)).await?;
    cluster.expect(pods("web").pending(1)).within(minutes(1)).await?;

    lab.set_node_provisioning(&cluster, Auto).await?;
    lab.verify("the mode", "Auto".to_owned(), mode(lab, &cluster).await?)?;
    let why = events("FailedScheduling").about(Kind::Pod).saying("exceed limits for nodepool");
    cluster.expect(why.seen()).within(minutes(2)).await?;
    cluster.expect(node_claims().none()).throughout(minutes(2)).await?;

    cluster.apply(pool()).await?;
    in_service(&cluster, "web", 1).await.map(drop)
}

/// DIS-35+: where Azure does not let the provisioner delete the machine of a drained node, the node stays until it does,
/// and with it the refusal: the mode is never Manual while a machine is left that nobody would collect any more.
#[scenario]
async fn a_machine_that_cannot_be_deleted_stands_against_it(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, pool()).await?;
    web(&cluster, 1).await?;
    let (node, mark) = (cluster.nodes_of_pool("p").remove(0), cluster.mark());
    agent_pool(lab, &cluster, "nodepool1", 2).await?;
    cluster.expect(nodes().of_agent_pool("nodepool1").count(2)).within(minutes(2)).await?;
    let group = format!("/resourceGroups/{}", cluster.node_resource_group());
    let machines = format!("/subscriptions/{}{group}", lab.azure().subscription_id());
    for role in lab.azure().roles_of(cluster.identity()).await? {
        if lies_within(role.id(), &machines) {
            role.revoke().await?;
        }
    }

    cluster.apply(disabled()).await?;

    cluster.expect(pods("web").all_on(nodes().of_agent_pool("nodepool1"))).within(minutes(5)).await?;
    let denied = all_requests().about(&format!("{machines}/providers/Microsoft.Compute")).by(cluster.identity());
    cluster.expect(denied.since(&mark).answered(403).any()).within(minutes(2)).await?;
    cluster.expect(vms().count(1).and(node_claims().count(1))).throughout(minutes(5)).await?;
    refused(lab, &cluster, &[&node]).await?;

    lab.azure().role("Contributor").on(machines.as_str()).to(cluster.identity()).assign().await?;
    cluster.expect(nothing_left()).within(minutes(10)).await?;
    turned_off(lab, &cluster).await
}
