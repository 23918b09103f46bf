//! Step 1: `spec.limits.cpu` is zero.

use catnap::prelude::*;
use serde_json::{Value, json};

use super::{
    A_NODE_FULL, VM_WRITE, agent_pool, closed, cluster_with, disabled, in_service, nothing_left, only_claim, pool,
    refused, turned_off, web,
};

/// DIS-04, DIS-05, DIS-21: a limit of zero CPUs, also one that takes the place of another beside a limit of memory, which
/// stays, keeps new nodes from being made, and pods are told why; it does not touch nodes that are in use.
#[scenario]
#[case::where_there_was_no_limit(false)]
#[case::in_place_of_another_limit(true)]
async fn no_node_is_made_and_none_is_touched(lab: &Lab, #[case] limited: bool) -> Outcome {
    lab.wait_of(hours(1))?;
    let with_memory = |pool: NodePool| if limited { pool.limit("memory", "1000Gi") } else { pool };
    let cluster = cluster_with(lab, with_memory(if limited { pool().limit("cpu", "1000") } else { pool() })).await?;
    // The control: before, a pod gets a node.
    let before = web(&cluster, 1).await?;
    let (pod, mark) = (cluster.pods_of("web"), cluster.mark());

    cluster.apply(with_memory(closed())).await?;
    cluster.apply(deployment("more").replicas(3).cpu(A_NODE_FULL)).await?;

    cluster.expect(pods("more").pending(3)).within(minutes(1)).await?;
    let why = events("FailedScheduling").about(Kind::Pod).saying("exceed limits for nodepool");
    cluster.expect(why.seen()).within(minutes(1)).await?;
    let kept = node_claims().of_pool("p").kept(&before).and(pods("web").kept(&pod));
    cluster.expect(kept).throughout(hours(1)).await?;
    cluster.expect(requests(VM_WRITE).since(&mark).none()).now()?;
    let limits = cluster.get(Kind::NodePool, "p").await?["spec"]["limits"].clone();
    let memory = if limited { json!("1000Gi") } else { Value::Null };
    lab.verify("the limits", json!(["0", memory]), json!([limits["cpu"], limits["memory"]]))
}

/// DIS-25+: zero is zero however it is written: no node comes into being, and the mode can be Manual.
#[scenario]
#[case::a_number(json!(0))]
#[case::a_text(json!("0"))]
#[case::thousandths(json!("0m"))]
#[case::a_decimal(json!("0.0"))]
async fn zero_is_zero_in_every_spelling(lab: &Lab, #[case] zero: Value) -> Outcome {
    let cluster = cluster_with(lab, pool()).await?;
    web(&cluster, 1).await?;
    cluster.scale("web", 0).await?;
    cluster.apply(pool().limits(json!({ "cpu": zero }))).await?;
    cluster.delete(Kind::NodeClaim, &only_claim(&cluster)?).await?;
    cluster.expect(nothing_left()).within(minutes(3)).await?;
    let mark = cluster.mark();

    cluster.scale("web", 1).await?;

    cluster.expect(pods("web").pending(1)).within(minutes(1)).await?;
    cluster.expect(pods("web").pending(1).and(node_claims().none())).throughout(minutes(2)).await?;
    cluster.expect(requests(VM_WRITE).since(&mark).none()).now()?;
    turned_off(lab, &cluster).await
}

/// DIS-02, DIS-25+: without a node, but with a node pool that still could make some (no limit at all, one of a CPU, one of
/// memory only), the mode cannot be Manual; with the limit it can.
#[scenario]
#[case::no_limit(Value::Null)]
#[case::a_limit_of_one_cpu(json!({ "cpu": "1" }))]
#[case::a_limit_of_memory_only(json!({ "memory": "0" }))]
async fn a_node_pool_that_may_make_nodes_stands_against_it(lab: &Lab, #[case] limits: Value) -> Outcome {
    let open = if limits.is_null() { pool() } else { pool().limits(limits) };
    let cluster = cluster_with(lab, open).await?;

    refused(lab, &cluster, &["limits.cpu"]).await?;

    cluster.apply(closed()).await?;
    turned_off(lab, &cluster).await
}

/// DIS-24+: AKS's own two node pools: with `default` at zero, which is the one that the documents name, and `system-surge`
/// forgotten, the mode is refused, and names the forgotten one; pods that only need any node still get one from it.
#[scenario]
async fn a_forgotten_node_pool_stands_against_it(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().node_provisioning(Auto).default_node_pools().create().await?;
    cluster.expect(node_pool("system-surge").ready().and(node_pool("default").ready())).within(minutes(2)).await?;
    let zero = json!({ "spec": { "limits": { "cpu": "0" } } });
    cluster.patch(Kind::NodePool, "default", &zero).await?;

    refused(lab, &cluster, &["system-surge"]).await?;

    // Nodes of that pool are for critical addons.
    let addon = deployment("addon").replicas(2).cpu(A_NODE_FULL).tolerating("CriticalAddonsOnly");
    cluster.apply(addon).await?;
    cluster.expect(pods("addon").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("system-surge").at_least(1)).now()?;
    cluster.expect(node_claims().of_pool("default").none()).now()?;

    cluster.patch(Kind::NodePool, "system-surge", &zero).await?;
    cluster.delete(Kind::Deployment, "addon").await?;
    cluster.expect(node_claims().none().and(nodes().of_pool("system-surge").none())).within(minutes(10)).await?;
    turned_off(lab, &cluster).await
}

/// DIS-26+: a node that is under way when the limit is set still comes into being, or goes without a trace; here it
/// comes, its pod runs on it, and the mode is refused because of it.
#[scenario]
async fn a_node_that_is_under_way_at_step_one(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, pool()).await?;
    lab.require::<Region>()?.operation_takes(VM_WRITE, minutes(2));
    let mark = cluster.mark();
    cluster.apply(deployment("web").cpu(A_NODE_FULL)).await?;
    cluster.expect(vms().count(1)).within(minutes(1)).await?;
    cluster.expect(nodes().of_pool("p").none()).now()?;

    cluster.apply(closed()).await?;

    in_service(&cluster, "web", 1).await?;
    cluster.expect(vms().count(1).and(nics().count(1)).and(disks().count(1))).now()?;
    cluster.expect(vms().at_most(1)).at_every_instant_since(&mark)?;
    refused(lab, &cluster, &[&cluster.nodes_of_pool("p")[0]]).await?;
    lab.require::<Region>()?.operation_takes(VM_WRITE, std::time::Duration::ZERO);

    agent_pool(lab, &cluster, "nodepool1", 2).await?;
    cluster.apply(disabled()).await?;
    cluster.expect(nothing_left()).within(minutes(5)).await?;
    turned_off(lab, &cluster).await
}

/// DIS-42+: that the limit "does not disrupt running nodes" is true of the limit. A node that expires meanwhile goes, and
/// no other comes: its pod waits.
#[scenario]
async fn a_node_that_expires_at_limit_zero_is_not_replaced(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(30))?;
    let cluster = cluster_with(lab, pool().expire_after("20m")).await?;
    let before = web(&cluster, 1).await?;

    cluster.apply(closed().expire_after("20m")).await?;

    cluster.expect(node_claims().kept(&before)).throughout(minutes(15)).await?;
    cluster.expect(nothing_left()).within(minutes(10)).await?;
    cluster.expect(pods("web").pending(1)).within(minutes(1)).await?;
    cluster.expect(pods("web").pending(1).and(node_claims().none())).throughout(minutes(5)).await
}
