//! What keeps consolidation from going through: pods that come in between, replacements that do not start, machines that
//! cannot be deleted.

use catnap::prelude::*;
use serde_json::json;

use super::{A_WHOLE_ROUND, D2, D8, as_many_resources_as_nodes, cluster_with, remove_filler, small};

const DISRUPTED: &str = "karpenter.sh/disrupted";
const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";
/// Taint of a node whose machine is off.
const SHUTDOWN: &str = "node.cloudprovider.kubernetes.io/shutdown";
/// api-version of virtual machines.
const COMPUTE: &str = "2024-07-01";
const VM_WRITE: &str = "Microsoft.Compute/virtualMachines/write";
const VM_DELETE: &str = "Microsoft.Compute/virtualMachines/delete";

/// One node of eight CPUs, ready to be replaced by one of two as soon as the filler is gone.
async fn oversized(lab: &Lab, pool: NodePool) -> Result<(Cluster, Vec<String>, Vec<String>), Failure> {
    let cluster = cluster_with(lab, pool.sizes(&[D2, D8])).await?;
    cluster.apply(deployment("filler").cpu("5").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    small(&cluster, "web").await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(1)).within(minutes(1)).await?;
    cluster.expect(nodes().of_pool("p").all_of_size(&[D8])).now()?;
    let (claims, names) = (cluster.claims_of_pool("p"), cluster.pods_of("web"));
    Ok((cluster, claims, names))
}

/// CONS-24: a pod that arrives while a decision is looked at again stops it: the provisioner decides within ten seconds
/// of the node being idle and acts fifteen seconds after that, and in between the pod comes. The node stays, untainted.
#[scenario]
async fn a_pod_that_comes_in_between_keeps_its_node(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2])).await?;
    cluster.apply(deployment("filler").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(1)).within(minutes(1)).await?;
    let before = cluster.claims_of_pool("p");
    let mark = cluster.mark();

    remove_filler(&cluster).await?;
    let idle = node_claims().of_pool("p").all_with_condition("Consolidatable", "True");
    cluster.expect(idle).within(minutes(1)).await?;
    lab.clock().advance(seconds(11)).await;
    small(&cluster, "late").await?;

    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(A_WHOLE_ROUND).await?;
    cluster.expect(nodes().none_tainted(DISRUPTED)).at_every_instant_since(&mark)?;
    cluster.expect(pods("late").all_running()).now()?;

    // The control: idle and left alone, the same node goes.
    cluster.scale("late", 0).await?;
    cluster.expect(nodes().of_pool("p").none()).within(minutes(2)).await
}

/// CONS-26: a replacement that Azure has no room for leaves the old node in service: after the attempt it is as it was, its
/// pods never moved, and there was never more than one other node claim.
#[scenario]
#[case::refused_at_once(ShortageKind::SkuNotAvailable)]
#[case::failed_after_it_was_accepted(ShortageKind::AllocationFailed)]
async fn a_replacement_without_room_leaves_the_old_node(lab: &Lab, #[case] kind: ShortageKind) -> Outcome {
    let (cluster, before, names) = oversized(lab, node_pool("p")).await?;
    lab.require::<Region>()?.exhaust_capacity(D2, kind);
    let mark = cluster.mark();

    remove_filler(&cluster).await?;

    cluster.expect(nodes().of_pool("p").any_tainted(DISRUPTED)).within(minutes(2)).await?;
    cluster.expect(requests(VM_WRITE).since(&mark).any()).within(minutes(2)).await?;
    let as_it_was = nodes().none_tainted(DISRUPTED).and(node_claims().of_pool("p").kept(&before));
    cluster.expect(as_it_was.and(node_claims().of_pool("p").count(1))).within(minutes(12)).await?;
    cluster.expect(node_claims().of_pool("p").at_most(2)).at_every_instant_since(&mark)?;
    cluster.expect(pods("web").kept(&names)).at_every_instant_since(&mark)?;
    cluster.expect(as_many_resources_as_nodes(1)).within(minutes(2)).await
}

/// CONS-27: a replacement that never becomes a node is given up within a quarter of an hour: its machine goes, the old
/// node is as it was, and its pods never moved. When machines boot again, the node is replaced.
#[scenario]
async fn a_replacement_that_never_registers_leaves_the_old_node(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(20))?;
    let (cluster, before, names) = oversized(lab, node_pool("p")).await?;
    lab.require::<Machines>()?.never();
    let mark = cluster.mark();

    remove_filler(&cluster).await?;

    let under_way = nodes().of_pool("p").any_tainted(DISRUPTED).and(vms().count(2));
    cluster.expect(under_way).within(minutes(2)).await?;
    let as_it_was = nodes().none_tainted(DISRUPTED).and(node_claims().of_pool("p").kept(&before));
    cluster.expect(as_it_was.and(vms().count(1))).within(minutes(17)).await?;
    cluster.expect(pods("web").kept(&names)).at_every_instant_since(&mark)?;

    lab.require::<Machines>()?.after(seconds(1));
    let replaced = nodes().of_pool("p").count(1).and(nodes().of_pool("p").all_of_size(&[D2]));
    cluster.expect(replaced).within(minutes(25)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(1)).await
}

/// CONS-33: where machines cannot be deleted for some minutes, the node claim stays on its way out, the deletion is tried
/// again, and no machine is added; then all is gone. Azure refuses with 403, as where a group is locked.
#[scenario]
async fn a_machine_that_cannot_be_deleted_is_tried_again(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, node_pool("p").sizes(&[D2])).await?;
    cluster.apply(deployment("filler").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("filler").all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(1)).within(minutes(1)).await?;
    let group =
        format!("/subscriptions/{}/resourceGroups/{}", lab.azure().subscription_id(), cluster.node_resource_group());
    let denial = lab.require::<Tenant>()?.deny_changes(&group, "no changes");
    let mark = cluster.mark();

    remove_filler(&cluster).await?;

    let refused = requests(VM_DELETE).since(&mark).answered(403);
    cluster.expect(refused.clone().at_least(2)).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("p").count(1).and(vms().count(1))).throughout(minutes(3)).await?;
    cluster.expect(refused.at_least(3)).now()?;
    cluster.expect(vms().count(1)).at_every_instant_since(&mark)?;

    denial.lift();
    cluster.expect(node_claims().of_pool("p").none()).within(minutes(20)).await?;
    cluster.expect(as_many_resources_as_nodes(0)).within(minutes(2)).await
}

/// CONS-34: a `terminationGracePeriod` does not let consolidation pass a pod disruption budget that allows nothing; a node
/// deleted by hand is gone when that time is over, whatever the budget says.
#[scenario]
async fn a_grace_period_is_no_way_around_a_budget(lab: &Lab) -> Outcome {
    let (cluster, before, names) = oversized(lab, node_pool("p").termination_grace_period("5m")).await?;
    cluster.apply(disruption_budget("web", "web").max_unavailable(0)).await?;
    let node = cluster.nodes_of_pool("p").remove(0);

    remove_filler(&cluster).await?;

    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(A_WHOLE_ROUND).await?;
    let told = events("DisruptionBlocked").about(Kind::Node).saying("prevents pod evictions");
    cluster.expect(told.seen()).within(minutes(3)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).now()?;

    cluster.delete(Kind::Node, &node).await?;
    cluster.expect(pods("web").kept(&names)).throughout(minutes(4)).await?;
    cluster.expect(nodes().named(&node).none()).within(minutes(2)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await
}

/// CONS-23: a node that is not Ready uses the budget up, here because its machine was switched off (`az vm stop`): with a
/// budget of one an empty node stays meanwhile; nothing says why, since the budget itself allows one. When the machine is
/// on again, the empty node goes.
#[scenario]
async fn a_node_that_is_not_ready_uses_the_budget_up(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(30))?;
    let pool = node_pool("p").sizes(&[D2]).consolidation_policy("WhenEmpty").budgets([Budget::nodes("1")]);
    let cluster = cluster_with(lab, pool).await?;
    // Its pod is not moved away from the dead node: that would be done by another hand than the provisioner's.
    let bearing = |name: &str| {
        let pod = deployment(name).cpu("1500m").on_pool("p");
        pod.tolerating("node.kubernetes.io/unreachable").tolerating("node.kubernetes.io/not-ready")
    };
    cluster.apply(bearing("stays")).await?;
    cluster.expect(pods("stays").all_running()).within(minutes(5)).await?;
    let down = cluster.nodes_of_pool("p").remove(0);
    cluster.apply(bearing("goes")).await?;
    cluster.expect(pods("goes").all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(2)).within(minutes(1)).await?;
    let before = cluster.claims_of_pool("p");
    let machine = cluster.machine_of(&down).ok_or_else(|| Failure::new(format!("{down} has no machine")))?;

    lab.azure().client().post(&format!("{machine}/powerOff"), COMPUTE, &json!({})).await?;
    cluster.expect(nodes().named(&down).all_ready().not()).within(minutes(12)).await?;
    cluster.expect(nodes().named(&down).all_tainted(SHUTDOWN)).within(minutes(1)).await?;
    cluster.scale("goes", 0).await?;

    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(minutes(10)).await?;

    // The control: it was the node that was not Ready.
    lab.azure().client().post(&format!("{machine}/start"), COMPUTE, &json!({})).await?;
    cluster
        .expect(nodes().named(&down).all_ready().and(nodes().named(&down).none_tainted(SHUTDOWN)))
        .within(minutes(3))
        .await?;
    cluster.expect(nodes().of_pool("p").count(1).and(nodes().named(&down).count(1))).within(minutes(5)).await
}

/// CONS-23: a node on its way out uses the budget up as well: as long as a pod that may not be disrupted keeps a deleted
/// node, an empty one stays, with a budget of one; then both go.
#[scenario]
async fn a_node_on_its_way_out_uses_the_budget_up(lab: &Lab) -> Outcome {
    let pool = node_pool("p").sizes(&[D2]).consolidation_policy("WhenEmpty").budgets([Budget::nodes("1")]);
    let cluster = cluster_with(lab, pool).await?;
    let full = |name: &str| deployment(name).cpu("1500m").on_pool("p");
    cluster.apply(full("stays").pod_annotation(DO_NOT_DISRUPT, "true")).await?;
    cluster.expect(pods("stays").all_running()).within(minutes(5)).await?;
    let leaving = cluster.nodes_of_pool("p").remove(0);
    cluster.apply(full("goes")).await?;
    cluster.expect(pods("goes").all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(2)).within(minutes(1)).await?;

    cluster.delete(Kind::Node, &leaving).await?;
    cluster.expect(nodes().named(&leaving).all_tainted(DISRUPTED)).within(minutes(1)).await?;
    cluster.scale("goes", 0).await?;

    let idle = node_claims().of_pool("p").count(2).and(vms().count(2)).and(pods("stays").running(1));
    cluster.expect(idle).throughout(minutes(10)).await?;

    // The control: the one goes, and the other after it.
    cluster.scale("stays", 0).await?;
    cluster.expect(nodes().named(&leaving).none()).within(minutes(2)).await?;
    cluster.expect(nodes().of_pool("p").none()).within(minutes(2)).await
}
