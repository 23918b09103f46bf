//! Ranges that share addresses.

use std::net::IpAddr;

use catnap::net::Place;
use catnap::prelude::*;
use serde_json::json;
use suites::versions::subnet_is_ready;

use super::{NETWORK, World, pods_in, told, widen, world};

/// Where the subnet of a node class lies in the end.
enum Lies {
    Free,
    InPods,
    InServices,
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// CIDR-01, CIDR-02, CIDR-03, CIDR-04, CIDR-16+: the documents' three subnets. Nobody refuses those that lie in the pods' or
/// the services' range: the node class is Ready, the node comes up and pods run there, because a machine reaches the API
/// server from any subnet. What is lost is the way back: its address is taken for a pod's or a service's.
#[scenario]
#[case::free_of_both("10.1.1.0/24", None, Lies::Free)]
#[case::in_the_pod_range("10.244.1.0/24", Some("10.244.0.0/16"), Lies::InPods)]
#[case::in_the_service_range("10.0.10.0/24", Some("10.0.0.0/16"), Lies::InServices)]
async fn nobody_checks_the_subnet_of_a_node_class(
    lab: &Lab,
    #[case] prefix: &str,
    #[case] added: Option<&str>,
    #[case] lies: Lies,
) -> Outcome {
    let World { vnet, cluster } = world(lab).await?;
    lab.verify("conflicts at the beginning", Vec::<String>::new(), told(&lab.network(&cluster)?))?;
    if let Some(space) = added {
        widen(lab, &vnet, space).await?;
    }
    let subnet = vnet.subnet("custom-subnet", prefix).create().await?;
    pods_in(&cluster, &subnet, 1).await?;

    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(subnet_is_ready(lab, "p").and(node_class("p").ready())).now()?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&subnet)).now()?;

    let network = lab.network(&cluster)?;
    let node = subnet.prefix().hosts().nth(3).unwrap_or(ip("0.0.0.0"));
    let elsewhere = ip("10.1.0.4");
    let pod = Place::Pod { address: ip("10.244.200.7"), node: elsewhere };
    lab.verify("the machine reaches the API server", Ok(()), network.bootstrap(node))?;
    let way_back = network.reaches(pod, Place::Node(node), 10250).err().unwrap_or_default();
    let between_pods = network.reaches(pod, Place::Pod { address: ip("10.244.201.7"), node }, 80);
    lab.verify("pods reach each other", Ok(()), between_pods)?;
    lab.verify("pods reach services", Ok(()), network.reaches(pod, Place::Service(ip("10.0.0.10")), 53))?;
    let (conflicts, taken) = match lies {
        Lies::Free => (0, ""),
        Lies::InPods => (1, "taken for a pod's address"),
        Lies::InServices => (1, "taken for a service's address"),
    };
    lab.verify("conflicts", conflicts, told(&network).len())?;
    lab.verify("the way back is lost", !taken.is_empty(), !way_back.is_empty())?;
    lab.verify(&format!("why: {way_back}"), true, way_back.contains(taken))
}

/// CIDR-23+: what that means to workloads. Pods run on either side, and those that ask for services are ready wherever their
/// node lies. One elsewhere that asks for such a node is not: its packets go to whoever its address is taken for.
#[scenario]
#[case::free_of_both("10.1.1.0/24", None, true)]
#[case::in_the_pod_range("10.244.1.0/24", Some("10.244.0.0/16"), false)]
#[case::in_the_service_range("10.0.10.0/24", Some("10.0.0.0/16"), false)]
async fn pods_are_as_ready_as_the_network_lets_them(
    lab: &Lab,
    #[case] prefix: &str,
    #[case] added: Option<&str>,
    #[case] found: bool,
) -> Outcome {
    let World { vnet, cluster } = world(lab).await?;
    if let Some(space) = added {
        widen(lab, &vnet, space).await?;
    }
    let subnet = vnet.subnet("custom-subnet", prefix).create().await?;
    pods_in(&cluster, &subnet, 1).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&subnet)).now()?;

    let node = subnet.prefix().hosts().nth(3).unwrap_or(ip("0.0.0.0"));
    cluster.apply(deployment("asks-dns").on_pool("p").ready_if_it_reaches(ip("10.0.0.10"), 53)).await?;
    cluster.apply(node_class("q")).await?;
    cluster.apply(node_pool("q").sizes(&["Standard_D2s_v5"])).await?;
    cluster.apply(deployment("asks-node").cpu("1").on_pool("q").ready_if_it_reaches(node, 10250)).await?;
    cluster.expect(pods("asks-dns").all_running()).within(minutes(5)).await?;
    if found {
        return cluster.expect(pods("asks-node").all_running()).within(minutes(5)).await;
    }
    let unhealthy = events("Unhealthy").about(Kind::Pod).named("asks-node").saying(&format!("{node}:10250"));
    cluster.expect(unhealthy.seen()).within(minutes(5)).await?;
    cluster.expect(pods("asks-node").running(0)).throughout(minutes(2)).await
}

/// CIDR-11, CIDR-15+: each subnet that a network can have beside the pods' 10.244.0.0/16: one that is equal, one inside, one
/// around it, its last addresses, a neighbour below and one above.
#[scenario]
#[case::equal("10.244.0.0/16", "10.244.0.0/16", true)]
#[case::inside("10.244.0.0/16", "10.244.255.0/24", true)]
#[case::around("10.244.0.0/15", "10.244.0.0/15", true)]
#[case::just_below("10.243.0.0/16", "10.243.255.0/24", false)]
#[case::just_above("10.245.0.0/16", "10.245.0.0/24", false)]
async fn a_subnet_conflicts_if_it_shares_an_address(
    lab: &Lab,
    #[case] space: &str,
    #[case] prefix: &str,
    #[case] conflict: bool,
) -> Outcome {
    let World { vnet, cluster } = world(lab).await?;
    widen(lab, &vnet, space).await?;
    vnet.subnet("another", prefix).create().await?;
    let found = told(&lab.network(&cluster)?);
    lab.verify(&format!("a conflict between {prefix} and the pods ({found:?})"), usize::from(conflict), found.len())?;
    let named = found.iter().all(|text| text.contains(prefix) && text.contains("10.244.0.0/16"));
    lab.verify("it names both ranges", true, named)
}

/// CIDR-17+: a peered network whose addresses are the pods' is out of their reach; among themselves they are not touched.
#[scenario]
async fn a_peered_network_in_the_pod_range_cannot_be_reached(lab: &Lab) -> Outcome {
    let World { vnet, cluster } = world(lab).await?;
    let shadowed = lab.azure().vnet("on-premises").address_space("10.244.0.0/16").create().await?;
    let visible = lab.azure().vnet("hub").address_space("10.9.0.0/16").create().await?;
    for (one, other) in [(&vnet, &shadowed), (&shadowed, &vnet), (&vnet, &visible), (&visible, &vnet)] {
        let id = format!("{}/virtualNetworkPeerings/to-{}", one.id(), other.name());
        let body = json!({ "properties": {
            "remoteVirtualNetwork": { "id": other.id() },
            "allowVirtualNetworkAccess": true,
        } });
        lab.azure().client().put(&id, NETWORK, &body).await?;
    }
    let network = lab.network(&cluster)?;
    let pod = Place::Pod { address: ip("10.244.200.7"), node: ip("10.1.0.4") };
    lab.verify("pods reach the hub", Ok(()), network.reaches(pod, Place::Other(ip("10.9.0.4")), 443))?;
    let lost = network.reaches(pod, Place::Other(ip("10.244.0.4")), 443).err().unwrap_or_default();
    lab.verify(&format!("pods do not reach on-premises: {lost}"), true, lost.contains("taken for a pod's"))?;
    let other = Place::Pod { address: ip("10.244.201.7"), node: ip("10.1.0.5") };
    lab.verify("pods reach each other", Ok(()), network.reaches(pod, other, 80))?;
    let found = told(&network);
    let named = found.len() == 1 && found[0].contains("the remote network on-premises");
    lab.verify(&format!("the conflict is with on-premises: {found:?}"), true, named)
}
