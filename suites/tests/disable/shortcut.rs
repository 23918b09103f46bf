//! The documents' short cut past steps 2 and 3: each node is deleted by hand.

use catnap::prelude::*;

use super::{
    VM_DELETE, agent_pool, closed, cluster_with, nobody_provisions, nothing_left, pool, refused, turned_off, web,
};

/// DIS-16, DIS-17: at limit zero each node is deleted by hand. With room on fixed nodes its pods go there; without, they
/// wait, for good, because no node comes back. Either way nothing is left and the mode can be Manual.
#[scenario]
#[case::with_room_on_fixed_nodes(true)]
#[case::without_room(false)]
async fn deleting_the_nodes_by_hand_is_enough(lab: &Lab, #[case] room: bool) -> Outcome {
    let cluster = cluster_with(lab, pool()).await?;
    web(&cluster, 2).await?;
    if room {
        agent_pool(lab, &cluster, "nodepool1", 3).await?;
        cluster.expect(nodes().of_agent_pool("nodepool1").count(3)).within(minutes(2)).await?;
    }
    let mark = cluster.mark();
    cluster.apply(closed()).await?;

    for node in cluster.nodes_of_pool("p") {
        cluster.delete(Kind::Node, &node).await?;
    }

    cluster.expect(nothing_left()).within(minutes(5)).await?;
    if room {
        cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
        cluster.expect(pods("web").all_on(nodes().of_agent_pool("nodepool1"))).now()?;
    } else {
        cluster.expect(pods("web").pending(2)).within(minutes(1)).await?;
        let waiting = pods("web").pending(2).and(node_claims().none());
        cluster.expect(waiting).throughout(minutes(30)).await?;
        cluster.expect(events("FailedScheduling").about(Kind::Pod).saying("nodes are available").seen()).now()?;
    }
    cluster.expect(requests(super::VM_WRITE).since(&mark).none()).now()?;
    turned_off(lab, &cluster).await?;
    nobody_provisions(&cluster).await
}

/// DIS-18: the documents say that to delete a node by hand does not honour pod disruption budgets. In 1.7.1 it does: the
/// node is drained through the Eviction API, stays on its way out as long as the budget allows nothing, says so, and its
/// pod runs; when the budget allows it, the node goes.
#[scenario]
async fn a_node_deleted_by_hand_waits_for_a_pod_disruption_budget(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, pool()).await?;
    web(&cluster, 1).await?;
    let (node, pod) = (cluster.nodes_of_pool("p").remove(0), cluster.pods_of("web"));
    cluster.apply(disruption_budget("web", "web").max_unavailable(0)).await?;
    cluster.apply(closed()).await?;

    cluster.delete(Kind::Node, &node).await?;

    // That a budget is the reason is said in an event of the same kind, which the provisioner publishes once in two
    // minutes for a node: this one, which comes more often, mostly takes its place.
    let why = events("FailedDraining").about(Kind::Node).saying("Failed to drain node");
    cluster.expect(why.seen()).within(minutes(3)).await?;
    let held = nodes().named(&node).count(1).and(pods("web").kept(&pod)).and(pods("web").running(1));
    cluster.expect(held).throughout(minutes(10)).await?;
    cluster.expect(node_claims().at_most_disrupted(0).not()).now()?;
    refused(lab, &cluster, &[&node]).await?;

    cluster.delete(Kind::PodDisruptionBudget, "web").await?;
    cluster.expect(nothing_left()).within(minutes(5)).await?;
    cluster.expect(pods("web").pending(1)).within(minutes(1)).await?;
    turned_off(lab, &cluster).await
}

/// DIS-19: the Node of a fixed node that is deleted by mistake is gone from the cluster; its machine is none of the
/// provisioner's, which deletes nothing.
#[scenario]
async fn a_fixed_node_that_is_deleted_is_not_the_provisioners(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, pool()).await?;
    let before = web(&cluster, 1).await?;
    agent_pool(lab, &cluster, "extra", 1).await?;
    cluster.expect(nodes().of_agent_pool("extra").count(1)).within(minutes(2)).await?;
    let fixed = cluster.state().objects(Kind::Node).find_map(|node| {
        let extra = node["metadata"]["labels"]["kubernetes.azure.com/agentpool"] == "extra";
        node["metadata"]["name"].as_str().filter(|_| extra).map(str::to_owned)
    });
    let fixed = fixed.ok_or_else(|| Failure::new("the agent pool extra has no node"))?;
    let mark = cluster.mark();

    cluster.delete(Kind::Node, &fixed).await?;

    cluster.expect(nodes().named(&fixed).none()).within(minutes(1)).await?;
    cluster.expect(nodes().named(&fixed).none().and(node_claims().kept(&before))).throughout(minutes(5)).await?;
    let deleted = requests("Microsoft.Compute/virtualMachineScaleSets/virtualMachines/delete").since(&mark);
    cluster.expect(deleted.none().and(requests(VM_DELETE).since(&mark).none())).now()?;

    // The control: one of its own.
    cluster.delete(Kind::Node, &cluster.nodes_of_pool("p")[0]).await?;
    cluster.expect(requests(VM_DELETE).since(&mark).any()).within(minutes(2)).await
}
