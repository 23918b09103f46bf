//! Clusters that exist.

use catnap::prelude::*;
use serde_json::json;

use super::{CONTAINER_SERVICE, mode_of, provisioner_starts, provisions};

/// An api-version of before the mode came into the stable ones.
const OLD: &str = "2024-09-01";

/// ENA-03: turning it on in a running cluster makes nodes for the pods that wait, and disturbs nobody who runs.
#[scenario]
async fn a_running_cluster_gets_node_provisioning(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().default_node_pools().create().await?;
    cluster.apply(deployment("old").cpu("500m")).await?;
    cluster.expect(pods("old").all_running()).within(minutes(3)).await?;
    // More than the fixed node has left.
    cluster.apply(deployment("waiting").replicas(2).cpu("1500m")).await?;
    cluster.expect(pods("waiting").pending(2)).within(minutes(1)).await?;
    cluster.expect(pods("waiting").pending(2)).throughout(minutes(5)).await?;
    lab.verify("provisioners started", 0, provisioner_starts(lab))?;
    let (mark, pod) = (cluster.mark(), cluster.pods_of("old"));

    lab.set_node_provisioning(&cluster, Auto).await?;

    let shown = lab.shown(&cluster).await?;
    lab.verify("the cluster's state", Some("Succeeded"), shown["properties"]["provisioningState"].as_str())?;
    lab.verify("the mode", Some("Auto"), mode_of(&shown))?;
    cluster.expect(pods("waiting").all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool("default").at_least(1)).now()?;
    let undisturbed = pods("old").kept(&pod).and(nodes().of_agent_pool("nodepool1").count(1));
    cluster.expect(undisturbed.and(nodes().of_agent_pool("nodepool1").all_ready())).at_every_instant_since(&mark)
}

/// ENA-17: a request of an api-version that does not know the mode leaves it as it is, whether it says something of it or
/// not: the nodes stay, and further ones are made.
#[scenario]
#[case::that_says_nothing(None)]
#[case::that_says_manual(Some("Manual"))]
async fn an_older_api_version_leaves_the_mode_alone(lab: &Lab, #[case] mode: Option<&str>) -> Outcome {
    let cluster = lab.managed_cluster().node_provisioning(Auto).create().await?;
    provisions(&cluster, "p").await?;
    let (mark, claim) = (cluster.mark(), cluster.claims_of_pool("p"));
    let client = lab.azure().client();

    let mut body = client.get(cluster.id(), OLD).await?;
    let profile = mode.map(|mode| json!({ "mode": mode }));
    body["properties"]["nodeProvisioningProfile"] = json!(profile);
    body["tags"] = json!({ "touched": "yes" });
    // Azure may take it without the field or refuse it for the field; the documents do not say.
    let answer = client.put(cluster.id(), OLD, &body).await;

    let refused = answer.as_ref().err().and_then(ArmError::status).is_some_and(|status| (400..500).contains(&status));
    lab.verify("it was taken or refused", true, answer.is_ok() || refused)?;
    let shown = client.get(cluster.id(), CONTAINER_SERVICE).await?;
    lab.verify("the mode", Some("Auto"), mode_of(&shown))?;
    lab.verify("the rest of the request was heard", answer.is_ok(), shown["tags"]["touched"] == "yes")?;
    cluster.expect(node_claims().kept(&claim)).throughout(minutes(2)).await?;
    cluster.expect(node_claims().kept(&claim)).at_every_instant_since(&mark)?;
    cluster.scale("web-p", 2).await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await
}

/// ENA-18: turning it on where it is on changes nothing: no second provisioner, no restart, the node stays.
#[scenario]
async fn enabling_twice_is_enabling_once(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().create().await?;
    lab.set_node_provisioning(&cluster, Auto).await?;
    provisions(&cluster, "p").await?;
    let (mark, claim, pod) = (cluster.mark(), cluster.claims_of_pool("p"), cluster.pods_of("web-p"));

    lab.set_node_provisioning(&cluster, Auto).await?;

    lab.verify("the mode", Some("Auto"), mode_of(&lab.shown(&cluster).await?))?;
    lab.verify("provisioners started", 1, provisioner_starts(lab))?;
    cluster.expect(node_claims().kept(&claim)).throughout(minutes(3)).await?;
    cluster.expect(node_claims().kept(&claim).and(pods("web-p").kept(&pod))).at_every_instant_since(&mark)?;
    cluster.scale("web-p", 2).await?;
    cluster.expect(pods("web-p").all_running()).within(minutes(5)).await
}

/// ENA-18: while a cluster is being changed it takes no further change, of itself or of a pool, and says that there is
/// another operation; the first one goes on to its end.
#[scenario]
async fn a_change_waits_for_the_one_before_it(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().create().await?;
    let client = lab.azure().client();
    let mut body = lab.shown(&cluster).await?;
    body["properties"]["nodeProvisioningProfile"]["mode"] = json!("Auto");

    let first = client.begin_put(cluster.id(), CONTAINER_SERVICE, &body).await?;
    let second = client.put(cluster.id(), CONTAINER_SERVICE, &body).await.err();
    let pool = json!({ "properties": { "count": 1, "mode": "User" } });
    let third = client.put(&format!("{}/agentPools/user1", cluster.id()), CONTAINER_SERVICE, &pool).await.err();
    let meanwhile = client.look(&first).await?;

    lab.verify("the first operation meanwhile", Some("InProgress"), meanwhile["status"].as_str())?;
    for (what, refused) in [("the second enabling", &second), ("a pool meanwhile", &third)] {
        lab.verify(&format!("{what}: the status"), Some(409), refused.as_ref().and_then(ArmError::status))?;
        let message = refused.as_ref().and_then(ArmError::message).unwrap_or_default();
        lab.verify(&format!("{what}: {message:?} tells of the other one"), true, message.contains("in progress"))?;
    }
    client.finish_put(&first).await?;
    lab.verify("the mode", Some("Auto"), mode_of(&lab.shown(&cluster).await?))?;
    lab.verify("provisioners started", 1, provisioner_starts(lab))?;
    let gone = client.get(&format!("{}/agentPools/user1", cluster.id()), CONTAINER_SERVICE).await.err();
    lab.verify("the status of the refused pool", Some(404), gone.as_ref().and_then(ArmError::status))?;
    provisions(&cluster, "p").await
}

/// ENA-19: an enabling that breaks off half way leaves a cluster that says so, in mode Manual, without a provisioner at
/// work and with its workload as it was; repeated when the cause is gone, it succeeds. What breaks it off here is a right
/// that the provisioner needs to start (RBAC-34+), which is found missing after the request has been taken.
#[scenario]
async fn an_enabling_that_breaks_off_can_be_repeated(lab: &Lab) -> Outcome {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.20.0.0/16").create().await?;
    let subnet = vnet.subnet("cluster-subnet", "10.20.1.0/24").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    let builder = lab.managed_cluster().identity(&identity).subnet(&subnet).skip_subnet_role_assignment();
    let cluster = builder.create().await?;
    cluster.apply(deployment("old").cpu("500m")).await?;
    cluster.expect(pods("old").all_running()).within(minutes(3)).await?;
    let (mark, pod) = (cluster.mark(), cluster.pods_of("old"));
    lab.require::<ProvisionerControl>()?.may_panic("getting VNET GUID");

    let failed = lab.set_node_provisioning(&cluster, Auto).await.err();

    lab.verify("it was taken and failed then", true, matches!(failed, Some(ArmError::OperationFailed { .. })))?;
    let shown = lab.shown(&cluster).await?;
    lab.verify("the cluster's state", Some("Failed"), shown["properties"]["provisioningState"].as_str())?;
    lab.verify("the mode", Some("Manual"), mode_of(&shown))?;
    cluster.expect(all_requests().by(&identity).any()).now()?;
    let after = cluster.mark();
    cluster.expect(pods("old").kept(&pod)).throughout(minutes(10)).await?;
    cluster.expect(all_requests().by(&identity).since(&after).none()).now()?;
    cluster.expect(pods("old").kept(&pod)).at_every_instant_since(&mark)?;

    lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
    lab.set_node_provisioning(&cluster, Auto).await?;
    let shown = lab.shown(&cluster).await?;
    lab.verify("the cluster's state", Some("Succeeded"), shown["properties"]["provisioningState"].as_str())?;
    lab.verify("the mode", Some("Auto"), mode_of(&shown))?;
    provisions(&cluster, "p").await?;
    cluster.expect(pods("old").kept(&pod)).at_every_instant_since(&mark)
}
