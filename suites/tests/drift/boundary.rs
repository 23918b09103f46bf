//! What bounds drift: node disruption budgets, pod disruption budgets, `karpenter.sh/do-not-disrupt`, limits, and the
//! order in which nodes go.

use catnap::prelude::*;
use serde_json::json;
use suites::versions::takes_empty_nodes_that_drifted;

use super::{A_NODE_FULL, D2, D4, DISRUPTED, cluster_with, full_nodes, gone_for_new_ones, replaced, steady};

const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";

/// Any change of the node class but of its tags will do: this one costs nothing.
fn changed_class() -> NodeClass {
    node_class("p").max_pods(100)
}

/// DRIFT-09: five drifted nodes and a budget of one: at no instant is more than one node on its way out, and in the end
/// none has drifted.
#[scenario]
async fn a_budget_bounds_how_many_drifted_nodes_go_at_once(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, steady("p").budgets([Budget::nodes("1")])).await?;
    let before = full_nodes(&cluster, "p", 5).await?;
    let mark = cluster.mark();

    cluster.apply(changed_class()).await?;

    replaced(lab, &cluster, "p", &before, &mark).await?;
    cluster.expect(node_claims().none_with_condition("Drifted")).now()?;
    cluster.expect(node_claims().of_pool("p").at_most_disrupted(1)).at_every_instant_since(&mark)
}

/// DRIFT-10: a pod disruption budget holds at every instant while all nodes of its pods are replaced.
#[scenario]
async fn a_pod_disruption_budget_holds_while_drifted_nodes_go(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, steady("p").budgets([Budget::nodes("100%")])).await?;
    let before = full_nodes(&cluster, "p", 3).await?;
    cluster.apply(disruption_budget("web", "web-p").min_available(2)).await?;
    let mark = cluster.mark();

    cluster.apply(changed_class()).await?;

    gone_for_new_ones(lab, &cluster, "p", &before).await?;
    cluster.expect(pods("web-p").at_least_running(2)).at_every_instant_since(&mark)
}

/// DRIFT-11+: capacity is never given away first: the old node is tainted when the replacement is ordered, and keeps its
/// pods until that one is in service.
#[scenario]
async fn the_replacement_is_in_service_before_the_old_node_goes(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, steady("p")).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    let (node, pod) = (cluster.nodes_of_pool("p").remove(0), cluster.pods_of("web-p"));
    lab.require::<Machines>()?.after(minutes(2));
    let mark = cluster.mark();

    cluster.apply(changed_class()).await?;

    let ordered = nodes().named(&node).all_tainted(DISRUPTED).and(node_claims().of_pool("p").count(2));
    cluster.expect(ordered).within(minutes(1)).await?;
    let serving = pods("web-p").kept(&pod).and(pods("web-p").running(1));
    cluster.expect(serving.and(nodes().named(&node).all_ready())).throughout(seconds(90)).await?;
    replaced(lab, &cluster, "p", &before, &mark).await
}

/// What keeps a drifted node with this pod on it from being replaced.
#[derive(Debug, Clone, Copy)]
enum Protection {
    BudgetOfNone,
    DoNotDisruptPod,
    DoNotDisruptNode,
}

/// DRIFT-20+, DRIFT-21+: a pod disruption budget that allows nothing, and `karpenter.sh/do-not-disrupt` on a pod or on
/// the node, block drift, visibly; without them the node is replaced.
#[scenario]
#[case::a_budget_that_allows_nothing(Protection::BudgetOfNone, "prevents pod evictions")]
#[case::a_pod_not_to_be_disrupted(Protection::DoNotDisruptPod, DO_NOT_DISRUPT)]
#[case::a_node_not_to_be_disrupted(Protection::DoNotDisruptNode, DO_NOT_DISRUPT)]
async fn a_protected_node_is_not_replaced(lab: &Lab, #[case] protection: Protection, #[case] reason: &str) -> Outcome {
    let cluster = cluster_with(lab, steady("p")).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    let (node, pod) = (cluster.nodes_of_pool("p").remove(0), cluster.pods_of("web-p").remove(0));
    match protection {
        Protection::BudgetOfNone => cluster.apply(disruption_budget("web", "web-p").max_unavailable(0)).await?,
        Protection::DoNotDisruptPod => cluster.annotate(Kind::Pod, &pod, DO_NOT_DISRUPT, Some("true")).await?,
        Protection::DoNotDisruptNode => cluster.annotate(Kind::Node, &node, DO_NOT_DISRUPT, Some("true")).await?,
    }

    cluster.apply(changed_class()).await?;

    cluster.expect(node_claims().of_pool("p").all_drifted("NodeClassDrift")).within(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(minutes(1)).await?;
    // The provisioner publishes one DisruptionBlocked event for a node in two minutes, and the first may say that the
    // node was nominated for a pending pod.
    cluster.expect(events("DisruptionBlocked").about(Kind::Node).saying(reason).seen()).within(minutes(3)).await?;
    cluster.expect(events("DisruptionBlocked").about(Kind::NodeClaim).saying(reason).seen()).within(minutes(3)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).now()?;

    let mark = cluster.mark();
    match protection {
        Protection::BudgetOfNone => cluster.delete(Kind::PodDisruptionBudget, "web").await?,
        Protection::DoNotDisruptPod => cluster.annotate(Kind::Pod, &pod, DO_NOT_DISRUPT, None).await?,
        Protection::DoNotDisruptNode => cluster.annotate(Kind::Node, &node, DO_NOT_DISRUPT, None).await?,
    }
    replaced(lab, &cluster, "p", &before, &mark).await
}

/// DRIFT-22+: a budget of zero blocks drift, and the node pool says so; raised, the node is replaced.
#[scenario]
async fn a_budget_of_zero_blocks_drift(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, steady("p").budgets([Budget::nodes("0")])).await?;
    let before = full_nodes(&cluster, "p", 1).await?;

    cluster.apply(changed_class()).await?;

    cluster.expect(node_claims().of_pool("p").all_drifted("NodeClassDrift")).within(minutes(1)).await?;
    let why = events("DisruptionBlocked").about(Kind::NodePool).saying("No allowed disruptions");
    cluster.expect(why.seen()).within(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(minutes(2)).await?;
    let mark = cluster.mark();
    cluster.apply(steady("p").budgets([Budget::nodes("1")])).await?;
    replaced(lab, &cluster, "p", &before, &mark).await
}

/// DRIFT-22+: a budget of zero for `Drifted` blocks drift and nothing else: of two drifted nodes the one that becomes
/// empty is consolidated, the other stays.
#[scenario]
async fn a_budget_can_block_drift_only(lab: &Lab) -> Outcome {
    let none_for_drift = [Budget::nodes("0").for_reasons(&["Drifted"]), Budget::nodes("100%").for_reasons(&["Empty"])];
    let pool = node_pool("p").sizes(&[D2]).consolidation_policy("WhenEmpty").budgets(none_for_drift);
    let cluster = cluster_with(lab, pool).await?;
    full_nodes(&cluster, "p", 2).await?;

    cluster.apply(changed_class()).await?;

    cluster.expect(node_claims().of_pool("p").all_drifted("NodeClassDrift")).within(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("p").at_most_disrupted(0)).throughout(minutes(1)).await?;
    cluster.scale("web-p", 1).await?;
    cluster.expect(node_claims().of_pool("p").count(1)).within(minutes(3)).await?;
    let kept = cluster.claims_of_pool("p");
    cluster.expect(node_claims().of_pool("p").kept(&kept)).throughout(minutes(2)).await?;
    cluster.expect(node_claims().of_pool("p").all_drifted("NodeClassDrift")).now()
}

/// DRIFT-22+: a budget of zero with a schedule blocks drift while its window is open, here from eight to nine, and no
/// longer.
#[scenario(begins = "2026-03-02T08:05:00Z")]
async fn a_budget_with_a_schedule_blocks_drift_in_its_window(lab: &Lab) -> Outcome {
    lab.wait_of(hours(1))?;
    let closed = Budget::nodes("0").on_schedule("0 8 * * *", Some("1h"));
    let cluster = cluster_with(lab, steady("p").budgets([Budget::nodes("100%"), closed])).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    let mark = cluster.mark();

    cluster.apply(changed_class()).await?;

    cluster.expect(node_claims().of_pool("p").all_drifted("NodeClassDrift")).within(minutes(1)).await?;
    let closing: jiff::Timestamp = "2026-03-02T08:59:00Z".parse()?;
    let rest = std::time::Duration::try_from(closing.duration_since(lab.clock().now()))?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(rest).await?;
    replaced(lab, &cluster, "p", &before, &mark).await
}

/// DRIFT-23+: with a `terminationGracePeriod` nothing holds a drifted node for longer than that: its drain begins in
/// spite of a budget that allows nothing, or of a pod that is not to be disrupted; the pod is let be at first, and
/// deleted by force when the time is over, and says so.
#[scenario]
#[case::of_a_budget_that_allows_nothing(Protection::BudgetOfNone)]
#[case::of_a_pod_not_to_be_disrupted(Protection::DoNotDisruptPod)]
async fn a_termination_grace_period_ends_the_protection(lab: &Lab, #[case] protection: Protection) -> Outcome {
    let cluster = cluster_with(lab, steady("p").termination_grace_period("10m")).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    let pod = cluster.pods_of("web-p");
    match protection {
        Protection::BudgetOfNone => cluster.apply(disruption_budget("web", "web-p").max_unavailable(0)).await?,
        _ => cluster.annotate(Kind::Pod, &pod[0], DO_NOT_DISRUPT, Some("true")).await?,
    }

    cluster.apply(changed_class()).await?;

    // It is on its way out …
    cluster.expect(node_claims().of_pool("p").kept(&before).not()).within(minutes(2)).await?;
    // … and its pod is not.
    cluster.expect(pods("web-p").kept(&pod).and(pods("web-p").running(1))).throughout(minutes(8)).await?;
    cluster.expect(node_claims().of_pool("p").none_of(&before)).within(minutes(5)).await?;
    let forced = events("Disrupted").about(Kind::Pod).saying("bypasses the PDB of the pod");
    cluster.expect(forced.seen()).within(minutes(1)).await?;
    cluster.expect(pods("web-p").kept(&pod).not()).now()?;
    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("p").count(1).and(vms().count(1))).within(minutes(2)).await
}

/// The names of node claims in the order in which they were told to go.
fn order_of_ends(lab: &Lab) -> Vec<String> {
    use catnap::history::{Change, Event};
    let mut order = Vec::new();
    for record in lab.history().since(0) {
        if let Event::Kube { kind, change: Change::Applied, object } = &record.event
            && kind == "NodeClaim"
            && object["metadata"]["deletionTimestamp"].is_string()
        {
            let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
            if !order.contains(&uid) {
                order.push(uid);
            }
        }
    }
    order
}

/// DRIFT-24+: with a budget of one, empty nodes go first, although they are not the first that drifted, and of the
/// others the one that has drifted for longest.
#[scenario]
async fn empty_nodes_go_first_and_then_the_longest_drifted(lab: &Lab) -> Outcome {
    takes_empty_nodes_that_drifted(lab)?;
    let closed = [Budget::nodes("0")];
    let cluster = cluster_with(lab, steady("p").sizes(&[D4]).budgets(closed.clone())).await?;
    // Two nodes of four CPUs: one full, one that will be empty.
    cluster.apply(deployment("large").cpu("3").on_pool("p")).await?;
    cluster.expect(pods("large").all_running()).within(minutes(5)).await?;
    let large = cluster.claims_of_pool("p");
    cluster.apply(deployment("empty").cpu("3").on_pool("p")).await?;
    cluster.expect(pods("empty").all_running()).within(minutes(5)).await?;
    let empty: Vec<_> = cluster.claims_of_pool("p").into_iter().filter(|uid| !large.contains(uid)).collect();
    // And one of two CPUs, full, which is the youngest and drifts before them.
    cluster.apply(steady("p").sizes(&[D2, D4]).budgets(closed.clone())).await?;
    cluster.apply(deployment("small").cpu(A_NODE_FULL).on_pool("p")).await?;
    cluster.expect(pods("small").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").of_size(D2).count(1)).now()?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(3)).within(minutes(1)).await?;
    let all = cluster.claims_of_pool("p");
    cluster.scale("empty", 0).await?;
    cluster.expect(pods("empty").running(0)).within(minutes(1)).await?;

    cluster.apply(steady("p").sizes(&[D4]).budgets(closed.clone())).await?;
    let small_has = node_claims().none_with_condition("Drifted").not();
    cluster.expect(small_has).within(minutes(2)).await?;
    lab.clock().advance(minutes(2)).await;
    cluster.apply(steady("p").sizes(&[D4]).label("example.com/generation", "2").budgets(closed)).await?;
    cluster.expect(node_claims().of_pool("p").all_drifted("NodePoolDrifted")).within(minutes(2)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&all)).now()?;
    let pool = steady("p").sizes(&[D4]).label("example.com/generation", "2").budgets([Budget::nodes("1")]);
    cluster.apply(pool).await?;

    cluster.expect(node_claims().of_pool("p").none_of(&all)).within(minutes(15)).await?;
    let order = order_of_ends(lab);
    let small: Vec<_> = all.iter().filter(|uid| !large.contains(uid) && !empty.contains(uid)).cloned().collect();
    lab.verify("the order in which they went", [empty, small, large].concat(), order)?;
    cluster.expect(pods("large").all_running().and(pods("small").all_running())).within(minutes(2)).await
}

/// DRIFT-36+: a node pool at its limit is no dead end for drift: the node is replaced, and for the time in which both are
/// there the pool has the replaced node's CPUs more than its limit, and not more than that.
#[scenario]
async fn a_drifted_node_is_replaced_at_the_pools_limit(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, steady("p").limit("cpu", "2")).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    // The control: the limit holds for a pod that needs another node.
    cluster.apply(deployment("more").cpu(A_NODE_FULL).on_pool("p")).await?;
    cluster.expect(pods("more").pending(1)).within(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(minutes(1)).await?;
    cluster.delete(Kind::Deployment, "more").await?;
    cluster.expect(pods("more").pending(0)).within(minutes(1)).await?;
    let mark = cluster.mark();

    cluster.apply(changed_class()).await?;

    replaced(lab, &cluster, "p", &before, &mark).await?;
    cluster.expect(node_claims().of_pool("p").at_most(2)).at_every_instant_since(&mark)?;
    let used = cluster.get(Kind::NodePool, "p").await?["spec"]["limits"]["cpu"].clone();
    lab.verify("the limit", json!("2"), used)
}
