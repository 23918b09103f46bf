//! The template `nap.json` of "Enable node autoprovisioning on a new cluster".

use catnap::prelude::*;
use serde_json::json;

use super::{mode_of, provisions};

const RESOURCES: &str = "2021-04-01";
const DEPLOYMENTS: &str = "2025-04-01";

/// The template as it is printed, with the comma behind `nodeProvisioningProfile` that makes it no strict JSON; only the
/// version is put in, because a lab has one.
fn template(version: &str) -> String {
    include_str!("nap.json").replace(
        "\"dnsPrefix\": \"napcluster\",",
        &format!("\"dnsPrefix\": \"napcluster\", \"kubernetesVersion\": \"{version}\","),
    )
}

/// ENA-02, ENA-12, ENA-13: `az deployment group create` with the printed template makes the cluster as the template
/// describes it, with three fixed nodes. These stay as they are, and what runs on them, when node auto-provisioning makes
/// nodes beside them and takes them away again.
#[scenario]
async fn the_printed_template_makes_a_cluster_of_fixed_and_provisioned_nodes(lab: &Lab) -> Outcome {
    let azure = lab.azure().further_group("nap-rg");
    let group = format!("/subscriptions/{}/resourceGroups/nap-rg", azure.subscription_id());
    azure.client().put(&group, RESOURCES, &json!({ "location": "uksouth" })).await?;
    // As Azure CLI sends it: the file's text behind a name without quotes.
    let template = template(lab.kubernetes_version());
    let body =
        format!("{{\"properties\": {{\"parameters\": {{}}, \"mode\": \"Incremental\", template:{template}\n}}}}");
    lab.verify("it is strict JSON", false, serde_json::from_str::<serde_json::Value>(&template).is_ok())?;

    let deployment_id = azure.id("Microsoft.Resources/deployments/nap");
    let deployed = azure.client().put_text(&deployment_id, DEPLOYMENTS, &body).await?;

    lab.verify("the deployment", Some("Succeeded"), deployed["properties"]["provisioningState"].as_str())?;
    let cluster_id = azure.id("Microsoft.ContainerService/managedClusters/napcluster");
    let cluster = lab.existing_cluster(&cluster_id).await?;
    let shown = cluster.resource();
    let properties = &shown["properties"];
    lab.verify("the cluster's state", Some("Succeeded"), properties["provisioningState"].as_str())?;
    lab.verify("the mode", Some("Auto"), mode_of(shown))?;
    lab.verify("the region", Some("uksouth"), shown["location"].as_str())?;
    lab.verify("the SKU", json!({ "name": "Base", "tier": "Standard" }), shown["sku"].clone())?;
    lab.verify("the identity", Some("SystemAssigned"), shown["identity"]["type"].as_str())?;
    lab.verify("the DNS prefix", Some("napcluster"), properties["dnsPrefix"].as_str())?;
    let fqdn = properties["fqdn"].as_str().unwrap_or_default();
    let of_prefix = fqdn.starts_with("napcluster-") && fqdn.contains(".uksouth.");
    lab.verify(&format!("{fqdn} is made of the prefix and the region"), true, of_prefix)?;
    let network = &properties["networkProfile"];
    for (name, value) in [
        ("networkPlugin", "azure"),
        ("networkPluginMode", "overlay"),
        ("networkPolicy", "cilium"),
        ("networkDataplane", "cilium"),
        ("podCidr", "10.244.0.0/16"),
        ("serviceCidr", "10.0.0.0/16"),
    ] {
        lab.verify(&format!("networkProfile.{name}"), Some(value), network[name].as_str())?;
    }
    let sku = network["loadBalancerSku"].as_str().unwrap_or_default();
    lab.verify(&format!("{sku} is the load balancer of the template"), true, sku.eq_ignore_ascii_case("Standard"))?;
    let pool = &properties["agentPoolProfiles"][0];
    lab.verify("the pool's name", Some("agentpool"), pool["name"].as_str())?;
    lab.verify("the pool's nodes", Some(3), pool["count"].as_u64())?;
    lab.verify("the pool's mode", Some("System"), pool["mode"].as_str())?;
    let size = pool["vmSize"].as_str().unwrap_or_default();
    lab.verify(&format!("{size} is the template's size"), true, size.eq_ignore_ascii_case("standard_d2s_v3"))?;

    let three = || nodes().of_agent_pool("agentpool").count(3).and(nodes().of_agent_pool("agentpool").all_ready());
    cluster.expect(three()).within(minutes(2)).await?;
    cluster.apply(deployment("fixed").replicas(3).cpu("500m").one_per_node()).await?;
    cluster.expect(pods("fixed").all_running()).within(minutes(2)).await?;
    let (mark, fixed) = (cluster.mark(), cluster.pods_of("fixed"));
    provisions(&cluster, "p").await?;
    cluster.scale("web-p", 3).await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await?;
    cluster.scale("web-p", 0).await?;
    cluster.expect(nodes().of_pool("p").none().and(vms().none())).within(minutes(10)).await?;
    cluster.expect(three().and(pods("fixed").kept(&fixed))).at_every_instant_since(&mark)
}
