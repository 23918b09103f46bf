//! What separate subnets are for: rules between them. What passes the model of the network judges.

use std::net::IpAddr;

use catnap::net::Place;
use catnap::prelude::*;
use suites::{close, rule};

use super::{CustomVnet, custom_vnet, pool_with_workload};

/// Where the only pod of a deployment runs: the address of its node.
fn node_of(cluster: &Cluster, app: &str) -> Result<Place, Failure> {
    let state = cluster.state();
    let pod = state.objects(Kind::Pod).find(|pod| pod["metadata"]["labels"]["app"] == app);
    let address = pod.and_then(|pod| pod["status"]["hostIP"].as_str()).and_then(|ip| ip.parse::<IpAddr>().ok());
    address.map(Place::Node).ok_or_else(|| Failure::new(format!("no pod of {app} runs on a node")))
}

/// VNET-10: separate subnets segment workloads. A rule on the custom subnet that denies a port from the cluster's subnet
/// shuts what listens on its nodes off from there, at this port alone; what listens in the cluster's subnet stays reachable.
#[scenario]
async fn a_rule_on_a_subnet_segments_workloads(lab: &Lab) -> Outcome {
    let CustomVnet { custom_subnet, cluster_subnet, cluster, .. } = custom_vnet(lab).await?;
    pool_with_workload(&cluster, "secured", node_class("secured").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.expect(pods("web-secured").all_running()).within(minutes(5)).await?;
    for name in ["open", "client"] {
        pool_with_workload(&cluster, name, node_class(name)).await?;
        cluster.expect(pods(&format!("web-{name}")).all_running()).within(minutes(5)).await?;
        cluster.expect(nodes().of_pool(name).all_in_subnet(&cluster_subnet)).now()?;
    }
    cluster.expect(nodes().of_pool("secured").all_in_subnet(&custom_subnet)).now()?;
    let [client, open, secured] =
        [node_of(&cluster, "web-client")?, node_of(&cluster, "web-open")?, node_of(&cluster, "web-secured")?];
    lab.verify("the way before the rule", Ok(()), lab.network(&cluster)?.reaches(client, secured, 8080))?;

    close(lab, &custom_subnet, &[rule("segment", 100, "Deny", "10.0.1.0/24", "*", "8080")]).await?;

    let network = lab.network(&cluster)?;
    let shut = network.reaches(client, secured, 8080).err().unwrap_or_default();
    lab.verify(&format!("{shut:?} names the rule"), true, shut.contains("segment"))?;
    lab.verify("another port", Ok(()), network.reaches(client, secured, 9090))?;
    lab.verify("a node of the cluster's subnet", Ok(()), network.reaches(client, open, 8080))?;
    lab.verify("the way back", Ok(()), network.reaches(secured, client, 8080))
}
