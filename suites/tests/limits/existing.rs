//! Turning excluded features on in a cluster with node auto-provisioning, and stopping it.

use catnap::prelude::*;
use serde_json::json;

use super::{CONTAINER_SERVICE, D2, Feature, provisions, verify_refused};

/// LIM-02, LIM-03, LIM-14: no excluded feature can be turned on in a cluster with node auto-provisioning, be it by a PUT of
/// the cluster or by one of a pool. After each refusal Azure shows the cluster as it did before, and the node and the pod
/// on it were never touched. The documents do not say this direction.
#[scenario]
async fn a_cluster_with_node_provisioning_does_not_get_an_excluded_feature(lab: &Lab) -> Outcome {
    // Not Cilium's data plane, which refuses Windows by itself.
    let builder = lab.managed_cluster().node_provisioning(Auto).change(|properties| {
        properties["networkProfile"]["networkDataplane"] = json!("azure");
        properties["networkProfile"]["networkPolicy"] = json!("none");
    });
    let cluster = builder.create().await?;
    provisions(&cluster, "p").await?;
    let (mark, claim, pod) = (cluster.mark(), cluster.claims_of_pool("p"), cluster.pods_of("web-p"));
    let before = lab.shown(&cluster).await?;

    for feature in [
        Feature::ClusterAutoscaler,
        Feature::WindowsPool,
        Feature::DualStack,
        Feature::ServicePrincipal,
        Feature::DiskEncryptionSet,
        Feature::CustomCa,
        Feature::HttpProxy,
        Feature::BasicLoadBalancer,
    ] {
        let refused = lab.update(&cluster, |properties| feature.add(properties)).await.err();
        verify_refused(lab, &format!("{feature:?} on the cluster"), refused.as_ref(), feature.property())?;
        lab.verify_unchanged(&format!("the cluster after {feature:?}"), &before, &lab.shown(&cluster).await?)?;
    }
    for (pool, profile, property) in [
        (
            "nodepool1",
            json!({ "count": 1, "mode": "System", "enableAutoScaling": true, "minCount": 1, "maxCount": 3 }),
            "enableAutoScaling",
        ),
        (
            "user1",
            json!({ "count": 1, "mode": "User", "vmSize": D2, "enableAutoScaling": true, "minCount": 1, "maxCount": 3 }),
            "enableAutoScaling",
        ),
        ("win1", json!({ "count": 1, "mode": "User", "vmSize": D2, "osType": "Windows" }), "osType"),
    ] {
        let id = format!("{}/agentPools/{pool}", cluster.id());
        let body = json!({ "properties": profile });
        let refused = lab.azure().client().put(&id, CONTAINER_SERVICE, &body).await.err();
        verify_refused(lab, &format!("the pool {pool} with {property}"), refused.as_ref(), property)?;
        lab.verify_unchanged(&format!("the cluster after {pool}"), &before, &lab.shown(&cluster).await?)?;
    }

    cluster.expect(node_claims().kept(&claim)).throughout(minutes(2)).await?;
    cluster.expect(node_claims().kept(&claim).and(pods("web-p").kept(&pod))).at_every_instant_since(&mark)?;
    // The control: a pool without any of that is taken, and node auto-provisioning still works.
    let id = format!("{}/agentPools/user1", cluster.id());
    let body = json!({ "properties": { "count": 1, "mode": "User", "vmSize": D2 } });
    lab.azure().client().put(&id, CONTAINER_SERVICE, &body).await?;
    cluster.expect(nodes().of_agent_pool("user1").count(1)).within(minutes(2)).await?;
    provisions(&cluster, "q").await
}

/// LIM-03: node auto-provisioning makes no Windows nodes: a node pool that asks for them makes none, while another one in
/// the same cluster makes Linux nodes.
#[scenario]
async fn a_node_pool_for_windows_makes_no_nodes(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().node_provisioning(Auto).create().await?;
    let mark = cluster.mark();
    cluster.apply(node_class("windows")).await?;
    cluster.apply(node_pool("windows").sizes(&[D2]).requirement("kubernetes.io/os", "In", &["windows"])).await?;
    cluster.apply(deployment("web-windows").cpu("1").on_pool("windows")).await?;
    cluster.expect(node_class("windows").ready()).within(minutes(1)).await?;

    provisions(&cluster, "linux").await?;

    cluster.expect(pods("web-windows").pending(1)).throughout(minutes(5)).await?;
    cluster.expect(nodes().of_pool("windows").none().and(vms().of_pool("windows").none())).at_every_instant_since(&mark)
}

/// LIM-09: a cluster with node auto-provisioning cannot be stopped, in Azure's words; it goes on running and provisioning.
/// Once node auto-provisioning is off, it can.
#[scenario]
async fn a_cluster_with_node_provisioning_cannot_be_stopped(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().node_provisioning(Auto).create().await?;
    provisions(&cluster, "p").await?;
    let (mark, claim, before) = (cluster.mark(), cluster.claims_of_pool("p"), lab.shown(&cluster).await?);
    let stop = format!("{}/stop", cluster.id());

    let refused = lab.azure().client().post(&stop, CONTAINER_SERVICE, &json!(null)).await.err();

    lab.verify("the code", Some("OperationNotAllowed"), refused.as_ref().and_then(ArmError::code))?;
    let words = "Unable to perform 'stopping' operation since the cluster enables \
                 .properties.nodeProvisioningProfile.mode 'Auto'";
    let message = refused.as_ref().and_then(ArmError::message).unwrap_or_default();
    lab.verify(&format!("{message:?} says why"), true, message.contains(words))?;
    lab.verify_unchanged("the cluster after the refusal", &before, &lab.shown(&cluster).await?)?;
    cluster.expect(node_claims().kept(&claim).and(nodes().all_ready())).throughout(minutes(2)).await?;
    cluster.expect(node_claims().kept(&claim)).at_every_instant_since(&mark)?;
    cluster.scale("web-p", 3).await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await?;

    cluster.scale("web-p", 0).await?;
    cluster.expect(node_claims().none().and(nodes().of_pool("p").none())).within(minutes(5)).await?;
    cluster.delete(Kind::NodePool, "p").await?;
    cluster.expect(node_pool("p").absent()).within(minutes(1)).await?;
    lab.set_node_provisioning(&cluster, Manual).await?;
    lab.azure().client().post(&stop, CONTAINER_SERVICE, &json!(null)).await?;
    cluster.expect(nodes().of_agent_pool("nodepool1").none()).within(minutes(5)).await
}
