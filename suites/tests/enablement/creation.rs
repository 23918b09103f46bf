//! New clusters.

use catnap::prelude::*;
use serde_json::json;

use super::{CONTAINER_SERVICE, mode_of, provisioner_starts, provisions, verify_refused};

/// ENA-01: a cluster created with mode Auto, network plugin azure, plugin mode overlay and data plane cilium provisions
/// nodes, and nothing else has to be installed for it: the custom resources are served, a node class becomes ready.
#[scenario]
async fn the_recommended_command_makes_a_cluster_that_provisions(lab: &Lab) -> Outcome {
    let builder = lab.managed_cluster().change(|properties| {
        properties["networkProfile"] =
            json!({ "networkPlugin": "azure", "networkPluginMode": "overlay", "networkDataplane": "cilium" });
        // As the command leaves it: AKS's own node pools come along.
        properties["nodeProvisioningProfile"] = json!({ "mode": "Auto" });
    });
    let cluster = builder.create().await?;

    let shown = lab.shown(&cluster).await?;
    lab.verify("the cluster's state", Some("Succeeded"), shown["properties"]["provisioningState"].as_str())?;
    lab.verify("the mode", Some("Auto"), mode_of(&shown))?;
    lab.verify("provisioners started", 1, provisioner_starts(lab))?;
    cluster.expect(node_class("default").ready().and(node_pool("default").ready())).within(minutes(1)).await?;
    cluster.apply(deployment("web").replicas(3).cpu("1500m")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("default").at_least(1)).now()
}

/// ENA-04: what runs then is the provisioner with the settings of its cluster: the pinned version, under the cluster's
/// identity; its machines are in the node resource group and in the cluster's subnet, with the cluster's administrator
/// and key, and are nodes of the cluster's version.
#[scenario]
async fn the_provisioner_has_the_settings_of_its_cluster(lab: &Lab) -> Outcome {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.20.0.0/16").create().await?;
    let subnet = vnet.subnet("cluster-subnet", "10.20.1.0/24").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
    let builder = lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(&subnet);
    let key = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ of-this-scenario";
    let cluster = builder
        .property("linuxProfile", json!({ "adminUsername": "operator", "ssh": { "publicKeys": [{ "keyData": key }] } }))
        .create()
        .await?;

    provisions(&cluster, "p").await?;

    let writes = requests("Microsoft.Compute/virtualMachines/write");
    cluster.expect(writes.clone().by(&identity).any()).now()?;
    // A provisioner of one's own says what it likes.
    if lab.settings().provisioner.is_none() {
        let agent = format!("karpenter-aks/v{}", lab.settings().versions.provisioner);
        cluster.expect(writes.by(&identity).from_agent(&agent).any()).now()?;
    }
    cluster.expect(nodes().of_pool("p").all_in_subnet(&subnet)).now()?;
    let group = format!("/resourceGroups/{}/", cluster.node_resource_group());
    cluster.expect(vms().all_holding("/id", &group)).now()?;
    cluster.expect(vms().all_with("/properties/osProfile/adminUsername", "operator")).now()?;
    let first_key = "/properties/osProfile/linuxConfiguration/ssh/publicKeys/0/keyData";
    cluster.expect(vms().all_with(first_key, key)).now()?;
    let node = cluster.nodes_of_pool("p").pop().unwrap_or_default();
    let node = cluster.get(Kind::Node, &node).await?;
    let version = node["status"]["nodeInfo"]["kubeletVersion"].as_str();
    lab.verify("the node's version", Some(format!("v{}", lab.kubernetes_version()).as_str()), version)?;
    let label = node["metadata"]["labels"]["kubernetes.azure.com/cluster"].as_str();
    lab.verify("the node's cluster", Some(cluster.node_resource_group()), label)
}

/// ENA-07: a system-assigned identity serves node auto-provisioning, and so does a user-assigned one.
#[scenario]
#[case::system_assigned(false)]
#[case::user_assigned(true)]
async fn either_kind_of_identity_serves(lab: &Lab, #[case] of_the_user: bool) -> Outcome {
    let mut builder = lab.managed_cluster().node_provisioning(Auto);
    if of_the_user {
        builder = builder.identity(&lab.azure().identity("my-aks-identity").create().await?);
    }
    let cluster = builder.create().await?;

    let kind = cluster.resource()["identity"]["type"].as_str();
    lab.verify("the identity", Some(if of_the_user { "UserAssigned" } else { "SystemAssigned" }), kind)?;
    provisions(&cluster, "p").await?;
    cluster.expect(requests("Microsoft.Compute/virtualMachines/write").by(cluster.identity()).any()).now()
}

/// ENA-10: a creation is a long-running operation: 201 with where to follow it, InProgress and the cluster Creating, and
/// at its end Succeeded and a cluster that says everything about itself.
#[scenario]
async fn a_creation_is_followed_to_its_end(lab: &Lab) -> Outcome {
    lab.azure().ensure_group().await?;
    let (id, body) = lab.managed_cluster().node_provisioning(Auto).request();
    let client = lab.azure().client();

    let begun = client.begin_put(&id, CONTAINER_SERVICE, &body).await?;

    lab.verify("the status", 201, begun.status())?;
    lab.verify("there is an operation to follow", true, begun.operation().is_some())?;
    lab.verify("the state in the answer", Some("Creating"), begun.body()["properties"]["provisioningState"].as_str())?;
    lab.verify("the operation at work", Some("InProgress"), client.look(&begun).await?["status"].as_str())?;
    let shown = client.get(&id, CONTAINER_SERVICE).await?;
    lab.verify("the cluster meanwhile", Some("Creating"), shown["properties"]["provisioningState"].as_str())?;
    client.finish_put(&begun).await?;
    lab.verify("the operation at its end", Some("Succeeded"), client.look(&begun).await?["status"].as_str())?;
    let properties = client.get(&id, CONTAINER_SERVICE).await?["properties"].clone();
    lab.verify("the cluster at its end", Some("Succeeded"), properties["provisioningState"].as_str())?;
    for told in ["fqdn", "nodeResourceGroup", "currentKubernetesVersion"] {
        lab.verify(&format!("{told} is told"), true, properties[told].is_string())?;
    }
    let identity = properties["identityProfile"]["kubeletidentity"]["clientId"].is_string();
    lab.verify("the kubelets' identity is told", true, identity)
}

/// ENA-16: the mode is `Auto` or `Manual`, in these letters; nothing is made with another one, and a cluster keeps its own
/// when it is asked to change to another one. Who says nothing gets `Manual`, and no provisioner.
#[scenario]
async fn the_mode_is_one_of_two_words(lab: &Lab) -> Outcome {
    lab.azure().ensure_group().await?;
    let wrong = [json!("auto"), json!("AUTO"), json!("manual"), json!("On"), json!("None"), json!(true)];
    for mode in &wrong {
        let (id, body) =
            lab.managed_cluster().change(|p| p["nodeProvisioningProfile"]["mode"] = mode.clone()).request();
        let refused = lab.azure().client().put(&id, CONTAINER_SERVICE, &body).await.err();
        verify_refused(lab, &format!("a new cluster of mode {mode}"), refused.as_ref(), "mode")?;
        let left = lab.azure().client().get(&id, CONTAINER_SERVICE).await.err().and_then(|error| error.status());
        lab.verify("the status of the cluster that was refused", Some(404), left)?;
    }

    let builder = lab.managed_cluster().change(|properties| {
        properties["nodeProvisioningProfile"] = json!(null);
    });
    let cluster = builder.create().await?;
    let before = lab.shown(&cluster).await?;
    lab.verify("the mode of who says none", Some("Manual"), mode_of(&before))?;
    lab.verify("provisioners started", 0, provisioner_starts(lab))?;
    for mode in &wrong {
        let changed = lab.update(&cluster, |p| p["nodeProvisioningProfile"]["mode"] = mode.clone()).await;
        verify_refused(lab, &format!("a change to mode {mode}"), changed.err().as_ref(), "mode")?;
        lab.verify_unchanged("the cluster after the refusal", &before, &lab.shown(&cluster).await?)?;
    }
    lab.set_node_provisioning(&cluster, Auto).await?;
    lab.verify("the mode", Some("Auto"), mode_of(&lab.shown(&cluster).await?))?;
    provisions(&cluster, "p").await
}
