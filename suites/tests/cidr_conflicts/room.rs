//! Subnets without room.

use catnap::prelude::*;

use super::{World, pods_in, world, world_with};

const D2: &str = "Standard_D2s_v5";
const NIC_WRITE: &str = "Microsoft.Network/networkInterfaces/write";
const CLUSTER_WRITE: &str = "Microsoft.ContainerService/managedClusters/write";
const POOL_WRITE: &str = "Microsoft.ContainerService/managedClusters/agentPools/write";

async fn in_use(subnet: &Subnet) -> Result<usize, Failure> {
    Ok(subnet.get().await?["properties"]["ipConfigurations"].as_array().map_or(0, Vec::len))
}

/// CIDR-05, CIDR-20+, CIDR-22+: nobody asks whether a subnet has room. One of eight addresses has three for nodes: the
/// third node gets the last of them; further ones are refused by Azure, again and again but not without end, and leave
/// no network interface behind.
#[scenario]
async fn a_full_subnet_refuses_further_nodes_and_leaks_nothing(lab: &Lab) -> Outcome {
    let World { vnet, cluster } = world(lab).await?;
    let small = vnet.subnet("small", "10.1.1.0/29").create().await?;
    pods_in(&cluster, &small, 3).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&small)).now()?;

    let mark = cluster.mark();
    cluster.scale("web", 10).await?;
    cluster.expect(requests(NIC_WRITE).since(&mark).answered(400).any()).within(minutes(2)).await?;
    cluster.expect(vms().of_pool("p").count(3).and(nics().of_pool("p").at_most(3))).throughout(minutes(30)).await?;
    cluster.expect(node_class("p").ready().and(pods("web").running(3))).now()?;
    // Each of the seven that are missing tries once a minute at most when its pauses have grown.
    cluster.expect(requests(NIC_WRITE).since(&mark).answered(400).at_most(30 * 7 * 4)).now()?;

    // The control: with fewer pods the same subnet serves.
    cluster.scale("web", 3).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nics().leaked().none()).within(minutes(10)).await
}

/// CIDR-07, CIDR-08, CIDR-10: how many addresses nodes need can be calculated and watched. In an overlay it is one for
/// each node; the subnet counts them up and down. No request for an agent pool or a cluster is made for a node.
#[scenario]
async fn the_addresses_in_use_follow_the_nodes(lab: &Lab) -> Outcome {
    let World { vnet, cluster } = world(lab).await?;
    let subnet = vnet.subnet("custom-subnet", "10.1.1.0/24").create().await?;
    lab.verify("addresses in use without nodes", 0, in_use(&subnet).await?)?;
    let mark = cluster.mark();
    pods_in(&cluster, &subnet, 4).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    lab.verify("addresses in use with four nodes", 4, in_use(&subnet).await?)?;
    cluster.expect(requests(NIC_WRITE).since(&mark).any()).now()?;
    cluster.expect(requests(CLUSTER_WRITE).since(&mark).none().and(requests(POOL_WRITE).since(&mark).none())).now()?;

    cluster.scale("web", 0).await?;
    cluster.expect(vms().of_pool("p").none().and(nics().of_pool("p").none())).within(minutes(15)).await?;
    lab.verify("addresses in use afterwards", 0, in_use(&subnet).await?)
}

/// CIDR-08: where pods take their addresses from the subnet too, a node takes 30: its own and those of 29 pods more. A
/// subnet of 256 addresses has room for eight nodes then.
#[scenario]
async fn a_node_takes_an_address_for_each_of_its_pods(lab: &Lab) -> Outcome {
    let World { vnet, cluster } = world_with(lab, |builder| builder.node_subnet_networking()).await?;
    let subnet = vnet.subnet("custom-subnet", "10.1.1.0/24").create().await?;

    pods_in(&cluster, &subnet, 8).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    lab.verify("addresses in use with eight nodes", 8 * 30, in_use(&subnet).await?)?;
    let mark = cluster.mark();
    cluster.scale("web", 9).await?;
    cluster.expect(requests(NIC_WRITE).since(&mark).answered(400).any()).within(minutes(2)).await?;
    cluster.expect(vms().of_pool("p").count(8).and(pods("web").running(8))).throughout(minutes(4)).await?;
    lab.verify("addresses in use after that", 8 * 30, in_use(&subnet).await?)
}

/// CIDR-21+: nodes that come and go do not use up a subnet, although Azure holds a freed address for three minutes.
#[scenario]
async fn addresses_come_back(lab: &Lab) -> Outcome {
    let World { vnet, cluster } = world(lab).await?;
    let subnet = vnet.subnet("small", "10.1.1.0/27").create().await?;
    pods_in(&cluster, &subnet, 4).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    let mark = cluster.mark();
    for _ in 0..5 {
        let old = cluster.claims_of_pool("p");
        for node in cluster.nodes_of_pool("p") {
            cluster.delete(Kind::Node, &node).await?;
        }
        cluster.expect(node_claims().of_pool("p").none_of(&old)).within(minutes(15)).await?;
        cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    }
    cluster.expect(nodes().of_pool("p").of_size(D2).count(4)).within(minutes(5)).await?;
    cluster.expect(requests(NIC_WRITE).since(&mark).at_least(20)).now()?;
    cluster.expect(requests(NIC_WRITE).since(&mark).answered(400).none()).now()?;
    lab.verify("addresses in use", 4, in_use(&subnet).await?)
}
