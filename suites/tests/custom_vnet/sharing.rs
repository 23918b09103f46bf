//! Two clusters in one network.

use std::collections::BTreeSet;

use catnap::prelude::*;

use super::{SERVICE_CIDR, pool_with_workload};

const D2: &str = "Standard_D2s_v5";

/// Private addresses of all network interfaces that the provisioners made.
fn addresses(cluster: &Cluster) -> Vec<String> {
    let state = cluster.state();
    let interfaces = state.resources("Microsoft.Network/networkInterfaces");
    let bodies = interfaces.filter_map(|interface| interface.body.as_ref());
    let configurations = bodies.filter_map(|body| body["properties"]["ipConfigurations"].as_array());
    let address =
        |configuration: &serde_json::Value| configuration["properties"]["privateIPAddress"].as_str().map(str::to_owned);
    configurations.flatten().filter_map(address).collect()
}

/// VNET-34: two clusters with nodes in one subnet give no address away twice, and the one that scales down deletes nothing
/// of the other.
#[scenario]
async fn two_clusters_in_one_subnet_do_not_touch_each_other(lab: &Lab) -> Outcome {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await?;
    let cluster_subnet = vnet.subnet("cluster-subnet", "10.0.1.0/24").create().await?;
    let shared = vnet.subnet("shared-subnet", "10.0.2.0/24").create().await?;
    let mut clusters = Vec::new();
    for name in ["first", "second"] {
        let identity = lab.azure().identity(&format!("{name}-identity")).create().await?;
        lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
        let builder = lab.managed_cluster().name(name).node_provisioning(Auto).identity(&identity);
        let cluster = builder.subnet(&cluster_subnet).service_cidr(SERVICE_CIDR).create().await?;
        pool_with_workload(&cluster, name, node_class(name).vnet_subnet_id(shared.id())).await?;
        cluster.apply(node_pool(name).sizes(&[D2])).await?;
        cluster.scale(&format!("web-{name}"), 3).await?;
        clusters.push(cluster);
    }
    let [first, second] = clusters.as_slice() else { return Err(Failure::new("there are two clusters")) };
    for (cluster, name) in [(first, "first"), (second, "second")] {
        cluster.expect(pods(&format!("web-{name}")).all_running()).within(minutes(8)).await?;
        cluster.expect(nodes().of_pool(name).all_in_subnet(&shared)).now()?;
    }
    let given = addresses(first);
    lab.verify("addresses given away twice", 0, given.len() - given.iter().collect::<BTreeSet<_>>().len())?;
    lab.verify("there are some", true, given.len() >= 6)?;
    let kept = second.claims_of_pool("second");
    let mark = second.mark();

    first.scale("web-first", 0).await?;

    first.expect(nodes().of_pool("first").none()).within(minutes(5)).await?;
    first.expect(vms().of_pool("first").none().and(nics().of_pool("first").none())).within(minutes(2)).await?;
    // Longer than the pauses of both garbage collections.
    second.expect(node_claims().of_pool("second").kept(&kept)).throughout(minutes(11)).await?;
    second.expect(pods("web-second").all_running()).at_every_instant_since(&mark)
}
