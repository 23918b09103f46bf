//! The replacement of a drifted node cannot be had: the old one stays in service.

use catnap::prelude::*;
use serde_json::json;
use suites::versions::{gives_up_launches, looks_at_subnets};

use super::{A_NODE_FULL, DISRUPTED, SERVICE_CIDR, cluster_with, full_nodes, replaced, steady};

const NETWORK: &str = "2024-05-01";
const SUBNET_READ: &str = "Microsoft.Network/virtualNetworks/subnets/read";

/// What is wrong with the subnet that the nodes shall move to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    /// It has no free address.
    Full,
    /// The cluster's identity may read it and not join it.
    NoJoin,
}

/// Takes an address of a subnet: a network interface of somebody else.
async fn occupy(lab: &Lab, subnet: &Subnet, name: &str) -> Result<String, Failure> {
    let id = lab.azure().id(&format!("Microsoft.Network/networkInterfaces/{name}"));
    let configuration =
        json!({ "primary": true, "privateIPAllocationMethod": "Dynamic", "subnet": { "id": subnet.id() } });
    let properties = json!({ "ipConfigurations": [{ "name": "ip", "properties": configuration }] });
    let body = json!({ "location": lab.azure().location(), "properties": properties });
    lab.azure().client().put(&id, NETWORK, &body).await?;
    Ok(id)
}

/// Node claims of the pool `p` that are to replace those of `before`. The next attempt may be there before one is gone.
fn attempts(cluster: &Cluster, before: &[String]) -> Vec<String> {
    cluster.claims_of_pool("p").into_iter().filter(|claim| !before.contains(claim)).collect()
}

/// DRIFT-17+, DRIFT-18+: where the new subnet has no address left, or may not be joined, no replacement comes into being:
/// the attempt says why in Azure's words and is given up within minutes, the old node is in service again as it was
/// before, its pod never stopped. Attempts go on, so that the nodes move when the obstacle is gone.
#[scenario]
#[case::that_is_full(Obstacle::Full, "SubnetIsFull")]
#[case::that_may_not_be_joined(Obstacle::NoJoin, "LinkedAuthorizationFailed")]
async fn nodes_do_not_move_to_a_subnet(lab: &Lab, #[case] obstacle: Obstacle, #[case] code: &str) -> Outcome {
    lab.wait_of(minutes(30))?;
    gives_up_launches(lab)?;
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await?;
    let cluster_subnet = vnet.subnet("cluster-subnet", "10.0.1.0/24").create().await?;
    let custom_subnet = vnet.subnet("custom-subnet", "10.0.2.0/24").create().await?;
    // Of eight addresses Azure keeps five.
    let custom_subnet2 = vnet.subnet("custom-subnet2", "10.0.3.0/29").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    let azure = lab.azure();
    azure.role("Network Contributor").on(&custom_subnet).to(&identity).assign().await?;
    let mut taken = Vec::new();
    match obstacle {
        Obstacle::Full => {
            azure.role("Network Contributor").on(&custom_subnet2).to(&identity).assign().await?;
            for name in ["other-1", "other-2", "other-3"] {
                taken.push(occupy(lab, &custom_subnet2, name).await?);
            }
        }
        Obstacle::NoJoin => {
            let reader = azure.role_definition("Subnet Reader").actions([SUBNET_READ]);
            let group = format!("/subscriptions/{}", azure.subscription_id());
            reader.assignable_on(group.as_str()).create().await?;
            azure.role("Subnet Reader").on(&custom_subnet2).to(&identity).assign().await?;
        }
    }
    let guid = vnet.get().await?["properties"]["resourceGuid"].as_str().unwrap_or_default().to_owned();
    lab.require::<ProvisionerControl>()?.env("VNET_GUID", &guid);
    let builder = lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(&cluster_subnet);
    let cluster = builder.service_cidr(SERVICE_CIDR).create().await?;
    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.apply(steady("p")).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    let (pod, mark) = (cluster.pods_of("web-p"), cluster.mark());

    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet2.id())).await?;

    let failing = node_claims().of_pool("p").any_with_reason("Launched", "CreateInstanceFailed", code);
    cluster.expect(failing.clone()).within(minutes(2)).await?;
    let attempt = attempts(&cluster, &before);
    cluster.expect(node_claims().of_pool("p").none_of(&attempt)).within(minutes(7)).await?;
    cluster.expect(failing).within(minutes(8)).await?;
    cluster.expect(pods("web-p").kept(&pod).and(pods("web-p").running(1))).at_every_instant_since(&mark)?;
    cluster.expect(vms().count(1)).at_every_instant_since(&mark)?;

    match obstacle {
        Obstacle::Full => {
            for id in taken {
                azure.delete(&id, NETWORK).await?;
            }
        }
        Obstacle::NoJoin => {
            azure.role("Network Contributor").on(&custom_subnet2).to(&identity).assign().await?;
        }
    }
    replaced(lab, &cluster, "p", &before, &mark).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&custom_subnet2)).now()
}

/// DRIFT-19+: a replacement that never registers is given up after a quarter of an hour, and the old node is in service
/// again; there was never more than one node too many. When machines boot again, the next attempt succeeds.
#[scenario]
async fn a_replacement_that_never_registers_leaves_the_old_node(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(40))?;
    let cluster = cluster_with(lab, steady("p")).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    let (pod, mark) = (cluster.pods_of("web-p"), cluster.mark());
    lab.require::<Machines>()?.never();

    cluster.apply(node_class("p").max_pods(100)).await?;

    cluster.expect(vms().count(2)).within(minutes(2)).await?;
    let attempt = attempts(&cluster, &before);
    cluster.expect(node_claims().of_pool("p").none_of(&attempt)).within(minutes(17)).await?;
    cluster.expect(pods("web-p").kept(&pod).and(pods("web-p").running(1))).at_every_instant_since(&mark)?;
    cluster.expect(node_claims().of_pool("p").at_most(2)).at_every_instant_since(&mark)?;

    lab.require::<Machines>()?.after(seconds(1));
    cluster.expect(node_claims().of_pool("p").none_of(&before)).within(minutes(40)).await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(2)).await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(1)).at_every_instant_since(&mark)
}

/// DRIFT-19+: a replacement that registers and never becomes Ready is waited for as long as such a command may take; then
/// the old node is in service again, without its taint, and no second replacement is tried beside the first.
#[scenario]
async fn a_replacement_that_never_becomes_ready_leaves_the_old_node(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(30))?;
    let cluster = cluster_with(lab, steady("p")).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    let (node, pod, mark) = (cluster.nodes_of_pool("p").remove(0), cluster.pods_of("web-p"), cluster.mark());
    lab.require::<Machines>()?.ready_after(None);

    cluster.apply(node_class("p").max_pods(100)).await?;

    cluster.expect(nodes().of_pool("p").count(2)).within(minutes(2)).await?;
    cluster.expect(nodes().named(&node).all_tainted(DISRUPTED)).now()?;
    cluster.expect(nodes().named(&node).none_tainted(DISRUPTED)).within(minutes(14)).await?;
    cluster.expect(pods("web-p").kept(&pod).and(pods("web-p").running(1))).at_every_instant_since(&mark)?;
    cluster.expect(node_claims().of_pool("p").at_most(2)).throughout(minutes(10)).await?;

    // Somebody takes the broken node away, and machines are well again.
    lab.require::<Machines>()?.ready_after(Some(std::time::Duration::ZERO));
    let broken = cluster.nodes_of_pool("p").into_iter().find(|name| *name != node).unwrap_or_default();
    cluster.delete(Kind::Node, &broken).await?;
    replaced(lab, &cluster, "p", &before, &mark).await
}

/// DRIFT-15+: with another node pool that can take them, the pods of nodes whose own class has become useless move there.
#[scenario]
async fn another_pool_takes_the_pods_of_a_class_that_is_not_ready(lab: &Lab) -> Outcome {
    looks_at_subnets(lab)?;
    let super::CustomVnet { vnet, custom_subnet, cluster, .. } = super::custom_vnet(lab).await?;
    const KEY: &str = "example.com/tier";
    for (name, weight) in [("p", 10), ("q", 1)] {
        cluster.apply(node_class(name).vnet_subnet_id(custom_subnet.id())).await?;
        cluster.apply(steady(name).label(KEY, "web").weight(weight)).await?;
        cluster.expect(node_pool(name).ready()).within(minutes(1)).await?;
    }
    cluster.apply(deployment("web").cpu(A_NODE_FULL).node_selector(KEY, "web")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(pods("web").all_on(nodes().of_pool("p"))).now()?;
    cluster.expect(node_claims().at_least_in_service(1)).within(minutes(1)).await?;
    let mark = cluster.mark();

    cluster.apply(node_class("p").vnet_subnet_id(vnet.subnet_id("none"))).await?;

    cluster.expect(node_claims().of_pool("p").none()).within(minutes(10)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
    cluster.expect(pods("web").all_on(nodes().of_pool("q"))).now()?;
    cluster.expect(node_claims().at_least_in_service(1)).at_every_instant_since(&mark)
}
