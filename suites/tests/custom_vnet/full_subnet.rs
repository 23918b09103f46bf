//! A subnet without free addresses: what it costs, whom it holds up, and what cures it.
//!
//! Azure keeps five addresses of each subnet to itself: a /29 has three for nodes. The provisioner does not look for free
//! addresses; a full subnet shows where the network interface is ordered, at the node claim.

use catnap::prelude::*;
use serde_json::json;

use super::{CustomVnet, SERVICE_CIDR, cluster_in, custom_vnet};

const NETWORK: &str = "2022-01-01";
const NIC_WRITE: &str = "Microsoft.Network/networkInterfaces/write";
const VM_WRITE: &str = "Microsoft.Compute/virtualMachines/write";
const D2: &str = "Standard_D2s_v5";

/// The node pool `p` of machines that one pod of the deployment `web` fills.
async fn pool_in(cluster: &Cluster, class: NodeClass, replicas: u32) -> Outcome {
    cluster.apply(class).await?;
    cluster.apply(node_pool("p").sizes(&[D2]).consolidate_after("Never")).await?;
    cluster.apply(deployment("web").replicas(replicas).cpu("1500m").on_pool("p")).await?;
    Ok(())
}

/// A node claim of this pool that has no machine because the subnet is full.
fn launch_fails(pool: &str) -> Expectation {
    node_claims().of_pool(pool).any_with_reason("Launched", "CreateInstanceFailed", "SubnetIsFull")
}

/// Takes three addresses of a subnet, with network interfaces that are nobody's.
async fn take_three(lab: &Lab, subnet: &Subnet) -> Result<Vec<String>, Failure> {
    let mut taken = Vec::new();
    for number in 0..3 {
        let id = lab.azure().id(&format!("Microsoft.Network/networkInterfaces/taken-{number}"));
        let configuration = json!({ "name": "ip", "properties": { "subnet": { "id": subnet.id() } } });
        let body = json!({ "location": lab.azure().location(), "properties": { "ipConfigurations": [configuration] } });
        lab.azure().client().put(&id, NETWORK, &body).await?;
        taken.push(id);
    }
    Ok(taken)
}

/// VNET-21: a subnet that is full at launch is told at the node claim, the node class stays ready, and nothing is made:
/// no machine is ordered, and no network interface is left. With an address free, the pod runs.
#[scenario]
async fn a_full_subnet_is_told_and_costs_nothing(lab: &Lab) -> Outcome {
    let CustomVnet { vnet, cluster, .. } = custom_vnet(lab).await?;
    let tight = vnet.subnet("tight-subnet", "10.0.4.0/29").create().await?;
    let taken = take_three(lab, &tight).await?;
    let mark = cluster.mark();

    pool_in(&cluster, node_class("p").vnet_subnet_id(tight.id()), 1).await?;

    cluster.expect(launch_fails("p")).within(minutes(2)).await?;
    cluster.expect(requests(NIC_WRITE).since(&mark).answered(400).any()).now()?;
    let nothing = pods("web").pending(1).and(vms().none()).and(nics().none()).and(node_class("p").ready());
    cluster.expect(nothing).throughout(minutes(3)).await?;
    cluster.expect(requests(VM_WRITE).since(&mark).none()).now()?;

    lab.azure().delete(&taken[0], NETWORK).await?;
    cluster.expect(pods("web").all_running()).within(minutes(10)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&tight)).now()?;
    cluster.expect(requests(VM_WRITE).since(&mark).any()).now()
}

/// VNET-22: exactly as many nodes start as the subnet has addresses for them: one each in an overlay, as many as the node
/// may have pods where these take theirs from the same subnet. The others wait, and say why.
#[scenario]
#[case::in_an_overlay(false, "10.0.4.0/29", 3)]
#[case::with_pods_in_the_subnet(true, "10.0.4.0/27", 2)]
async fn as_many_nodes_start_as_there_are_addresses(
    lab: &Lab,
    #[case] pods_in_subnet: bool,
    #[case] prefix: &str,
    #[case] room: usize,
) -> Outcome {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await?;
    let cluster_subnet = vnet.subnet("cluster-subnet", "10.0.1.0/24").create().await?;
    let tight = vnet.subnet("tight-subnet", prefix).create().await?;
    let builder = cluster_in(lab, &vnet, &cluster_subnet).await?;
    let builder = if pods_in_subnet { builder.node_subnet_networking() } else { builder };
    let cluster = builder.service_cidr(SERVICE_CIDR).create().await?;
    let mark = cluster.mark();

    // 27 addresses are free in a /27, and each node takes ten of them.
    pool_in(&cluster, node_class("p").vnet_subnet_id(tight.id()).max_pods(10), 5).await?;

    cluster.expect(pods("web").running(room)).within(minutes(10)).await?;
    cluster.expect(launch_fails("p")).within(minutes(2)).await?;
    cluster.expect(nodes().of_pool("p").count(room)).throughout(minutes(3)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&tight)).now()?;
    cluster.expect(pods("web").pending(5 - room)).now()?;
    cluster.expect(vms().of_pool("p").at_most(room)).at_every_instant_since(&mark)
}

/// VNET-23: an address that a node gives back is used again, without a restart: Azure keeps it for three minutes.
#[scenario]
async fn freed_addresses_are_used_again(lab: &Lab) -> Outcome {
    let CustomVnet { vnet, cluster, .. } = custom_vnet(lab).await?;
    let tight = vnet.subnet("tight-subnet", "10.0.4.0/29").create().await?;
    pool_in(&cluster, node_class("p").vnet_subnet_id(tight.id()), 4).await?;
    cluster.expect(pods("web").running(3)).within(minutes(10)).await?;
    cluster.expect(launch_fails("p")).within(minutes(2)).await?;
    let before = cluster.claims_of_pool("p");
    let node = cluster.nodes_of_pool("p").remove(0);

    cluster.delete(Kind::Node, &node).await?;

    cluster.expect(nodes().named(&node).none()).within(minutes(2)).await?;
    cluster.expect(pods("web").running(3).and(nodes().of_pool("p").count(3))).within(minutes(15)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&tight)).now()?;
    cluster.expect(node_claims().of_pool("p").kept(&before).not()).now()
}

/// VNET-24: a full subnet is the trouble of its own pool: the pods of another pool, with addresses to have, run. In
/// fact they wait until the node claim that cannot be launched is given up, which takes five minutes in 1.7.1 and a
/// quarter of an hour before.
#[scenario]
async fn a_full_subnet_does_not_starve_other_pools(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(17))?;
    let CustomVnet { vnet, custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    let tight = vnet.subnet("tight-subnet", "10.0.4.0/29").create().await?;
    take_three(lab, &tight).await?;
    pool_in(&cluster, node_class("p").vnet_subnet_id(tight.id()), 1).await?;
    cluster.expect(launch_fails("p")).within(minutes(2)).await?;

    cluster.apply(node_class("healthy").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.apply(node_pool("healthy").sizes(&[D2])).await?;
    cluster.apply(deployment("other").cpu("1").on_pool("healthy")).await?;
    cluster.expect(node_pool("healthy").ready()).within(minutes(1)).await?;

    lab.known_fault(
        "one-failing-launch-stops-all-provisioning",
        &["1.5.1", "1.6.3", "1.7.1"],
        breaks("pods of other: all running").with_sign(launch_fails("p")),
        async { cluster.expect(pods("other").all_running()).within(minutes(2)).await },
    )
    .await?;
    cluster.expect(pods("other").all_running()).within(minutes(17)).await?;
    cluster.expect(nodes().of_pool("healthy").all_in_subnet(&custom_subnet)).now()
}

/// VNET-32: more addresses for a full subnet cure it. A prefix in use can be replaced by none, not even by a larger one
/// that contains it; another one can be put beside it.
#[scenario]
async fn a_further_prefix_cures_a_full_subnet(lab: &Lab) -> Outcome {
    let CustomVnet { vnet, cluster, .. } = custom_vnet(lab).await?;
    let tight = vnet.subnet("tight-subnet", "10.0.4.0/29").create().await?;
    pool_in(&cluster, node_class("p").vnet_subnet_id(tight.id()), 4).await?;
    cluster.expect(pods("web").running(3)).within(minutes(10)).await?;
    cluster.expect(launch_fails("p")).within(minutes(2)).await?;

    let larger = json!({ "properties": { "addressPrefix": "10.0.4.0/28" } });
    let refused = lab.azure().client().put(tight.id(), NETWORK, &larger).await.err();
    let code = refused.as_ref().and_then(|error| error.code());
    lab.verify("the code for a larger prefix in place of one in use", Some("InUsePrefixCannotBeDeleted"), code)?;
    cluster.expect(pods("web").pending(1)).now()?;

    let two = json!({ "properties": { "addressPrefixes": ["10.0.4.0/29", "10.0.5.0/29"] } });
    lab.azure().client().put(tight.id(), NETWORK, &two).await?;

    cluster.expect(pods("web").all_running()).within(minutes(8)).await?;
    cluster
        .expect(nics().of_pool("p").all_with("/properties/ipConfigurations/0/properties/subnet/id", tight.id()))
        .now()
}
