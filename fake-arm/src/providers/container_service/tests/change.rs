//! Clusters that change.

use serde_json::json;

use super::{Aks, path, recommended, refusal};
use crate::engine::{EngineError, NapState};

#[test]
fn node_provisioning_is_turned_on_and_off() {
    let mut aks = Aks::created(&recommended("Manual"));
    aks.change(|p| p["nodeProvisioningProfile"]["mode"] = json!("Auto")).expect(200);
    assert!(aks.engine.latest().node_provisioning);
    aks.change(|p| p["nodeProvisioningProfile"]["mode"] = json!("Auto")).expect(200);
    aks.change(|p| p["nodeProvisioningProfile"]["mode"] = json!("Manual")).expect(200);
    assert!(!aks.engine.latest().node_provisioning);
    assert_eq!(aks.get()["properties"]["nodeProvisioningProfile"]["mode"], "Manual");
}

#[test]
fn node_provisioning_is_not_turned_off_while_something_of_it_is_left() {
    for (state, word) in [
        (NapState { nodes: vec!["aks-default-x1".into()], ..NapState::default() }, "aks-default-x1"),
        (NapState { unlimited_node_pools: vec!["system-surge".into()], ..NapState::default() }, "system-surge"),
    ] {
        let mut aks = Aks::created(&recommended("Auto"));
        let before = aks.get();
        *aks.engine.nap.lock() = state;
        let reply = aks.change(|p| p["nodeProvisioningProfile"]["mode"] = json!("Manual"));
        let outcome = aks.outcome(&reply);
        assert_eq!((&outcome["status"], &outcome["error"]["code"]), (&json!("Failed"), &json!("OperationNotAllowed")));
        assert!(outcome["error"]["message"].as_str().unwrap().contains(word), "{outcome}");
        let mut after = aks.get();
        for tagged in ["/properties/eTag", "/properties/agentPoolProfiles/0/eTag"] {
            *after.pointer_mut(tagged).unwrap() = before.pointer(tagged).unwrap().clone();
        }
        assert_eq!(before, after);
        assert_eq!(aks.engine.asked(), ["create"], "the engine was not told to change anything");
        *aks.engine.nap.lock() = NapState::default();
        let reply = aks.change(|p| p["nodeProvisioningProfile"]["mode"] = json!("Manual"));
        assert_eq!(aks.outcome(&reply)["status"], "Succeeded");
    }
}

#[test]
fn a_change_that_breaks_off_leaves_the_cluster_failed_and_can_be_repeated() {
    let mut aks = Aks::created(&recommended("Manual"));
    *aks.engine.broken.lock() = Some(EngineError { code: "CreateControlPlaneError".into(), message: "No.".into() });
    let reply = aks.change(|p| p["nodeProvisioningProfile"]["mode"] = json!("Auto"));
    let outcome = aks.outcome(&reply);
    assert_eq!((&outcome["status"], &outcome["error"]["code"]), (&json!("Failed"), &json!("CreateControlPlaneError")));
    let shown = aks.get();
    let properties = &shown["properties"];
    assert_eq!(
        (&properties["provisioningState"], &properties["nodeProvisioningProfile"]["mode"]),
        (&json!("Failed"), &json!("Manual"))
    );
    *aks.engine.broken.lock() = None;
    let reply = aks.change(|p| p["nodeProvisioningProfile"]["mode"] = json!("Auto"));
    assert_eq!(aks.outcome(&reply)["status"], "Succeeded");
    assert_eq!(aks.get()["properties"]["provisioningState"], "Succeeded");
}

#[test]
fn a_put_that_is_silent_keeps_what_is() {
    let mut aks = Aks::new();
    let mut body = recommended("Auto");
    body["properties"]["networkProfile"]["podCidr"] = json!("192.168.0.0/16");
    aks.put(&body).expect(201);
    let before = aks.get();
    let silent = json!({"location": "eastus", "properties": {"agentPoolProfiles": [{"name": "nodepool1", "count": 3, "mode": "System"}]}});
    aks.put(&silent).expect(200);
    let after = aks.get();
    for name in
        ["networkProfile", "nodeProvisioningProfile", "linuxProfile", "fqdn", "identityProfile", "kubernetesVersion"]
    {
        assert_eq!(before["properties"][name], after["properties"][name], "{name}");
    }
    assert_eq!((&before["identity"], &before["sku"]), (&after["identity"], &after["sku"]));
}

#[test]
fn settled_properties_stay() {
    for (pointer, value, name) in [
        ("/networkProfile/networkPlugin", json!("none"), "networkProfile.networkPlugin"),
        ("/networkProfile/serviceCidr", json!("10.3.0.0/16"), ""),
        ("/networkProfile/dnsServiceIP", json!("10.0.0.11"), "networkProfile.dnsServiceIP"),
        ("/networkProfile/networkDataplane", json!("azure"), ""),
        ("/nodeResourceGroup", json!("other"), "nodeResourceGroup"),
        ("/dnsPrefix", json!("other"), "dnsPrefix"),
        ("/linuxProfile/adminUsername", json!("other"), "linuxProfile.adminUsername"),
        ("/enableRBAC", json!(false), "enableRBAC"),
        ("/agentPoolProfiles/0/vmSize", json!("Standard_D4s_v5"), "vmSize"),
        ("/agentPoolProfiles/0/maxPods", json!(110), "maxPods"),
    ] {
        let mut aks = Aks::created(&recommended("Manual"));
        let reply = aks.change(|p| *p.pointer_mut(pointer).unwrap() = value);
        assert_eq!(reply.status, 400, "{pointer}: {:#}", reply.body);
        if !name.is_empty() {
            let message = refusal(reply, 400, "PropertyChangeNotAllowed");
            assert_eq!(message, format!("Changing property 'properties.{name}' is not allowed."));
        }
        assert_eq!(aks.engine.asked(), ["create"]);
    }
}

#[test]
fn the_way_out_is_settled_with_node_provisioning_only() {
    let mut aks = Aks::created(&recommended("Auto"));
    let reply = aks.change(|p| p["networkProfile"]["outboundType"] = json!("managedNATGateway"));
    let message = refusal(reply, 400, "UpdatingOutboundTypeNotAllowed");
    assert!(message.contains(".properties.nodeProvisioningProfile.mode 'Auto'"), "{message}");
    let mut aks = Aks::created(&recommended("Manual"));
    let reply = aks.change(|p| {
        p["networkProfile"]["outboundType"] = json!("managedNATGateway");
        p["nodeProvisioningProfile"]["mode"] = json!("Auto");
    });
    refusal(reply, 400, "UpdatingOutboundTypeNotAllowed");
    aks.change(|p| p["networkProfile"]["outboundType"] = json!("managedNATGateway")).expect(200);
}

#[test]
fn a_limit_that_is_lifted_lets_node_provisioning_in() {
    let mut body = recommended("Manual");
    body["properties"]["agentPoolProfiles"][0]["enableAutoScaling"] = json!(true);
    body["properties"]["agentPoolProfiles"][0]["minCount"] = json!(1);
    body["properties"]["agentPoolProfiles"][0]["maxCount"] = json!(5);
    let mut aks = Aks::created(&body);
    let before = aks.get();
    let reply = aks.change(|p| p["nodeProvisioningProfile"]["mode"] = json!("Auto"));
    let message = refusal(reply, 400, "OperationNotAllowed");
    assert_eq!(
        message,
        ".properties.nodeProvisioningProfile.mode cannot be Auto unless all AgentPools have property .properties.enableAutoScaling set to one of [false]"
    );
    assert_eq!(before, aks.get());
    aks.change(|p| {
        let pool = p["agentPoolProfiles"][0].as_object_mut().unwrap();
        pool.insert("enableAutoScaling".into(), json!(false));
        pool.insert("minCount".into(), json!(0));
        pool.insert("maxCount".into(), json!(0));
        p["nodeProvisioningProfile"]["mode"] = json!("Auto");
    })
    .expect(200);
}

#[test]
fn upgrades_go_one_minor_at_a_time() {
    let mut body = recommended("Manual");
    body["properties"]["kubernetesVersion"] = json!("1.33");
    let mut aks = Aks::created(&body);
    assert_eq!(aks.get()["properties"]["currentKubernetesVersion"], "1.33.13");
    let profile = aks.fake.get(&path("/upgradeProfiles/default")).expect(200);
    assert_eq!(profile["properties"]["controlPlaneProfile"]["upgrades"], json!([{"kubernetesVersion": "1.34.4"}]));
    let reply = aks.change(|p| p["kubernetesVersion"] = json!("1.35.1"));
    let message = refusal(reply, 400, "OperationNotAllowed");
    assert!(
        message.starts_with(
            "Upgrading Kubernetes version 1.33.13 to 1.35.1 is not allowed. Available upgrades: [1.34.4]."
        )
    );
    // `az aks upgrade` says the version of the pools too; with --control-plane-only it does not.
    aks.change(|p| p["kubernetesVersion"] = json!("1.34.4")).expect(200);
    assert_eq!(aks.engine.latest().kubernetes_version, "1.34.4");
    let shown = aks.get();
    assert_eq!(shown["properties"]["currentKubernetesVersion"], "1.34.4");
    assert_eq!(shown["properties"]["agentPoolProfiles"][0]["currentOrchestratorVersion"], "1.33.13");
    aks.change(|p| p["agentPoolProfiles"][0]["orchestratorVersion"] = json!("1.34.4")).expect(200);
    assert_eq!(aks.get()["properties"]["agentPoolProfiles"][0]["currentOrchestratorVersion"], "1.34.4");
    let reply = aks.change(|p| p["kubernetesVersion"] = json!("1.33.13"));
    refusal(reply, 400, "OperationNotAllowed");
}

#[test]
fn pools_of_a_put_come_and_those_it_does_not_name_stay() {
    let mut aks = Aks::created(&recommended("Manual"));
    aks.change(|p| p["agentPoolProfiles"] = json!([{"name": "user1", "count": 2, "mode": "User"}])).expect(200);
    let shown = aks.get();
    let pools = shown["properties"]["agentPoolProfiles"].as_array().unwrap();
    assert_eq!(pools.iter().map(|p| p["name"].as_str().unwrap()).collect::<Vec<_>>(), ["nodepool1", "user1"]);
    let list = aks.fake.get(&path("/agentPools")).expect(200);
    assert_eq!(list["value"].as_array().unwrap().len(), 2);
    assert_eq!(aks.fake.get(&path("/agentPools/user1/machines")).expect(200)["value"].as_array().unwrap().len(), 2);
}

#[test]
fn two_changes_at_once_are_one_too_many() {
    let mut aks = Aks::new();
    aks.fake.put(&path(""), recommended("Manual")).expect(201);
    let message = refusal(aks.fake.put(&path(""), recommended("Auto")), 409, "OperationNotAllowed");
    assert_eq!(
        message,
        "Operation is not allowed: Another operation (Creating) is in progress, please wait for it to finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details"
    );
    aks.fake.settle();
    aks.fake.put(&path("/agentPools/u"), json!({"properties": {"count": 1}})).expect(201);
    let message = refusal(aks.fake.put(&path(""), recommended("Auto")), 409, "OperationNotAllowed");
    assert!(message.contains("Another agentpool operation (u - Creating) is in progress"), "{message}");
}

#[test]
fn tags_are_patched() {
    let mut aks = Aks::created(&recommended("Manual"));
    let patched = aks.fake.patch(&path(""), json!({"tags": {"a": "b"}})).expect(200);
    assert_eq!(patched["tags"], json!({"a": "b"}));
    assert_eq!(aks.engine.asked(), ["create"]);
}
