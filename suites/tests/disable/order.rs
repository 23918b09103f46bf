//! Steps in another order, half of them, or others in their place.

use catnap::prelude::*;
use serde_json::json;

use super::{
    A_NODE_FULL, D2, DISABLE, agent_pool, closed, cluster_with, disabled, in_service, nothing_left, pool, refused,
    turned_off, web,
};

/// The printed manifest of step 2, with what its dots stand for filled in.
const PRINTED: &str = "\
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: default
spec:
  template:
    spec:
      nodeClassRef: { group: karpenter.azure.com, kind: AKSNodeClass, name: p }
      requirements: []
      taints:
        - key: karpenter.azure.com/disable${COMMA}
          effect: NoSchedule
";

/// DIS-20: the manifest of step 2 as the documents print it is refused: its key ends in a comma. Without the comma it is
/// accepted.
#[scenario]
async fn the_printed_taint_is_refused_for_its_comma(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, pool()).await?;

    let refused = cluster.apply(Manifests::text(PRINTED).with("COMMA", ",")).await.err();
    lab.verify("the status for the key with a comma", Some(422), refused.as_ref().and_then(|error| error.code()))?;
    let message = refused.map(|error| error.to_string()).unwrap_or_default();
    lab.verify(&format!("{message:?} names the field"), true, message.contains("taints"))?;
    cluster.expect(node_pool("default").absent()).now()?;

    cluster.apply(Manifests::text(PRINTED).with("COMMA", "")).await?;
    cluster.expect(node_pool("default").exists()).within(minutes(1)).await
}

/// DIS-22+: the taint without the limit. Pods that do not bear it keep their nodes, since a new node would have it: no node
/// is made, as if the limit were there. Pods that do bear it get new nodes of node auto-provisioning, with the taint.
#[scenario]
#[case::with_pods_that_do_not_bear_it(false)]
#[case::with_pods_that_bear_it(true)]
async fn the_taint_before_the_limit(lab: &Lab, #[case] bears_it: bool) -> Outcome {
    let cluster = cluster_with(lab, pool()).await?;
    let mut workload = deployment("web").cpu(A_NODE_FULL);
    if bears_it {
        workload = workload.tolerating(DISABLE);
    }
    cluster.apply(workload).await?;
    let before = in_service(&cluster, "web", 1).await?;
    let mark = cluster.mark();

    cluster.apply(pool().taint(DISABLE, "NoSchedule")).await?;

    if bears_it {
        cluster.expect(node_claims().none_of(&before)).within(minutes(5)).await?;
        cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
        cluster.expect(nodes().of_pool("p").count(1).and(nodes().of_pool("p").all_tainted(DISABLE))).now()
    } else {
        cluster.expect(node_claims().all_drifted("NodePoolDrifted")).within(minutes(1)).await?;
        cluster.expect(node_claims().kept(&before)).throughout(minutes(10)).await?;
        cluster.expect(requests(super::VM_WRITE).since(&mark).none()).now()?;
        let why = events("DisruptionBlocked").about(Kind::Node).saying("would schedule");
        cluster.expect(why.seen()).within(minutes(3)).await?;
        refused(lab, &cluster, &[&cluster.nodes_of_pool("p")[0]]).await
    }
}

/// DIS-41+: with one of two nodes emptied, taint and limit are taken back: the other has drifted no longer and stays, and
/// pods get nodes again.
#[scenario]
async fn it_can_be_undone_half_way(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, pool()).await?;
    web(&cluster, 2).await?;
    cluster.apply(disabled()).await?;
    agent_pool(lab, &cluster, "nodepool1", 2).await?;
    cluster.expect(node_claims().count(1)).within(minutes(5)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
    cluster.expect(node_claims().all_drifted("NodePoolDrifted")).now()?;
    let (rest, mark) = (cluster.claims_of_pool("p"), cluster.mark());

    cluster.apply(pool()).await?;

    cluster.expect(node_claims().none_with_condition("Drifted")).within(minutes(1)).await?;
    cluster.expect(node_claims().kept(&rest)).throughout(minutes(6)).await?;
    cluster.expect(node_claims().at_most_disrupted(0)).at_every_instant_since(&mark)?;
    cluster.scale("web", 3).await?;
    in_service(&cluster, "web", 2).await.map(drop)
}

/// DIS-36+: a provisioner that is killed while it empties the nodes goes on where it was when it is back.
#[scenario]
async fn a_killed_provisioner_goes_on(lab: &Lab) -> Outcome {
    let budget = |pool: NodePool| pool.budgets([Budget::nodes("1")]);
    let cluster = cluster_with(lab, budget(pool())).await?;
    web(&cluster, 3).await?;
    agent_pool(lab, &cluster, "nodepool1", 4).await?;
    cluster.expect(nodes().of_agent_pool("nodepool1").count(4)).within(minutes(2)).await?;
    let mark = cluster.mark();
    cluster.apply(budget(disabled())).await?;
    cluster.expect(node_claims().at_most(2)).within(minutes(5)).await?;

    lab.require::<ProvisionerControl>()?.kill(&cluster).await?;
    lab.clock().advance(minutes(5)).await;
    lab.require::<ProvisionerControl>()?.restart(&cluster).await?;

    cluster.expect(nothing_left()).within(minutes(10)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
    cluster.expect(requests(super::VM_WRITE).since(&mark).none()).now()?;
    turned_off(lab, &cluster).await
}

/// DIS-38+: the node pools are deleted instead: their node claims go with them, drained under pod disruption budgets, and
/// a budget of zero in the node pool does not hold them. Without node pools nothing stands against the mode.
#[scenario]
async fn deleting_the_node_pools_is_another_way(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, pool().budgets([Budget::nodes("0")])).await?;
    web(&cluster, 2).await?;
    cluster.apply(disruption_budget("web", "web").min_available(1)).await?;
    agent_pool(lab, &cluster, "nodepool1", 3).await?;
    cluster.expect(nodes().of_agent_pool("nodepool1").count(3)).within(minutes(2)).await?;
    let mark = cluster.mark();

    cluster.delete(Kind::NodePool, "p").await?;

    cluster.expect(node_pool("p").absent().and(nothing_left())).within(minutes(5)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
    cluster.expect(pods("web").at_least_running(1)).at_every_instant_since(&mark)?;
    turned_off(lab, &cluster).await
}

/// DIS-37+: a node claim of its own, without a node pool, is held by no limit, and the selector of step 4 does not show its
/// node: whoever goes by the documents overlooks its machine.
#[scenario]
async fn a_node_claim_without_a_node_pool_escapes(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, closed()).await?;
    let size = json!({ "key": "node.kubernetes.io/instance-type", "operator": "In", "values": [D2] });

    cluster
        .apply(json!({
            "apiVersion": "karpenter.sh/v1",
            "kind": "NodeClaim",
            "metadata": { "name": "alone" },
            "spec": {
                "nodeClassRef": { "group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "p" },
                "requirements": [size],
            },
        }))
        .await?;

    cluster.expect(node_claims().at_least_in_service(1)).within(minutes(5)).await?;
    cluster.expect(vms().count(1).and(nodes().of_size(D2).count(2))).now()?;
    cluster.expect(nodes().of_pool("p").none()).now()?;
    let labelled = cluster
        .state()
        .objects(Kind::Node)
        .filter(|node| !node["metadata"]["labels"]["karpenter.sh/nodepool"].is_null())
        .count();
    lab.verify("nodes that the selector shows", 0, labelled)?;
    cluster.delete(Kind::NodeClaim, "alone").await?;
    cluster.expect(nothing_left()).within(minutes(3)).await?;
    turned_off(lab, &cluster).await
}
