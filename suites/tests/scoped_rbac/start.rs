//! What the provisioner needs in order to start.

use catnap::prelude::*;
use suites::versions::made_where_subnets_are_looked_at;

use super::{Approach, SERVICE_CIDR, SUBNET_READ, VNET_READ, network, pool_with_workload, redefine, serves};

/// RBAC-34+: what the documents do not say: with Azure CNI overlay and without being told the network's GUID, the
/// provisioner reads the virtual network when it starts, and ends in a panic where it may not: the rights of approach B,
/// on the subnets alone, are not enough then. With the right to read the network, or with the GUID, it starts.
#[scenario]
#[case::until_it_may_read_the_network(true)]
#[case::until_it_is_told_the_guid(false)]
async fn in_overlay_mode_the_provisioner_does_not_start(lab: &Lab, #[case] by_right: bool) -> Outcome {
    let network = network(lab).await?;
    Approach::B.give(lab, &network, &network.cluster_subnet).await?;
    let cluster = network.builder(lab).node_provisioning(Manual).create().await?;

    lab.require::<ProvisionerControl>()?.may_panic("getting VNET GUID");
    let failed = lab.set_node_provisioning(&cluster, Auto).await.err();
    let message = failed.map(|error| error.to_string()).unwrap_or_default();
    lab.verify(&format!("the missing right is told in {message:?}"), true, message.contains(VNET_READ))?;
    cluster.expect(requests(VNET_READ).by(&network.identity).answered(403).any()).now()?;

    if by_right {
        redefine(lab, "Network Reader", &[VNET_READ]).await?;
        lab.azure().role("Network Reader").on(&network.vnet).to(&network.identity).assign().await?;
    } else {
        network.tell_guid(lab).await?;
    }
    let mark = cluster.mark();
    lab.set_node_provisioning(&cluster, Auto).await?;
    pool_with_workload(&cluster, "default", node_class("default")).await?;
    serves(&cluster, "default", &network.cluster_subnet).await?;
    cluster.expect(rights_of(&network.identity).since(&mark).suffice()).now()
}

/// RBAC-34+: with node subnet networking the network is not read, and the rights of approach B are enough from the start.
#[scenario]
async fn with_node_subnet_networking_the_network_is_not_read(lab: &Lab) -> Outcome {
    let network = network(lab).await?;
    Approach::B.give(lab, &network, &network.cluster_subnet).await?;
    let builder = network.builder(lab).node_subnet_networking().service_cidr(SERVICE_CIDR);
    let cluster = builder.create().await?;

    pool_with_workload(&cluster, "default", node_class("default")).await?;
    serves(&cluster, "default", &network.cluster_subnet).await?;
    let read = requests(SUBNET_READ).by(&network.identity);
    cluster.expect(made_where_subnets_are_looked_at(lab, read)).now()?;
    cluster.expect(requests(VNET_READ).by(&network.identity).none()).now()?;
    cluster.expect(rights_of(&network.identity).suffice()).now()
}
