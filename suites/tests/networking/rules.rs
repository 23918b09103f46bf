//! Security rules of one's own: which traffic a cluster needs, and what is lost without it. What passes between addresses
//! the model of the network judges, because neither Azure nor the provisioner does.
//!
//! The table of "Custom virtual networks" in Microsoft's "Node autoprovisioning": nodes to the API server's subnet at 443 and
//! 4443, Azure's load balancer to it at 9988, nodes to nodes, pods to nodes, pods to pods, all of these at every port.

use std::net::IpAddr;

use catnap::net::{ClusterNetwork, Place};
use catnap::prelude::*;
use serde_json::{Value, json};
use suites::{close, place_of, rule};

use super::{of_the_machine, pool_with_workload};

const DELEGATION: &str = "Microsoft.ContainerService/managedClusters";
const PODS: &str = "10.244.0.0/16";
const NODES: &str = "10.1.1.0/24";
const MORE_NODES: &str = "10.1.2.0/24";
const API_SERVER: &str = "10.1.0.0/28";

/// 10.1.0.0/16 with a subnet for the API server and two for nodes, and an overlay cluster in the first of these.
struct World {
    api_server: Subnet,
    more_nodes: Subnet,
    cluster: Cluster,
}

async fn world(lab: &Lab, rules: &[Value]) -> Result<World, Failure> {
    world_with(lab, rules, true).await
}

/// The same, with pods in an overlay or in the subnets of their nodes.
async fn world_with(lab: &Lab, rules: &[Value], overlay: bool) -> Result<World, Failure> {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.1.0.0/16").create().await?;
    let api_server = vnet.subnet("apiserver-subnet", API_SERVER).delegated_to(DELEGATION).create().await?;
    let nodes = vnet.subnet("cluster-subnet", NODES).create().await?;
    let more_nodes = vnet.subnet("custom-subnet", MORE_NODES).create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
    if !rules.is_empty() {
        for subnet in [&api_server, &nodes, &more_nodes] {
            close(lab, subnet, rules).await?;
        }
    }
    let access = json!({ "enableVnetIntegration": true, "subnetId": api_server.id() });
    let builder = lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(&nodes);
    let builder = builder.property("apiServerAccessProfile", access);
    let cluster = if overlay { builder } else { builder.node_subnet_networking() }.create().await?;
    Ok(World { api_server, more_nodes, cluster })
}

/// What a cluster's parts have to say to each other.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    NodeToApiServer,
    NodeToTunnel,
    BalancerToApiServer,
    NodeToNode,
    PodToNode,
    PodToPod,
    PodToDns,
    PodToApp,
}

const ALL: [Way; 8] = [
    Way::NodeToApiServer,
    Way::NodeToTunnel,
    Way::BalancerToApiServer,
    Way::NodeToNode,
    Way::PodToNode,
    Way::PodToPod,
    Way::PodToDns,
    Way::PodToApp,
];

impl Way {
    /// From the first subnet of nodes to the second, or from the second to the API server.
    fn is_open(self, network: &ClusterNetwork) -> Result<(), String> {
        let ip = |text: &str| text.parse::<IpAddr>().expect("an address");
        let (node, other) = (Place::Node(ip("10.1.1.9")), Place::Node(ip("10.1.2.9")));
        let pod = Place::Pod { address: ip("10.244.1.7"), node: ip("10.1.1.9") };
        let other_pod = Place::Pod { address: ip("10.244.2.7"), node: ip("10.1.2.9") };
        let api_server = Place::Other(network.api_server);
        let (from, to, port) = match self {
            Self::NodeToApiServer => (other, api_server, 443),
            Self::NodeToTunnel => (other, api_server, 4443),
            Self::BalancerToApiServer => (Place::Other(ip("168.63.129.16")), api_server, 9988),
            Self::NodeToNode => (node, other, 10250),
            Self::PodToNode => (pod, other, 10250),
            Self::PodToPod => (pod, other_pod, 9000),
            Self::PodToDns => (pod, other_pod, 53),
            Self::PodToApp => (pod, other_pod, 8080),
        };
        network.reaches(from, to, port)
    }
}

/// NET-12, NET-15, NET-16, NET-17, NET-18, NET-20: inside a network everything is allowed unless a rule says otherwise. Each
/// row of the documents' table denied in turn loses what it is for and nothing else, and the model names the rule.
#[scenario]
#[case::nothing("", "*", "*", &[])]
#[case::nodes_to_the_api_server_at_443(MORE_NODES, API_SERVER, "443", &[Way::NodeToApiServer])]
#[case::nodes_to_the_api_server_at_4443(MORE_NODES, API_SERVER, "4443", &[Way::NodeToTunnel])]
#[case::load_balancer_to_the_api_server("AzureLoadBalancer", API_SERVER, "9988", &[Way::BalancerToApiServer])]
#[case::nodes_to_nodes(NODES, MORE_NODES, "*", &[Way::NodeToNode, Way::PodToNode])]
#[case::pods_to_pods(PODS, PODS, "*", &[Way::PodToPod, Way::PodToDns, Way::PodToApp])]
#[case::the_port_of_an_application(PODS, PODS, "8080", &[Way::PodToApp])]
async fn what_a_rule_takes_away(
    lab: &Lab,
    #[case] from: &str,
    #[case] to: &str,
    #[case] port: &str,
    #[case] lost: &[Way],
) -> Outcome {
    let World { api_server, more_nodes, cluster } = world(lab, &[]).await?;
    if !from.is_empty() {
        let denied = [rule("denied", 100, "Deny", from, to, port)];
        close(lab, &api_server, &denied).await?;
        close(lab, &more_nodes, &denied).await?;
    }
    let network = lab.network(&cluster)?;
    for way in ALL {
        let open = way.is_open(&network);
        lab.verify(&format!("{way:?} is open ({open:?})"), !lost.contains(&way), open.is_ok())?;
        let named = open.err().is_none_or(|why| why.starts_with("the rule denied of nsg-"));
        lab.verify("the rule is named", true, named)?;
    }
    Ok(())
}

/// NET-16: a machine whose subnet may not reach the API server at 443 becomes no node.
#[scenario]
async fn without_443_no_node_registers(lab: &Lab) -> Outcome {
    let World { api_server, more_nodes, cluster } = world(lab, &[]).await?;
    close(lab, &api_server, &[rule("no-443", 100, "Deny", MORE_NODES, API_SERVER, "443")]).await?;
    pool_with_workload(&cluster).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.delete(Kind::Deployment, "web").await?;
    cluster.expect(vms().of_pool("p").none()).within(minutes(15)).await?;

    // The same pool in the subnet that is kept out.
    cluster.apply(node_class("p").vnet_subnet_id(more_nodes.id())).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(vms().of_pool("p").count(1)).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").none().and(pods("web").pending(1))).throughout(minutes(12)).await
}

/// NET-21: a security group on every subnet with exactly the rules of the table, and nothing else let in: nodes come up and
/// all that a cluster's parts have to say to each other passes.
#[scenario]
async fn the_rules_of_the_table_are_enough(lab: &Lab) -> Outcome {
    let rules = [
        rule("nodes-to-api-server", 100, "Allow", "10.1.0.0/16", API_SERVER, "443"),
        rule("nodes-to-tunnel", 110, "Allow", "10.1.0.0/16", API_SERVER, "4443"),
        rule("load-balancer", 120, "Allow", "AzureLoadBalancer", API_SERVER, "9988"),
        rule("nodes-to-nodes", 130, "Allow", "10.1.0.0/16", "10.1.0.0/16", "*"),
        rule("pods-to-nodes", 140, "Allow", PODS, "10.1.0.0/16", "*"),
        rule("pods-to-pods", 150, "Allow", PODS, PODS, "*"),
        rule("nothing-else", 4096, "Deny", "*", "*", "*"),
    ];
    let World { more_nodes, cluster, .. } = world(lab, &rules).await?;
    cluster.apply(node_class("p").vnet_subnet_id(more_nodes.id())).await?;
    cluster.apply(node_pool("p").sizes(&["Standard_D2s_v5"])).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&more_nodes)).now()?;
    let network = lab.network(&cluster)?;
    for way in ALL {
        lab.verify(&format!("{way:?} is open"), Ok(()), way.is_open(&network))?;
    }
    Ok(())
}

/// NET-19: whether pods need a rule of their own on their way to nodes depends on whose addresses they have. Of the network
/// they have them where they share the nodes' subnet: a rule against a pod's address keeps it from the nodes, and not its
/// node. In an overlay they come from their node's address, and a rule against the pod range takes nothing away: there the
/// documents' row "pod CIDR to node CIDR" is more than is needed.
#[scenario]
#[case::in_the_nodes_subnet(false)]
#[case::in_an_overlay(true)]
async fn pods_need_a_rule_to_nodes_where_they_have_addresses_of_the_network(
    lab: &Lab,
    #[case] overlay: bool,
) -> Outcome {
    let World { more_nodes, cluster, .. } = world_with(lab, &[], overlay).await?;
    pool_with_workload(&cluster).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    let interface = of_the_machine(&cluster, "Microsoft.Network/networkInterfaces");
    let configurations = interface["properties"]["ipConfigurations"].as_array().cloned().unwrap_or_default();
    let address = |at: usize| -> Result<IpAddr, Failure> {
        let found = configurations.get(at).and_then(|one| one["properties"]["privateIPAddress"].as_str());
        Ok(found.unwrap_or_default().parse()?)
    };
    let node = address(0)?;
    // The addresses that a machine holds for its pods come after its own.
    let pod = if overlay {
        place_of(&cluster, &cluster.pods_of("web")[0])?
    } else {
        Place::Pod { address: address(1)?, node }
    };
    let kept_out = if overlay { PODS.to_owned() } else { format!("{}/32", pod.address()) };
    let other = Place::Node("10.1.2.200".parse()?);
    lab.verify("the pod's way before", Ok(()), lab.network(&cluster)?.reaches(pod, other, 10250))?;

    close(lab, &more_nodes, &[rule("no-pods", 100, "Deny", &kept_out, MORE_NODES, "*")]).await?;

    let network = lab.network(&cluster)?;
    let way = network.reaches(pod, other, 10250);
    lab.verify(&format!("the pod's way is open ({way:?})"), overlay, way.is_ok())?;
    lab.verify("the rule is named", true, way.err().is_none_or(|why| why.starts_with("the rule no-pods of nsg-")))?;
    lab.verify("its node's way", Ok(()), network.reaches(Place::Node(node), other, 10250))
}
