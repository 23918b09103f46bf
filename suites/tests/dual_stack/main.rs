//! Dual-stack clusters: which families, ranges, features and versions go together, Windows pools and their preview
//! feature, and that node auto-provisioning is not for them.
//!
//! From "Configure Azure CNI Overlay networking", whose text holds two versions of itself. Refusals are Azure's own, and
//! the documents give no codes: a scenario asks for a refusal that names the property, before anything is made, and as a
//! control lets Azure validate what differs in that property alone.

use catnap::prelude::*;
use serde_json::{Value, json};

const CONTAINER_SERVICE: &str = "2025-05-01";
const DEPLOYMENTS: &str = "2025-04-01";
const FEATURE: &str = "Microsoft.ContainerService/AzureOverlayDualStackPreview";
const D2: &str = "Standard_D2s_v5";
const SERVICE: &str = "v1";

/// A dual-stack cluster as `az aks create --ip-families ipv4,ipv6` asks for it, in lower case, with this data plane.
fn dual_stack<'a>(lab: &'a Lab, dataplane: &str) -> ManagedClusterBuilder<'a> {
    let builder = lab.managed_cluster();
    builder.change(|properties| {
        properties["networkProfile"] = json!({
            "networkPlugin": "azure",
            "networkPluginMode": "overlay",
            "networkDataplane": dataplane,
            "ipFamilies": ["ipv4", "ipv6"],
        });
    })
}

/// What Azure says to a new cluster before it makes anything of it (`az deployment group validate`).
async fn validate(lab: &Lab, request: &(String, Value)) -> Result<(), ArmError> {
    lab.azure().ensure_group().await?;
    let mut resource = request.1.clone();
    resource["type"] = json!("Microsoft.ContainerService/managedClusters");
    resource["apiVersion"] = json!(CONTAINER_SERVICE);
    resource["name"] = json!(request.0.rsplit('/').next());
    let template = json!({
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "resources": [resource],
    });
    let body = json!({ "properties": { "mode": "Incremental", "template": template } });
    let id = lab.azure().id("Microsoft.Resources/deployments/check/validate");
    lab.azure().client().post(&id, DEPLOYMENTS, &body).await.map(|_| ())
}

/// A new cluster is refused at once, in words that name the property, and nothing is made.
async fn verify_refused(lab: &Lab, what: &str, request: &(String, Value), property: &str) -> Outcome {
    lab.azure().ensure_group().await?;
    let answer = lab.azure().client().put(&request.0, CONTAINER_SERVICE, &request.1).await.err();
    verify_answer(lab, what, answer.as_ref(), property)?;
    let left = lab.azure().client().get(&request.0, CONTAINER_SERVICE).await.err().and_then(|error| error.status());
    lab.verify(&format!("{what}: the status of the cluster that was refused"), Some(404), left)
}

fn verify_answer(lab: &Lab, what: &str, answer: Option<&ArmError>, property: &str) -> Outcome {
    let told = answer.map_or_else(|| "it was taken".to_owned(), ToString::to_string);
    let refused = answer.and_then(ArmError::status).is_some_and(|status| (400..500).contains(&status));
    lab.verify(&format!("{what}: refused, naming {property} ({told})"), true, refused && told.contains(property))
}

/// Azure takes a new cluster like this.
async fn verify_taken(lab: &Lab, what: &str, request: &(String, Value)) -> Outcome {
    let objection = validate(lab, request).await.err().map(|error| error.to_string());
    lab.verify(&format!("{what}: what Azure objects"), None, objection)
}

/// DUAL-05, DUAL-06, DUAL-07, DUAL-08: Azure network policy, Calico, NAT gateways and the virtual nodes add-on are refused
/// in a dual-stack cluster, and taken in one of IPv4 alone.
#[scenario(azure_only)]
#[case::azure_network_policy("networkPolicy", |p: &mut Value| p["networkProfile"]["networkPolicy"] = json!("azure"))]
#[case::calico("networkPolicy", |p: &mut Value| p["networkProfile"]["networkPolicy"] = json!("calico"))]
#[case::managed_nat_gateway("outboundType", |p: &mut Value| {
    p["networkProfile"]["outboundType"] = json!("managedNATGateway");
})]
#[case::virtual_nodes("aciConnectorLinux", |p: &mut Value| {
    p["addonProfiles"] = json!({ "aciConnectorLinux": { "enabled": true, "config": { "SubnetName": "virtual-nodes" } } });
})]
async fn some_features_are_for_one_family(lab: &Lab, #[case] property: &str, #[case] add: fn(&mut Value)) -> Outcome {
    verify_refused(lab, "in both families", &dual_stack(lab, "azure").change(add).request(), property).await?;
    let single = dual_stack(lab, "azure").change(add).change(|p| p["networkProfile"]["ipFamilies"] = json!(["ipv4"]));
    verify_taken(lab, "in one family", &single.request()).await
}

/// DUAL-07: the user's own NAT gateway is refused in a dual-stack cluster, too, on a subnet that has one.
#[scenario(azure_only)]
async fn a_nat_gateway_of_the_users_is_for_one_family(lab: &Lab) -> Outcome {
    const NETWORK: &str = "2024-05-01";
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.20.0.0/16").create().await?;
    let subnet = vnet.subnet("cluster-subnet", "10.20.1.0/24").create().await?;
    let (location, client) = (lab.azure().location(), lab.azure().client());
    let address = lab.azure().id("Microsoft.Network/publicIPAddresses/out");
    let standard = json!({ "name": "Standard" });
    let body = json!({ "location": location, "sku": standard, "properties": { "publicIPAllocationMethod": "Static" } });
    client.put(&address, NETWORK, &body).await?;
    let gateway = lab.azure().id("Microsoft.Network/natGateways/out");
    let body =
        json!({ "location": location, "sku": standard, "properties": { "publicIpAddresses": [{ "id": address }] } });
    client.put(&gateway, NETWORK, &body).await?;
    let mut joined = subnet.get().await?;
    joined["properties"]["natGateway"] = json!({ "id": gateway });
    client.put(subnet.id(), NETWORK, &joined).await?;
    let add = |p: &mut Value| p["networkProfile"]["outboundType"] = json!("userAssignedNATGateway");

    let dual = dual_stack(lab, "azure").subnet(&subnet).change(add);
    verify_refused(lab, "in both families", &dual.request(), "outboundType").await?;
    let single = dual_stack(lab, "azure").subnet(&subnet).change(add);
    let single = single.change(|p| p["networkProfile"]["ipFamilies"] = json!(["ipv4"]));
    verify_taken(lab, "in one family", &single.request()).await
}

/// DUAL-09: the families are IPv4, or IPv4 and IPv6 in this order.
#[scenario(azure_only)]
async fn families_are_ipv4_or_ipv4_and_ipv6(lab: &Lab) -> Outcome {
    let with = |families: &Value| {
        dual_stack(lab, "azure").change(|p| p["networkProfile"]["ipFamilies"] = families.clone()).request()
    };
    for families in [
        json!(["IPv6"]),
        json!(["IPv6", "IPv4"]),
        json!(["IPv4", "IPv6", "IPv4"]),
        json!(["IPv4", "IPv4"]),
        json!(["IPv5"]),
    ] {
        verify_refused(lab, &format!("the families {families}"), &with(&families), "networkProfile.ipFamilies").await?;
    }
    for families in [json!(["IPv4"]), json!(["IPv4", "IPv6"]), json!(["ipv4", "ipv6"])] {
        verify_taken(lab, &format!("the families {families}"), &with(&families)).await?;
    }
    Ok(())
}

/// DUAL-10, DUAL-12, DUAL-14: the ranges of pods and of services match the families in number and order, and the IPv6 range
/// of services is no larger than a /108.
#[scenario(azure_only)]
async fn ranges_match_the_families(lab: &Lab) -> Outcome {
    let with = |name: &str, ranges: &Value| {
        dual_stack(lab, "azure").change(|p| p["networkProfile"][name] = ranges.clone()).request()
    };
    for (name, ranges) in [
        ("podCidrs", json!(["10.244.0.0/16"])),
        ("podCidrs", json!(["fd12:3456:789a::/64", "10.244.0.0/16"])),
        ("podCidrs", json!(["10.244.0.0/16", "10.245.0.0/16"])),
        ("podCidrs", json!(["10.244.0.0/16", "fd12:3456:789a::/64", "10.245.0.0/16"])),
        ("serviceCidrs", json!(["10.0.0.0/16"])),
        ("serviceCidrs", json!(["fd12:3456:789a:1::/108", "10.0.0.0/16"])),
        ("serviceCidrs", json!(["10.0.0.0/16", "10.1.0.0/16"])),
        ("serviceCidrs", json!(["10.0.0.0/16", "fd12:3456:789a:1::/107"])),
        ("serviceCidrs", json!(["10.0.0.0/16", "fd12:3456:789a:1::/64"])),
    ] {
        let property = format!("networkProfile.{}", name.trim_end_matches('s'));
        verify_refused(lab, &format!("{name} {ranges}"), &with(name, &ranges), &property).await?;
    }
    for (name, ranges) in [
        ("podCidrs", json!(["10.244.0.0/16", "fd12:3456:789a::/64"])),
        ("serviceCidrs", json!(["10.0.0.0/16", "fd12:3456:789a:1::/108"])),
        ("serviceCidrs", json!(["10.0.0.0/16", "fd12:3456:789a:1::/112"])),
    ] {
        verify_taken(lab, &format!("{name} {ranges}"), &with(name, &ranges)).await?;
    }
    Ok(())
}

/// DUAL-01, DUAL-17: dual stack needs Kubernetes 1.26.3, with Cilium 1.29; Azure offers nothing as old as that any more, and
/// refuses it. The lab's version is taken.
#[scenario(azure_only)]
#[case::before_dual_stack("1.26.2", "azure")]
#[case::before_dual_stack_with_cilium("1.28.0", "cilium")]
async fn old_versions_are_refused(lab: &Lab, #[case] version: &str, #[case] dataplane: &str) -> Outcome {
    let old = dual_stack(lab, dataplane).property("kubernetesVersion", json!(version));
    verify_refused(lab, version, &old.request(), "kubernetesVersion").await?;
    verify_taken(lab, lab.kubernetes_version(), &dual_stack(lab, dataplane).request()).await
}

/// DUAL-11, DUAL-13, DUAL-15, DUAL-16: a cluster of both families is made, with Azure's data plane and with Cilium's; who
/// names no ranges gets the documents' defaults. Workloads run in it, and its Services have addresses of the range of
/// their family.
#[scenario]
#[case::with_azures_data_plane("azure")]
#[case::with_cilium("cilium")]
async fn a_dual_stack_cluster_is_made_with_the_default_ranges(lab: &Lab, #[case] dataplane: &str) -> Outcome {
    let cluster = dual_stack(lab, dataplane).create().await?;

    let properties = &cluster.resource()["properties"];
    lab.verify("the cluster's state", Some("Succeeded"), properties["provisioningState"].as_str())?;
    let network = &properties["networkProfile"];
    lab.verify("ipFamilies", json!(["IPv4", "IPv6"]), network["ipFamilies"].clone())?;
    lab.verify("the data plane", Some(dataplane), network["networkDataplane"].as_str())?;
    lab.verify("podCidrs", json!(["10.244.0.0/16", "fd12:3456:789a::/64"]), network["podCidrs"].clone())?;
    let services = json!(["10.0.0.0/16", "fd12:3456:789a:1::/108"]);
    lab.verify("serviceCidrs", services, network["serviceCidrs"].clone())?;
    cluster.apply(deployment("nginx")).await?;
    cluster.expect(pods("nginx").all_running()).within(minutes(3)).await?;
    // The document's manifest, its `ports` put right (DUAL-27).
    cluster.apply(lab.manifest("nginx-dual-stack.yaml")?).await?;
    for (name, family, beginning) in [("nginx-ipv4", "IPv4", "10.0."), ("nginx-ipv6", "IPv6", "fd12:3456:789a:1::")] {
        let service = cluster.get_unwatched(SERVICE, "Service", name).await?;
        lab.verify(&format!("{name}: the families"), json!([family]), service["spec"]["ipFamilies"].clone())?;
        let address = service["spec"]["clusterIP"].as_str().unwrap_or_default();
        lab.verify(&format!("{name}: {address} is of {beginning}"), true, address.starts_with(beginning))?;
    }
    Ok(())
}

/// DUAL-27: the document's manifest is no YAML as it is printed, its `ports` stand too far to the left: it is refused before
/// anything is sent. With that put right, it makes both Services.
#[scenario]
async fn the_printed_services_need_their_ports_put_right(lab: &Lab) -> Outcome {
    let cluster = dual_stack(lab, "azure").create().await?;
    let printed = include_str!("nginx-dual-stack.printed.yaml");

    let refused = cluster.apply(Manifests::text(printed)).await.err().map(|error| error.to_string());

    let told = refused.unwrap_or_default();
    lab.verify(&format!("{told:?} says that it is no YAML"), true, told.contains("is not valid YAML"))?;
    let missing = cluster.get_unwatched(SERVICE, "Service", "nginx-ipv4").await.err().and_then(|error| error.code());
    lab.verify("the status of the Service", Some(404), missing)?;
    cluster.apply(lab.manifest("nginx-dual-stack.yaml")?).await?;
    for name in ["nginx-ipv4", "nginx-ipv6"] {
        let service = cluster.get_unwatched(SERVICE, "Service", name).await?;
        lab.verify(&format!("{name}: the type"), Some("LoadBalancer"), service["spec"]["type"].as_str())?;
    }
    Ok(())
}

/// DUAL-18, DUAL-19, DUAL-20, DUAL-21: a dual-stack cluster gets a Windows pool once the preview feature is registered and
/// the provider again after it: without, Azure refuses and names the feature. Registering takes a while. Then two nodes
/// come that say they are Windows.
#[scenario]
async fn windows_pools_need_the_feature_and_the_provider_registered_again(lab: &Lab) -> Outcome {
    let cluster = dual_stack(lab, "azure").create().await?;
    let before = lab.shown(&cluster).await?;
    let add = async |name: &str| {
        let body = json!({ "properties": { "count": 2, "mode": "User", "osType": "Windows", "vmSize": D2 } });
        lab.azure().client().put(&format!("{}/agentPools/{name}", cluster.id()), CONTAINER_SERVICE, &body).await
    };
    let missing =
        format!("Feature {FEATURE} is not enabled. Please see https://aka.ms/aks/previews for how to enable features.");
    let verify_missing = |what: &str, answer: Option<&ArmError>| {
        lab.verify(&format!("{what}: the code"), Some("BadRequest"), answer.and_then(ArmError::code))?;
        verify_answer(lab, what, answer, &missing)
    };
    // The document's name is longer than Azure takes for Windows.
    verify_answer(lab, "the pool winpool1", add("winpool1").await.err().as_ref(), "winpool1")?;
    lab.verify("the feature at first", "NotRegistered".to_owned(), lab.azure().feature_state(FEATURE).await?)?;
    verify_missing("without the feature", add("winp1").await.err().as_ref())?;

    let begun = lab.azure().begin_registration(FEATURE).await?;
    lab.verify("the feature once asked for", "Registering".to_owned(), begun)?;
    lab.azure().register_feature(FEATURE).await?;
    lab.verify("the feature at the end", "Registered".to_owned(), lab.azure().feature_state(FEATURE).await?)?;
    verify_missing("before the provider knows", add("winp1").await.err().as_ref())?;
    lab.verify_unchanged("the cluster after the refusals", &before, &lab.shown(&cluster).await?)?;
    lab.azure().register_provider("Microsoft.ContainerService").await?;

    let made = add("winp1").await?;

    lab.verify("the pool's state", Some("Succeeded"), made["properties"]["provisioningState"].as_str())?;
    lab.verify("the pool's system", Some("Windows"), made["properties"]["osType"].as_str())?;
    cluster.expect(nodes().of_agent_pool("winp1").count(2)).within(minutes(5)).await?;
    let state = cluster.state();
    let labels = state.objects(Kind::Node).map(|node| &node["metadata"]["labels"]);
    let systems: Vec<_> = labels
        .filter(|labels| labels["kubernetes.azure.com/agentpool"] == "winp1")
        .map(|labels| labels["kubernetes.io/os"].as_str().unwrap_or("none").to_owned())
        .collect();
    lab.verify("what the nodes say they are", vec!["windows".to_owned(); 2], systems)
}

/// DUAL-29: node auto-provisioning and dual stack exclude each other, in Azure's words where it is to be turned on in a
/// dual-stack cluster; neither cluster changes.
#[scenario]
async fn node_provisioning_is_not_for_dual_stack(lab: &Lab) -> Outcome {
    let cluster = dual_stack(lab, "cilium").create().await?;
    let before = lab.shown(&cluster).await?;
    let refused = lab.set_node_provisioning(&cluster, Auto).await.err();
    lab.verify("the code", Some("OperationNotAllowed"), refused.as_ref().and_then(ArmError::code))?;
    let sentence = ".properties.nodeProvisioningProfile.mode cannot be Auto unless .properties.networkProfile.ipFamilies is \
                    set to one of [IPv4].";
    verify_answer(lab, "turning it on", refused.as_ref(), sentence)?;
    lab.verify_unchanged("the dual-stack cluster", &before, &lab.shown(&cluster).await?)?;

    let refused = dual_stack(lab, "cilium").node_provisioning(Auto).name("second");
    verify_refused(lab, "a new cluster of both", &refused.request(), "networkProfile.ipFamilies").await
}

/// DUAL-29: a cluster with node auto-provisioning does not become a dual-stack cluster; its node and pod are untouched.
#[scenario]
async fn dual_stack_is_not_for_node_provisioning(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().node_provisioning(Auto).create().await?;
    cluster.apply(node_class("p")).await?;
    cluster.apply(node_pool("p").sizes(&[D2])).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    let (mark, claim, before) = (cluster.mark(), cluster.claims_of_pool("p"), lab.shown(&cluster).await?);

    let refused = lab.update(&cluster, |p| p["networkProfile"]["ipFamilies"] = json!(["IPv4", "IPv6"])).await.err();

    verify_answer(lab, "a second family", refused.as_ref(), "networkProfile.ipFamilies")?;
    lab.verify_unchanged("the cluster", &before, &lab.shown(&cluster).await?)?;
    cluster.expect(node_claims().kept(&claim)).throughout(minutes(2)).await?;
    cluster.expect(node_claims().kept(&claim)).at_every_instant_since(&mark)
}
