//! Disabling node auto-provisioning: the flow of Microsoft's "Overview of node auto-provisioning", step by step, with
//! steps left out, in another order, and with everything in the way that can be.
//!
//! The flow: (1) `spec.limits.cpu: 0` on each node pool, so that no node comes into being; (2) the taint
//! `karpenter.azure.com/disable:NoSchedule` in each template, so that the nodes drift and are emptied; (3) fixed agent
//! pools grow or are added until they have room for what runs on the nodes; (4) no node carries the label
//! `karpenter.sh/nodepool` any more; (5) the mode `Manual`. Azure refuses (5) as long as there is such a node, or a node
//! pool without that limit; which code it refuses with nobody has published, so only that it refuses, and names what is
//! left, is asserted.
//!
//! What 1.7.1 makes of step 2 is drift: a node is emptied when all its pods fit elsewhere, on a fixed node or on another
//! node of node auto-provisioning, and not before.

mod limit;
mod manual;
mod obstacle;
mod order;
mod shortcut;
mod steps;

use catnap::prelude::*;
use serde_json::{Value, json};

const D2: &str = "Standard_D2s_v5";

/// The taint of step 2.
const DISABLE: &str = "karpenter.azure.com/disable";

/// api-version of the documents' template.
const API: &str = "2025-05-01";

const VM_WRITE: &str = "Microsoft.Compute/virtualMachines/write";
const VM_DELETE: &str = "Microsoft.Compute/virtualMachines/delete";

/// A pod that needs a node of two CPUs for itself.
const A_NODE_FULL: &str = "1500m";

/// A node pool of small nodes that nothing but drift, or a hand, removes.
fn pool() -> NodePool {
    node_pool("p").sizes(&[D2]).consolidate_after("Never")
}

/// After step 1.
fn closed() -> NodePool {
    pool().limit("cpu", "0")
}

/// After step 2.
fn disabled() -> NodePool {
    closed().taint(DISABLE, "NoSchedule")
}

/// A cluster with node auto-provisioning, prepared.
async fn cluster_with(lab: &Lab, pool: NodePool) -> Result<Cluster, Failure> {
    let cluster = lab.managed_cluster().node_provisioning(Auto).create().await?;
    prepared(&cluster, pool).await?;
    Ok(cluster)
}

/// A cluster gets a node class `p` and this node pool `p`, and its one fixed node has no room.
async fn prepared(cluster: &Cluster, pool: NodePool) -> Outcome {
    cluster.apply(node_class("p")).await?;
    cluster.apply(pool).await?;
    cluster.expect(node_pool("p").ready()).within(minutes(1)).await?;
    let fixed = deployment("fixed").cpu(A_NODE_FULL).node_selector("kubernetes.azure.com/agentpool", "nodepool1");
    cluster.apply(fixed).await?;
    cluster.expect(pods("fixed").all_running()).within(minutes(2)).await
}

/// A deployment `web` of so many pods, each with a node of node auto-provisioning for itself, though any node with room
/// would do. Gives the node claims.
async fn web(cluster: &Cluster, count: u32) -> Result<Vec<String>, Failure> {
    cluster.apply(deployment("web").replicas(count).cpu(A_NODE_FULL)).await?;
    in_service(cluster, "web", count as usize).await
}

/// All pods of a deployment run, on as many nodes of node auto-provisioning, which are in service.
async fn in_service(cluster: &Cluster, app: &str, count: usize) -> Result<Vec<String>, Failure> {
    cluster.expect(pods(app).all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("p").at_least_in_service(count)).within(minutes(1)).await?;
    cluster.expect(nodes().of_pool("p").count(count)).now()?;
    Ok(cluster.claims_of_pool("p"))
}

/// The name of the one node claim, or of any where there are more.
fn only_claim(cluster: &Cluster) -> Result<String, Failure> {
    let state = cluster.state();
    let mut names = state.objects(Kind::NodeClaim).filter_map(|claim| claim["metadata"]["name"].as_str());
    names.next().map(str::to_owned).ok_or_else(|| Failure::new("there is no node claim"))
}

/// Step 3: an agent pool has so many nodes from here on; where there is none of this name, it is added.
async fn agent_pool(lab: &Lab, cluster: &Cluster, name: &str, count: u32) -> Result<Value, ArmError> {
    let mode = if name == "nodepool1" { "System" } else { "User" };
    let properties = json!({
        "count": count,
        "mode": mode,
        "osType": "Linux",
        "type": "VirtualMachineScaleSets",
        "vmSize": D2,
    });
    let id = format!("{}/agentPools/{name}", cluster.id());
    lab.azure().client().put(&id, API, &json!({ "properties": properties })).await
}

/// Nodes of node auto-provisioning and all that belongs to them, by the selector of step 4 and in Azure.
fn nothing_left() -> Expectation {
    let in_cluster = nodes().of_pool("p").none().and(node_claims().none());
    in_cluster.and(vms().none()).and(nics().none()).and(disks().none())
}

/// The mode as Azure shows it.
async fn mode(lab: &Lab, cluster: &Cluster) -> Result<String, Failure> {
    let shown = lab.azure().client().get(cluster.id(), API).await?;
    Ok(shown["properties"]["nodeProvisioningProfile"]["mode"].as_str().unwrap_or_default().to_owned())
}

/// Step 5 is refused, with a message that names all of this, and the mode stays Auto.
async fn refused(lab: &Lab, cluster: &Cluster, names: &[&str]) -> Outcome {
    let refusal = lab.set_node_provisioning(cluster, Manual).await.err();
    let message = refusal.and_then(|refusal| refusal.message().map(str::to_owned)).unwrap_or_default();
    for name in names.iter().chain(&["nodeProvisioningProfile.mode"]) {
        lab.verify(&format!("the refusal {message:?} names {name}"), true, message.contains(name))?;
    }
    lab.verify("the mode", "Auto".to_owned(), mode(lab, cluster).await?)
}

/// Step 5: node auto-provisioning is off.
async fn turned_off(lab: &Lab, cluster: &Cluster) -> Outcome {
    lab.set_node_provisioning(cluster, Manual).await?;
    lab.verify("the mode", "Manual".to_owned(), mode(lab, cluster).await?)
}

/// Nobody makes nodes any more: a pod without room stays without, and the provisioner asks Azure nothing.
async fn nobody_provisions(cluster: &Cluster) -> Outcome {
    let mark = cluster.mark();
    cluster.apply(deployment("late").cpu(A_NODE_FULL)).await?;
    cluster.expect(pods("late").pending(1)).within(minutes(1)).await?;
    cluster.expect(pods("late").pending(1).and(node_claims().none())).throughout(minutes(10)).await?;
    cluster.expect(requests(VM_WRITE).since(&mark).none()).now()?;
    // While it runs it reads the subnet of its node class every three minutes.
    let reads = requests("Microsoft.Network/virtualNetworks/subnets/read").since(&mark).by(cluster.identity());
    cluster.expect(reads.none()).now()
}
