//! Drift that is interrupted: by a change of mind, by the end of the provisioner.

use catnap::prelude::*;

use super::{A_WHOLE_ROUND, CustomVnet, DISRUPTED, cluster_with, custom_vnet, full_nodes, replaced, steady};

const VM_DELETE: &str = "Microsoft.Compute/virtualMachines/delete";

/// DRIFT-33+: the subnet is put back when one of three nodes has moved: it moves back, and in the end there are as many
/// nodes as are needed, all where the class says.
#[scenario]
async fn a_change_can_be_taken_back_half_way(lab: &Lab) -> Outcome {
    let CustomVnet { custom_subnet, custom_subnet2, cluster, .. } = custom_vnet(lab).await?;
    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.apply(steady("p").budgets([Budget::nodes("1")])).await?;
    let before = full_nodes(&cluster, "p", 3).await?;
    let mark = cluster.mark();

    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet2.id())).await?;
    // The budget has the second replacement begin while the first machine is still on its way out, and the third not yet.
    cluster.expect(requests(VM_DELETE).since(&mark).any()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&custom_subnet).not()).now()?;
    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet.id())).await?;

    let there = nodes().of_pool("p").count(3).and(nodes().of_pool("p").all_in_subnet(&custom_subnet));
    cluster.expect(there.and(node_claims().none_with_condition("Drifted"))).within(minutes(15)).await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(2)).await?;
    let final_claims = cluster.claims_of_pool("p");
    cluster.expect(node_claims().of_pool("p").kept(&final_claims)).throughout(A_WHOLE_ROUND).await?;
    let stayed = before.iter().filter(|uid| final_claims.contains(uid)).count();
    lab.verify("some nodes never had to move", true, stayed >= 1)?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(3)).at_every_instant_since(&mark)?;
    cluster.expect(vms().count(3).and(nics().count(3))).within(minutes(1)).await
}

/// When the provisioner is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    WhileTheReplacementBoots,
    WhileTheOldMachineIsDeleted,
}

/// DRIFT-34+: a provisioner that is killed in the middle of a replacement, and comes back after a while, brings it to its
/// end: there is never a second replacement, the pod is never without a node, nothing is left over.
#[scenario]
#[case::while_the_replacement_boots(Moment::WhileTheReplacementBoots)]
#[case::while_the_old_machine_is_deleted(Moment::WhileTheOldMachineIsDeleted)]
async fn a_killed_provisioner_finishes_what_it_began(lab: &Lab, #[case] moment: Moment) -> Outcome {
    let cluster = cluster_with(lab, steady("p")).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    let (node, mark) = (cluster.nodes_of_pool("p").remove(0), cluster.mark());
    match moment {
        Moment::WhileTheReplacementBoots => lab.require::<Machines>()?.after(minutes(1)),
        Moment::WhileTheOldMachineIsDeleted => lab.require::<Region>()?.operation_takes(VM_DELETE, minutes(1)),
    }

    cluster.apply(node_class("p").max_pods(100)).await?;

    match moment {
        Moment::WhileTheReplacementBoots => {
            let ordered = nodes().named(&node).all_tainted(DISRUPTED).and(vms().count(2));
            cluster.expect(ordered).within(minutes(1)).await?;
        }
        Moment::WhileTheOldMachineIsDeleted => {
            cluster.expect(requests(VM_DELETE).since(&mark).any()).within(minutes(2)).await?;
        }
    }
    lab.require::<ProvisionerControl>()?.kill(&cluster).await?;
    lab.clock().advance(minutes(2)).await;
    lab.require::<ProvisionerControl>()?.restart(&cluster).await?;

    replaced(lab, &cluster, "p", &before, &mark).await?;
    cluster.expect(nodes().none_tainted(DISRUPTED)).now()?;
    cluster.expect(node_claims().of_pool("p").at_most(2).and(vms().at_most(2))).at_every_instant_since(&mark)
}

/// The version of the provisioner that older ones are upgraded to.
const NEWEST: &str = "1.7.1";

/// DRIFT-40+: a provisioner that is started again, with nothing changed, sees no drift and touches nothing.
#[scenario]
async fn a_restart_of_the_provisioner_drifts_nothing(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(30))?;
    let cluster = cluster_with(lab, steady("p")).await?;
    let before = full_nodes(&cluster, "p", 2).await?;
    let mark = cluster.mark();

    lab.require::<ProvisionerControl>()?.restart(&cluster).await?;

    nothing_drifts(lab, &cluster, &before, &mark).await
}

/// DRIFT-40+: an upgrade of the provisioner, its custom resources included, drifts nothing either: nodes that an older
/// version made are those that the newer one would make, and it goes on with them.
#[scenario]
#[case::from_1_6_3("1.6.3")]
#[case::from_1_5_1("1.5.1")]
async fn an_upgrade_of_the_provisioner_drifts_nothing(lab: &Lab, #[case] older: &str) -> Outcome {
    lab.wait_of(minutes(30))?;
    lab.needs_provisioner(older).await?;
    lab.needs_provisioner(NEWEST).await?;
    lab.require::<ProvisionerControl>()?.version(older);
    let cluster = cluster_with(lab, steady("p")).await?;
    let before = full_nodes(&cluster, "p", 2).await?;
    let mark = cluster.mark();

    lab.require::<ProvisionerControl>()?.version(NEWEST);
    lab.require::<ProvisionerControl>()?.restart(&cluster).await?;

    nothing_drifts(lab, &cluster, &before, &mark).await
}

/// The two nodes of `before` stay for half an hour, undrifted; then, as the control that the provisioner is at work, a
/// change of their class replaces them.
async fn nothing_drifts(lab: &Lab, cluster: &Cluster, before: &[String], since: &Mark) -> Outcome {
    cluster.expect(node_claims().of_pool("p").kept(before)).throughout(minutes(30)).await?;
    cluster.expect(node_claims().none_with_condition("Drifted")).at_every_instant_since(since)?;
    cluster.expect(vms().count(2)).at_every_instant_since(since)?;

    cluster.apply(node_class("p").max_pods(100)).await?;
    replaced(lab, cluster, "p", before, since).await
}
