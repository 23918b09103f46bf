//! Azure CNI Overlay: where pods and nodes get their addresses from, pools in subnets of their own, and how many nodes a
//! pod range has room for.
//!
//! From "Configure Azure CNI Overlay networking", which is about fixed pools; node auto-provisioning's nodes are held to
//! the same rules where they have them.

use catnap::net::Place;
use catnap::prelude::*;
use serde_json::{Value, json};
use suites::{close, place_of, rule};

const CONTAINER_SERVICE: &str = "2025-05-01";
const NETWORK: &str = "2024-05-01";
const D2: &str = "Standard_D2s_v5";

/// A network of two subnets, apart from the default range of services.
struct TwoSubnets {
    vnet: Vnet,
    first: Subnet,
    second: Subnet,
    /// A Network Contributor on the whole network.
    identity: Identity,
}

async fn two_subnets(lab: &Lab) -> Result<TwoSubnets, Failure> {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.20.0.0/16").create().await?;
    let first = vnet.subnet("cluster-subnet", "10.20.1.0/24").create().await?;
    let second = vnet.subnet("second-subnet", "10.20.2.0/24").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
    Ok(TwoSubnets { vnet, first, second, identity })
}

/// It was refused at once, in words that name the property.
fn verify_refused(lab: &Lab, what: &str, answer: Option<&ArmError>, property: &str) -> Outcome {
    let told = answer.map_or_else(|| "it was taken".to_owned(), ToString::to_string);
    let refused = answer.and_then(ArmError::status).is_some_and(|status| (400..500).contains(&status));
    lab.verify(&format!("{what}: refused, naming {property} ({told})"), true, refused && told.contains(property))
}

/// Puts an agent pool.
async fn put_pool(lab: &Lab, cluster: &Cluster, name: &str, properties: Value) -> Result<Value, ArmError> {
    let id = format!("{}/agentPools/{name}", cluster.id());
    lab.azure().client().put(&id, CONTAINER_SERVICE, &json!({ "properties": properties })).await
}

/// OVL-01, OVL-02, OVL-03, OVL-09: network plugin azure in plugin mode overlay, with the data plane Cilium too: pods have
/// addresses of the given pod range, or of 10.244.0.0/16, on fixed nodes and on provisioned ones; nodes have addresses of
/// their subnet, one for each.
#[scenario]
#[case::of_a_custom_range(Some("192.168.0.0/16"), "azure")]
#[case::of_the_default_range(None, "azure")]
#[case::of_a_custom_range_with_cilium(Some("192.168.0.0/16"), "cilium")]
#[case::of_the_default_range_with_cilium(None, "cilium")]
async fn pods_have_addresses_of_the_pod_range(
    lab: &Lab,
    #[case] given: Option<&str>,
    #[case] dataplane: &str,
) -> Outcome {
    let TwoSubnets { first: subnet, identity, .. } = two_subnets(lab).await?;
    let mut profile =
        json!({ "networkPlugin": "azure", "networkPluginMode": "overlay", "networkDataplane": dataplane });
    if let Some(range) = given {
        profile["podCidr"] = json!(range);
    }
    let builder = lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(&subnet);
    let cluster = builder.property("networkProfile", profile).create().await?;
    let range = given.unwrap_or("10.244.0.0/16");

    let shown = cluster.resource()["properties"]["networkProfile"].clone();
    for (name, value) in [
        ("networkPlugin", "azure"),
        ("networkPluginMode", "overlay"),
        ("networkDataplane", dataplane),
        ("podCidr", range),
    ] {
        lab.verify(&format!("networkProfile.{name}"), Some(value), shown[name].as_str())?;
    }
    lab.verify("networkProfile.podCidrs", json!([range]), shown["podCidrs"].clone())?;
    cluster.apply(deployment("fixed").node_selector("agentpool", "nodepool1")).await?;
    cluster.apply(node_class("p")).await?;
    cluster.apply(node_pool("p").sizes(&[D2])).await?;
    cluster.apply(deployment("provisioned").replicas(3).cpu("500m").on_pool("p")).await?;
    for app in ["fixed", "provisioned"] {
        cluster.expect(pods(app).all_running()).within(minutes(5)).await?;
        cluster.expect(pods(app).all_in_range(range)).now()?;
    }
    cluster.expect(nodes().of_agent_pool("nodepool1").all_in_subnet(&subnet)).now()?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&subnet)).now()?;
    let azure = lab.azure().in_group(cluster.node_resource_group());
    let interfaces = azure.client().list(&azure.id("Microsoft.Network/networkInterfaces"), NETWORK).await?;
    lab.verify("there are interfaces of provisioned nodes", false, interfaces.is_empty())?;
    let configurations = |interface: &Value| interface["properties"]["ipConfigurations"].as_array().map_or(0, Vec::len);
    let more = interfaces.iter().filter(|interface| configurations(interface) != 1).count();
    lab.verify("interfaces without exactly one address", 0, more)
}

/// OVL-04, OVL-05, OVL-07: a pool can be added in another subnet of the same network, of mode System and with one node;
/// its node is in that subnet, and its pods keep addresses of the pod range.
#[scenario]
async fn a_pool_sits_in_a_subnet_of_its_own(lab: &Lab) -> Outcome {
    let TwoSubnets { first, second, .. } = two_subnets(lab).await?;
    let cluster = lab.managed_cluster().subnet(&first).create().await?;

    // As `az aks nodepool add --mode system` sends it.
    let pool = json!({ "count": 1, "mode": "system", "osType": "Linux", "vmSize": D2, "vnetSubnetID": second.id() });
    let made = put_pool(lab, &cluster, "np2", pool).await?;

    lab.verify("the pool's state", Some("Succeeded"), made["properties"]["provisioningState"].as_str())?;
    lab.verify("the pool's mode", Some("System"), made["properties"]["mode"].as_str())?;
    lab.verify("the pool's subnet", Some(second.id()), made["properties"]["vnetSubnetID"].as_str())?;
    cluster.expect(nodes().of_agent_pool("np2").count(1)).within(minutes(3)).await?;
    cluster.expect(nodes().of_agent_pool("np2").all_ready()).within(minutes(1)).await?;
    cluster.expect(nodes().of_agent_pool("np2").all_in_subnet(&second)).now()?;
    cluster.expect(nodes().of_agent_pool("nodepool1").all_in_subnet(&first)).now()?;
    let system =
        deployment("web").node_selector("agentpool", "np2").node_selector("kubernetes.azure.com/mode", "system");
    cluster.apply(system).await?;
    cluster.expect(pods("web").all_running()).within(minutes(2)).await?;
    cluster.expect(pods("web").all_in_range("10.244.0.0/16")).now()
}

/// OVL-06: the subnet of a pool decides as whom the network sees its pods: behind their nodes. A rule at a third subnet
/// that keeps the pool's subnet out keeps the pool's pods out, at its port, and no others; one that keeps the pod range
/// out keeps nobody out.
#[scenario]
async fn the_network_sees_the_nodes_of_a_pool_and_not_its_pods(lab: &Lab) -> Outcome {
    let TwoSubnets { vnet, first, second, .. } = two_subnets(lab).await?;
    let guarded = vnet.subnet("guarded", "10.20.3.0/24").create().await?;
    let cluster = lab.managed_cluster().subnet(&first).create().await?;
    put_pool(lab, &cluster, "np2", json!({ "count": 1, "mode": "User", "vmSize": D2, "vnetSubnetID": second.id() }))
        .await?;
    for (name, pool) in [("one", "nodepool1"), ("two", "np2")] {
        cluster.apply(deployment(name).node_selector("agentpool", pool)).await?;
        cluster.expect(pods(name).all_running()).within(minutes(3)).await?;
    }
    let pod = |name: &str| place_of(&cluster, &cluster.pods_of(name).pop().unwrap_or_default());
    let (of_one, of_two) = (pod("one")?, pod("two")?);
    let database = Place::Other("10.20.3.10".parse()?);
    lab.verify("the way before the rule", Ok(()), lab.network(&cluster)?.reaches(of_two, database, 5432))?;

    let keep_out = async |from: &str| {
        close(lab, &guarded, &[rule("keep-out", 100, "Deny", from, "*", "5432")]).await?;
        lab.network(&cluster)
    };
    let network = keep_out(&second.prefix().to_string()).await?;
    let shut = network.reaches(of_two, database, 5432).err().unwrap_or_default();
    lab.verify(&format!("{shut:?} names the rule"), true, shut.contains("keep-out"))?;
    lab.verify("another port", Ok(()), network.reaches(of_two, database, 5433))?;
    lab.verify("a pod of the other pool", Ok(()), network.reaches(of_one, database, 5432))?;
    let network = keep_out("10.244.0.0/16").await?;
    lab.verify("with the pod range kept out", Ok(()), network.reaches(of_two, database, 5432))
}

/// OVL-11: all pools of a cluster are in one network: a subnet of another one is refused, and so is a subnet of the user's
/// where the cluster's network is AKS's own; the cluster stays as it was.
#[scenario]
#[case::in_another_network(true)]
#[case::beside_a_network_of_aks(false)]
async fn a_pool_in_another_network_is_refused(lab: &Lab, #[case] own_network: bool) -> Outcome {
    let TwoSubnets { first, second, .. } = two_subnets(lab).await?;
    let other = lab.azure().vnet("other-vnet").address_space("10.30.0.0/16").create().await?;
    let elsewhere = other.subnet("elsewhere", "10.30.1.0/24").create().await?;
    let builder = lab.managed_cluster();
    let cluster = if own_network { builder.subnet(&first) } else { builder }.create().await?;
    let before = lab.shown(&cluster).await?;

    let pool = |subnet: &Subnet| json!({ "count": 1, "mode": "User", "vmSize": D2, "vnetSubnetID": subnet.id() });
    let refused = put_pool(lab, &cluster, "np2", pool(&elsewhere)).await.err();

    verify_refused(lab, "the pool", refused.as_ref(), "vnetSubnetID")?;
    lab.verify_unchanged("the cluster after the refusal", &before, &lab.shown(&cluster).await?)?;
    // The control: where the network is right, the pool is taken.
    let good = if own_network { pool(&second) } else { json!({ "count": 1, "mode": "User", "vmSize": D2 }) };
    put_pool(lab, &cluster, "np2", good).await?;
    cluster.expect(nodes().of_agent_pool("np2").count(1)).within(minutes(3)).await
}

/// OVL-12: a pod range goes with overlay only: where pods take addresses of the nodes' subnet it is refused.
#[scenario]
async fn a_pod_range_without_overlay_is_refused(lab: &Lab) -> Outcome {
    lab.azure().ensure_group().await?;
    let (id, body) = lab.managed_cluster().node_subnet_networking().pod_cidr("10.244.0.0/16").request();
    let refused = lab.azure().client().put(&id, CONTAINER_SERVICE, &body).await.err();
    verify_refused(lab, "a new cluster", refused.as_ref(), "networkProfile.podCidr")?;
    let left = lab.azure().client().get(&id, CONTAINER_SERVICE).await.err().and_then(|error| error.status());
    lab.verify("the status of the cluster that was refused", Some(404), left)?;

    let cluster = lab.managed_cluster().node_subnet_networking().create().await?;
    let before = lab.shown(&cluster).await?;
    lab.verify("the pod range", None, before["properties"]["networkProfile"]["podCidr"].as_str())?;
    let refused = lab.update(&cluster, |p| p["networkProfile"]["podCidr"] = json!("10.244.0.0/16")).await.err();
    verify_refused(lab, "an existing cluster", refused.as_ref(), "networkProfile.podCidr")?;
    lab.verify_unchanged("the cluster after the refusal", &before, &lab.shown(&cluster).await?)
}

/// OVL-13: each node has 256 addresses of the pod range: a cluster, or a pool, with more nodes than it has room for is
/// refused in Azure's words, and each node that fits has a block of its own.
#[scenario]
async fn a_pod_range_has_room_for_so_many_nodes(lab: &Lab) -> Outcome {
    lab.azure().ensure_group().await?;
    for (range, nodes) in [("10.244.0.0/28", 1), ("10.244.0.0/24", 2), ("10.244.0.0/23", 3)] {
        let (id, body) = lab.managed_cluster().pod_cidr(range).node_count(nodes).request();
        let refused = lab.azure().client().put(&id, CONTAINER_SERVICE, &body).await.err();
        let what = format!("{nodes} nodes in {range}");
        lab.verify(
            &format!("{what}: the code"),
            Some("InsufficientSubnetSize"),
            refused.as_ref().and_then(ArmError::code),
        )?;
        verify_refused(lab, &what, refused.as_ref(), "networkProfile.podCIDR")?;
    }

    let cluster = lab.managed_cluster().pod_cidr("10.244.0.0/23").node_count(2).create().await?;
    let two = || nodes().of_agent_pool("nodepool1").count(2).and(nodes().all_ready());
    cluster.expect(two()).within(minutes(3)).await?;
    cluster.expect(nodes().with_blocks_of("10.244.0.0/23", 2)).within(minutes(1)).await?;
    let before = lab.shown(&cluster).await?;
    let third = put_pool(lab, &cluster, "user1", json!({ "count": 1, "mode": "User", "vmSize": D2 })).await.err();
    lab.verify("a third node: the code", Some("InsufficientSubnetSize"), third.as_ref().and_then(ArmError::code))?;
    verify_refused(lab, "a third node", third.as_ref(), "networkProfile.podCIDR")?;
    lab.verify_unchanged("the cluster after the refusal", &before, &lab.shown(&cluster).await?)?;
    cluster.expect(two()).now()
}

/// OVL-14: in an overlay each node of node auto-provisioning takes one address of the subnet, however many pods it runs.
#[scenario]
async fn ten_provisioned_nodes_take_ten_addresses(lab: &Lab) -> Outcome {
    let TwoSubnets { first: subnet, identity, .. } = two_subnets(lab).await?;
    let builder = lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(&subnet);
    let cluster = builder.create().await?;
    let in_use = async || -> Result<usize, Failure> {
        Ok(subnet.get().await?["properties"]["ipConfigurations"].as_array().map_or(0, Vec::len))
    };
    lab.verify("addresses of the fixed node", 1, in_use().await?)?;

    cluster.apply(node_class("p")).await?;
    cluster.apply(node_pool("p").sizes(&[D2])).await?;
    cluster.apply(deployment("web").replicas(10).cpu("500m").one_per_node().on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(8)).await?;
    // More pods take no more addresses.
    cluster.apply(deployment("more").replicas(10).cpu("100m").on_pool("p")).await?;
    cluster.expect(pods("more").all_running()).within(minutes(5)).await?;

    cluster.expect(nodes().of_pool("p").count(10)).now()?;
    lab.verify("addresses of eleven nodes", 11, in_use().await?)
}

/// OVL-08: in a resource group that does not exist no cluster is made.
#[scenario]
async fn the_resource_group_comes_first(lab: &Lab) -> Outcome {
    let (id, body) = lab.managed_cluster().request();
    let refused = lab.azure().client().put(&id, CONTAINER_SERVICE, &body).await.err();
    lab.verify("the status", Some(404), refused.as_ref().and_then(ArmError::status))?;
    verify_refused(lab, "a cluster in no group", refused.as_ref(), lab.azure().resource_group_name())?;

    lab.azure().ensure_group().await?;
    let begun = lab.azure().client().begin_put(&id, CONTAINER_SERVICE, &body).await?;
    lab.verify("the status in a group that exists", 201, begun.status())?;
    lab.azure().client().finish_put(&begun).await?;
    let cluster = lab.existing_cluster(&id).await?;
    cluster.apply(deployment("web").cpu("100m")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(3)).await?;
    cluster.expect(nodes().of_size(D2).count(1)).now()
}
