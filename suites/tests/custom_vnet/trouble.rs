//! A subnet that cannot be used.

use catnap::prelude::*;
use rstest::rstest;

use super::{CustomVnet, custom_vnet, pool_with_workload};

const NIC_WRITE: &str = "Microsoft.Network/networkInterfaces/write";
const VM_WRITE: &str = "Microsoft.Compute/virtualMachines/write";

/// The pool `p` in the custom subnet with one node.
async fn running_in(cluster: &Cluster, subnet: &Subnet) -> Outcome {
    pool_with_workload(cluster, "p", node_class("p").vnet_subnet_id(subnet.id())).await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(1)).within(minutes(1)).await
}

/// VNET-31: a subnet that is delegated to another service takes no nodes: Azure refuses the network interface, and the
/// node claim tells it.
#[rstest]
#[tokio::test]
async fn a_delegated_subnet_takes_no_nodes(#[future(awt)] lab: Lab) -> Outcome {
    let CustomVnet { vnet, custom_subnet, cluster, .. } = custom_vnet(&lab).await?;
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
