//! A machine that is switched off and keeps its Node: the kubelet says nothing any more, kube-controller-manager takes the
//! node for dead when its lease has not been renewed for long enough, and the cloud node lifecycle controller adds the taint
//! of a machine that is off. With the machine the kubelet comes back.
//!
//! From "Cloud Controller Manager" of the Kubernetes documentation (node controller) and its code in
//! `cloud-provider/controllers/nodelifecycle`.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::cluster::NodeCluster;
use super::join::once;
use crate::clock::LabClock;
use crate::cluster::{HOLD_ANNOTATION, SILENT_ANNOTATION, SWITCHED_OFF};

/// Namespace of the nodes' leases.
const LEASES: &str = "kube-node-lease";

/// What the cloud node lifecycle controller taints a node with whose machine is off.
const SHUTDOWN: &str = "node.cloudprovider.kubernetes.io/shutdown";

/// Who holds the lease of a node whose machine is off.
const HOLDER: &str = "switched-off-machine";

/// How far ahead of now the lease ends, and so after how long KWOK speaks for the node again at the latest.
const AHEAD: Duration = Duration::from_secs(60);

/// Keeps a node silent for as long as this is polled, and taints it when it has been taken for dead.
///
/// # Errors
/// The API server's answer; the node may have spoken meanwhile.
pub(super) async fn keep_silent(cluster: &NodeCluster, clock: &LabClock, node: &str) -> Result<(), kube::Error> {
    silence(cluster, node).await?;
    tokio::try_join!(hold_lease(cluster, clock, node), taint_when_dead(cluster, node))?;
    Ok(())
}

/// On return KWOK reports nothing more for the node. It listens as long as it holds the lease, so this comes first.
async fn silence(cluster: &NodeCluster, name: &str) -> Result<(), kube::Error> {
    let nodes: Api<Node> = Api::all(cluster.admin.clone());
    let held = json!({ "metadata": { "annotations": { HOLD_ANNOTATION: SWITCHED_OFF } } });
    let node = nodes.patch(name, &PatchParams::default(), &Patch::Merge(held)).await?;
    once(&nodes, node, |node| node.annotations().contains_key(SILENT_ANNOTATION)).await.map(drop)
}

/// Keeps KWOK from renewing a lease. To keep it away the lease must not run out, and to be no sign of life it must not be
/// renewed; so its duration grows.
async fn hold_lease(cluster: &NodeCluster, clock: &LabClock, node: &str) -> Result<(), kube::Error> {
    let leases: Api<Lease> = Api::namespaced(cluster.admin.clone(), LEASES);
    let mut good_for = AHEAD;
    // What it was renewed at last counts from: nobody renews it from here on.
    let held = leases.get(node).await?;
    if let Some(renewed) = held.spec.and_then(|spec| spec.renew_time) {
        let age = clock.now().duration_since(renewed.0);
        good_for += Duration::try_from(age).unwrap_or_default();
    }
    loop {
        let seconds = i32::try_from(good_for.as_secs()).unwrap_or(i32::MAX);
        let lease = json!({ "spec": { "holderIdentity": HOLDER, "leaseDurationSeconds": seconds } });
        leases.patch(node, &PatchParams::default(), &Patch::Merge(lease)).await?;
        clock.sleep(AHEAD / 2).await;
        good_for += AHEAD / 2;
    }
}

async fn taint_when_dead(cluster: &NodeCluster, name: &str) -> Result<(), kube::Error> {
    let nodes: Api<Node> = Api::all(cluster.admin.clone());
    once(&nodes, nodes.get(name).await?, |node| !is_ready(node)).await?;
    set_taint(&nodes, name, true).await
}

/// Lets a node speak whose machine is on again: KWOK takes the lease as soon as it looks, and the taint goes.
///
/// # Errors
/// The API server's answer.
pub(super) async fn break_silence(cluster: &NodeCluster, node: &str) -> Result<(), kube::Error> {
    let leases: Api<Lease> = Api::namespaced(cluster.admin.clone(), LEASES);
    let free = json!({ "spec": { "holderIdentity": null } });
    leases.patch(node, &PatchParams::default(), &Patch::Merge(free)).await?;
    let nodes: Api<Node> = Api::all(cluster.admin.clone());
    let speaking = json!({ "metadata": { "annotations": { HOLD_ANNOTATION: null, SILENT_ANNOTATION: null } } });
    nodes.patch(node, &PatchParams::default(), &Patch::Merge(speaking)).await?;
    set_taint(&nodes, node, false).await
}

/// Adds or removes the taint of a machine that is off. Looks again when another controller was faster.
async fn set_taint(nodes: &Api<Node>, name: &str, there: bool) -> Result<(), kube::Error> {
    loop {
        let node = nodes.get(name).await?;
        let mut taints = node.spec.and_then(|spec| spec.taints).unwrap_or_default();
        let before = taints.len();
        taints.retain(|taint| taint.key != SHUTDOWN);
        let mut taints = json!(taints);
        if there && let Some(taints) = taints.as_array_mut() {
            taints.push(json!({ "key": SHUTDOWN, "effect": "NoSchedule" }));
        }
        if taints.as_array().is_some_and(|taints| taints.len() == before) {
            return Ok(());
        }
        let patch = json!({
            "metadata": { "resourceVersion": node.metadata.resource_version },
            "spec": { "taints": taints },
        });
        match nodes.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|one| one.type_ == "Ready" && one.status == "True"))
}
