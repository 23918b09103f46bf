//! What Azure itself refuses.

use catnap::prelude::*;
use serde_json::json;

/// CIDR-06, CIDR-12+, CIDR-13+, CIDR-18+, CIDR-19+: what AKS refuses when a cluster is created in 10.0.0.0/16, and says
/// where. The first is the documents' own walkthrough, which leaves the services' range at its default.
#[scenario(azure_only)]
#[case::services_over_the_subnet(json!({}), "serviceCIDR", Some("ServiceCidrOverlapExistingSubnetsCidr"))]
#[case::pods_in_the_network(
    json!({ "serviceCidr": "10.2.0.0/16", "dnsServiceIP": "10.2.0.10", "podCidr": "10.0.64.0/18" }),
    "podCIDR",
    Some("NetworkProfileCIDROverlapVNET")
)]
#[case::services_in_link_local(json!({ "serviceCidr": "169.254.0.0/16", "dnsServiceIP": "169.254.0.10" }), "service CIDR", None)]
#[case::services_in_a_range_of_azure(json!({ "serviceCidr": "172.31.0.0/16", "dnsServiceIP": "172.31.0.10" }), "service CIDR", None)]
#[case::services_in_a_range_for_documents(json!({ "serviceCidr": "192.0.2.0/24", "dnsServiceIP": "192.0.2.10" }), "service CIDR", None)]
#[case::dns_outside_of_the_services(json!({ "serviceCidr": "10.2.0.0/16", "dnsServiceIP": "10.3.0.10" }), "10.3.0.10", None)]
#[case::dns_at_their_first_address(json!({ "serviceCidr": "10.2.0.0/16", "dnsServiceIP": "10.2.0.1" }), "10.2.0.1", None)]
async fn ranges_that_aks_refuses_when_a_cluster_is_created(
    lab: &Lab,
    #[case] change: serde_json::Value,
    #[case] names: &str,
    #[case] code: Option<&str>,
) -> Outcome {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await?;
    let subnet = vnet.subnet("cluster-subnet", "10.0.1.0/24").create().await?;
    let mut profile = json!({
        "networkPlugin": "azure",
        "networkPluginMode": "overlay",
        "networkDataplane": "cilium",
        "networkPolicy": "cilium",
        "loadBalancerSku": "standard",
    });
    for (field, value) in change.as_object().into_iter().flatten() {
        profile[field] = value.clone();
    }
    let builder = lab.managed_cluster().node_provisioning(Auto).subnet(&subnet).skip_subnet_role_assignment();
    let refused = builder.property("networkProfile", profile).create().await.err();
    let text = refused.map(|error| error.to_string()).unwrap_or_default();
    lab.verify(&format!("it is refused and names {names}: {text}"), true, text.contains(names))?;
    lab.verify("its code", true, code.is_none_or(|code| text.contains(code)))?;
    let left =
        lab.azure().client().list(&lab.azure().id("Microsoft.ContainerService/managedClusters"), "2025-05-01").await?;
    lab.verify("clusters left", 0, left.len())
}

/// CIDR-14+: subnets of one network do not overlap, and lie in it.
#[scenario(azure_only)]
#[case::over_another("10.0.2.0/25", "NetcfgSubnetRangesOverlap")]
#[case::outside_of_the_network("10.9.0.0/24", "NetcfgSubnetRangeOutsideVnet")]
async fn subnets_that_azure_refuses(lab: &Lab, #[case] prefix: &str, #[case] code: &str) -> Outcome {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await?;
    vnet.subnet("custom-subnet", "10.0.2.0/24").create().await?;
    let refused = vnet.subnet("another", prefix).create().await.err();
    lab.verify("the code", Some(code), refused.as_ref().and_then(|error| error.code()))?;
    vnet.subnet("another", "10.0.3.0/24").create().await?;
    let subnets = vnet.get().await?["properties"]["subnets"].as_array().map_or(0, Vec::len);
    lab.verify("subnets of the network", 2, subnets)
}
