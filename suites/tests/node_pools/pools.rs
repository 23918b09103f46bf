//! Node pools as objects: those of AKS, those of the user, and manifests that are refused.

use catnap::prelude::*;
use serde_json::{Value, json};

use super::offer::{Machine, requires};
use super::*;

/// The node pool that the document prints as AKS's default, word for word.
const PRINTED: &str = "
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: printed
spec:
  disruption:
    consolidationPolicy: WhenUnderutilized
    expireAfter: Never
  template:
    spec:
      nodeClassRef:
        name: default

      requirements:
      - key: kubernetes.io/arch
        operator: In
        values:
        - amd64
      - key: kubernetes.io/os
        operator: In
        values:
        - linux
      - key: karpenter.sh/capacity-type
        operator: In
        values:
        - on-demand
      - key: karpenter.azure.com/sku-family
        operator: In
        values:
        - D
";

/// NP-01, NP-04: AKS deploys a node pool `default` with a node class of that name, and its requirements bind: a plain pod
/// gets an on-demand Linux machine of the D family with an x64 processor.
#[scenario]
async fn the_default_node_pool_serves_plain_pods(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().node_provisioning(Auto).default_node_pools().create().await?;
    cluster.expect(node_pool("default").ready()).within(minutes(1)).await?;
    cluster.expect(node_class("default").ready()).within(minutes(1)).await?;

    // The system node has no room for it.
    cluster.apply(deployment("web").cpu("3")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;

    let machine = Machine::of_pool(lab, &cluster, "default")?;
    for requirement in [
        requires(SKU_FAMILY, "In", &["D"]),
        requires(ARCH, "In", &["amd64"]),
        requires(CAPACITY_TYPE, "In", &["on-demand"]),
        requires(OS, "In", &["linux"]),
    ] {
        let fact = machine.fact(requirement.key);
        lab.verify(&format!("{fact:?} meets {requirement:?}"), true, requirement.is_met_by(fact.as_deref()))?;
    }
    let os = machine.vm["properties"]["storageProfile"]["osDisk"]["osType"].as_str();
    lab.verify("the system of its disk", Some("Linux"), os)
}

/// NP-02: the default node pool can be modified: the change outlives an update of the cluster, and the next node follows
/// it.
#[scenario]
async fn the_default_node_pool_can_be_modified(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().node_provisioning(Auto).default_node_pools().create().await?;
    cluster.expect(node_pool("default").ready()).within(minutes(1)).await?;
    let family = async || -> Result<Value, Failure> {
        let pool = cluster.get(Kind::NodePool, "default").await?;
        let requirements = pool["spec"]["template"]["spec"]["requirements"].as_array().cloned().unwrap_or_default();
        Ok(requirements
            .iter()
            .find(|one| one["key"] == SKU_FAMILY)
            .map(|one| one["values"].clone())
            .unwrap_or_default())
    };
    lab.verify("the family of the default pool", json!(["D"]), family().await?)?;

    let mut changed = cluster.get(Kind::NodePool, "default").await?["spec"]["template"].clone();
    for requirement in changed["spec"]["requirements"].as_array_mut().into_iter().flatten() {
        if requirement["key"] == SKU_FAMILY {
            requirement["values"] = json!(["F"]);
        }
    }
    cluster.patch(Kind::NodePool, "default", &json!({ "spec": { "template": changed } })).await?;
    let mut resource = lab.azure().client().get(cluster.id(), "2025-05-01").await?;
    resource["tags"] = json!({ "updated": "yes" });
    lab.azure().client().put(cluster.id(), "2025-05-01", &resource).await?;

    cluster.apply(deployment("web").cpu("3")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    let machine = Machine::of_pool(lab, &cluster, "default")?;
    lab.verify("the family of the next machine", Some("F".to_owned()), machine.fact(SKU_FAMILY))?;
    lab.verify("the family of the default pool", json!(["F"]), family().await?)
}

/// NP-03: several node pools can be defined; a pod's node is of the pool that the pod selects.
#[scenario]
async fn each_pod_gets_a_node_of_the_pool_that_it_selects(lab: &Lab) -> Outcome {
    let pools = ["a", "b", "c"].map(|name| (name, node_pool(name).sizes(&[D2]).consolidate_after("Never")));
    let cluster = cluster_with(lab, &pools).await?;

    for (name, _) in &pools {
        cluster.apply(deployment(&format!("web-{name}")).cpu("1").on_pool(name)).await?;
    }
    for (name, _) in &pools {
        cluster.expect(pods(&format!("web-{name}")).all_running()).within(minutes(5)).await?;
        cluster.expect(nodes().of_pool(name).count(1).and(vms().of_pool(name).count(1))).now()?;
    }
    let state = cluster.state();
    for (name, _) in &pools {
        let pod = cluster.pods_of(&format!("web-{name}")).pop().unwrap_or_default();
        let place = state.object(Kind::Pod, &pod).and_then(|pod| pod["spec"]["nodeName"].as_str().map(str::to_owned));
        lab.verify(&format!("the node of web-{name}"), cluster.nodes_of_pool(name), place.into_iter().collect())?;
    }
    Ok(())
}

/// NP-05: the default node pool as the document prints it is of an older API under a v1 header: it is refused, for
/// `expireAfter` in the wrong place or, where unknown fields are let pass, for its policy and for what it lacks.
#[scenario]
async fn the_default_node_pool_as_printed_is_refused(lab: &Lab) -> Outcome {
    // The control: in the spelling of v1 the same pool is taken.
    let cluster = lab.managed_cluster().node_provisioning(Auto).default_node_pools().create().await?;
    cluster.expect(node_pool("default").ready()).within(minutes(1)).await?;

    let strict = cluster.apply(Manifests::text(PRINTED)).await.err();
    let text = strict.map(|error| error.to_string()).unwrap_or_default();
    lab.verify(&format!("{text:?} names the field"), true, text.contains("spec.disruption.expireAfter"))?;

    let lenient = cluster.create_ignoring_unknown_fields(Manifests::text(PRINTED)).await.err();
    lab.verify("the status", Some(422), lenient.as_ref().and_then(ClusterError::code))?;
    let text = lenient.map(|error| error.to_string()).unwrap_or_default();
    for field in ["consolidationPolicy", "consolidateAfter", "nodeClassRef.group", "nodeClassRef.kind"] {
        lab.verify(&format!("{text:?} names {field}"), true, text.contains(field))?;
    }
    cluster.expect(node_pool("printed").absent()).now()
}

/// NP-44: requirements on labels that are the provisioner's or Kubernetes' own, and on keys of its domain that do not
/// exist, are refused.
#[scenario]
#[case::an_unknown_key_of_the_provider("karpenter.azure.com/x", "restricted")]
#[case::the_pools_own_label("karpenter.sh/nodepool", "restricted")]
#[case::an_unknown_key_of_the_core("karpenter.sh/x", "restricted")]
#[case::a_label_of_kubernetes("kubernetes.io/x", "restricted")]
#[case::the_host_name("kubernetes.io/hostname", "restricted")]
async fn requirements_on_restricted_labels_are_refused(
    lab: &Lab,
    #[case] key: &str,
    #[case] complaint: &str,
) -> Outcome {
    // The control: a key of one's own is taken.
    let own = node_pool("own").requirement("example.com/x", "In", &["a"]);
    let cluster = cluster_with(lab, &[("own", own)]).await?;

    let refused = cluster.apply(node_pool("p").requirement(key, "In", &["a"])).await.err();

    lab.verify("the status", Some(422), refused.as_ref().and_then(ClusterError::code))?;
    let text = refused.map(|error| error.to_string()).unwrap_or_default();
    lab.verify(&format!("{text:?} says {complaint:?}"), true, text.contains(complaint))?;
    cluster.expect(node_pool("p").absent().and(node_pool("own").exists())).now()
}

/// NP-40: node pools and node classes are the user's to make, change and delete; node claims follow, and cannot be edited
/// by hand.
#[scenario]
async fn pools_and_classes_are_the_users_and_claims_follow(lab: &Lab) -> Outcome {
    let cluster = cluster_with(lab, &[("p", node_pool("p").sizes(&[D2]))]).await?;
    cluster.apply(deployment("web").cpu("1").on_pool("p")).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    let first = cluster.claims_of_pool("p");

    let name = cluster.nodes_of_pool("p").pop().unwrap_or_default();
    let name = name.trim_start_matches("aks-");
    let edit = json!({ "spec": { "expireAfter": "1h" } });
    let refused = cluster.patch(Kind::NodeClaim, name, &edit).await.err();
    lab.verify("the status", Some(422), refused.as_ref().and_then(ClusterError::code))?;
    let text = refused.map(|error| error.to_string()).unwrap_or_default();
    lab.verify(&format!("{text:?} says why"), true, text.contains("spec is immutable"))?;

    // Changed: the node claim is replaced by one that is as the pool says now.
    cluster.apply(node_pool("p").sizes(&[D4])).await?;
    cluster.expect(node_claims().of_pool("p").none_of(&first)).within(minutes(10)).await?;
    cluster.expect(pods("web").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("p").all_of_size(&[D4])).now()?;

    // Deleted: its nodes go with it, and pods that only it can serve wait.
    cluster.delete(Kind::NodePool, "p").await?;
    cluster.expect(node_pool("p").absent()).within(minutes(5)).await?;
    cluster.expect(node_claims().none().and(vms().none()).and(nics().none())).within(minutes(5)).await?;
    cluster.delete(Kind::AksNodeClass, "p").await?;
    cluster.expect(node_class("p").absent()).within(minutes(1)).await?;
    cluster.expect(pods("web").pending(1).and(node_claims().none())).throughout(LONG_ENOUGH).await
}
