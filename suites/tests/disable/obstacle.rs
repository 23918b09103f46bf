//! What keeps a node from being emptied in step 2, and so the mode from being Manual.

use catnap::prelude::*;
use serde_json::json;
use suites::versions::takes_empty_nodes_that_drifted;

use super::{
    A_NODE_FULL, agent_pool, closed, cluster_with, disabled, in_service, nothing_left, only_claim, pool, refused,
    turned_off, web,
};

const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";

/// What keeps the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    DoNotDisruptPod,
    PodDisruptionBudget,
    NodeBudget,
    PinnedPod,
}

/// DIS-13, DIS-27+, DIS-28+, DIS-29+, DIS-31+: though there is room on fixed nodes, the node remains, and the mode is
/// refused: because of a pod that is not to be disrupted, of a pod disruption budget that allows nothing, of a budget of
/// zero in the node pool, of a pod that asks for nodes of node auto-provisioning. An event says which. With the obstacle
/// out of the way the flow comes to its end.
#[scenario]
#[case::of_a_pod_not_to_be_disrupted(Obstacle::DoNotDisruptPod, Kind::Node, DO_NOT_DISRUPT)]
#[case::of_a_pod_disruption_budget(Obstacle::PodDisruptionBudget, Kind::Node, "prevents pod evictions")]
#[case::of_a_budget_of_zero(Obstacle::NodeBudget, Kind::NodePool, "No allowed disruptions")]
#[case::of_a_pod_that_is_pinned(Obstacle::PinnedPod, Kind::Node, "would schedule")]
async fn a_node_remains_because(
    lab: &Lab,
    #[case] obstacle: Obstacle,
    #[case] about: Kind,
    #[case] reason: &str,
) -> Outcome {
    // Without its pod the node is empty.
    if obstacle == Obstacle::PinnedPod {
        takes_empty_nodes_that_drifted(lab)?;
    }
    let with_budget = |pool: NodePool| match obstacle {
        Obstacle::NodeBudget => pool.budgets([Budget::nodes("0")]),
        _ => pool,
    };
    let cluster = cluster_with(lab, with_budget(pool())).await?;
    let mut workload = deployment("web").cpu(A_NODE_FULL);
    if obstacle == Obstacle::PinnedPod {
        workload = workload.node_selector("karpenter.azure.com/sku-family", "D");
    }
    cluster.apply(workload).await?;
    let before = in_service(&cluster, "web", 1).await?;
    let (node, pod) = (cluster.nodes_of_pool("p").remove(0), cluster.pods_of("web").remove(0));
    match obstacle {
        Obstacle::DoNotDisruptPod => cluster.annotate(Kind::Pod, &pod, DO_NOT_DISRUPT, Some("true")).await?,
        Obstacle::PodDisruptionBudget => cluster.apply(disruption_budget("web", "web").max_unavailable(0)).await?,
        Obstacle::NodeBudget | Obstacle::PinnedPod => {}
    }
    agent_pool(lab, &cluster, "nodepool1", 2).await?;
    cluster.expect(nodes().of_agent_pool("nodepool1").count(2)).within(minutes(2)).await?;

    cluster.apply(with_budget(closed())).await?;
    cluster.apply(with_budget(disabled())).await?;

    cluster.expect(node_claims().all_drifted("NodePoolDrifted")).within(minutes(1)).await?;
    cluster.expect(events("DisruptionBlocked").about(about).saying(reason).seen()).within(minutes(3)).await?;
    cluster.expect(node_claims().kept(&before)).throughout(minutes(3)).await?;
    refused(lab, &cluster, &[&node]).await?;

    match obstacle {
        Obstacle::DoNotDisruptPod => cluster.annotate(Kind::Pod, &pod, DO_NOT_DISRUPT, None).await?,
        Obstacle::PodDisruptionBudget => cluster.delete(Kind::PodDisruptionBudget, "web").await?,
        Obstacle::NodeBudget => cluster.apply(disabled()).await?,
        Obstacle::PinnedPod => cluster.apply(deployment("web").cpu(A_NODE_FULL)).await?,
    }
    cluster.expect(nothing_left()).within(minutes(8)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
    turned_off(lab, &cluster).await
}

/// DIS-29+: a budget of zero with a schedule holds the nodes while its window is open, here from eight to nine.
#[scenario(begins = "2026-03-02T08:05:00Z")]
async fn a_window_of_the_node_pool_is_waited_for(lab: &Lab) -> Outcome {
    lab.wait_of(hours(1))?;
    let window =
        |pool: NodePool| pool.budgets([Budget::nodes("100%"), Budget::nodes("0").on_schedule("0 8 * * *", Some("1h"))]);
    let cluster = cluster_with(lab, window(pool())).await?;
    let before = web(&cluster, 1).await?;
    agent_pool(lab, &cluster, "nodepool1", 2).await?;

    cluster.apply(window(disabled())).await?;

    cluster.expect(node_claims().all_drifted("NodePoolDrifted")).within(minutes(1)).await?;
    let closing: jiff::Timestamp = "2026-03-02T08:59:00Z".parse()?;
    let rest = std::time::Duration::try_from(closing.duration_since(lab.clock().now()))?;
    cluster.expect(node_claims().kept(&before)).throughout(rest).await?;
    cluster.expect(nothing_left()).within(minutes(15)).await?;
    turned_off(lab, &cluster).await
}

/// DIS-32+: an empty node, and one with nothing but a DaemonSet's pod, go in step 2 without any room elsewhere.
#[scenario]
#[case::that_is_empty(false)]
#[case::with_a_daemon_set(true)]
async fn a_node_without_workload_goes(lab: &Lab, #[case] with_daemon_set: bool) -> Outcome {
    takes_empty_nodes_that_drifted(lab)?;
    let cluster = cluster_with(lab, pool()).await?;
    web(&cluster, 1).await?;
    if with_daemon_set {
        let labels = json!({ "app": "agent" });
        let container = json!({ "name": "app", "image": "mcr.microsoft.com/oss/kubernetes/pause:3.10" });
        let template = json!({
            "metadata": { "labels": labels },
            "spec": { "containers": [container], "tolerations": [{ "operator": "Exists" }] },
        });
        cluster
            .apply(json!({
                "apiVersion": "apps/v1",
                "kind": "DaemonSet",
                "metadata": { "name": "agent", "namespace": "default" },
                "spec": { "selector": { "matchLabels": labels }, "template": template },
            }))
            .await?;
        cluster.expect(pods("agent").running(2)).within(minutes(2)).await?;
    }
    cluster.scale("web", 0).await?;
    cluster.expect(pods("web").running(0)).within(minutes(1)).await?;
    let idle = cluster.claims_of_pool("p");
    cluster.apply(closed()).await?;
    // The control: consolidation is off, so that without step 2 it stays.
    cluster.expect(node_claims().kept(&idle)).throughout(minutes(2)).await?;

    cluster.apply(disabled()).await?;

    cluster.expect(nothing_left()).within(minutes(3)).await?;
    turned_off(lab, &cluster).await
}

/// DIS-33+: step 3 fails where the subnet has no room for as many fixed nodes: the agent pool stays as it was, and so do
/// the nodes of node auto-provisioning. A smaller step then brings the flow to its end.
#[scenario]
async fn an_agent_pool_that_cannot_grow_leaves_the_nodes(lab: &Lab) -> Outcome {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await?;
    // Of 32 addresses Azure keeps five.
    let subnet = vnet.subnet("cluster-subnet", "10.0.1.0/27").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
    let builder = lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(&subnet);
    let cluster = builder.service_cidr("10.2.0.0/16").create().await?;
    super::prepared(&cluster, pool()).await?;
    let before = web(&cluster, 1).await?;
    cluster.apply(disabled()).await?;

    let refusal = agent_pool(lab, &cluster, "nodepool1", 40).await.err();

    lab.verify("the agent pool that is too large is refused", true, refusal.is_some())?;
    let drifted = node_claims().all_drifted("NodePoolDrifted");
    cluster.expect(drifted).within(minutes(1)).await?;
    cluster.expect(node_claims().kept(&before)).throughout(minutes(5)).await?;
    cluster.expect(nodes().of_agent_pool("nodepool1").count(1)).now()?;

    agent_pool(lab, &cluster, "nodepool1", 2).await?;
    cluster.expect(nothing_left()).within(minutes(5)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
    turned_off(lab, &cluster).await
}

/// DIS-39+: node auto-provisioning that goes before its nodes, here its provisioner alone, leaves them as they are: pods
/// run on, a node claim that is deleted waits with its machine for the finalizer that nobody takes away, and Azure does not
/// turn to Manual. A provisioner that comes back finishes what was asked for.
#[scenario]
async fn what_is_left_without_a_provisioner_stays_until_there_is_one(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, pool()).await?;
    web(&cluster, 1).await?;
    let (node, pod) = (cluster.nodes_of_pool("p").remove(0), cluster.pods_of("web"));
    lab.require::<ProvisionerControl>()?.kill(&cluster).await?;

    cluster.apply(closed()).await?;
    cluster.delete(Kind::NodeClaim, &only_claim(&cluster)?).await?;

    cluster.expect(node_claims().at_most_disrupted(0).not()).within(minutes(1)).await?;
    let left = node_claims().count(1).and(nodes().named(&node).count(1)).and(vms().count(1)).and(nics().count(1));
    cluster.expect(left.and(pods("web").kept(&pod)).and(pods("web").running(1))).throughout(minutes(15)).await?;
    refused(lab, &cluster, &[&node]).await?;

    lab.require::<ProvisionerControl>()?.restart(&cluster).await?;
    cluster.expect(nothing_left()).within(minutes(5)).await?;
    turned_off(lab, &cluster).await
}
