//! The subnet of a node class is changed: `spec.vnetSubnetID`.

use catnap::net::Place;
use catnap::prelude::*;
use serde_json::Value;
use suites::versions::{looks_at_subnets, tells_of_unreadable_subnets};
use suites::{close, place_of, rule};

use super::{CustomVnet, SERVICE_CIDR, custom_vnet, full_nodes, replaced, steady};

const VM_DELETE: &str = "Microsoft.Compute/virtualMachines/delete";
const AN_HOUR: std::time::Duration = hours(1);

async fn hash_of(cluster: &Cluster, class: &str) -> Result<Value, Failure> {
    let class = cluster.get(Kind::AksNodeClass, class).await?;
    Ok(class["metadata"]["annotations"]["karpenter.azure.com/aksnodeclass-hash"].clone())
}

/// DRIFT-01, DRIFT-02: the subnet of a node class can be changed from one that works to another, although this is not a
/// supported way: nothing stands against it, the class gets another hash, and each of its nodes is Drifted, for
/// `NodeClassDrift` and not by the name of a subnet, while the nodes of another class are not. Nothing moves as long as
/// the budget does not let it.
#[scenario]
async fn another_subnet_makes_the_nodes_of_the_class_drift(lab: &Lab) -> Outcome {
    let CustomVnet { custom_subnet, custom_subnet2, cluster, .. } = custom_vnet(lab).await?;
    for (name, count) in [("p", 2), ("q", 1)] {
        cluster.apply(node_class(name).vnet_subnet_id(custom_subnet.id())).await?;
        cluster.apply(steady(name).budgets([Budget::nodes("0")])).await?;
        full_nodes(&cluster, name, count).await?;
    }
    let (drifting, other) = (cluster.claims_of_pool("p"), cluster.claims_of_pool("q"));
    let (hash, mark) = (hash_of(&cluster, "p").await?, cluster.mark());

    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet2.id())).await?;

    cluster.expect(node_claims().of_pool("p").all_drifted("NodeClassDrift")).within(minutes(1)).await?;
    lab.verify("the hash of the class is another", false, hash_of(&cluster, "p").await? == hash)?;
    cluster.expect(node_claims().of_pool("p").kept(&drifting)).throughout(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("q").none_with_condition("Drifted")).at_every_instant_since(&mark)?;
    cluster.expect(node_claims().of_pool("q").kept(&other)).at_every_instant_since(&mark)
}

/// DRIFT-03, DRIFT-37+: drift carries nodes from one subnet to another, each replacement in service before its
/// predecessor goes; the subnet that they left is free then and can be deleted, and before it could not.
#[scenario]
async fn nodes_move_to_the_new_subnet_and_the_old_one_is_free(lab: &Lab) -> Outcome {
    let CustomVnet { custom_subnet, custom_subnet2, cluster, .. } = custom_vnet(lab).await?;
    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.apply(steady("p")).await?;
    let before = full_nodes(&cluster, "p", 3).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&custom_subnet)).now()?;
    lab.verify("the subnet in use can be deleted", false, custom_subnet.delete().await.is_ok())?;
    let mark = cluster.mark();

    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet2.id())).await?;

    replaced(lab, &cluster, "p", &before, &mark).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&custom_subnet2)).now()?;
    cluster.expect(node_claims().none_with_condition("Drifted")).now()?;
    // The address of an interface that went with its machine is held for three minutes.
    lab.clock().advance(minutes(4)).await;
    let left = custom_subnet.get().await?["properties"]["ipConfigurations"].as_array().map_or(0, Vec::len);
    lab.verify("what is left in the old subnet", 0, left)?;
    custom_subnet.delete().await?;
    cluster.expect(pods("web-p").all_running()).now()
}

/// DRIFT-12+, DRIFT-13+, DRIFT-14+: to write down the subnet that is the default anyway, to take an id away, and to
/// write the id in another case are changes like any other: the nodes are replaced, in the first and the last case
/// needlessly, into the subnet where they are.
#[scenario]
#[case::the_default_is_written_down(None, Some("cluster-subnet"), "cluster-subnet")]
#[case::the_id_is_taken_away(Some("custom-subnet"), None, "cluster-subnet")]
#[case::the_id_is_written_in_another_case(Some("custom-subnet"), Some("Custom-Subnet"), "custom-subnet")]
async fn any_change_of_the_id_replaces_the_nodes(
    lab: &Lab,
    #[case] from: Option<&str>,
    #[case] to: Option<&str>,
    #[case] expected: &str,
) -> Outcome {
    let CustomVnet { vnet, cluster_subnet, custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    let class = |subnet: Option<&str>| match subnet {
        Some(name) => node_class("p").vnet_subnet_id(vnet.subnet_id(name)),
        None => node_class("p"),
    };
    cluster.apply(class(from)).await?;
    cluster.apply(steady("p").budgets([Budget::nodes("0")])).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    let mark = cluster.mark();

    cluster.apply(class(to)).await?;

    cluster.expect(node_claims().of_pool("p").all_drifted("NodeClassDrift")).within(minutes(1)).await?;
    cluster.apply(steady("p")).await?;
    replaced(lab, &cluster, "p", &before, &mark).await?;
    let expected = if expected == "cluster-subnet" { &cluster_subnet } else { &custom_subnet };
    cluster.expect(nodes().of_pool("p").all_in_subnet(expected)).now()
}

/// DRIFT-14+, DRIFT-15+, DRIFT-16+: the id of a subnet that is none, or not of the cluster's network (as which the
/// provisioner also sees its own network in another case), makes the nodes drift and the class not Ready. Without
/// another pool they stay for as long as it takes, with their pods; with the first id put back nothing has drifted any
/// more, and they are the same nodes still.
#[scenario]
#[case::of_no_subnet("custom-subnet", "none", "SubnetNotFound")]
#[case::of_another_network("my-aks-vnet", "other-vnet", "SubnetIDInvalid")]
#[case::of_the_network_in_another_case("my-aks-vnet", "My-AKS-VNet", "SubnetIDInvalid")]
async fn a_wrong_id_moves_no_node_and_can_be_taken_back(
    lab: &Lab,
    #[case] part: &str,
    #[case] wrong: &str,
    #[case] reason: &str,
) -> Outcome {
    lab.wait_of(AN_HOUR)?;
    looks_at_subnets(lab)?;
    let CustomVnet { custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.apply(steady("p")).await?;
    let before = full_nodes(&cluster, "p", 1).await?;
    let (pod, mark) = (cluster.pods_of("web-p"), cluster.mark());

    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet.id().replace(part, wrong))).await?;

    cluster.expect(node_class("p").condition("SubnetsReady").is_false(reason, &[wrong])).within(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("p").all_drifted("NodeClassDrift")).within(minutes(1)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(AN_HOUR).await?;

    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.expect(node_class("p").ready()).within(minutes(2)).await?;
    cluster.expect(node_claims().of_pool("p").none_with_condition("Drifted")).within(minutes(2)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&before).and(pods("web-p").kept(&pod))).at_every_instant_since(&mark)
}

/// DRIFT-04: a malformed id never gets into a node class, so to correct it makes one and drifts nothing.
#[scenario]
async fn a_malformed_id_can_be_corrected(lab: &Lab) -> Outcome {
    let CustomVnet { custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    let mark = cluster.mark();

    let refused = cluster.apply(node_class("p").vnet_subnet_id("/subnets/custom-subnet")).await.err();
    lab.verify("the status for a malformed id", Some(422), refused.as_ref().and_then(|error| error.code()))?;
    cluster.expect(node_class("p").absent()).now()?;

    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.apply(steady("p")).await?;
    full_nodes(&cluster, "p", 1).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&custom_subnet)).now()?;
    cluster.expect(node_claims().none_with_condition("Drifted").even_if_none()).at_every_instant_since(&mark)
}

/// What is wrong with the subnet that a new node class names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    OtherNetwork,
    Missing,
    Forbidden,
}

/// DRIFT-05, DRIFT-06: an id of another network, of no subnet, or of one that the cluster's identity may not read, can
/// be corrected (the right can be given) before there are nodes: the class becomes Ready, the pod runs, nothing drifts.
#[scenario]
#[case::of_another_network(Wrong::OtherNetwork, "SubnetIDInvalid")]
#[case::of_no_subnet(Wrong::Missing, "SubnetNotFound")]
#[case::of_a_subnet_that_may_not_be_read(Wrong::Forbidden, "SubnetUnknownError")]
async fn an_invalid_reference_can_be_corrected(lab: &Lab, #[case] wrong: Wrong, #[case] reason: &str) -> Outcome {
    if wrong == Wrong::Forbidden {
        tells_of_unreadable_subnets(lab)?;
    } else {
        looks_at_subnets(lab)?;
    }
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await?;
    let cluster_subnet = vnet.subnet("cluster-subnet", "10.0.1.0/24").create().await?;
    let custom_subnet = vnet.subnet("custom-subnet", "10.0.2.0/24").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    let give = async || lab.azure().role("Network Contributor").on(&custom_subnet).to(&identity).assign().await;
    if wrong != Wrong::Forbidden {
        // Whoever may read single subnets only is not told that another one does not exist.
        lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
    }
    // Without the right to read the network, the provisioner must be told its GUID to start at all (RBAC-34+).
    let guid = vnet.get().await?["properties"]["resourceGuid"].as_str().unwrap_or_default().to_owned();
    lab.require::<ProvisionerControl>()?.env("VNET_GUID", &guid);
    let builder = lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(&cluster_subnet);
    let cluster = builder.service_cidr(SERVICE_CIDR).create().await?;
    let id = match wrong {
        Wrong::OtherNetwork => custom_subnet.id().replace("my-aks-vnet", "other-vnet"),
        Wrong::Missing => vnet.subnet_id("none"),
        Wrong::Forbidden => custom_subnet.id().to_owned(),
    };
    let mark = cluster.mark();
    cluster.apply(node_class("p").vnet_subnet_id(&id)).await?;
    cluster.apply(steady("p")).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(node_class("p").condition("SubnetsReady").is_false(reason, &[&id])).within(minutes(1)).await?;
    cluster.expect(pods("web").pending(1)).within(minutes(1)).await?;
    cluster.expect(vms().none()).now()?;

    match wrong {
        Wrong::Forbidden => drop(give().await?),
        _ => cluster.apply(node_class("p").vnet_subnet_id(custom_subnet.id())).await?,
    }

    cluster.expect(node_class("p").condition("SubnetsReady").is_true()).within(minutes(3)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&custom_subnet)).now()?;
    cluster.expect(node_claims().none_with_condition("Drifted").even_if_none()).at_every_instant_since(&mark)
}

/// DRIFT-38+: while a class moves from one subnet to another, pods on nodes in both reach each other both ways, and so do
/// their nodes; a rule of the new subnet against the pod range cuts the old pod off from the new one, and says so.
#[scenario]
async fn old_and_new_pods_reach_each_other_meanwhile(lab: &Lab) -> Outcome {
    let CustomVnet { custom_subnet, custom_subnet2, cluster, .. } = custom_vnet(lab).await?;
    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.apply(steady("p")).await?;
    full_nodes(&cluster, "p", 2).await?;
    let mark = cluster.mark();
    // One of the two stays, so that there is an old pod beside a new one for as long as it takes to look.
    let stays = cluster.pods_of("web-p").remove(0);
    cluster.annotate(Kind::Pod, &stays, "karpenter.sh/do-not-disrupt", Some("true")).await?;

    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet2.id())).await?;

    cluster.expect(requests(VM_DELETE).since(&mark).any()).within(minutes(10)).await?;
    let one_moved = nodes().of_pool("p").count(2).and(vms().of_pool("p").count(2)).and(pods("web-p").all_running());
    cluster.expect(one_moved).within(minutes(5)).await?;
    let moved = cluster.pods_of("web-p").into_iter().find(|pod| *pod != stays).unwrap_or_default();
    let (old, new) = (place_of(&cluster, &stays)?, place_of(&cluster, &moved)?);
    let [old_node, new_node] = [old, new].map(|place| Place::Node(place.node()));
    let place = |place: Place| place.node().to_string();
    lab.verify("the old pod's node is where it was", true, place(old).starts_with("10.0.2."))?;
    lab.verify("the new pod's node is in the new subnet", true, place(new).starts_with("10.0.3."))?;
    let network = lab.network(&cluster)?;
    for (from, to) in [(old, new), (new, old)] {
        lab.verify(&format!("{from:?} to {to:?}"), Ok(()), network.reaches(from, to, 8080))?;
    }
    for (from, to) in [(old_node, new_node), (new_node, old_node)] {
        lab.verify(&format!("{from:?} to {to:?}"), Ok(()), network.reaches(from, to, 10250))?;
    }

    // The control.
    close(lab, &custom_subnet2, &[rule("no-pods", 100, "Deny", "10.244.0.0/16", "*", "8080")]).await?;
    let network = lab.network(&cluster)?;
    let shut = network.reaches(old, new, 8080).err().unwrap_or_default();
    lab.verify(&format!("{shut:?} names the rule"), true, shut.contains("no-pods"))?;
    lab.verify("the way back", Ok(()), network.reaches(new, old, 8080))
}
