//! Who gets at the cluster that was made.

use catnap::prelude::*;
use serde_json::json;

use super::{CONTAINER_SERVICE, provisions};

/// ENA-11: `az aks get-credentials` gives access to the custom resources: the node pools and node classes that AKS made can
/// be read with what it hands out, and others be made.
#[scenario]
async fn get_credentials_opens_the_custom_resources(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().node_provisioning(Auto).default_node_pools().create().await?;

    let user = lab.with_user_credentials(&cluster).await?;

    for (kind, name) in [
        (Kind::NodePool, "default"),
        (Kind::NodePool, "system-surge"),
        (Kind::AksNodeClass, "default"),
        (Kind::AksNodeClass, "system-surge"),
    ] {
        let read = user.get(kind, name).await?;
        lab.verify(&format!("the name of {kind} {name}"), Some(name), read["metadata"]["name"].as_str())?;
    }
    let missing = user.get(Kind::NodePool, "none").await.err().and_then(|error| error.code());
    lab.verify("the status of a node pool that nobody made", Some(404), missing)?;
    provisions(&user, "p").await
}

/// ENA-06: who is to get the cluster's credentials needs a role for it: without one Azure refuses and names the action,
/// with Azure Kubernetes Service Cluster User Role it hands out the user's, and the administrator's to nobody but an
/// administrator. (The other role of the documents, RBAC Writer, counts inside of clusters with Azure RBAC only, which
/// the lab's API server does not ask.)
#[scenario]
async fn credentials_are_handed_out_by_role(lab: &Lab) -> Outcome {
    let cluster = lab.managed_cluster().create().await?;
    let someone = lab.azure().identity("someone").create().await?;
    let theirs = lab.azure_as(&someone)?;
    let action = |of: &str| format!("{}/listCluster{of}Credential", cluster.id());
    let ask = async |of: &str| theirs.client().post(&action(of), CONTAINER_SERVICE, &json!(null)).await;
    let verify_forbidden = |what: &str, answer: Option<&ArmError>, right: &str| {
        lab.verify(&format!("{what}: the status"), Some(403), answer.and_then(ArmError::status))?;
        lab.verify(&format!("{what}: the code"), Some("AuthorizationFailed"), answer.and_then(ArmError::code))?;
        let message = answer.and_then(ArmError::message).unwrap_or_default();
        lab.verify(&format!("{what}: {message:?} names the action"), true, message.contains(right))
    };
    let user = "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action";
    let admin = "Microsoft.ContainerService/managedClusters/listClusterAdminCredential/action";
    verify_forbidden("without a role", ask("User").await.err().as_ref(), user)?;

    let role = "Azure Kubernetes Service Cluster User Role";
    lab.azure().role(role).on(cluster.id()).to(&someone).assign().await?;

    let handed = ask("User").await?;
    lab.verify("what is handed out", Some("clusterUser"), handed["kubeconfigs"][0]["name"].as_str())?;
    verify_forbidden("the administrator's", ask("Admin").await.err().as_ref(), admin)
}
