//! Rights that come late, and rights that go while nodes run: what runs stays, what is new waits, and a node class tells
//! of the right to read its subnet and of no other.

use catnap::prelude::*;
use suites::versions::{gives_up_launches, tells_of_unreadable_subnets};

use super::{
    Approach, NIC_WRITE, Network, PROVISIONER, SUBNET_ACCESS, SUBNET_JOIN, SUBNET_READ, VM_WRITE, cannot_read, needed,
    network, nothing_is_made, only, pool_with_workload, redefine, serves, starts, subnet_access,
};

/// RBAC-19, RBAC-20+, RBAC-21+: a cluster in a network of one's own comes into being without any right there; its node
/// classes are not ready, with a subnet of their own or with the cluster's. The provisioner asks again at a pace that
/// falls to once a minute. A role that comes late counts once Azure knows it, five minutes later here, and not before:
/// then the pods run, without a restart.
#[scenario]
#[case::on_a_subnet_of_the_node_class(true)]
#[case::on_the_clusters_subnet(false)]
async fn a_role_that_comes_late_is_noticed_when_azure_knows_it(lab: &Lab, #[case] named: bool) -> Outcome {
    tells_of_unreadable_subnets(lab)?;
    lab.wait_of(minutes(20))?;
    let network = network(lab).await?;
    let cluster = network.cluster(lab).await?;
    let (subnet, class) = match named {
        true => (&network.custom_subnet, node_class("p").vnet_subnet_id(network.custom_subnet.id())),
        false => (&network.cluster_subnet, node_class("p")),
    };
    let mark = cluster.mark();
    pool_with_workload(&cluster, "p", class).await?;
    cluster.expect(cannot_read("p", subnet, &network.identity)).within(minutes(1)).await?;
    nothing_is_made(&cluster, "p", &mark).await?;
    cluster.expect(cannot_read("p", subnet, &network.identity)).throughout(minutes(2)).await?;
    let paced = cluster.mark();
    cluster.expect(cannot_read("p", subnet, &network.identity)).throughout(minutes(5)).await?;
    let asked = requests(SUBNET_READ).by(&network.identity).since(&paced);
    cluster.expect(asked.clone().any().and(asked.at_most(10))).now()?;

    lab.require::<Tenant>()?.role_assignments_take(minutes(5));
    let role = subnet_access(lab).await?;
    lab.azure().role(role.name()).on(subnet).to(&network.identity).assign().await?;
    cluster.expect(cannot_read("p", subnet, &network.identity)).throughout(seconds(290)).await?;
    cluster.expect(vms().none().and(nics().none())).at_every_instant_since(&mark)?;

    serves(&cluster, "p", subnet).await?;
    lab.verify("starts of the provisioner", 1, starts(lab))
}

/// RBAC-22+, RBAC-25+, RBAC-26+: the right to read the subnet goes while nodes run, with its whole role or out of the
/// role's definition: within three minutes the node class is not ready; nodes and pods stay; new pods wait, and nothing
/// is made for them; a node that is deleted goes with all that belongs to it. When the right is back, the waiting pods
/// run.
#[scenario]
#[case::with_the_whole_role(true)]
#[case::out_of_the_definition(false)]
async fn nodes_outlive_the_right_to_read_their_subnet(lab: &Lab, #[case] whole: bool) -> Outcome {
    tells_of_unreadable_subnets(lab)?;
    let network = network(lab).await?;
    let assignment = Approach::B.give(lab, &network, &network.custom_subnet).await?;
    let cluster = network.cluster(lab).await?;
    let class = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", class).await?;
    serves(&cluster, "custom", &network.custom_subnet).await?;
    let (claims, pod) = (cluster.claims_of_pool("custom"), cluster.pods_of("web-custom"));

    match whole {
        true => assignment.revoke().await?,
        false => redefine(lab, SUBNET_ACCESS, &[SUBNET_JOIN]).await?,
    }
    cluster.expect(cannot_read("custom", &network.custom_subnet, &network.identity)).within(minutes(4)).await?;
    cluster.expect(node_pool("custom").ready().not()).within(minutes(1)).await?;
    cluster.apply(deployment("more").cpu("1500m").on_pool("custom")).await?;
    cluster.expect(pods("more").pending(1)).within(minutes(1)).await?;
    let waits = pods("more").pending(1).and(node_claims().of_pool("custom").kept(&claims));
    cluster.expect(waits.and(pods("web-custom").kept(&pod))).throughout(minutes(10)).await?;

    // To remove a node takes no right on the network.
    for node in cluster.nodes_of_pool("custom") {
        cluster.delete(Kind::Node, &node).await?;
    }
    cluster.expect(node_claims().none()).within(minutes(5)).await?;
    cluster.expect(vms().none().and(nics().none()).and(disks().none())).within(minutes(1)).await?;

    redefine(lab, SUBNET_ACCESS, &[SUBNET_READ, SUBNET_JOIN]).await?;
    if whole {
        Approach::B.give(lab, &network, &network.custom_subnet).await?;
    }
    cluster.expect(pods("more").all_running().and(pods("web-custom").all_running())).within(minutes(8)).await?;
    lab.verify("starts of the provisioner", 1, starts(lab))
}

/// A pod runs on a node in the custom subnet, which the cluster may use by approach B.
async fn running_by_approach_b(lab: &Lab) -> Result<(Network, Cluster), Failure> {
    let network = network(lab).await?;
    Approach::B.give(lab, &network, &network.custom_subnet).await?;
    let cluster = network.cluster(lab).await?;
    let class = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", class).await?;
    serves(&cluster, "custom", &network.custom_subnet).await?;
    Ok((network, cluster))
}

/// The custom role of approach B no longer permits to join the subnet, and the network interface of a further node is
/// refused. The mark is from before it was asked for.
async fn lose_the_right_to_join(lab: &Lab, network: &Network, cluster: &Cluster) -> Result<Mark, Failure> {
    redefine(lab, SUBNET_ACCESS, &[SUBNET_READ]).await?;
    let mark = cluster.mark();
    cluster.apply(deployment("more").cpu("1500m").on_pool("custom")).await?;
    let refused = requests(NIC_WRITE).by(&network.identity).since(&mark).answered(403);
    cluster.expect(refused.any()).within(minutes(1)).await?;
    Ok(mark)
}

/// RBAC-24+, RBAC-26+: the right to join the subnet goes while nodes run. The node class stays Ready, which is no proof of
/// it; what runs stays; a new launch fails at the network interface. When the right is back, it succeeds.
#[scenario]
async fn a_node_class_stays_ready_without_the_right_to_join(lab: &Lab) -> Outcome {
    let (network, cluster) = running_by_approach_b(lab).await?;
    let pod = cluster.pods_of("web-custom");

    let mark = lose_the_right_to_join(lab, &network, &cluster).await?;
    let stays = node_class("custom").ready().and(pods("web-custom").kept(&pod)).and(pods("more").pending(1));
    cluster.expect(stays.and(vms().count(1)).and(nics().count(1))).throughout(minutes(4)).await?;
    cluster.expect(requests(VM_WRITE).since(&mark).none()).now()?;

    redefine(lab, SUBNET_ACCESS, &[SUBNET_READ, SUBNET_JOIN]).await?;
    cluster.expect(pods("more").all_running()).within(minutes(8)).await?;
    cluster.expect(vms().count(2).and(nics().count(2))).within(minutes(1)).await
}

/// RBAC-24+: a node class whose subnet cannot be joined says so, as it does where it cannot be read. 1.7.1 tries reading
/// only and stays Ready.
#[scenario]
async fn a_node_class_says_that_its_subnet_cannot_be_joined(lab: &Lab) -> Outcome {
    let (network, cluster) = running_by_approach_b(lab).await?;

    lose_the_right_to_join(lab, &network, &cluster).await?;
    lab.known_fault(
        "ready-while-the-subnet-cannot-be-joined",
        &["1.5.1", "1.6.3", "1.7.1"],
        breaks("not: AKSNodeClass custom: Ready=True").with_sign(pods("more").pending(1)),
        async { cluster.expect(node_class("custom").ready().not()).within(minutes(10)).await },
    )
    .await
}

/// RBAC-23+: the right to write machines goes while a network interface is being made, so that the machine is refused
/// when the interface is there. The interface does not stay alone, also not when the launch is given up after five
/// minutes; with the right the pod gets its node.
#[scenario]
async fn no_interface_stays_alone_when_a_right_goes_in_between(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(16))?;
    gives_up_launches(lab)?;
    let network = network(lab).await?;
    let cluster = network.cluster(lab).await?;
    only(lab, &network, &cluster, &needed()).await?;
    lab.require::<Region>()?.operation_takes(NIC_WRITE, seconds(30));
    let mark = cluster.mark();
    let class = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", class).await?;
    cluster.expect(requests(NIC_WRITE).since(&mark).any()).within(minutes(1)).await?;

    let others: Vec<_> = needed().into_iter().filter(|action| *action != VM_WRITE).collect();
    redefine(lab, PROVISIONER, &others).await?;
    cluster.expect(nics().count(1)).within(minutes(1)).await?;
    let failed = node_claims().of_pool("custom").all_with_reason("Launched", "CreateInstanceFailed", VM_WRITE);
    cluster.expect(failed).within(minutes(2)).await?;
    cluster.expect(nics().none()).within(minutes(1)).await?;
    cluster.scale("web-custom", 0).await?;
    // Nobody wants the node any more; the launch is tried until its time is over.
    cluster.expect(node_claims().none()).within(minutes(6)).await?;
    cluster.expect(vms().none().and(nics().none()).and(disks().none())).within(minutes(1)).await?;
    cluster.expect(vms().none()).at_every_instant_since(&mark)?;

    redefine(lab, PROVISIONER, &needed()).await?;
    cluster.scale("web-custom", 1).await?;
    serves(&cluster, "custom", &network.custom_subnet).await
}
