//! Growing the pod range of a cluster that exists (preview): `az aks update --pod-cidr`.
//!
//! From "Configure Azure CNI Overlay networking", Pod CIDR Expansion. The documents give rules and no codes, so that a
//! scenario asks for a refusal that names the range, and for a cluster on which nothing has changed.

use catnap::prelude::*;
use serde_json::{Value, json};

const CONTAINER_SERVICE: &str = "2025-05-01";
const FEATURE: &str = "Microsoft.ContainerService/EnableAzureCNIOverlayPodCIDRExpansion";
const D2: &str = "Standard_D2s_v5";

/// The document's flag, and the provider once more.
async fn register(lab: &Lab) -> Outcome {
    lab.azure().register_feature(FEATURE).await?;
    Ok(lab.azure().register_provider("Microsoft.ContainerService").await?)
}

/// `az aks update --pod-cidr`.
async fn expand(lab: &Lab, cluster: &Cluster, range: &str) -> Result<Value, ArmError> {
    lab.update(cluster, |properties| properties["networkProfile"]["podCidr"] = json!(range)).await
}

/// It was refused at once, in words that hold `words`, and nothing has changed.
async fn verify_refused(
    lab: &Lab,
    cluster: &Cluster,
    before: &Value,
    what: &str,
    answer: Option<&ArmError>,
    words: &str,
) -> Outcome {
    let told = answer.map_or_else(|| "it was taken".to_owned(), ToString::to_string);
    let refused = answer.and_then(ArmError::status).is_some_and(|status| (400..500).contains(&status));
    lab.verify(&format!("{what}: refused, telling of {words} ({told})"), true, refused && told.contains(words))?;
    lab.verify_unchanged(&format!("the cluster after {what}"), before, &lab.shown(cluster).await?)
}

/// The addresses of pods, by name, and the pod ranges of nodes.
fn addresses(cluster: &Cluster) -> Vec<String> {
    let state = cluster.state();
    let pod = |pod: &Value| format!("{} {}", pod["metadata"]["name"], pod["status"]["podIP"]);
    let node = |node: &Value| format!("{} {}", node["metadata"]["name"], node["spec"]["podCIDR"]);
    let mut all: Vec<String> = state
        .objects(Kind::Pod)
        .filter(|pod| pod["metadata"]["namespace"] == "default")
        .map(pod)
        .chain(state.objects(Kind::Node).map(node))
        .collect();
    all.sort();
    all
}

/// EXP-01, EXP-12: a pod range grows in place, /18 to /16, once the feature is registered and the provider again after it;
/// before that Azure refuses and names the feature. Nodes and pods stay, with their addresses.
#[scenario]
async fn a_pod_range_grows_once_the_feature_is_registered(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().pod_cidr("10.244.0.0/18").node_count(2).create().await?;
    cluster.apply(deployment("web").replicas(4).cpu("100m")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(3)).await?;
    let (mark, pod, numbers) = (cluster.mark(), cluster.pods_of("web"), addresses(&cluster));
    let before = lab.shown(&cluster).await?;
    let missing =
        format!("Feature {FEATURE} is not enabled. Please see https://aka.ms/aks/previews for how to enable features.");

    let refused = expand(lab, &cluster, "10.244.0.0/16").await.err();
    lab.verify("the code", Some("BadRequest"), refused.as_ref().and_then(ArmError::code))?;
    verify_refused(lab, &cluster, &before, "without the feature", refused.as_ref(), &missing).await?;
    lab.azure().register_feature(FEATURE).await?;
    let refused = expand(lab, &cluster, "10.244.0.0/16").await.err();
    verify_refused(lab, &cluster, &before, "before the provider knows", refused.as_ref(), &missing).await?;
    lab.azure().register_provider("Microsoft.ContainerService").await?;

    let grown = expand(lab, &cluster, "10.244.0.0/16").await?;

    lab.verify("the cluster's state", Some("Succeeded"), grown["properties"]["provisioningState"].as_str())?;
    let profile = &grown["properties"]["networkProfile"];
    lab.verify("podCidr", Some("10.244.0.0/16"), profile["podCidr"].as_str())?;
    lab.verify("podCidrs", json!(["10.244.0.0/16"]), profile["podCidrs"].clone())?;
    let kept = || pods("web").kept(&pod).and(pods("web").all_running()).and(nodes().count(2));
    cluster.expect(kept()).throughout(minutes(5)).await?;
    cluster.expect(kept().and(nodes().all_ready_as_ever())).at_every_instant_since(&mark)?;
    lab.verify("the addresses of pods and nodes", numbers, addresses(&cluster))
}

/// EXP-05, EXP-06, EXP-07, EXP-08: the new range starts where the old one does and holds it: another base, a smaller one,
/// another range and one apart are refused; one that only grows is taken.
#[scenario]
async fn a_pod_range_only_grows_in_place(lab: &Lab) -> Outcome {
    register(lab).await?;
    let cluster = lab.managed_cluster().pod_cidr("10.244.128.0/18").create().await?;
    let before = lab.shown(&cluster).await?;
    for (what, to) in [
        ("a superset with another base", "10.244.0.0/16"),
        ("a smaller range", "10.244.128.0/20"),
        ("another range of the same size", "10.100.0.0/18"),
        ("a larger range elsewhere", "10.100.0.0/16"),
        ("a range apart", "10.245.0.0/17"),
    ] {
        let refused = expand(lab, &cluster, to).await.err();
        verify_refused(lab, &cluster, &before, what, refused.as_ref(), "networkProfile.podCidr").await?;
    }

    let grown = expand(lab, &cluster, "10.244.128.0/17").await?;
    lab.verify("podCidr", Some("10.244.128.0/17"), grown["properties"]["networkProfile"]["podCidr"].as_str())
}

/// EXP-02: only overlay clusters with Linux nodes can do it: with a Windows pool it is refused, and taken once the pool is
/// gone; where pods take addresses of the nodes' subnet there is no range to grow.
#[scenario]
#[case::with_a_windows_pool(true)]
#[case::without_overlay(false)]
async fn only_linux_overlay_clusters_grow(lab: &Lab, #[case] windows: bool) -> Outcome {
    register(lab).await?;
    let builder = lab.managed_cluster();
    let builder = if windows {
        builder.pod_cidr("10.244.0.0/18").change(|properties| {
            properties["networkProfile"]["networkDataplane"] = json!("azure");
            properties["networkProfile"]["networkPolicy"] = json!("none");
            if let Some(pools) = properties["agentPoolProfiles"].as_array_mut() {
                pools.push(json!({ "name": "win1", "osType": "Windows", "count": 1, "mode": "User", "vmSize": D2 }));
            }
        })
    } else {
        builder.node_subnet_networking()
    };
    let cluster = builder.create().await?;
    let before = lab.shown(&cluster).await?;

    let refused = expand(lab, &cluster, "10.244.0.0/16").await.err();

    verify_refused(lab, &cluster, &before, "the expansion", refused.as_ref(), "networkProfile.podCidr").await?;
    if windows {
        lab.azure().delete(&format!("{}/agentPools/win1", cluster.id()), CONTAINER_SERVICE).await?;
        let grown = expand(lab, &cluster, "10.244.0.0/16").await?;
        lab.verify("podCidr", Some("10.244.0.0/16"), grown["properties"]["networkProfile"]["podCidr"].as_str())?;
    }
    Ok(())
}

/// EXP-09, EXP-10: in a dual-stack cluster neither the IPv6 range grows nor both ranges at once; the IPv4 range alone does.
#[scenario]
async fn of_two_pod_ranges_the_ipv4_one_grows(lab: &Lab) -> Outcome {
    register(lab).await?;
    let builder = lab.managed_cluster().change(|properties| {
        let network = &mut properties["networkProfile"];
        network["ipFamilies"] = json!(["IPv4", "IPv6"]);
        network["podCidrs"] = json!(["10.244.0.0/18", "fd12:3456:789a::/64"]);
        // Apart from what the IPv6 range is to grow to.
        network["serviceCidrs"] = json!(["10.0.0.0/16", "fd98:7654:3210::/108"]);
    });
    let cluster = builder.create().await?;
    let before = lab.shown(&cluster).await?;
    let grow = async |ranges: Value| {
        lab.update(&cluster, |properties| {
            properties["networkProfile"]["podCidr"] = ranges[0].clone();
            properties["networkProfile"]["podCidrs"] = ranges;
        })
        .await
    };

    for (what, ranges) in [
        ("growing the IPv6 range", json!(["10.244.0.0/18", "fd12:3456:789a::/60"])),
        ("growing both ranges", json!(["10.244.0.0/16", "fd12:3456:789a::/60"])),
    ] {
        let refused = grow(ranges).await.err();
        verify_refused(lab, &cluster, &before, what, refused.as_ref(), "networkProfile.podCidr").await?;
    }

    let grown = grow(json!(["10.244.0.0/16", "fd12:3456:789a::/64"])).await?;
    let ranges = grown["properties"]["networkProfile"]["podCidrs"].clone();
    lab.verify("podCidrs", json!(["10.244.0.0/16", "fd12:3456:789a::/64"]), ranges)
}

/// EXP-16: a pod range does not grow onto the virtual network of the cluster or onto its services; as far as the next one
/// of them it does.
#[scenario]
async fn a_pod_range_does_not_grow_onto_the_network_or_the_services(lab: &Lab) -> Outcome {
    register(lab).await?;
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.244.192.0/18").create().await?;
    let subnet = vnet.subnet("cluster-subnet", "10.244.192.0/24").create().await?;
    let builder = lab.managed_cluster().subnet(&subnet).pod_cidr("10.244.0.0/18").service_cidr("10.245.0.0/16");
    let cluster = builder.create().await?;
    let before = lab.shown(&cluster).await?;

    for (what, to) in [("growing onto the network", "10.244.0.0/16"), ("growing onto the services", "10.244.0.0/15")] {
        let refused = expand(lab, &cluster, to).await.err();
        verify_refused(lab, &cluster, &before, what, refused.as_ref(), "networkProfile.podCIDR").await?;
    }

    let grown = expand(lab, &cluster, "10.244.0.0/17").await?;
    lab.verify("podCidr", Some("10.244.0.0/17"), grown["properties"]["networkProfile"]["podCidr"].as_str())
}

/// EXP-17: node auto-provisioning lives through the expansion: its nodes and their pods are kept, and it makes further ones
/// that get ready. The documents do not say whether the two go together; Azure's guard does not name it.
#[scenario]
async fn provisioned_nodes_live_through_the_expansion(lab: &Lab) -> Outcome {
    register(lab).await?;
    let cluster = lab.managed_cluster().node_provisioning(Auto).pod_cidr("10.244.0.0/18").create().await?;
    cluster.apply(node_class("p")).await?;
    cluster.apply(node_pool("p").sizes(&[D2])).await?;
    cluster.apply(deployment("web").cpu("500m").one_per_node().on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    let (mark, claim, pod) = (cluster.mark(), cluster.claims_of_pool("p"), cluster.pods_of("web"));

    expand(lab, &cluster, "10.244.0.0/16").await?;

    cluster.expect(node_claims().kept(&claim)).throughout(minutes(5)).await?;
    cluster.expect(node_claims().kept(&claim).and(pods("web").kept(&pod))).at_every_instant_since(&mark)?;
    cluster.scale("web", 3).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").count(3).and(nodes().all_ready())).now()?;
    cluster.expect(pods("web").all_in_range("10.244.0.0/16")).now()
}

/// EXP-11: a zone that is down while the range grows does not keep it from growing; nodes that are added in that zone are
/// not ready before it is back, those in another zone are.
#[scenario]
async fn nodes_in_a_zone_that_is_down_wait_for_it(lab: &Lab) -> Outcome {
    register(lab).await?;
    let cluster = lab.managed_cluster().pod_cidr("10.244.0.0/18").create().await?;
    lab.require::<Machines>()?.zone_is_down("2");

    let grown = expand(lab, &cluster, "10.244.0.0/16").await?;
    lab.verify("the cluster's state", Some("Succeeded"), grown["properties"]["provisioningState"].as_str())?;
    let pool = json!({ "count": 2, "mode": "User", "vmSize": D2, "availabilityZones": ["1", "2"] });
    let id = format!("{}/agentPools/zonal", cluster.id());
    lab.azure().client().put(&id, CONTAINER_SERVICE, &json!({ "properties": pool })).await?;

    let of_zone = |zone: &str| nodes().of_agent_pool("zonal").all_labelled("topology.kubernetes.io/zone", zone);
    let zonal = || nodes().of_agent_pool("zonal");
    let one = zonal().count(1).and(of_zone("eastus-1"));
    cluster.expect(one.clone().and(zonal().all_ready())).within(minutes(3)).await?;
    cluster.expect(one).throughout(minutes(20)).await?;

    lab.require::<Machines>()?.zone_is_back("2");
    cluster.expect(zonal().count(2).and(zonal().all_ready())).within(minutes(2)).await
}

/// EXP-15+: a grown range has room for nodes that the old one had none for: a provisioned node beyond it has no block of
/// addresses, and a fixed one is refused; once the range has grown, the one gets its block and the other is added.
#[scenario]
async fn a_grown_range_has_room_for_more_nodes(lab: &Lab) -> Outcome {
    register(lab).await?;
    let builder = lab.managed_cluster().node_provisioning(Auto).pod_cidr("10.244.0.0/23");
    let cluster = builder.node_count(2).create().await?;
    cluster.expect(nodes().count(2)).within(minutes(3)).await?;
    cluster.expect(nodes().with_blocks_of("10.244.0.0/23", 2)).within(minutes(1)).await?;
    cluster.apply(node_class("p")).await?;
    cluster.apply(node_pool("p").sizes(&[D2])).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(nodes().of_pool("p").count(1)).within(minutes(5)).await?;

    let why = events("CIDRNotAvailable").about(Kind::Node).named("aks-p-");
    cluster.expect(why.seen()).within(minutes(5)).await?;
    cluster.expect(nodes().with_blocks_of("10.244.0.0/23", 2)).throughout(minutes(5)).await?;
    let id = format!("{}/agentPools/more", cluster.id());
    let pool = json!({ "properties": { "count": 1, "mode": "User", "vmSize": D2 } });
    let refused = lab.azure().client().put(&id, CONTAINER_SERVICE, &pool).await.err();
    lab.verify("a third fixed node", Some("InsufficientSubnetSize"), refused.as_ref().and_then(ArmError::code))?;

    expand(lab, &cluster, "10.244.0.0/21").await?;

    cluster.expect(nodes().with_blocks_of("10.244.0.0/21", 3)).within(minutes(5)).await?;
    lab.azure().client().put(&id, CONTAINER_SERVICE, &pool).await?;
    cluster.expect(nodes().count(4).and(nodes().with_blocks_of("10.244.0.0/21", 4))).within(minutes(5)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(1)).await
}
