//! Consolidation: when node auto-provisioning removes nodes, when it replaces them by cheaper ones, and what stops it.
//!
//! The rules, from Microsoft's "Overview of node auto-provisioning" (node disruption) and the `karpenter.sh/v1` API that
//! the provisioner serves: `consolidationPolicy` says which nodes are considered, `consolidateAfter` how long after the
//! last pod event; budgets limit how many nodes go at once; pod disruption budgets and `karpenter.sh/do-not-disrupt`
//! protect pods and nodes. The provisioner looks every ten seconds, and looks again fifteen seconds later before it
//! acts: [`A_WHOLE_ROUND`] is the time after which "nothing happened" means something.

mod interruption;
mod obstacle;
mod rest;

use std::time::Duration;

use catnap::prelude::*;
use serde_json::json;
use suites::cluster_with;
use suites::versions::sees_that_two_budgets_forbid_eviction;

/// Ten seconds to the next look, fifteen until it is validated, and some to act.
const A_WHOLE_ROUND: Duration = seconds(32);

const D2: &str = "Standard_D2s_v5";
const D4: &str = "Standard_D4s_v5";
const D8: &str = "Standard_D8s_v5";

/// Brings up `count` nodes of four CPUs, each of them held by a pod of the deployment `filler` (3 CPUs) and one of the
/// deployments `small-0`, `small-1`, … (half a CPU): no node has room for two of either. With the filler gone the nodes
/// are under-used.
async fn nodes_with_filler(cluster: &Cluster, count: u32) -> Outcome {
    cluster.apply(deployment("filler").replicas(count).cpu("3").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    for index in 0..count {
        small(cluster, &format!("small-{index}")).await?;
    }
    cluster.expect(nodes().of_pool("p").count(count as usize)).now()
}

/// A deployment of one pod that asks for half a CPU, running.
async fn small(cluster: &Cluster, name: &str) -> Outcome {
    cluster.apply(deployment(name).cpu("500m").on_pool("p")).await?;
    cluster.expect(pods(name).all_running()).within(minutes(5)).await
}

async fn remove_filler(cluster: &Cluster) -> Outcome {
    cluster.scale("filler", 0).await?;
    cluster.expect(pods("filler").running(0)).within(minutes(1)).await
}

/// Nothing of Azure is left of nodes that went.
fn as_many_resources_as_nodes(count: usize) -> Expectation {
    vms().count(count).and(nics().count(count)).and(disks().count(count))
}

/// CONS-01: when workloads scale down, nodes are removed, and their machines, network interfaces and disks with them.
#[scenario]
async fn scaling_down_removes_nodes(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D4])).await?;
    cluster.apply(deployment("web").replicas(10).cpu("900m").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").at_least(3)).now()?;

    cluster.scale("web", 2).await?;

    cluster.expect(nodes().of_pool("p").count(1)).within(minutes(3)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(1)).await?;
    cluster.expect(as_many_resources_as_nodes(1)).within(minutes(1)).await
}

/// CONS-02: a node whose pods fit elsewhere is deleted, without another in its place.
#[scenario]
async fn a_node_whose_pods_fit_elsewhere_is_deleted(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D4])).await?;
    nodes_with_filler(&cluster, 2).await?;
    let mark = cluster.mark();

    remove_filler(&cluster).await?;

    cluster.expect(nodes().of_pool("p").count(1)).within(minutes(3)).await?;
    cluster.expect(pods("small-0").all_running().and(pods("small-1").all_running())).within(minutes(1)).await?;
    cluster
        .expect(events("DisruptionTerminating").about(Kind::Node).saying("Underutilized").seen())
        .within(seconds(30))
        .await?;
    cluster.expect(node_claims().at_most(2)).at_every_instant_since(&mark)?;
    cluster.expect(requests("Microsoft.Compute/virtualMachines/write").since(&mark).none()).now()?;
    cluster.expect(as_many_resources_as_nodes(1)).within(minutes(1)).await
}

/// CONS-03: a node that is larger than its pods need is replaced by a cheaper one, which is in service first.
#[scenario]
async fn an_oversized_node_is_replaced_by_a_cheaper_one(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2, D8])).await?;
    cluster.apply(deployment("filler").cpu("5").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").count(1)).now()?;
    cluster.expect(nodes().of_pool("p").all_of_size(&[D8])).now()?;
    // Pods may run on a node a moment before its node claim is Initialized.
    cluster.expect(node_claims().of_pool("p").at_least_in_service(1)).within(minutes(1)).await?;
    let mark = cluster.mark();

    remove_filler(&cluster).await?;

    let small = nodes().of_pool("p").count(1).and(nodes().of_pool("p").all_of_size(&[D2]));
    cluster.expect(small).within(minutes(3)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(1)).at_every_instant_since(&mark)?;
    cluster.expect(as_many_resources_as_nodes(1)).within(minutes(1)).await
}

/// CONS-04: three nodes with the load of one become one, of the cheapest size that holds it.
#[scenario]
async fn pods_end_up_on_the_cheapest_node_that_holds_them(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2, D4])).await?;
    nodes_with_filler(&cluster, 3).await?;

    remove_filler(&cluster).await?;

    let packed = nodes().of_pool("p").count(1).and(nodes().of_pool("p").all_of_size(&[D2]));
    cluster.expect(packed).within(minutes(4)).await?;
    for index in 0..3 {
        cluster.expect(pods(&format!("small-{index}")).all_running()).within(minutes(1)).await?;
    }
    cluster.expect(as_many_resources_as_nodes(1)).within(minutes(1)).await
}

/// CONS-05: `WhenEmpty` considers only nodes without workload pods: an under-used node is kept, and says why.
#[scenario]
async fn when_empty_keeps_underused_nodes(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D4]).consolidation_policy("WhenEmpty")).await?;
    cluster.apply(deployment("filler").replicas(2).cpu("3").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    small(&cluster, "small").await?;
    cluster.expect(nodes().of_pool("p").count(2)).now()?;

    remove_filler(&cluster).await?;

    // The empty node goes: what follows is no standstill.
    cluster.expect(node_claims().of_pool("p").count(1)).within(minutes(2)).await?;
    cluster.expect(pods("small").all_running()).now()?;
    let kept = cluster.claims_of_pool("p");
    cluster.expect(node_claims().of_pool("p").kept(&kept)).throughout(A_WHOLE_ROUND).await?;
    let why = events("Unconsolidatable").about(Kind::Node).saying("non-empty consolidation disabled");
    cluster.expect(why.seen()).now()
}

/// CONS-06, CONS-07, CONS-12, CONS-21+: values that the documents print from an older API, and a schedule without a
/// duration, are refused; the v1 spelling is accepted.
#[scenario]
#[case::when_underutilized(json!({ "consolidationPolicy": "WhenUnderutilized" }), "Unsupported value")]
#[case::when_empty_or_under_utilized(json!({ "consolidationPolicy": "WhenEmptyOrUnderUtilized" }), "Unsupported value")]
#[case::expire_after_under_disruption(json!({ "expireAfter": "Never" }), "expireAfter")]
#[case::schedule_without_duration(json!({ "budgets": [{ "nodes": "1", "schedule": "@daily" }] }), "'schedule' must be set with 'duration'")]
async fn disruption_settings_of_an_older_api_are_refused(
    lab: &Lab,
    #[case] printed: serde_json::Value,
    #[case] complaint: &str,
) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").consolidation_policy("WhenEmptyOrUnderutilized")).await?;

    let mut pool = node_pool("printed");
    for (field, value) in printed.as_object().into_iter().flatten() {
        pool = pool.disruption(field, value.clone());
    }
    let refused = cluster.apply(pool).await.err().map(|error| error.to_string()).unwrap_or_default();

    lab.verify(&format!("{refused:?} says {complaint:?}"), true, refused.contains(complaint))?;
    cluster.expect(node_pool("printed").absent().and(node_pool("p").exists())).now()
}

/// CONS-08, CONS-09: `consolidateAfter` is the time between the last pod event and the node being considered, with both
/// policies.
#[scenario]
#[case::of_an_empty_node("WhenEmpty", false)]
#[case::of_an_underused_node("WhenEmptyOrUnderutilized", true)]
async fn consolidate_after_is_the_wait_before_acting(
    lab: &Lab,
    #[case] policy: &str,
    #[case] underused: bool,
) -> Outcome {
    let pool = node_pool("p").sizes(&[D2, D8]).consolidation_policy(policy).consolidate_after("30s");
    let cluster = cluster_with(lab, pool).await?;
    let mark = cluster.mark();
    cluster.apply(deployment("filler").cpu("5").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    if underused {
        small(&cluster, "small").await?;
    }
    let before = cluster.claims_of_pool("p");

    remove_filler(&cluster).await?;

    let consolidatable = node_claims().of_pool("p").all_with_condition("Consolidatable", "True");
    cluster.expect(consolidatable).within(minutes(2)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).now()?;
    if underused {
        cluster.expect(nodes().of_pool("p").all_of_size(&[D2])).within(minutes(2)).await?;
    } else {
        cluster.expect(nodes().of_pool("p").none()).within(minutes(2)).await?;
    }
    cluster.expect(node_claims().none_consolidatable_before(seconds(30)).even_if_none()).at_every_instant_since(&mark)
}

/// CONS-10: `consolidateAfter: Never` turns consolidation off, and the node says so.
#[scenario]
async fn consolidate_after_never_turns_it_off(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").consolidate_after("Never")).await?;
    cluster.apply(deployment("filler").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    let before = cluster.claims_of_pool("p");

    remove_filler(&cluster).await?;

    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(A_WHOLE_ROUND).await?;
    cluster.expect(node_claims().none_with_condition("Consolidatable")).now()?;
    let why = events("Unconsolidatable").about(Kind::NodeClaim).saying("has consolidation disabled");
    cluster.expect(why.seen()).within(seconds(30)).await?;

    // The control: turned on, the same empty node goes.
    cluster.apply(node_pool("p").consolidate_after("0s")).await?;
    cluster.expect(node_claims().of_pool("p").none()).within(minutes(2)).await
}

/// CONS-11: a node can be removed by hand: `kubectl delete node` drains it and deletes its machine.
#[scenario]
async fn a_node_deleted_by_hand_is_drained_and_its_machine_deleted(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2])).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    let node = cluster.nodes_of_pool("p").remove(0);

    cluster.delete(Kind::Node, &node).await?;

    cluster.expect(nodes().named(&node).none()).within(minutes(2)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
    cluster.expect(nodes().of_pool("p").count(1)).within(minutes(1)).await?;
    cluster.expect(as_many_resources_as_nodes(1)).within(minutes(1)).await
}

/// CONS-12: `expireAfter` replaces a node by force when it has reached that age; `Never` keeps it.
#[scenario]
async fn an_expired_node_is_replaced(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2]).expire_after("Never")).await?;
    cluster.apply(node_class("q")).await?;
    cluster.apply(node_pool("q").sizes(&[D2]).expire_after("20s")).await?;
    for pool in ["p", "q"] {
        cluster.apply(deployment(&format!("web-{pool}")).cpu("1").on_pool(pool)).await?;
    }
    cluster.expect(pods("web-p").all_running().and(pods("web-q").all_running())).within(minutes(5)).await?;
    let (lasting, expiring) = (cluster.claims_of_pool("p"), cluster.claims_of_pool("q"));
    let mark = cluster.mark();

    cluster.expect(node_claims().of_pool("q").none_of(&expiring)).within(minutes(2)).await?;

    cluster.expect(nodes().of_pool("q").at_least(1)).within(minutes(2)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&lasting)).at_every_instant_since(&mark)
}

/// CONS-13: a pod disruption budget holds at every instant while nodes are consolidated.
#[scenario]
async fn a_pod_disruption_budget_holds_while_nodes_go(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D4])).await?;
    cluster.apply(deployment("filler").replicas(3).cpu("3").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    cluster.apply(deployment("web").replicas(3).cpu("500m").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.apply(disruption_budget("web", "web").min_available(2)).await?;
    cluster.expect(nodes().of_pool("p").count(3)).now()?;
    let mark = cluster.mark();

    remove_filler(&cluster).await?;

    cluster.expect(nodes().of_pool("p").count(1)).within(minutes(5)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(1)).await?;
    cluster.expect(pods("web").at_least_running(2)).at_every_instant_since(&mark)
}

/// What keeps a node with this pod on it from being consolidated.
#[derive(Debug, Clone, Copy)]
enum Protection {
    BudgetOfNone,
    TwoBudgets,
    DoNotDisruptPod,
    DoNotDisruptNode,
}

/// CONS-14+, CONS-15+, CONS-16+, CONS-17+: a pod disruption budget that allows nothing, two budgets for one pod, and
/// `karpenter.sh/do-not-disrupt` on a pod or on the node block it, visibly; without them it goes.
#[scenario]
#[case::a_budget_that_allows_nothing(Protection::BudgetOfNone, "prevents pod evictions")]
#[case::two_budgets_for_one_pod(Protection::TwoBudgets, "does not support multiple PDBs")]
#[case::a_pod_not_to_be_disrupted(Protection::DoNotDisruptPod, "karpenter.sh/do-not-disrupt")]
#[case::a_node_not_to_be_disrupted(Protection::DoNotDisruptNode, "karpenter.sh/do-not-disrupt")]
async fn a_protected_node_is_kept(lab: &Lab, #[case] protection: Protection, #[case] reason: &str) -> Outcome {
    const KEY: &str = "karpenter.sh/do-not-disrupt";
    if matches!(protection, Protection::TwoBudgets) {
        sees_that_two_budgets_forbid_eviction(lab)?;
    }
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2, D8])).await?;
    cluster.apply(deployment("filler").cpu("5").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    small(&cluster, "web").await?;
    let node = cluster.nodes_of_pool("p").remove(0);
    let pod = cluster.pods_of("web").remove(0);
    match protection {
        Protection::BudgetOfNone => cluster.apply(disruption_budget("one", "web").max_unavailable(0)).await?,
        Protection::TwoBudgets => {
            cluster.apply(disruption_budget("one", "web").max_unavailable(1)).await?;
            cluster.apply(disruption_budget("two", "web").max_unavailable(1)).await?;
        }
        Protection::DoNotDisruptPod => cluster.annotate(Kind::Pod, &pod, KEY, Some("true")).await?,
        Protection::DoNotDisruptNode => cluster.annotate(Kind::Node, &node, KEY, Some("true")).await?,
    }
    let before = cluster.claims_of_pool("p");

    remove_filler(&cluster).await?;

    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(A_WHOLE_ROUND).await?;
    // The provisioner publishes one DisruptionBlocked event for a node in two minutes, and the first says that the node
    // was nominated for a pending pod.
    cluster.expect(events("DisruptionBlocked").about(Kind::Node).saying(reason).seen()).within(minutes(3)).await?;
    cluster.expect(events("DisruptionBlocked").about(Kind::NodeClaim).saying(reason).seen()).within(minutes(3)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).now()?;

    match protection {
        Protection::BudgetOfNone => cluster.delete(Kind::PodDisruptionBudget, "one").await?,
        Protection::TwoBudgets => cluster.delete(Kind::PodDisruptionBudget, "two").await?,
        Protection::DoNotDisruptPod => cluster.annotate(Kind::Pod, &pod, KEY, None).await?,
        Protection::DoNotDisruptNode => cluster.annotate(Kind::Node, &node, KEY, None).await?,
    }
    cluster.expect(nodes().of_pool("p").all_of_size(&[D2])).within(minutes(3)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(1)).await
}

/// CONS-16+: a node that is not to be disrupted can still be deleted by hand.
#[scenario]
async fn do_not_disrupt_does_not_stop_a_hand(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2])).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    let node = cluster.nodes_of_pool("p").remove(0);
    cluster.annotate(Kind::Node, &node, "karpenter.sh/do-not-disrupt", Some("true")).await?;

    cluster.delete(Kind::Node, &node).await?;

    cluster.expect(nodes().named(&node).none()).within(minutes(2)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(2)).await
}

/// CONS-18+: a budget of 0 blocks everything voluntary, and the node pool says so; raised, the node goes.
#[scenario]
async fn a_budget_of_zero_blocks(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").budgets([Budget::nodes("0")])).await?;
    cluster.apply(deployment("filler").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    let before = cluster.claims_of_pool("p");

    remove_filler(&cluster).await?;

    cluster
        .expect(events("DisruptionBlocked").about(Kind::NodePool).saying("No allowed disruptions").seen())
        .within(minutes(1))
        .await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(A_WHOLE_ROUND).await?;

    cluster.apply(node_pool("p").budgets([Budget::nodes("1")])).await?;
    cluster.expect(node_claims().of_pool("p").none()).within(minutes(2)).await
}

/// CONS-19+: a budget can be meant for one reason only.
#[scenario]
async fn a_budget_can_block_one_reason_only(lab: &Lab) -> Outcome {
    let budgets = [Budget::nodes("0").for_reasons(&["Underutilized"]), Budget::nodes("100%").for_reasons(&["Empty"])];
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2, D4]).budgets(budgets)).await?;
    cluster.apply(deployment("filler").replicas(2).cpu("3").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    small(&cluster, "small").await?;
    cluster.expect(nodes().of_pool("p").count(2)).now()?;

    remove_filler(&cluster).await?;

    cluster.expect(node_claims().of_pool("p").count(1)).within(minutes(2)).await?;
    let kept = cluster.claims_of_pool("p");
    cluster.expect(node_claims().of_pool("p").kept(&kept)).throughout(A_WHOLE_ROUND).await?;
    cluster.expect(pods("small").all_running().and(nodes().of_pool("p").all_of_size(&[D4]))).now()
}

/// CONS-22+: the default budget is a tenth of the nodes, rounded up, and of several budgets the smallest counts.
#[scenario]
#[case::by_default("10%", None)]
#[case::the_smallest_of_two("100%", Some("1"))]
async fn a_budget_limits_how_many_nodes_go_at_once(
    lab: &Lab,
    #[case] first: &str,
    #[case] second: Option<&str>,
) -> Outcome {
    let budgets = std::iter::once(first).chain(second).map(Budget::nodes);
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2]).budgets(budgets)).await?;
    cluster.apply(deployment("filler").replicas(3).cpu("1500m").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").count(3)).now()?;
    let mark = cluster.mark();

    remove_filler(&cluster).await?;

    cluster.expect(nodes().of_pool("p").none()).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("p").at_most_disrupted(1).even_if_none()).at_every_instant_since(&mark)
}

/// CONS-28+: where nothing is cheaper nothing is done.
#[scenario]
async fn the_cheapest_node_is_left_alone(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2, D8])).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_of_size(&[D2])).now()?;
    let before = cluster.claims_of_pool("p");

    let why = events("Unconsolidatable").about(Kind::Node).saying("Can't replace with a cheaper node");
    cluster.expect(why.seen()).within(minutes(2)).await?;

    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(A_WHOLE_ROUND).await
}

/// CONS-30+: a pod that fits nowhere else keeps its node.
#[scenario]
async fn a_pod_that_fits_nowhere_else_keeps_its_node(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2, D8])).await?;
    cluster.apply(deployment("filler").cpu("5").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    let node = cluster.nodes_of_pool("p").remove(0);
    cluster.apply(deployment("bound").cpu("500m").node_selector("kubernetes.io/hostname", &node)).await?;
    cluster.expect(pods("bound").all_running()).within(minutes(1)).await?;
    let before = cluster.claims_of_pool("p");

    remove_filler(&cluster).await?;

    cluster.expect(events("Unconsolidatable").about(Kind::Node).seen()).within(minutes(2)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(A_WHOLE_ROUND).await?;

    // The control: without that pod the node goes.
    cluster.scale("bound", 0).await?;
    cluster.expect(nodes().of_pool("p").none()).within(minutes(2)).await
}

/// CONS-35+: at zero load there are zero nodes, and the fixed nodes are untouched.
#[scenario]
async fn no_load_means_no_nodes(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p")).await?;
    cluster.expect(nodes().of_agent_pool("nodepool1").count(1)).within(minutes(1)).await?;
    cluster.apply(deployment("web").replicas(4).cpu("1").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    let mark = cluster.mark();

    cluster.delete(Kind::Deployment, "web").await?;

    cluster.expect(nodes().of_pool("p").none()).within(minutes(3)).await?;
    cluster.expect(as_many_resources_as_nodes(0)).within(minutes(1)).await?;
    cluster.expect(nodes().of_agent_pool("nodepool1").count(1)).at_every_instant_since(&mark)
}
