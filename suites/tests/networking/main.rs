//! Networking: which network configurations node auto-provisioning works with, which Azure refuses, and what nodes look
//! like in each.
//!
//! The rules, from Microsoft's "Networking configurations for node auto-provisioning": Azure CNI overlay or node subnet
//! networking, each with Cilium or without, all outbound types and a Standard load balancer are supported; Calico,
//! dynamic IP allocation, static blocks of addresses and private clusters are not.

mod rules;

use catnap::prelude::*;
use serde_json::{Value, json};

const D2: &str = "Standard_D2s_v5";
const CONTAINER_SERVICE: &str = "2025-05-01";
const NETWORK: &str = "2022-01-01";
/// Pods on a node in node subnet networking, unless the node class says otherwise: each has an address of its own.
const PODS_OF_A_NODE: usize = 30;

/// The node pool `p` of one size with its node class, and a deployment `web` of one pod for it.
async fn pool_with_workload(cluster: &Cluster) -> Outcome {
    cluster.apply(node_class("p")).await?;
    cluster.apply(node_pool("p").sizes(&[D2])).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    Ok(())
}

/// The resource of this type that belongs to the one machine of the pool `p`.
fn of_the_machine(cluster: &Cluster, resource_type: &str) -> Value {
    let state = cluster.state();
    let mut all = state.resources(resource_type).filter_map(|resource| resource.body.as_deref());
    all.find(|body| body["tags"]["karpenter.sh_nodepool"] == "p").cloned().unwrap_or_default()
}

/// NET-01, NET-02, NET-03, NET-04: node auto-provisioning works with overlay and with node subnet networking, each with
/// Cilium and without. With overlay a machine has one address; in a node subnet it has one for each pod. The node's
/// labels tell what it is, and machines install no plugin of their own where overlay or Cilium brings it.
#[scenario]
#[case::overlay_with_cilium("overlay", "cilium")]
#[case::overlay("overlay", "azure")]
#[case::node_subnet_with_cilium("", "cilium")]
#[case::node_subnet("", "azure")]
async fn nodes_come_up_with_each_network(lab: &Lab, #[case] mode: &str, #[case] dataplane: &str) -> Outcome {
    let mut profile = json!({ "networkPlugin": "azure", "networkDataplane": dataplane, "loadBalancerSku": "standard" });
    if !mode.is_empty() {
        profile["networkPluginMode"] = json!(mode);
    }
    let cluster = lab.managed_cluster().node_provisioning(Auto).network_profile(profile).create().await?;

    pool_with_workload(&cluster).await?;

    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_ready()).now()?;
    let node = cluster.nodes_of_pool("p").pop().unwrap_or_default();
    let label = |key: &str| {
        let state = cluster.state();
        let node = state.object(Kind::Node, &node)?;
        node["metadata"]["labels"][format!("kubernetes.azure.com/{key}")].as_str().map(str::to_owned)
    };
    let overlay = mode == "overlay";
    lab.verify("the label azure-cni-overlay", overlay.then(|| "true".to_owned()), label("azure-cni-overlay"))?;
    lab.verify("the label podnetwork-type", overlay.then(|| "overlay".to_owned()), label("podnetwork-type"))?;
    let cilium = dataplane == "cilium";
    lab.verify("the label ebpf-dataplane", cilium.then(|| "cilium".to_owned()), label("ebpf-dataplane"))?;

    let interface = of_the_machine(&cluster, "Microsoft.Network/networkInterfaces");
    let configurations = interface["properties"]["ipConfigurations"].as_array().cloned().unwrap_or_default();
    let addresses = if overlay { 1 } else { PODS_OF_A_NODE };
    lab.verify("the number of addresses of the machine", addresses, configurations.len())?;
    let subnets: std::collections::BTreeSet<_> =
        configurations.iter().map(|configuration| configuration["properties"]["subnet"]["id"].to_string()).collect();
    lab.verify("the number of subnets that they are of", 1, subnets.len())?;
    let plugin = lab.custom_data_of(&node)?.map(|data| data.network_plugin);
    let expected = if overlay || cilium { "none" } else { "azure" };
    lab.verify("the plugin that the machine is to install", Some(expected.to_owned()), plugin)
}

/// Refuses to be created with node auto-provisioning, and to have it enabled; without it Azure takes the cluster. The
/// message names `field`, and nothing is changed.
async fn is_guarded<'a>(lab: &'a Lab, cluster: impl Fn() -> ManagedClusterBuilder<'a>, field: &str) -> Outcome {
    let names_it = |text: &str| {
        let guard = ".properties.nodeProvisioningProfile.mode cannot be Auto";
        text.contains("OperationNotAllowed") && text.contains(guard) && text.contains(field)
    };
    let refused = cluster().node_provisioning(Auto).create().await.err().map(|error| error.to_string());
    let text = refused.unwrap_or_default();
    lab.verify(&format!("creation is refused for {field}: {text:?}"), true, names_it(&text))?;
    let id = lab.azure().id("Microsoft.ContainerService/managedClusters/my-aks-cluster");
    let missing = lab.azure().client().get(&id, CONTAINER_SERVICE).await.err();
    lab.verify("there is no such cluster", true, missing.is_some_and(|error| error.to_string().contains("NotFound")))?;

    // The control: without node auto-provisioning the same cluster is made.
    let made = cluster().create().await?;
    let before = lab.azure().client().get(made.id(), CONTAINER_SERVICE).await?;
    let text = lab.set_node_provisioning(&made, Auto).await.err().map(|error| error.to_string()).unwrap_or_default();
    lab.verify(&format!("enabling is refused for {field}: {text:?}"), true, names_it(&text))?;
    let after = lab.azure().client().get(made.id(), CONTAINER_SERVICE).await?;
    lab.verify("the cluster's properties", &before["properties"], &after["properties"])
}

/// NET-06, NET-11, NET-13: Calico, a Basic load balancer and a private cluster cannot be combined with node
/// auto-provisioning. (That private clusters cannot is said by one of the documents only, and Azure has lifted parts of
/// it since.)
#[scenario]
#[case::calico(
    "networkProfile",
    json!({ "networkPlugin": "azure", "networkPluginMode": "overlay", "networkPolicy": "calico" }),
    "networkPolicy"
)]
#[case::a_basic_load_balancer(
    "networkProfile",
    json!({ "networkPlugin": "azure", "networkPluginMode": "overlay", "loadBalancerSku": "Basic" }),
    "loadBalancerSku"
)]
#[case::a_private_cluster("apiServerAccessProfile", json!({ "enablePrivateCluster": true }), "enablePrivateCluster")]
#[case::no_public_access("publicNetworkAccess", json!("Disabled"), "publicNetworkAccess")]
async fn what_is_not_supported_is_refused(
    lab: &Lab,
    #[case] property: &str,
    #[case] value: Value,
    #[case] field: &str,
) -> Outcome {
    is_guarded(lab, || lab.managed_cluster().property(property, value.clone()), field).await
}

/// NET-07, NET-08: neither dynamic IP allocation (a subnet of the pods' own) nor static blocks of addresses in it can be
/// combined with node auto-provisioning.
#[scenario]
#[case::dynamic_allocation(None, "podSubnetID")]
#[case::static_blocks(Some("StaticBlock"), "podIPAllocationMode")]
async fn subnets_for_pods_are_refused(lab: &Lab, #[case] allocation: Option<&str>, #[case] field: &str) -> Outcome {
    let vnet = lab.azure().vnet("vnet").address_space("10.0.0.0/8").create().await?;
    let nodes_subnet = vnet.subnet("nodes", "10.240.0.0/16").create().await?;
    let pods_subnet = vnet.subnet("pods", "10.241.0.0/16").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
    let cluster = || {
        let builder = lab
            .managed_cluster()
            .identity(&identity)
            .network_profile(json!({ "networkPlugin": "azure" }))
            .subnet(&nodes_subnet)
            .service_cidr("172.16.0.0/16")
            .pool_property("podSubnetID", json!(pods_subnet.id()));
        match allocation {
            Some(mode) => builder.pool_property("podIPAllocationMode", json!(mode)),
            None => builder,
        }
    };
    is_guarded(lab, cluster, field).await
}

/// NET-09, NET-10, NET-11: the recommended network, as Azure CLI and as the printed template ask for it, is taken and
/// reads back as it was asked for. The load balancer is a Standard one, also where nothing is said of it.
#[scenario]
#[case::of_the_command_line(
    json!({ "networkPlugin": "azure", "networkPluginMode": "overlay", "networkDataplane": "cilium" })
)]
#[case::of_the_template(json!({
    "networkPlugin": "azure",
    "networkPluginMode": "overlay",
    "networkPolicy": "cilium",
    "networkDataplane": "cilium",
    "loadBalancerSku": "Standard",
}))]
async fn the_recommended_network_reads_back(lab: &Lab, #[case] profile: Value) -> Outcome {
    let builder = lab.managed_cluster().node_provisioning(Auto).network_profile(profile.clone());
    let cluster = builder.create().await?;

    let shown = lab.azure().client().get(cluster.id(), CONTAINER_SERVICE).await?["properties"].clone();
    lab.verify("the state", Some("Succeeded"), shown["provisioningState"].as_str())?;
    lab.verify("the mode", Some("Auto"), shown["nodeProvisioningProfile"]["mode"].as_str())?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_ascii_lowercase();
    for (name, value) in profile.as_object().into_iter().flatten() {
        lab.verify(&format!("networkProfile.{name}"), text(value), text(&shown["networkProfile"][name]))?;
    }
    let policy = &shown["networkProfile"]["networkPolicy"];
    lab.verify("the network policy of Cilium", "cilium".to_owned(), text(policy))?;
    lab.verify("the load balancer", "standard".to_owned(), text(&shown["networkProfile"]["loadBalancerSku"]))?;
    let balancers = lab.azure().in_group(cluster.node_resource_group()).id("Microsoft.Network/loadBalancers");
    let balancers = lab.azure().client().list(&balancers, NETWORK).await?;
    lab.verify("the load balancer's SKU", Some("Standard"), balancers[0]["sku"]["name"].as_str())?;

    pool_with_workload(&cluster).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await
}

/// NET-26: every outbound type works with node auto-provisioning: the cluster is made and gets nodes, and what leads out
/// is there: AKS's load balancer or NAT gateway, or nothing of AKS's where the subnet has what the user gave it.
#[scenario]
#[case::load_balancer("loadBalancer", Some("loadBalancers"))]
#[case::managed_nat_gateway("managedNATGateway", Some("natGateways"))]
#[case::nat_gateway_of_ones_own("userAssignedNATGateway", None)]
#[case::routes_of_ones_own("userDefinedRouting", None)]
async fn every_outbound_type_is_supported(lab: &Lab, #[case] outbound: &str, #[case] of_aks: Option<&str>) -> Outcome {
    let profile = json!({ "networkPlugin": "azure", "networkPluginMode": "overlay", "outboundType": outbound });
    let mut builder = lab.managed_cluster().node_provisioning(Auto).network_profile(profile);
    if of_aks.is_none() {
        let vnet = lab.azure().vnet("vnet").address_space("10.0.0.0/16").create().await?;
        let subnet = vnet.subnet("nodes", "10.0.1.0/24").create().await?;
        let way_out = way_out(lab, outbound).await?;
        let mut resource = lab.azure().client().get(subnet.id(), NETWORK).await?;
        for (name, value) in way_out.as_object().into_iter().flatten() {
            resource["properties"][name] = value.clone();
        }
        lab.azure().client().put(subnet.id(), NETWORK, &resource).await?;
        let identity = lab.azure().identity("my-aks-identity").create().await?;
        lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
        builder = builder.identity(&identity).subnet(&subnet).service_cidr("10.2.0.0/16");
    }
    let cluster = builder.create().await?;

    let shown = cluster.resource()["properties"].clone();
    lab.verify("the state", Some("Succeeded"), shown["provisioningState"].as_str())?;
    lab.verify("the outbound type", Some(outbound), shown["networkProfile"]["outboundType"].as_str())?;
    for kind in ["loadBalancers", "natGateways"] {
        let list = lab.azure().in_group(cluster.node_resource_group()).id(&format!("Microsoft.Network/{kind}"));
        let found = lab.azure().client().list(&list, NETWORK).await?.len();
        lab.verify(&format!("{kind} that AKS made"), usize::from(of_aks == Some(kind)), found)?;
    }
    pool_with_workload(&cluster).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await
}

/// What leads out of a subnet of the user's: the properties of the subnet that name it.
async fn way_out(lab: &Lab, outbound: &str) -> Result<Value, Failure> {
    let (azure, client) = (lab.azure(), lab.azure().client());
    let location = azure.location();
    if outbound == "userDefinedRouting" {
        let id = azure.id("Microsoft.Network/routeTables/routes");
        let route = json!({ "addressPrefix": "0.0.0.0/0", "nextHopType": "Internet" });
        let properties = json!({ "routes": [{ "name": "out", "properties": route }] });
        client.put(&id, NETWORK, &json!({ "location": location, "properties": properties })).await?;
        return Ok(json!({ "routeTable": { "id": id } }));
    }
    let address = azure.id("Microsoft.Network/publicIPAddresses/out");
    let standard = json!({ "name": "Standard" });
    let properties = json!({ "publicIPAllocationMethod": "Static" });
    client.put(&address, NETWORK, &json!({ "location": location, "sku": standard, "properties": properties })).await?;
    let id = azure.id("Microsoft.Network/natGateways/out");
    let properties = json!({ "publicIpAddresses": [{ "id": address }] });
    client.put(&id, NETWORK, &json!({ "location": location, "sku": standard, "properties": properties })).await?;
    Ok(json!({ "natGateway": { "id": id } }))
}

/// NET-27: a node's network interface is in the backend pools of the cluster's Standard load balancer while the node
/// lives, and is not any more when it is gone.
#[scenario]
async fn the_load_balancer_knows_the_nodes_that_live(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().node_provisioning(Auto).create().await?;
    let balancer = lab.azure().in_group(cluster.node_resource_group()).id("Microsoft.Network/loadBalancers/kubernetes");
    let members = async || -> Result<Vec<String>, Failure> {
        let shown = lab.azure().client().get(&balancer, NETWORK).await?;
        let pools = shown["properties"]["backendAddressPools"].as_array().cloned().unwrap_or_default();
        let all = pools.iter().filter_map(|pool| pool["properties"]["backendIPConfigurations"].as_array()).flatten();
        let ids = all.filter_map(|member| member["id"].as_str().map(str::to_ascii_lowercase));
        Ok(ids.filter(|id| id.contains("/networkinterfaces/aks-p-")).collect())
    };
    lab.verify("members before there is a node", Vec::<String>::new(), members().await?)?;

    pool_with_workload(&cluster).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    let interface = of_the_machine(&cluster, "Microsoft.Network/networkInterfaces");
    let name = interface["name"].as_str().unwrap_or_default();
    let in_pools =
        interface["properties"]["ipConfigurations"][0]["properties"]["loadBalancerBackendAddressPools"].clone();
    lab.verify("the interface is in a pool", false, in_pools.as_array().is_none_or(Vec::is_empty))?;
    let those = members().await?;
    let own = interface["id"].as_str().unwrap_or("?");
    let of_the_node = those.iter().all(|id| lies_within(id, own)) && !those.is_empty();
    lab.verify(&format!("members while {name} lives: {those:?}"), true, of_the_node)?;

    cluster.scale("web", 0).await?;
    cluster.expect(vms().none().and(nics().none())).within(minutes(5)).await?;
    lab.verify("members after the node", Vec::<String>::new(), members().await?)
}

/// A cluster without a network plugin, as those have it who bring their own.
async fn cluster_without_plugin(lab: &Lab) -> Result<Cluster, Failure> {
    // The node of the system pool has the plugin already, the others get it when it is installed there.
    let profile = json!({ "networkPlugin": "none", "loadBalancerSku": "standard" });
    Ok(lab.managed_cluster().node_provisioning(Auto).network_profile(profile).create().await?)
}

/// NET-23: who brings a network plugin of their own can use node auto-provisioning: a node is not ready until the plugin
/// runs on it, and is initialized then. It may have 250 pods.
#[scenario]
async fn a_node_is_initialized_when_the_plugin_of_ones_own_runs(lab: &Lab) -> Outcome {
    let cluster = cluster_without_plugin(lab).await?;
    lab.require::<Machines>()?.ready_after(Some(minutes(4)));

    pool_with_workload(&cluster).await?;

    cluster.expect(node_claims().of_pool("p").all_with_condition("Registered", "True")).within(minutes(3)).await?;
    cluster.expect(nodes().of_pool("p").count(1)).now()?;
    let waits = nodes().of_pool("p").all_ready().not().and(pods("web").running(0));
    cluster.expect(waits.and(node_claims().none_with_condition("Initialized"))).throughout(minutes(3)).await?;
    cluster.expect(node_claims().of_pool("p").all_with_condition("Initialized", "True")).within(minutes(3)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(1)).await?;
    let node = cluster.nodes_of_pool("p").pop().unwrap_or_default();
    let capacity = cluster.state().object(Kind::Node, &node).map(|node| node["status"]["capacity"]["pods"].clone());
    lab.verify("the number of pods of the node", Some(json!("250")), capacity)
}

/// NET-24: with a plugin of one's own, too, nodes are made in the subnet that their node class names, go when they are not
/// needed, and are replaced when they have drifted.
#[scenario]
async fn nodes_live_as_ever_with_a_plugin_of_ones_own(lab: &Lab) -> Outcome {
    let vnet = lab.azure().vnet("vnet").address_space("10.0.0.0/16").create().await?;
    let system = vnet.subnet("system", "10.0.1.0/24").create().await?;
    let custom = vnet.subnet("custom", "10.0.2.0/24").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
    let profile = json!({ "networkPlugin": "none", "loadBalancerSku": "standard" });
    let builder = lab.managed_cluster().node_provisioning(Auto).network_profile(profile);
    let cluster = builder.identity(&identity).subnet(&system).service_cidr("10.2.0.0/16").create().await?;
    cluster.apply(node_class("p").vnet_subnet_id(custom.id())).await?;
    cluster.apply(node_pool("p").sizes(&[D2])).await?;
    cluster.apply(deployment("web").replicas(2).cpu("1500m").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").count(2).and(nodes().of_pool("p").all_in_subnet(&custom))).now()?;

    cluster.scale("web", 1).await?;
    cluster.expect(nodes().of_pool("p").count(1)).within(minutes(5)).await?;
    cluster.expect(vms().count(1).and(nics().count(1))).within(minutes(1)).await?;

    let first = cluster.claims_of_pool("p");
    cluster.apply(node_pool("p").sizes(&[D2]).label("example.com/new", "yes")).await?;
    cluster.expect(node_claims().of_pool("p").none_of(&first)).within(minutes(10)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").count(1).and(nodes().of_pool("p").all_in_subnet(&custom))).now()
}

/// NET-25: a plugin of one's own that never runs is not the provisioner's to mend: the node stays as it is, not ready for
/// want of a network, its node claim is not initialized, and the pod waits. Nothing is made in its place.
#[scenario]
async fn a_plugin_that_never_runs_leaves_the_node_as_it_is(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(34))?;
    let cluster = cluster_without_plugin(lab).await?;
    lab.require::<Machines>()?.ready_after(None);

    pool_with_workload(&cluster).await?;

    cluster.expect(node_claims().of_pool("p").all_with_condition("Registered", "True")).within(minutes(3)).await?;
    let claim = cluster.claims_of_pool("p");
    let waits = node_claims().of_pool("p").kept(&claim).and(node_claims().none_with_condition("Initialized"));
    cluster.expect(waits.and(pods("web").running(0)).and(vms().count(1))).throughout(minutes(30)).await?;
    let node = cluster.nodes_of_pool("p").pop().unwrap_or_default();
    let state = cluster.state();
    let conditions = state.object(Kind::Node, &node).and_then(|node| node["status"]["conditions"].as_array().cloned());
    let ready = conditions.unwrap_or_default().into_iter().find(|condition| condition["type"] == "Ready");
    let why = ready.unwrap_or_default()["message"].as_str().unwrap_or_default().to_owned();
    lab.verify(&format!("the node names its network: {why:?}"), true, why.contains("NetworkPluginNotReady"))
}
