//! «Overview of node auto-provisioning»: its list of limitations, on new clusters and on existing ones.

use serde_json::{Value, json};

use super::{Aks, path, recommended, refusal};

/// A change of a cluster's properties.
type Change = fn(&mut Value);

/// Each limitation as a change of a cluster that is allowed in mode Manual.
fn limitations() -> Vec<(&'static str, Change)> {
    vec![
        ("cluster autoscaler", |p| {
            p["agentPoolProfiles"][0]["enableAutoScaling"] = json!(true);
            p["agentPoolProfiles"][0]["minCount"] = json!(1);
            p["agentPoolProfiles"][0]["maxCount"] = json!(5);
        }),
        ("Windows node pools", |p| {
            p["networkProfile"]["networkDataplane"] = json!("azure");
            p["networkProfile"]["networkPolicy"] = json!("none");
            let pools = p["agentPoolProfiles"].as_array_mut().unwrap();
            pools.push(json!({"name": "win1", "osType": "Windows", "count": 1, "mode": "User"}));
        }),
        ("IPv6 clusters", |p| p["networkProfile"]["ipFamilies"] = json!(["IPv4", "IPv6"])),
        ("service principals", |p| {
            p["servicePrincipalProfile"] = json!({"clientId": "00000000-0000-0000-0000-00000000abcd", "secret": "s"});
        }),
        ("disk encryption sets", |p| {
            p["diskEncryptionSetID"] =
                json!("/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/diskEncryptionSets/d");
        }),
        ("custom CA certificates", |p| p["securityProfile"]["customCATrustCertificates"] = json!(["LS0t"])),
        ("HTTP proxy", |p| p["httpProxyConfig"] = json!({"httpProxy": "http://proxy:8080"})),
        ("Basic load balancer", |p| p["networkProfile"]["loadBalancerSku"] = json!("basic")),
    ]
}

#[test]
fn a_new_cluster_has_either_the_feature_or_node_provisioning() {
    for (name, limit) in limitations() {
        let mut body = recommended("Auto");
        limit(&mut body["properties"]);
        let mut aks = Aks::new();
        let message = refusal(aks.put(&body), 400, "OperationNotAllowed");
        assert!(message.starts_with(".properties.nodeProvisioningProfile.mode cannot be Auto "), "{name}: {message}");
        assert_eq!(aks.fake.get(&path("")).status, 404);
        body["properties"]["nodeProvisioningProfile"]["mode"] = json!("Manual");
        if name == "IPv6 clusters" {
            body["properties"]["networkProfile"]["networkDataplane"] = json!("cilium");
        }
        aks.put(&body).expect(201);
    }
}

#[test]
fn an_existing_cluster_with_the_feature_does_not_get_node_provisioning_and_stays_as_it_is() {
    for (name, limit) in limitations() {
        let mut body = recommended("Manual");
        limit(&mut body["properties"]);
        let mut aks = Aks::created(&body);
        let before = aks.get();
        let reply = aks.change(|p| p["nodeProvisioningProfile"]["mode"] = json!("Auto"));
        let message = refusal(reply, 400, "OperationNotAllowed");
        assert!(message.starts_with(".properties.nodeProvisioningProfile.mode cannot be Auto "), "{name}: {message}");
        assert_eq!(before, aks.get(), "{name}");
        assert_eq!(aks.engine.asked(), ["create"], "{name}");
    }
}

#[test]
fn a_cluster_with_node_provisioning_does_not_get_the_feature() {
    for (name, limit) in limitations() {
        let mut aks = Aks::created(&recommended("Auto"));
        let before = aks.get();
        let reply = aks.change(limit);
        assert_eq!(reply.status, 400, "{name}: {:#}", reply.body);
        assert_eq!(before, aks.get(), "{name}");
    }
}

#[test]
fn it_cannot_be_stopped_and_its_way_out_is_settled() {
    let mut aks = Aks::created(&recommended("Auto"));
    refusal(aks.fake.post(&path("/stop"), Value::Null), 400, "OperationNotAllowed");
    let reply = aks.change(|p| p["networkProfile"]["outboundType"] = json!("none"));
    refusal(reply, 400, "UpdatingOutboundTypeNotAllowed");
}

#[test]
fn nodes_follow_the_control_planes_version() {
    let mut body = recommended("Auto");
    body["properties"]["kubernetesVersion"] = json!("1.33");
    let mut aks = Aks::created(&body);
    aks.change(|p| {
        p["kubernetesVersion"] = json!("1.34.4");
        p["agentPoolProfiles"][0]["orchestratorVersion"] = json!("1.34.4");
    })
    .expect(200);
    let told: Vec<String> = aks.engine.clusters.lock().iter().map(|c| c.kubernetes_version.clone()).collect();
    assert_eq!(told, ["1.33.13", "1.34.4"]);
}
