//! Address ranges: what happens where the subnets of nodes, the pods, the services and other networks get in each
//! other's way, and where a subnet has no room.
//!
//! The rules, from "Understand subnet and CIDR ranges" in Microsoft's document on networking of node auto-provisioning:
//! AKS checks ranges where it makes clusters and agent pools; nobody checks the subnet of a node class, so whoever names it
//! has to. What breaks then the documents do not say. Here a model of the network says it (`fake_arm::net`): it follows a
//! packet from sender to receiver and names the rule that loses it. A machine that cannot reach its API server never
//! becomes a node.

mod ranges;
mod reach;
mod refused;
mod room;

use catnap::net::ClusterNetwork;
use catnap::prelude::*;
use serde_json::{Value, json};

const NETWORK: &str = "2024-07-01";

/// A network 10.1.0.0/16, free of the default ranges of pods (10.244.0.0/16) and services (10.0.0.0/16), with a cluster in
/// its first subnet whose identity may do there what it needs to.
struct World {
    vnet: Vnet,
    cluster: Cluster,
}

async fn world(lab: &Lab) -> Result<World, Failure> {
    world_with(lab, |builder| builder).await
}

/// The same with something else said of the cluster.
async fn world_with(
    lab: &Lab,
    change: impl FnOnce(ManagedClusterBuilder<'_>) -> ManagedClusterBuilder<'_>,
) -> Result<World, Failure> {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.1.0.0/16").create().await?;
    let subnet = vnet.subnet("cluster-subnet", "10.1.0.0/24").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
    let builder = lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(&subnet);
    let cluster = change(builder).create().await?;
    Ok(World { vnet, cluster })
}

/// Changes the properties of a resource as a client does that reads it and writes it back.
async fn change(lab: &Lab, id: &str, change: impl FnOnce(&mut Value)) -> Outcome {
    let mut resource = lab.azure().client().get(id, NETWORK).await?;
    change(&mut resource["properties"]);
    lab.azure().client().put(id, NETWORK, &resource).await?;
    Ok(())
}

/// Adds a range to a network's address space.
async fn widen(lab: &Lab, vnet: &Vnet, prefix: &str) -> Outcome {
    change(lab, vnet.id(), |properties| {
        let known = properties["addressSpace"]["addressPrefixes"].as_array_mut();
        known.into_iter().for_each(|known| known.push(json!(prefix)));
    })
    .await
}

/// A node pool `p` whose nodes go to this subnet, and a deployment `web` of so many pods that want a node each.
async fn pods_in(cluster: &Cluster, subnet: &Subnet, pods: u32) -> Outcome {
    cluster.apply(node_class("p").vnet_subnet_id(subnet.id())).await?;
    cluster.apply(node_pool("p").sizes(&["Standard_D2s_v5"])).await?;
    cluster.apply(deployment("web").replicas(pods).cpu("1").one_per_node().on_pool("p")).await?;
    Ok(())
}

/// Each conflict as a line.
fn told(network: &ClusterNetwork) -> Vec<String> {
    network.conflicts().iter().map(ToString::to_string).collect()
}
