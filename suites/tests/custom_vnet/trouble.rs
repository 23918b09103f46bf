//! A subnet that cannot be read, cannot be used or is lost, and a provisioner that ends in the middle of its work.

use catnap::prelude::*;
use suites::versions::{looks_at_subnets, tells_of_unreadable_subnets};

use super::{CustomVnet, SERVICE_CIDR, custom_vnet, pool_with_workload};

const NIC_WRITE: &str = "Microsoft.Network/networkInterfaces/write";
const VM_WRITE: &str = "Microsoft.Compute/virtualMachines/write";
const SUBNET_READ: &str = "Microsoft.Network/virtualNetworks/subnets/read";

/// The pool `p` in the custom subnet with one node, and the uids of its node claims.
async fn running_in(cluster: &Cluster, subnet: &Subnet) -> Result<Vec<String>, Failure> {
    pool_with_workload(cluster, "p", node_class("p").vnet_subnet_id(subnet.id())).await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(1)).within(minutes(1)).await?;
    Ok(cluster.claims_of_pool("p"))
}

/// VNET-13, VNET-36: a subnet that the cluster may not read keeps nodes from being made, with Azure's own words in the
/// condition of the node class. From the pool whose pods wait these are found: its condition names the node class's, and
/// that one names the subnet.
#[scenario]
async fn a_subnet_that_may_not_be_read_makes_no_nodes(lab: &Lab) -> Outcome {
    tells_of_unreadable_subnets(lab)?;
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await?;
    let cluster_subnet = vnet.subnet("cluster-subnet", "10.0.1.0/24").create().await?;
    let custom_subnet = vnet.subnet("custom-subnet", "10.0.2.0/24").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    // The right is on the one subnet alone; the network's GUID, which it may not read either, is told.
    let guid = vnet.get().await?["properties"]["resourceGuid"].as_str().unwrap_or_default().to_owned();
    lab.require::<ProvisionerControl>()?.env("VNET_GUID", &guid);
    let builder = lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(&cluster_subnet);
    let cluster = builder.service_cidr(SERVICE_CIDR).create().await?;
    let mark = cluster.mark();

    pool_with_workload(&cluster, "p", node_class("p").vnet_subnet_id(custom_subnet.id())).await?;

    let texts = ["AuthorizationFailed", custom_subnet.id()];
    let unreadable = node_class("p").condition("SubnetsReady").is_false("SubnetUnknownError", &texts);
    cluster.expect(unreadable).within(minutes(1)).await?;
    cluster.expect(requests(SUBNET_READ).about(custom_subnet.id()).answered(403).any()).now()?;
    let pool_waits = node_pool("p").condition("NodeClassReady").is_false("UnhealthyDependents", &["SubnetsReady"]);
    cluster.expect(pool_waits).within(minutes(1)).await?;
    cluster
        .expect(events("SubnetsReady").about(Kind::AksNodeClass).saying(custom_subnet.id()).seen())
        .within(minutes(1))
        .await?;
    cluster.expect(pods("web-p").pending(1)).within(minutes(1)).await?;
    cluster.expect(pods("web-p").pending(1).and(vms().none()).and(nics().none())).throughout(seconds(15)).await?;
    cluster.expect(requests(NIC_WRITE).since(&mark).none()).now()?;
    cluster.expect(requests(VM_WRITE).since(&mark).none()).now()?;

    // The control: with the right there is a node.
    lab.azure().role("Network Contributor").on(&custom_subnet).to(&identity).assign().await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(8)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&custom_subnet)).now()
}

/// VNET-25: a subnet with nodes in it cannot be deleted: Azure names a network interface, and the nodes stay.
#[scenario]
async fn a_subnet_with_nodes_cannot_be_deleted(lab: &Lab) -> Outcome {
    let CustomVnet { custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    let before = running_in(&cluster, &custom_subnet).await?;
    let mark = cluster.mark();

    let refused = custom_subnet.delete().await.err();

    lab.verify("the status", Some(400), refused.as_ref().and_then(|error| error.status()))?;
    let code = refused.as_ref().and_then(|error| error.code());
    lab.verify("the code", Some("InUseSubnetCannotBeDeleted"), code)?;
    let message = refused.as_ref().and_then(|error| error.message()).unwrap_or_default().to_ascii_lowercase();
    let named = message.contains("/networkinterfaces/aks-");
    lab.verify(&format!("{message:?} names a network interface"), true, named)?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(minutes(4)).await?;
    cluster.expect(pods("web-p").all_running()).at_every_instant_since(&mark)?;

    // The control: without nodes it can.
    cluster.delete(Kind::Deployment, "web-p").await?;
    cluster.expect(vms().none().and(nics().none())).within(minutes(5)).await?;
    Ok(custom_subnet.delete().await?)
}

/// VNET-27: a subnet that is lost under its nodes makes the node class unready and does nothing to the nodes: they are
/// neither drifted nor deleted. When it is back, the node class is ready.
#[scenario]
async fn nodes_outlive_the_loss_of_their_subnet(lab: &Lab) -> Outcome {
    looks_at_subnets(lab)?;
    let CustomVnet { vnet, custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    let before = running_in(&cluster, &custom_subnet).await?;
    let mark = cluster.mark();

    lab.require::<Region>()?.lose(custom_subnet.id());

    let missing = node_class("p").condition("SubnetsReady").is_false("SubnetNotFound", &[custom_subnet.id()]);
    cluster.expect(missing).within(minutes(4)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(minutes(10)).await?;

    vnet.subnet("custom-subnet", "10.0.2.0/24").create().await?;
    cluster.expect(node_class("p").ready()).within(minutes(3)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).at_every_instant_since(&mark)?;
    cluster.expect(node_claims().none_with_condition("Drifted")).at_every_instant_since(&mark)?;
    cluster.expect(pods("web-p").all_running()).at_every_instant_since(&mark)
}

/// VNET-29: where Azure answers hardly any reads for some minutes, running nodes are kept, the subnet is not asked for
/// without end, and afterwards the node class is ready and nodes are made. Of throttling and outage this is the first.
#[scenario]
async fn throttled_reads_of_the_subnet_hurt_no_node(lab: &Lab) -> Outcome {
    looks_at_subnets(lab)?;
    let CustomVnet { custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    let before = running_in(&cluster, &custom_subnet).await?;
    let mark = cluster.mark();

    lab.require::<Region>()?.throttle_reads();
    let asked = requests(SUBNET_READ).about(custom_subnet.id()).since(&mark);
    cluster.expect(asked.clone().answered(429).any()).within(minutes(15)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(minutes(2)).await?;
    lab.require::<Region>()?.throttle_as_documented();

    cluster.expect(node_class("p").ready()).within(minutes(5)).await?;
    // Each look at the subnet is one request and three repetitions, and a failing one is retried with growing pauses.
    cluster.expect(asked.at_most(60)).now()?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).at_every_instant_since(&mark)?;
    cluster.apply(deployment("more").cpu("1800m").on_pool("p")).await?;
    cluster.expect(pods("more").all_running()).within(minutes(10)).await
}

/// VNET-31: a subnet that is delegated to another service takes no nodes: Azure refuses the network interface, and the
/// node claim tells it.
#[scenario]
async fn a_delegated_subnet_takes_no_nodes(lab: &Lab) -> Outcome {
    let CustomVnet { vnet, custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    running_in(&cluster, &custom_subnet).await?;
    let delegated = vnet.subnet("databases", "10.0.4.0/24").delegated_to("Microsoft.Sql/managedInstances");
    let delegated = delegated.create().await?;
    let mark = cluster.mark();

    pool_with_workload(&cluster, "q", node_class("q").vnet_subnet_id(delegated.id())).await?;

    let told = node_claims().of_pool("q").any_with_reason("Launched", "CreateInstanceFailed", "databases");
    cluster.expect(told).within(minutes(2)).await?;
    cluster.expect(requests(NIC_WRITE).since(&mark).answered(400).any()).now()?;
    let nothing = pods("web-q").pending(1).and(vms().of_pool("q").none()).and(nics().of_pool("q").none());
    cluster.expect(nothing).throughout(minutes(2)).await?;
    cluster.expect(requests(VM_WRITE).since(&mark).none()).now()
}

/// VNET-35: a provisioner that ends between the network interface and the machine leaves nothing over: when it is back the
/// pod runs on one node, and there are as many interfaces as machines.
#[scenario]
async fn an_end_before_the_machine_leaks_no_interface(lab: &Lab) -> Outcome {
    let CustomVnet { custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.apply(node_pool("p")).await?;
    cluster.expect(node_pool("p").ready()).within(minutes(1)).await?;
    let mark = cluster.mark();
    lab.require::<Region>()?.operation_takes(NIC_WRITE, minutes(1));

    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(requests(NIC_WRITE).since(&mark).any()).within(minutes(2)).await?;
    lab.require::<ProvisionerControl>()?.kill(&cluster).await?;
    cluster.expect(requests(VM_WRITE).since(&mark).none().and(vms().none())).now()?;
    lab.clock().advance(minutes(2)).await;
    cluster.expect(nics().count(1)).now()?;
    lab.require::<Region>()?.operation_takes(NIC_WRITE, seconds(1));
    lab.require::<ProvisionerControl>()?.restart(&cluster).await?;

    cluster.expect(pods("web").all_running()).within(minutes(10)).await?;
    cluster.expect(nodes().of_pool("p").count(1).and(vms().count(1)).and(nics().count(1))).within(minutes(6)).await?;
    cluster.expect(vms().leaked().none().and(nics().leaked().none())).now()
}
