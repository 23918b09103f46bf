//! Custom virtual networks: which subnet the nodes of node auto-provisioning go to, and what happens where the subnet
//! that a node class names is wrong.
//!
//! The rules, from Microsoft's "Create a node auto-provisioning cluster in a custom virtual network" and from the
//! provisioner's status controller of the node class: `spec.vnetSubnetID` decides; without it the provisioner's default
//! decides, which AKS sets to the subnet of the cluster; a subnet must lie in the cluster's own virtual network, and
//! that must not be one that AKS made; whatever is wrong with a subnet shows as the node class condition `SubnetsReady`,
//! and no node is made until it is put right.

mod full_subnet;
mod sharing;
mod traffic;
mod trouble;

use catnap::prelude::*;
use serde_json::json;
use suites::versions::{looks_at_subnets, refuses_managed_networks, subnet_is_ready};

/// The VNet of the documents, 10.0.0.0/16 with cluster-subnet 10.0.1.0/24 and custom-subnet 10.0.2.0/24, and a cluster
/// with node auto-provisioning in cluster-subnet.
struct CustomVnet {
    vnet: Vnet,
    cluster_subnet: Subnet,
    custom_subnet: Subnet,
    cluster: Cluster,
}

/// The service range is not the default one: 10.0.0.0/16 would contain the subnets, and Azure refuses that (CIDR-12+).
const SERVICE_CIDR: &str = "10.2.0.0/16";

/// A managed cluster to be created in a subnet, as "Create an AKS cluster in a custom VNet" does it: with an identity of
/// its own that was made a Network Contributor on the whole network (approach A), so that its nodes may go to any subnet.
async fn cluster_in<'a>(lab: &'a Lab, vnet: &Vnet, subnet: &Subnet) -> Result<ManagedClusterBuilder<'a>, Failure> {
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    lab.azure().role("Network Contributor").on(vnet).to(&identity).assign().await?;
    Ok(lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(subnet))
}

async fn custom_vnet(lab: &Lab) -> Result<CustomVnet, Failure> {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await?;
    let cluster_subnet = vnet.subnet("cluster-subnet", "10.0.1.0/24").create().await?;
    let custom_subnet = vnet.subnet("custom-subnet", "10.0.2.0/24").create().await?;
    let cluster = cluster_in(lab, &vnet, &cluster_subnet).await?.service_cidr(SERVICE_CIDR).create().await?;
    Ok(CustomVnet { vnet, cluster_subnet, custom_subnet, cluster })
}

/// A node pool of this name with a node class of the same name, and a deployment `web-<name>` that only it can serve.
async fn pool_with_workload(cluster: &Cluster, name: &str, class: NodeClass) -> Outcome {
    cluster.apply(class).await?;
    cluster.apply(node_pool(name)).await?;
    cluster.apply(deployment(&format!("web-{name}")).cpu("1").on_pool(name)).await?;
    Ok(())
}

/// VNET-01: a virtual network 10.0.0.0/16 with the subnets 10.0.1.0/24 and 10.0.2.0/24 can be created.
#[scenario(azure_only)]
async fn a_vnet_with_two_subnets_can_be_created(lab: &Lab) -> Outcome {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await?;
    vnet.subnet("cluster-subnet", "10.0.1.0/24").create().await?;
    vnet.subnet("custom-subnet", "10.0.2.0/24").create().await?;

    let properties = vnet.get().await?["properties"].clone();
    lab.verify("the VNet's state", Some("Succeeded"), properties["provisioningState"].as_str())?;
    let prefix = |index: usize| properties["subnets"][index]["properties"]["addressPrefix"].as_str().map(str::to_owned);
    lab.verify("the first subnet's prefix", Some("10.0.1.0/24".to_owned()), prefix(0))?;
    lab.verify("the second subnet's prefix", Some("10.0.2.0/24".to_owned()), prefix(1))?;

    // The control: a subnet outside of the address space is no subnet of it.
    let refused = vnet.subnet("elsewhere", "10.9.0.0/24").create().await.err();
    let code = refused.as_ref().and_then(|error| error.code());
    lab.verify("the code for a subnet outside of the VNet", Some("NetcfgSubnetRangeOutsideVnet"), code)
}

/// VNET-02: `--vnet-subnet-id` puts the cluster's fixed nodes into that subnet.
#[scenario]
async fn fixed_nodes_live_in_the_clusters_subnet(lab: &Lab) -> Outcome {
    let CustomVnet { cluster_subnet, cluster, .. } = custom_vnet(lab).await?;

    let profile = &cluster.resource()["properties"]["agentPoolProfiles"][0];
    lab.verify("the agent pool's subnet", Some(cluster_subnet.id()), profile["vnetSubnetID"].as_str())?;
    cluster.expect(nodes().of_agent_pool("nodepool1").count(1)).within(minutes(1)).await?;
    cluster.expect(nodes().of_agent_pool("nodepool1").all_ready()).within(minutes(1)).await?;
    cluster.expect(nodes().of_agent_pool("nodepool1").all_in_subnet(&cluster_subnet)).now()
}

/// VNET-03, VNET-09: a node class that names a subnet gets its nodes there. Its manifest is the documents' own.
#[scenario]
async fn nodes_land_in_the_subnet_their_node_class_names(lab: &Lab) -> Outcome {
    let CustomVnet { custom_subnet, cluster, .. } = custom_vnet(lab).await?;

    let class = lab.manifest("dedicated-workload.yaml")?.with("CUSTOM_SUBNET_ID", custom_subnet.id());
    cluster.apply(class).await?;
    cluster.apply(node_pool("dedicated-workload")).await?;
    cluster.apply(deployment("web").replicas(3).cpu("1").on_pool("dedicated-workload")).await?;

    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(subnet_is_ready(lab, "dedicated-workload")).now()?;
    cluster.expect(node_class("dedicated-workload").ready()).now()?;
    cluster.expect(nodes().of_pool("dedicated-workload").all_in_subnet(&custom_subnet)).now()?;
    let class = cluster.get(Kind::AksNodeClass, "dedicated-workload").await?;
    let hash = class["metadata"]["annotations"]["karpenter.azure.com/aksnodeclass-hash"].is_string();
    lab.verify("the node class carries its hash", true, hash)?;
    cluster.expect(vms().leaked().none()).now()
}

/// VNET-04, VNET-06: without `vnetSubnetID` nodes go to the default subnet, which is the one the cluster was created in.
#[scenario]
async fn nodes_of_a_class_without_a_subnet_land_in_the_clusters(lab: &Lab) -> Outcome {
    let CustomVnet { cluster_subnet, cluster, .. } = custom_vnet(lab).await?;

    pool_with_workload(&cluster, "default-subnet", node_class("default-subnet")).await?;

    cluster.expect(pods("web-default-subnet").all_running()).within(minutes(5)).await?;
    cluster.expect(subnet_is_ready(lab, "default-subnet")).now()?;
    cluster.expect(nodes().of_pool("default-subnet").all_in_subnet(&cluster_subnet)).now()
}

/// VNET-05: the default subnet is what the provisioner's `--vnet-subnet-id` or `VNET_SUBNET_ID` says; the flag wins.
#[scenario]
#[case::from_the_variable(None, "custom-subnet", "custom-subnet")]
#[case::from_the_flag(Some("custom-subnet"), "custom-subnet", "custom-subnet")]
#[case::from_the_flag_against_the_variable(Some("custom-subnet"), "cluster-subnet", "custom-subnet")]
async fn the_default_subnet_is_the_provisioners_own(
    lab: &Lab,
    #[case] flag: Option<&str>,
    #[case] variable: &str,
    #[case] expected: &str,
) -> Outcome {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await?;
    let cluster_subnet = vnet.subnet("cluster-subnet", "10.0.1.0/24").create().await?;
    let custom_subnet = vnet.subnet("custom-subnet", "10.0.2.0/24").create().await?;
    lab.require::<ProvisionerControl>()?.env("VNET_SUBNET_ID", &vnet.subnet_id(variable));
    if let Some(flag) = flag {
        lab.require::<ProvisionerControl>()?.flag("--vnet-subnet-id", &vnet.subnet_id(flag));
    }
    let cluster = cluster_in(lab, &vnet, &cluster_subnet).await?.service_cidr(SERVICE_CIDR).create().await?;

    pool_with_workload(&cluster, "any", node_class("any")).await?;

    let expected = if expected == "custom-subnet" { &custom_subnet } else { &cluster_subnet };
    cluster.expect(pods("web-any").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("any").all_in_subnet(expected)).now()
}

/// VNET-07, VNET-08: node classes with and without a subnet, and with different ones, work side by side.
#[scenario]
async fn several_node_classes_keep_to_their_own_subnets(lab: &Lab) -> Outcome {
    let CustomVnet { vnet, cluster_subnet, custom_subnet, cluster } = custom_vnet(lab).await?;
    let custom_subnet2 = vnet.subnet("custom-subnet2", "10.0.3.0/24").create().await?;

    for (name, subnet) in [("frontend-nodes", &custom_subnet), ("backend-nodes", &custom_subnet2)] {
        pool_with_workload(&cluster, name, node_class(name).vnet_subnet_id(subnet.id())).await?;
    }
    pool_with_workload(&cluster, "other-nodes", node_class("other-nodes")).await?;

    for (name, subnet) in
        [("frontend-nodes", &custom_subnet), ("backend-nodes", &custom_subnet2), ("other-nodes", &cluster_subnet)]
    {
        cluster.expect(pods(&format!("web-{name}")).all_running()).within(minutes(5)).await?;
        cluster.expect(nodes().of_pool(name).all_in_subnet(subnet)).now()?;
    }
    cluster.expect(vms().leaked().none()).now()
}

/// VNET-11: a malformed id is refused by the API server, before the provisioner sees it.
#[scenario]
#[case::without_its_beginning("/subnets/custom-subnet")]
#[case::without_a_resource_group("/subscriptions/s/providers/Microsoft.Network/virtualNetworks/v/subnets/n")]
#[case::with_a_slash_at_its_end(
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/n/"
)]
#[case::of_another_provider(
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualNetworks/v/subnets/n"
)]
async fn a_malformed_subnet_id_is_refused(lab: &Lab, #[case] id: &str) -> Outcome {
    let CustomVnet { custom_subnet, cluster, .. } = custom_vnet(lab).await?;

    let refused = cluster.apply(node_class("malformed").vnet_subnet_id(id)).await.err();
    lab.verify("the status for a malformed id", Some(422), refused.as_ref().and_then(|error| error.code()))?;
    let message = refused.map(|error| error.to_string()).unwrap_or_default();
    let names_it = message.contains("spec.vnetSubnetID") && message.contains("should match");
    lab.verify(&format!("{message:?} names the field and the pattern"), true, names_it)?;

    // The control: a well-formed id goes through on the same way.
    cluster.apply(node_class("wellformed").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.expect(node_class("wellformed").ready()).within(minutes(1)).await?;
    cluster.expect(node_class("malformed").absent()).now()
}

/// VNET-12, VNET-14: the id of a subnet that does not exist keeps nodes from being made, and correcting it lets
/// provisioning go on, without a restart and without drift.
#[scenario]
async fn a_missing_subnet_makes_no_nodes_until_the_id_is_corrected(lab: &Lab) -> Outcome {
    looks_at_subnets(lab)?;
    let CustomVnet { vnet, custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    let mark = cluster.mark();

    pool_with_workload(&cluster, "p", node_class("p").vnet_subnet_id(vnet.subnet_id("none"))).await?;

    let missing = node_class("p").condition("SubnetsReady").is_false("SubnetNotFound", &[&vnet.subnet_id("none")]);
    cluster.expect(missing).within(minutes(1)).await?;
    cluster.expect(node_class("p").condition("Ready").is_false("UnhealthyDependents", &[])).within(minutes(1)).await?;
    let pool_waits = node_pool("p").condition("NodeClassReady").is_false("UnhealthyDependents", &[]);
    cluster.expect(pool_waits).within(minutes(1)).await?;
    cluster.expect(pods("web-p").pending(1)).within(minutes(1)).await?;
    // Longer than the time from a pending pod to its machine, which the second half of this scenario shows.
    cluster.expect(pods("web-p").pending(1).and(vms().none()).and(nics().none())).throughout(seconds(10)).await?;
    cluster.expect(requests("Microsoft.Network/networkInterfaces/write").since(&mark).none()).now()?;
    cluster.expect(requests("Microsoft.Compute/virtualMachines/write").since(&mark).none()).now()?;

    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet.id())).await?;

    cluster.expect(node_class("p").ready()).within(minutes(2)).await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&custom_subnet)).now()?;
    cluster.expect(node_claims().none_with_condition("Drifted").even_if_none()).at_every_instant_since(&mark)
}

/// VNET-12: a subnet that appears after the node class is noticed without anybody touching the node class.
#[scenario]
async fn provisioning_goes_on_when_the_missing_subnet_appears(lab: &Lab) -> Outcome {
    looks_at_subnets(lab)?;
    let CustomVnet { vnet, cluster, .. } = custom_vnet(lab).await?;

    pool_with_workload(&cluster, "p", node_class("p").vnet_subnet_id(vnet.subnet_id("late"))).await?;
    let missing = node_class("p").condition("SubnetsReady").is_false("SubnetNotFound", &[]);
    cluster.expect(missing).within(minutes(1)).await?;
    cluster.expect(vms().none()).now()?;

    let late = vnet.subnet("late", "10.0.7.0/24").create().await?;

    cluster.expect(node_class("p").ready()).within(minutes(2)).await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&late)).now()
}

/// VNET-15, VNET-16: the network of the second document, 172.19.0.0/16 with a delegated API server subnet of 16
/// addresses, takes a cluster, and its nodes go to clusterSubnet.
#[scenario]
async fn a_cluster_can_live_in_a_network_with_an_api_server_subnet(lab: &Lab) -> Outcome {
    const DELEGATION: &str = "Microsoft.ContainerService/managedClusters";
    let vnet = lab.azure().vnet("customVnet").address_space("172.19.0.0/16").create().await?;
    let api_server = vnet.subnet("apiServerSubnet", "172.19.0.0/28").delegated_to(DELEGATION).create().await?;
    let cluster_subnet = vnet.subnet("clusterSubnet", "172.19.1.0/24").create().await?;

    let delegation = api_server.get().await?["properties"]["delegations"][0]["properties"]["serviceName"].clone();
    lab.verify("the delegation of apiServerSubnet", json!(DELEGATION), delegation)?;

    let cluster = cluster_in(lab, &vnet, &cluster_subnet)
        .await?
        .property("apiServerAccessProfile", json!({ "enableVnetIntegration": true, "subnetId": api_server.id() }))
        .create()
        .await?;
    let state = cluster.resource()["properties"]["provisioningState"].as_str();
    lab.verify("the managed cluster's state", Some("Succeeded"), state)?;

    pool_with_workload(&cluster, "p", node_class("p")).await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&cluster_subnet)).now()
}

/// VNET-17+: a subnet of another virtual network, resource group or subscription is refused by the provisioner, which
/// does not even ask Azure for it.
#[scenario]
#[case::another_vnet(None, "/virtualNetworks/other-vnet/")]
#[case::another_group(Some("other-rg"), "/virtualNetworks/my-aks-vnet/")]
#[case::another_subscription(None, "/virtualNetworks/my-aks-vnet/")]
async fn a_subnet_outside_of_the_clusters_vnet_is_refused(
    lab: &Lab,
    #[case] group: Option<&str>,
    #[case] network: &str,
) -> Outcome {
    looks_at_subnets(lab)?;
    let CustomVnet { custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    let in_group = |azure: &Azure| format!("/resourceGroups/{}/", azure.resource_group_name());
    let own = in_group(lab.azure());
    let group = group.map_or_else(|| own.clone(), |name| in_group(&lab.azure().further_group(name)));
    let mut id = custom_subnet.id().replace(&own, &group).replace("/virtualNetworks/my-aks-vnet/", network);
    if id == custom_subnet.id() {
        id = id.replace(lab.azure().subscription_id(), "11111111-2222-3333-4444-555555555555");
    }
    let mark = cluster.mark();

    pool_with_workload(&cluster, "foreign", node_class("foreign").vnet_subnet_id(&id)).await?;
    // The control, under way at the same time: a subnet of the cluster's own network is asked for and used.
    pool_with_workload(&cluster, "own", node_class("own").vnet_subnet_id(custom_subnet.id())).await?;

    let text = "vnetSubnetID does not match the cluster subscription, resource group, or virtual network";
    let refused = node_class("foreign").condition("SubnetsReady").is_false("SubnetIDInvalid", &[text, &id]);
    cluster.expect(refused).within(minutes(1)).await?;
    cluster.expect(pods("web-own").all_running()).within(minutes(5)).await?;
    cluster.expect(requests("Microsoft.Network/virtualNetworks/subnets/read").since(&mark).any()).now()?;
    cluster.expect(requests("Microsoft.Network/virtualNetworks/subnets/read").about(&id).since(&mark).none()).now()?;
    cluster.expect(vms().of_pool("foreign").none()).now()?;
    cluster.expect(pods("web-foreign").pending(1)).now()
}

/// VNET-18+: where AKS made the virtual network itself, another subnet of it is refused.
#[scenario]
async fn a_custom_subnet_in_a_network_that_aks_manages_is_refused(lab: &Lab) -> Outcome {
    refuses_managed_networks(lab)?;
    let cluster = lab.managed_cluster().node_provisioning(Auto).create().await?;
    // The control: the cluster's own, managed subnet serves nodes.
    pool_with_workload(&cluster, "managed", node_class("managed")).await?;
    cluster.expect(pods("web-managed").all_running()).within(minutes(5)).await?;

    let group = cluster.node_resource_group().to_owned();
    let vnets = lab.azure().in_group(&group).vnets().await?;
    let managed = vnets.first().ok_or_else(|| Failure::new(format!("AKS made no virtual network in {group}")))?;
    let other = managed.subnet("other-subnet", "10.225.0.0/24").create().await?;
    pool_with_workload(&cluster, "custom", node_class("custom").vnet_subnet_id(other.id())).await?;

    let text = "custom subnet cannot be in the same VNet as cluster managed VNet";
    let refused = node_class("custom").condition("SubnetsReady").is_false("SubnetIDInvalid", &[text, other.id()]);
    cluster.expect(refused).within(minutes(1)).await?;
    cluster.expect(vms().of_pool("custom").none()).now()
}

/// VNET-19+: in Azure the case of letters in an id does not matter. In the comparison of 1.7.1 with the cluster's network it
/// does, for resource group and VNet. The subnet's own name is only passed on to Azure, so there it does not.
#[scenario]
#[case::of_the_group(None, true)]
#[case::of_the_vnet(Some("my-aks-vnet"), true)]
#[case::of_the_subnet(Some("custom-subnet"), false)]
#[case::of_a_keyword(Some("resourceGroups"), false)]
async fn letter_case_in_a_subnet_id(lab: &Lab, #[case] part: Option<&str>, #[case] is_faulty: bool) -> Outcome {
    let part = part.unwrap_or_else(|| lab.azure().resource_group_name());
    let CustomVnet { custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    // The control: the same id in the case in which the cluster knows it.
    pool_with_workload(&cluster, "q", node_class("q").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.expect(pods("web-q").all_running()).within(minutes(5)).await?;

    let id = custom_subnet.id().replace(part, &part.to_uppercase());
    pool_with_workload(&cluster, "p", node_class("p").vnet_subnet_id(&id)).await?;
    let serves = async {
        cluster.expect(pods("web-p").all_running()).within(minutes(5)).await?;
        cluster.expect(nodes().of_pool("p").all_in_subnet(&custom_subnet)).now()
    };
    if is_faulty {
        let refused = node_class("p").condition("SubnetsReady").is_false("SubnetIDInvalid", &[]);
        lab.known_fault(
            "case-of-a-subnet-id-is-refused",
            &["1.6.3", "1.7.1"],
            breaks("pods of web-p: all running").with_sign(refused),
            serves,
        )
        .await
    } else {
        serves.await
    }
}

/// VNET-20+: the default subnet can be named explicitly.
#[scenario]
async fn the_default_subnet_can_be_named(lab: &Lab) -> Outcome {
    let CustomVnet { cluster_subnet, cluster, .. } = custom_vnet(lab).await?;

    pool_with_workload(&cluster, "p", node_class("p").vnet_subnet_id(cluster_subnet.id())).await?;

    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&cluster_subnet)).now()
}

/// VNET-26+: an unused subnet that is deleted under a node class is noticed, and so is its return.
#[scenario]
async fn the_deletion_of_a_subnet_and_its_return_are_noticed(lab: &Lab) -> Outcome {
    looks_at_subnets(lab)?;
    let CustomVnet { vnet, custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    cluster.apply(node_class("p").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.apply(node_pool("p")).await?;
    cluster.expect(node_class("p").ready()).within(minutes(1)).await?;

    custom_subnet.delete().await?;
    // The provisioner looks every three minutes.
    let missing = node_class("p").condition("SubnetsReady").is_false("SubnetNotFound", &[custom_subnet.id()]);
    cluster.expect(missing).within(minutes(4)).await?;

    vnet.subnet("custom-subnet", "10.0.2.0/24").create().await?;
    cluster.expect(node_class("p").ready()).within(minutes(2)).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_in_subnet(&custom_subnet)).now()
}

/// VNET-28+: where the preferred pool's subnet is wrong, a pool of lower weight takes the pods.
#[scenario]
async fn a_pool_of_lower_weight_serves_where_the_preferred_has_no_subnet(lab: &Lab) -> Outcome {
    looks_at_subnets(lab)?;
    let CustomVnet { vnet, custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    cluster.apply(node_class("preferred").vnet_subnet_id(vnet.subnet_id("none"))).await?;
    cluster.apply(node_class("second").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.apply(node_pool("preferred").weight(10).label("example.com/tier", "web")).await?;
    cluster.apply(node_pool("second").weight(1).label("example.com/tier", "web")).await?;
    let missing = node_class("preferred").condition("SubnetsReady").is_false("SubnetNotFound", &[]);
    cluster.expect(missing).within(minutes(1)).await?;
    cluster.expect(node_pool("second").ready()).within(minutes(1)).await?;
    let mark = cluster.mark();

    cluster.apply(deployment("web").cpu("1").node_selector("example.com/tier", "web")).await?;

    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("second").all_in_subnet(&custom_subnet)).now()?;
    cluster.expect(node_claims().of_pool("preferred").none()).at_every_instant_since(&mark)?;

    // The control: with its subnet put right the preferred pool is the one that is used.
    cluster.apply(node_class("preferred").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.expect(node_pool("preferred").ready()).within(minutes(2)).await?;
    let more = deployment("more").cpu("1500m").node_selector("example.com/tier", "web");
    cluster.apply(more).await?;
    cluster.expect(pods("more").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("preferred").at_least(1)).now()
}

/// VNET-30+: a node class in use is not lost when it is deleted: it stays until its last node claim is gone.
#[scenario]
async fn a_node_class_in_use_outlives_its_deletion(lab: &Lab) -> Outcome {
    let CustomVnet { custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    pool_with_workload(&cluster, "p", node_class("p").vnet_subnet_id(custom_subnet.id())).await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await?;

    cluster.delete(Kind::AksNodeClass, "p").await?;

    cluster.expect(node_class("p").held_by_finalizer("karpenter.azure.com/termination")).within(minutes(1)).await?;
    cluster.expect(events("WaitingOnNodeClaimTermination").about(Kind::AksNodeClass).seen()).within(minutes(1)).await?;
    cluster.expect(node_class("p").held_by_finalizer("karpenter.azure.com/termination")).throughout(seconds(5)).await?;

    cluster.delete(Kind::NodePool, "p").await?;
    cluster.expect(node_claims().none()).within(minutes(2)).await?;
    cluster.expect(node_class("p").absent()).within(minutes(1)).await?;
    cluster.expect(vms().none().and(nics().none()).and(disks().none())).within(minutes(1)).await
}

/// VNET-33+: in a network of one's own every network interface carries the cluster's network security group.
#[scenario]
async fn network_interfaces_carry_the_clusters_security_group(lab: &Lab) -> Outcome {
    let CustomVnet { custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    let groups = lab.azure().in_group(cluster.node_resource_group()).network_security_groups().await?;
    let ids: Vec<_> = groups.iter().filter_map(|group| group["id"].as_str()).collect();
    lab.verify("the number of security groups that AKS made", 1, ids.len())?;

    pool_with_workload(&cluster, "p", node_class("p").vnet_subnet_id(custom_subnet.id())).await?;

    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await?;
    cluster.expect(nics().of_pool("p").all_with("/properties/networkSecurityGroup/id", ids[0])).now()
}

/// VNET-33+: with that security group missing no node claim is ever launched, and it says why.
#[scenario]
async fn without_the_clusters_security_group_nothing_launches(lab: &Lab) -> Outcome {
    let CustomVnet { custom_subnet, cluster, .. } = custom_vnet(lab).await?;
    let azure = lab.azure().in_group(cluster.node_resource_group());
    for group in azure.network_security_groups().await? {
        azure.delete(group["id"].as_str().unwrap_or_default(), "2022-01-01").await?;
    }

    pool_with_workload(&cluster, "p", node_class("p").vnet_subnet_id(custom_subnet.id())).await?;

    let failed =
        node_claims().of_pool("p").all_with_reason("Launched", "CreateInstanceFailed", "couldn't find managed NSG");
    cluster.expect(failed).within(minutes(1)).await?;
    cluster.expect(vms().none().and(nics().none())).now()?;
    cluster.expect(pods("web-p").pending(1)).now()
}
