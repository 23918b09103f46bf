//! Upgrades: how the version of Kubernetes, node images and the machines' SSH key are renewed on nodes of node
//! auto-provisioning.
//!
//! The rules, from Microsoft's "Overview of node auto-provisioning" (Kubernetes and node image updates): when the control
//! plane is upgraded, nodes follow it by themselves; a new node image replaces nodes by itself, disruption budgets and
//! pod disruption budgets regulate it, and an SSH key that was changed reaches nodes when they are renewed. The provisioner
//! keeps its list of images for three days (see `over_time`), or until it is started again, as here.

use catnap::history::{Change, Event};
use catnap::prelude::*;
use serde_json::{Value, json};

const D2: &str = "Standard_D2s_v5";
/// Newer than any image of the catalog.
const NEW_IMAGE: &str = "202701.05.0";
const IMAGE: &str = "/properties/storageProfile/imageReference/communityGalleryImageId";
/// Versions of Kubernetes between which a cluster is upgraded.
const OLDER: &str = "1.33.13";
const NEWER: &str = "1.34.4";

/// A cluster with node auto-provisioning, a node pool `p` and a deployment `web`, each pod on a node of its own.
async fn cluster_with_nodes(lab: &Lab, pool: NodePool, count: u32) -> Result<Cluster, Failure> {
    cluster_of_version(lab, lab.kubernetes_version(), pool, count).await
}

/// The same with a version of Kubernetes.
async fn cluster_of_version(lab: &Lab, version: &str, pool: NodePool, count: u32) -> Result<Cluster, Failure> {
    let cluster = lab.managed_cluster().node_provisioning(Auto).kubernetes_version(version).create().await?;
    cluster.apply(node_class("p")).await?;
    cluster.apply(pool.sizes(&[D2])).await?;
    cluster.apply(deployment("web").replicas(count).cpu("1500m").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").count(count as usize)).now()?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(count as usize)).within(minutes(1)).await?;
    Ok(cluster)
}

/// AKS publishes an image, and the provisioner hears of it.
async fn a_new_image(lab: &Lab, cluster: &Cluster) -> Outcome {
    lab.require::<Region>()?.publish_node_images(NEW_IMAGE);
    lab.require::<ProvisionerControl>()?.restart(cluster).await
}

/// For what node claims were ever said to have drifted.
fn reasons_of_drift(lab: &Lab) -> Vec<String> {
    let mut reasons = Vec::new();
    for record in lab.history().since(0) {
        let Event::Kube { kind, change: Change::Applied, object } = &record.event else { continue };
        let drifted = object["status"]["conditions"].as_array().into_iter().flatten();
        let drifted = drifted.filter(|condition| condition["type"] == "Drifted" && condition["status"] == "True");
        if kind == "NodeClaim" {
            reasons.extend(drifted.filter_map(|condition| condition["reason"].as_str().map(str::to_owned)));
        }
    }
    reasons.sort();
    reasons.dedup();
    reasons
}

/// Makes sure that this lab has the programs of both versions; else the scenario is skipped.
async fn can_upgrade(lab: &Lab) -> Outcome {
    lab.needs_kubernetes(OLDER).await?;
    lab.needs_kubernetes(NEWER).await
}

/// Upgrades a cluster's control plane (`az aks upgrade --control-plane-only`).
async fn upgrade(lab: &Lab, cluster: &Cluster) -> Outcome {
    lab.update(cluster, |properties| properties["kubernetesVersion"] = json!(NEWER)).await?;
    Ok(())
}

/// Versions of the kubelets of a pool's nodes, each once.
fn kubelets(cluster: &Cluster, pool: &str) -> Vec<String> {
    let state = cluster.state();
    let nodes = state.objects(Kind::Node).filter(|node| node["metadata"]["labels"]["karpenter.sh/nodepool"] == pool);
    let mut versions: Vec<String> =
        nodes.filter_map(|node| node["status"]["nodeInfo"]["kubeletVersion"].as_str().map(str::to_owned)).collect();
    versions.sort();
    versions.dedup();
    versions
}

/// UPG-01, UPG-12+: when the control plane is upgraded, a real API server of the newer version on the same data, the nodes
/// follow it by themselves: each is replaced by one of the new version, for no other reason, and at no moment are there
/// fewer than before.
#[scenario]
async fn nodes_follow_the_version_of_the_control_plane(lab: &Lab) -> Outcome {
    can_upgrade(lab).await?;
    // One at a time: a provisioner that moves several may find room for the pod of one on the replacement of another.
    let pool = node_pool("p").budgets([Budget::nodes("1")]);
    let cluster = cluster_of_version(lab, OLDER, pool, 2).await?;
    lab.verify("versions of the nodes before", vec![format!("v{OLDER}")], kubelets(&cluster, "p"))?;
    let old = cluster.claims_of_pool("p");
    let mark = cluster.mark();

    upgrade(lab, &cluster).await?;
    cluster.expect(node_claims().of_pool("p").none_of(&old)).within(hours(1)).await?;

    cluster.expect(pods("web").all_running()).within(minutes(10)).await?;
    cluster.expect(nodes().of_pool("p").count(2).and(vms().of_pool("p").count(2))).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").at_least(2)).at_every_instant_since(&mark)?;
    lab.verify("versions of the nodes after", vec![format!("v{NEWER}")], kubelets(&cluster, "p"))?;
    lab.verify("why nodes were replaced", vec!["K8sVersionDrift".to_owned()], reasons_of_drift(lab))
}

/// UPG-14+: a node that may not be disrupted stays on the old version while the others follow the control plane, and
/// follows when it may.
#[scenario]
async fn a_node_that_is_kept_follows_later(lab: &Lab) -> Outcome {
    can_upgrade(lab).await?;
    let cluster = cluster_of_version(lab, OLDER, node_pool("p"), 1).await?;
    let free = cluster.claims_of_pool("p");
    cluster.apply(node_class("kept")).await?;
    cluster.apply(node_pool("kept").sizes(&[D2])).await?;
    let workload = deployment("held").replicas(1).cpu("1500m").on_pool("kept");
    cluster.apply(workload.pod_annotation("karpenter.sh/do-not-disrupt", "true")).await?;
    cluster.expect(pods("held").all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("kept").at_least_in_service(1)).within(minutes(1)).await?;
    let kept = cluster.claims_of_pool("kept");

    upgrade(lab, &cluster).await?;
    cluster.expect(node_claims().of_pool("p").none_of(&free)).within(hours(1)).await?;
    cluster.expect(node_claims().of_pool("kept").all_with_condition("Drifted", "True")).within(hours(1)).await?;
    cluster.expect(node_claims().of_pool("kept").kept(&kept)).throughout(minutes(30)).await?;
    lab.verify(
        "versions of both",
        [vec![format!("v{NEWER}")], vec![format!("v{OLDER}")]],
        ["p", "kept"].map(|pool| kubelets(&cluster, pool)),
    )?;

    let freed = deployment("held").replicas(1).cpu("1500m").on_pool("kept");
    cluster.apply(freed.pod_annotation("karpenter.sh/do-not-disrupt", "false")).await?;
    cluster.expect(node_claims().of_pool("kept").none_of(&kept)).within(hours(1)).await?;
    cluster.expect(pods("held").all_running()).within(minutes(10)).await?;
    lab.verify("versions of the kept ones", vec![format!("v{NEWER}")], kubelets(&cluster, "kept"))
}

/// UPG-13+: an API server that reports an older version than the nodes have, as one that was set back, changes nothing: the
/// node class keeps its version, no node drifts, and a node that is made meanwhile has the version of the others.
#[scenario]
async fn an_older_api_server_takes_no_node_back(lab: &Lab) -> Outcome {
    can_upgrade(lab).await?;
    let cluster = cluster_of_version(lab, NEWER, node_pool("p"), 1).await?;
    let (before, mark) = (cluster.claims_of_pool("p"), cluster.mark());

    lab.require::<ControlPlaneControl>()?.run_version(&cluster, OLDER).await?;

    lab.verify("the version that the API server tells", OLDER.to_owned(), api_server(&cluster).await?)?;
    cluster.expect(node_claims().of_pool("p").kept(&before)).throughout(hours(1)).await?;
    cluster.expect(node_claims().none_with_condition("Drifted")).at_every_instant_since(&mark)?;
    cluster.scale("web", 2).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").count(2)).now()?;
    lab.verify("versions of the nodes", vec![format!("v{NEWER}")], kubelets(&cluster, "p"))?;
    let class = cluster.get(Kind::AksNodeClass, "p").await?;
    lab.verify("the version of the node class", Some(NEWER), class["status"]["kubernetesVersion"].as_str())
}

/// UPG-02, UPG-03: with an upgrade channel AKS upgrades the cluster by itself, and the schedule of planned maintenance says
/// when: nothing happens for half a day before the window, control plane and nodes have the channel's version in it.
#[scenario(begins = "2026-03-02T07:00:00Z")]
async fn an_upgrade_channel_upgrades_when_its_window_opens(lab: &Lab) -> Outcome {
    can_upgrade(lab).await?;
    lab.wait_of(hours(15))?;
    let cluster = cluster_of_version(lab, OLDER, node_pool("p"), 1).await?;
    let old = cluster.claims_of_pool("p");
    let every_evening = json!({ "properties": { "maintenanceWindow": {
        "schedule": { "daily": { "intervalDays": 1 } }, "startTime": "20:00", "durationHours": 4, "utcOffset": "+00:00",
    } } });
    let schedule = format!("{}/maintenanceConfigurations/aksManagedAutoUpgradeSchedule", cluster.id());
    lab.azure().client().put(&schedule, "2025-05-01", &every_evening).await?;
    lab.update(&cluster, |properties| properties["autoUpgradeProfile"] = json!({ "upgradeChannel": "stable" })).await?;

    cluster.expect(node_claims().of_pool("p").kept(&old)).throughout(hours(12)).await?;
    lab.verify("the version that the API server tells before", OLDER.to_owned(), api_server(&cluster).await?)?;

    lab.clock().advance_to("2026-03-02T20:01:00Z".parse()?).await;
    cluster.expect(node_claims().of_pool("p").none_of(&old)).within(hours(2)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(10)).await?;
    lab.verify("the version that the API server tells after", NEWER.to_owned(), api_server(&cluster).await?)?;
    lab.verify("versions of the nodes after", vec![format!("v{NEWER}")], kubelets(&cluster, "p"))?;
    lab.verify("why nodes were replaced", vec!["K8sVersionDrift".to_owned()], reasons_of_drift(lab))
}

/// The version that a cluster's API server reports, without `v`.
async fn api_server(cluster: &Cluster) -> Result<String, Failure> {
    let told = cluster.client().apiserver_version().await?;
    Ok(told.git_version.trim_start_matches('v').to_owned())
}

/// UPG-05: a new node image replaces the nodes by itself when the provisioner has heard of it: each by one of the new
/// image, and for no other reason.
#[scenario]
async fn a_new_node_image_replaces_the_nodes(lab: &Lab) -> Outcome {
    let cluster = cluster_with_nodes(lab, node_pool("p"), 2).await?;
    let old = cluster.claims_of_pool("p");
    cluster.expect(vms().of_pool("p").all_holding(IMAGE, NEW_IMAGE).not()).now()?;
    a_new_image(lab, &cluster).await?;

    cluster.expect(node_claims().of_pool("p").none_of(&old)).within(minutes(30)).await?;

    cluster.expect(pods("web").all_running()).within(minutes(10)).await?;
    cluster.expect(nodes().of_pool("p").count(2).and(vms().of_pool("p").count(2))).within(minutes(5)).await?;
    cluster.expect(vms().of_pool("p").all_holding(IMAGE, NEW_IMAGE)).now()?;
    lab.verify("why nodes were replaced", vec!["ImageDrift".to_owned()], reasons_of_drift(lab))
}

/// UPG-06: the pool's disruption budget regulates how many nodes a new image replaces at a time: one by one, or none
/// until the budget allows it.
#[scenario]
#[case::one_at_a_time("1")]
#[case::none("0")]
async fn a_disruption_budget_regulates_image_updates(lab: &Lab, #[case] budget: &str) -> Outcome {
    lab.wait_of(hours(2))?;
    let pool = || node_pool("p").budgets([Budget::nodes(budget).for_reasons(&["Drifted"])]);
    let cluster = cluster_with_nodes(lab, pool(), 3).await?;
    let (old, mark) = (cluster.claims_of_pool("p"), cluster.mark());
    a_new_image(lab, &cluster).await?;

    cluster.expect(node_claims().of_pool("p").all_with_condition("Drifted", "True")).within(minutes(15)).await?;
    if budget == "0" {
        cluster.expect(node_claims().of_pool("p").kept(&old)).throughout(hours(1)).await?;
        let more = json!({ "spec": { "disruption": { "budgets": [{ "nodes": "1" }] } } });
        cluster.patch(Kind::NodePool, "p", &more).await?;
    }
    cluster.expect(node_claims().of_pool("p").none_of(&old)).within(minutes(30)).await?;
    cluster.expect(node_claims().of_pool("p").at_most_disrupted(1)).at_every_instant_since(&mark)?;
    cluster.expect(pods("web").all_running()).within(minutes(10)).await?;
    cluster.expect(vms().of_pool("p").all_holding(IMAGE, NEW_IMAGE)).now()
}

/// UPG-06: a pod disruption budget regulates it too: while no pod may be missing no node is replaced, and it is said why.
#[scenario]
async fn a_pod_disruption_budget_regulates_image_updates(lab: &Lab) -> Outcome {
    lab.wait_of(hours(2))?;
    let cluster = cluster_with_nodes(lab, node_pool("p"), 2).await?;
    cluster.apply(disruption_budget("web", "web").min_available(2)).await?;
    let (old, mark) = (cluster.claims_of_pool("p"), cluster.mark());
    a_new_image(lab, &cluster).await?;

    cluster.expect(node_claims().of_pool("p").all_with_condition("Drifted", "True")).within(minutes(15)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&old)).throughout(hours(1)).await?;
    cluster.expect(events("DisruptionBlocked").about(Kind::Node).saying("pdb").seen()).now()?;

    cluster.apply(disruption_budget("web", "web").min_available(1)).await?;
    cluster.expect(node_claims().of_pool("p").none_of(&old)).within(minutes(30)).await?;
    cluster.expect(pods("web").at_least_running(1)).at_every_instant_since(&mark)?;
    cluster.expect(pods("web").all_running()).within(minutes(10)).await?;
    cluster.expect(vms().of_pool("p").all_holding(IMAGE, NEW_IMAGE)).now()
}

/// UPG-07, UPG-08, UPG-09: a new SSH key of the cluster changes no node. A label on the node pool object renews none
/// either (the document says it does); one in the pool's template does: the nodes are replaced, for the pool's change
/// alone, and their machines have the new key.
#[scenario]
async fn a_new_ssh_key_reaches_nodes_when_they_are_renewed(lab: &Lab) -> Outcome {
    const NEW_KEY: &str = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ renewed";
    const KEY: &str = "/properties/osProfile/linuxConfiguration/ssh/publicKeys/0/keyData";
    let cluster = cluster_with_nodes(lab, node_pool("p"), 2).await?;
    let old = cluster.claims_of_pool("p");
    let mut resource = lab.azure().client().get(cluster.id(), "2025-05-01").await?;
    let before = resource["properties"]["linuxProfile"]["ssh"]["publicKeys"][0]["keyData"].clone();
    let before = before.as_str().unwrap_or_default();
    cluster.expect(vms().of_pool("p").all_with(KEY, before)).now()?;

    resource["properties"]["linuxProfile"]["ssh"]["publicKeys"] = json!([{ "keyData": NEW_KEY }]);
    lab.azure().client().put(cluster.id(), "2025-05-01", &resource).await?;
    let stored = lab.azure().client().get(cluster.id(), "2025-05-01").await?;
    let key: &Value = &stored["properties"]["linuxProfile"]["ssh"]["publicKeys"][0]["keyData"];
    lab.verify("the cluster's key", Some(NEW_KEY), key.as_str())?;
    cluster.expect(node_claims().of_pool("p").kept(&old)).throughout(minutes(20)).await?;
    cluster.expect(vms().of_pool("p").all_with(KEY, before)).now()?;

    let label = json!({ "metadata": { "labels": { "example.com/renew": "1" } } });
    cluster.patch(Kind::NodePool, "p", &label).await?;
    cluster.expect(node_claims().of_pool("p").kept(&old)).throughout(minutes(20)).await?;

    let template = json!({ "spec": { "template": { "metadata": { "labels": { "example.com/renew": "1" } } } } });
    cluster.patch(Kind::NodePool, "p", &template).await?;
    cluster.expect(node_claims().of_pool("p").none_of(&old)).within(minutes(20)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(vms().of_pool("p").count(2)).within(minutes(5)).await?;
    cluster.expect(vms().of_pool("p").all_with(KEY, NEW_KEY)).now()?;
    lab.verify("why nodes were replaced", vec!["NodePoolDrifted".to_owned()], reasons_of_drift(lab))
}

/// UPG-04: a maintenance window for node images, told to the provisioner in the ConfigMap `upcoming-maintenance-window` of
/// its system namespace, holds new images back until it opens. The document speaks of planned maintenance and does not
/// say by which schedule: it is that of `aksManagedNodeOSUpgradeSchedule`.
#[scenario(begins = "2026-03-02T07:00:00Z")]
async fn a_maintenance_window_holds_new_images_back_until_it_opens(lab: &Lab) -> Outcome {
    lab.wait_of(hours(15))?;
    lab.require::<ProvisionerControl>()?.env("SYSTEM_NAMESPACE", "kube-system");
    let cluster = cluster_with_nodes(lab, node_pool("p"), 1).await?;
    let old = cluster.claims_of_pool("p");
    // Opens on the same day at 20:00 for four hours.
    cluster
        .apply(json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": { "name": "upcoming-maintenance-window", "namespace": "kube-system" },
            "data": {
                "aksManagedNodeOSUpgradeSchedule-start": "2026-03-02T20:00:00Z",
                "aksManagedNodeOSUpgradeSchedule-end": "2026-03-03T00:00:00Z",
            },
        }))
        .await?;
    a_new_image(lab, &cluster).await?;

    cluster.expect(node_claims().of_pool("p").kept(&old)).throughout(hours(12)).await?;
    lab.verify("why nodes drifted before", Vec::<String>::new(), reasons_of_drift(lab))?;

    lab.clock().advance_to("2026-03-02T20:01:00Z".parse()?).await;
    cluster.expect(node_claims().of_pool("p").none_of(&old)).within(hours(2)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(10)).await?;
    cluster.expect(vms().of_pool("p").count(1)).within(minutes(5)).await?;
    cluster.expect(vms().of_pool("p").all_holding(IMAGE, NEW_IMAGE)).now()?;
    lab.verify("why nodes drifted", vec!["ImageDrift".to_owned()], reasons_of_drift(lab))
}
