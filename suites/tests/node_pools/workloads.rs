//! What makes node auto-provisioning act: pods that wait for a node, whoever made them, and the node claims that tell of
//! its work.

use catnap::history::{Change, Event};
use catnap::prelude::*;
use serde_json::Value;

use super::*;

/// A Job of so many pods at once that each ask for a CPU and a half and work for a minute.
const JOB: &str = "
apiVersion: batch/v1
kind: Job
metadata:
  name: batch
  namespace: default
spec:
  parallelism: 2
  completions: 2
  template:
    metadata:
      labels: { app: batch }
      annotations: { catnap.dev/complete-after: 60s }
    spec:
      restartPolicy: Never
      nodeSelector: { karpenter.sh/nodepool: p }
      containers:
        - name: app
          image: mcr.microsoft.com/oss/kubernetes/pause:3.10
          resources: { requests: { cpu: 1500m } }
";

/// A pod that nobody would make again.
const POD: &str = "
apiVersion: v1
kind: Pod
metadata:
  name: alone
  namespace: default
  labels: { app: alone }
spec:
  terminationGracePeriodSeconds: 0
  nodeSelector: { karpenter.sh/nodepool: p }
  containers:
    - name: app
      image: mcr.microsoft.com/oss/kubernetes/pause:3.10
      resources: { requests: { cpu: 1500m } }
";

/// NP-38: pending pods drive provisioning: without one there is no node, with one there is a node claim whose requests
/// hold the pod's, a machine and a node.
#[scenario]
async fn there_is_a_node_when_a_pod_needs_one_and_none_before(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, &[("p", node_pool("p"))]).await?;
    let mark = cluster.mark();
    cluster.expect(node_claims().none().and(vms().none())).throughout(minutes(2)).await?;
    cluster.expect(requests(VM_WRITE).since(&mark).none()).now()?;

    cluster.apply(deployment("web").cpu("2500m").memory("5Gi").on_pool("p")).await?;

    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    let one = node_claims().count(1).and(vms().count(1)).and(nodes().of_pool("p").count(1));
    cluster.expect(one).now()?;
    let state = cluster.state();
    let claim = state.objects(Kind::NodeClaim).next().cloned().unwrap_or_default();
    let requested = &claim["spec"]["resources"]["requests"];
    lab.verify("the CPU that the node claim asks for", Some("2500m"), requested["cpu"].as_str())?;
    lab.verify("the memory that the node claim asks for", Some("5Gi"), requested["memory"].as_str())
}

/// NP-39: node claims represent the nodes: one for each machine and node, and its conditions come one after the other:
/// Launched, Registered, Initialized, Ready.
#[scenario]
async fn a_node_claim_tells_the_life_of_its_node(lab: &Lab) -> Outcome {
    let pool = node_pool("p").sizes(&[D2]).consolidate_after("Never");
    let cluster = cluster_with(lab, &[("p", pool)]).await?;
    // A machine takes its time to boot, so that what is in order is seen in order.
    lab.require::<Machines>()?.after(seconds(20));

    cluster.apply(deployment("web").replicas(3).cpu("1500m").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().all_with_condition("Ready", "True")).within(minutes(1)).await?;

    cluster.expect(node_claims().count(3).and(vms().count(3)).and(nodes().of_pool("p").count(3))).now()?;
    let state = cluster.state();
    for claim in state.objects(Kind::NodeClaim) {
        let name = claim["metadata"]["name"].as_str().unwrap_or_default();
        let node = claim["status"]["nodeName"].as_str().unwrap_or_default();
        let node = state.object(Kind::Node, node).map(|node| node["spec"]["providerID"].clone()).unwrap_or_default();
        lab.verify(&format!("the machine of {name} and of its node"), &claim["status"]["providerID"], &node)?;
        lab.verify(&format!("the order of conditions of {name}"), ORDER.to_vec(), order_of(lab, name))?;
    }
    Ok(())
}

const ORDER: [&str; 4] = ["Launched", "Registered", "Initialized", "Ready"];

/// The conditions of a node claim in the order in which they turned True; those that did in one change in the order of
/// [`ORDER`].
fn order_of(lab: &Lab, claim: &str) -> Vec<&'static str> {
    let mut order = Vec::new();
    for record in lab.history().since(0) {
        let Event::Kube { kind, change: Change::Applied, object } = &record.event else { continue };
        if kind != "NodeClaim" || object["metadata"]["name"] != claim {
            continue;
        }
        let is_true = |wanted: &str| {
            let conditions = object["status"]["conditions"].as_array();
            let is = |condition: &Value| condition["type"] == wanted && condition["status"] == "True";
            conditions.is_some_and(|all| all.iter().any(is))
        };
        let new: Vec<_> = ORDER.into_iter().filter(|wanted| is_true(wanted) && !order.contains(wanted)).collect();
        order.extend(new);
    }
    order
}

/// NP-41: Deployments, Jobs and bare pods drive provisioning by what they ask for, and when a Job is done its nodes go.
#[scenario]
async fn workloads_of_each_kind_get_nodes_and_a_finished_job_frees_them(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, &[("p", node_pool("p").sizes(&[D2]))]).await?;

    cluster.apply(deployment("web").cpu("1500m").on_pool("p")).await?;
    cluster.apply(Manifests::text(POD)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(pods("alone").running(1)).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").count(2)).now()?;
    let steady = cluster.claims_of_pool("p");

    cluster.apply(Manifests::text(JOB)).await?;
    cluster.expect(pods("batch").running(2)).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").count(4)).now()?;

    // The pods of the Job are done after a minute.
    cluster.expect(node_claims().of_pool("p").count(2)).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool("p").kept(&steady)).now()?;
    cluster.expect(pods("web").all_running().and(pods("alone").running(1))).now()?;
    cluster.expect(vms().of_pool("p").count(2)).within(minutes(1)).await
}
