//! Pools one by one.

use serde_json::{Value, json};

use super::{Aks, path, recommended, refusal};
use crate::events::{ArmEvent, VmEvent};

fn pool(name: &str) -> String {
    path(&format!("/agentPools/{name}"))
}

/// What `az aks nodepool add --node-count 1` sends.
fn added(more: Value) -> Value {
    let mut properties = json!({
        "vmSize": "",
        "osType": "Linux",
        "enableNodePublicIP": false,
        "count": 1,
        "enableAutoScaling": false,
        "scaleSetPriority": "Regular",
        "nodeTaints": [],
        "upgradeSettings": {"undrainableNodeBehavior": "Schedule"},
        "type": "VirtualMachineScaleSets",
        "enableEncryptionAtHost": false,
        "enableUltraSSD": false,
        "enableFIPS": false,
        "mode": "User",
        "scaleDownMode": "Delete",
    });
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({ "properties": properties })
}

/// Names of the machines that started and ids of those that went since the last look.
fn machines(aks: &mut Aks) -> (Vec<String>, Vec<String>) {
    let (mut started, mut gone) = (Vec::new(), Vec::new());
    for event in crate::gateway::take_events(&mut aks.fake.world) {
        match event {
            ArmEvent::Vm(VmEvent::Started(machine)) => started.push(machine.computer_name.clone()),
            ArmEvent::Vm(VmEvent::Deleted { id }) => gone.push(id),
            _ => {}
        }
    }
    (started, gone)
}

#[test]
fn a_pool_comes_grows_shrinks_and_goes() {
    let mut aks = Aks::created(&recommended("Auto"));
    assert_eq!(machines(&mut aks).0.len(), 3);
    let made = aks.fake.put(&pool("user1"), added(json!({}))).expect(201);
    assert_eq!(made["properties"]["provisioningState"], "Creating");
    aks.fake.settle();
    let shown = aks.fake.get(&pool("user1")).expect(200);
    assert_eq!(shown["type"], "Microsoft.ContainerService/managedClusters/agentPools");
    assert_eq!(
        (&shown["properties"]["provisioningState"], &shown["properties"]["vmSize"]),
        (&json!("Succeeded"), &json!("Standard_D2s_v5"))
    );
    assert_eq!(aks.get()["properties"]["agentPoolProfiles"].as_array().unwrap().len(), 2);
    let (started, _) = machines(&mut aks);
    assert!(started[0].starts_with("aks-user1-") && started[0].ends_with("-vmss000000"), "{started:?}");

    let scaled = aks.fake.put(&pool("user1"), json!({"properties": {"count": 3}})).expect(200);
    assert_eq!(scaled["properties"]["provisioningState"], "Scaling");
    aks.fake.settle();
    assert_eq!(machines(&mut aks).0.len(), 2);
    let list = aks.fake.get(&path("/agentPools/user1/machines")).expect(200);
    let names: Vec<&str> = list["value"].as_array().unwrap().iter().map(|m| m["name"].as_str().unwrap()).collect();
    assert_eq!(names.len(), 3);
    let one = aks.fake.get(&path(&format!("/agentPools/user1/machines/{}", names[2]))).expect(200);
    assert_eq!(one, list["value"][2]);
    assert_eq!(one["properties"]["network"]["ipAddresses"][0]["family"], "IPv4");
    refusal(aks.fake.get(&path("/agentPools/user1/machines/none")), 404, "NotFound");

    aks.fake.put(&pool("user1"), json!({"properties": {"count": 0}})).expect(200);
    aks.fake.settle();
    assert_eq!(machines(&mut aks).1.len(), 3);
    aks.fake.put(&pool("user1"), json!({"properties": {"count": 1}})).expect(200);
    aks.fake.settle();
    assert!(machines(&mut aks).0[0].ends_with("000003"), "numbers are not used twice");

    aks.fake.delete(&pool("user1")).expect(202);
    aks.fake.settle();
    assert_eq!(aks.fake.get(&pool("user1")).status, 404);
    assert_eq!(machines(&mut aks).1.len(), 1);
    aks.fake.delete(&pool("user1")).expect(204);
    assert_eq!(aks.get()["properties"]["agentPoolProfiles"].as_array().unwrap().len(), 1);
}

#[test]
fn the_last_system_pool_stays() {
    let mut aks = Aks::created(&recommended("Auto"));
    let message = refusal(aks.fake.delete(&pool("nodepool1")), 400, "OperationNotAllowed");
    assert_eq!(message, "There has to be at least one system agent pool.");
    let to_user = json!({"properties": {"mode": "User"}});
    let message = refusal(aks.fake.put(&pool("nodepool1"), to_user.clone()), 400, "MustDefineAtLeastOneSystemPool");
    assert_eq!(message, "Must define at least one system pool.");
    aks.fake.put(&pool("system2"), added(json!({"mode": "system"}))).expect(201);
    aks.fake.settle();
    aks.fake.put(&pool("nodepool1"), to_user).expect(200);
    aks.fake.settle();
    aks.fake.delete(&pool("nodepool1")).expect(202);
    aks.fake.settle();
    refusal(aks.fake.delete(&pool("system2")), 400, "OperationNotAllowed");
}

#[test]
fn node_provisioning_keeps_out_what_it_does_not_support() {
    let mut aks = Aks::created(&recommended("Auto"));
    let subnet = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/p";
    for properties in [json!({"enableAutoScaling": true, "minCount": 1, "maxCount": 3}), json!({"podSubnetID": subnet})]
    {
        let message = refusal(aks.fake.put(&pool("p"), added(properties)), 400, "OperationNotAllowed");
        assert!(message.starts_with(".properties.nodeProvisioningProfile.mode cannot be Auto "), "{message}");
    }
    assert_eq!(aks.fake.get(&pool("p")).status, 404);
    aks.fake.put(&pool("p"), added(json!({}))).expect(201);
}

#[test]
fn subnets_of_pools_are_of_the_clusters_network() {
    let mut aks = Aks::new();
    let subnet = aks.network("10.1.0.0/16", "10.1.1.0/24");
    let second = aks.subnet("10.1.0.0/16", "second", json!({"addressPrefix": "10.1.2.0/29"}));
    let mut body = recommended("Auto");
    body["properties"]["agentPoolProfiles"][0]["vnetSubnetID"] = json!(subnet);
    aks.put(&body).expect(201);
    refusal(aks.fake.put(&pool("p"), added(json!({}))), 400, "AgentPoolsWithEmptySubnetError");
    let other = "/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/w";
    let made = aks.fake.put(&format!("{other}?api-version=2024-07-01"), json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.9.0.0/16"]}, "subnets": [{"name": "s", "properties": {"addressPrefix": "10.9.1.0/24"}}]}})).expect(201);
    let elsewhere = made["properties"]["subnets"][0]["id"].clone();
    refusal(aks.fake.put(&pool("p"), added(json!({"vnetSubnetID": elsewhere}))), 400, "InvalidParameter");
    let full = added(json!({"vnetSubnetID": second, "count": 4}));
    let message = refusal(aks.fake.put(&pool("p"), full), 400, "InsufficientSubnetSize");
    assert_eq!(message, "Pre-allocated IPs 4 exceeds IPs available in Subnet 3");
    aks.fake.put(&pool("p"), added(json!({"vnetSubnetID": second, "mode": "system"}))).expect(201);
    aks.fake.settle();
    let machine = aks.fake.get(&path("/agentPools/p/machines")).expect(200)["value"][0].clone();
    assert_eq!(machine["properties"]["network"]["ipAddresses"][0]["ip"], "10.1.2.4");
}

#[test]
fn versions_of_pools_follow_and_never_lead() {
    let mut body = recommended("Manual");
    body["properties"]["kubernetesVersion"] = json!("1.34.4");
    let mut aks = Aks::created(&body);
    refusal(
        aks.fake.put(&pool("p"), added(json!({"orchestratorVersion": "1.35.1"}))),
        400,
        "NodePoolMcVersionIncompatible",
    );
    aks.fake.put(&pool("p"), added(json!({"orchestratorVersion": "1.33.13"}))).expect(201);
    aks.fake.settle();
    let profile = aks.fake.get(&path("/agentPools/p/upgradeProfiles/default")).expect(200);
    assert_eq!(profile["properties"]["upgrades"], json!([{"kubernetesVersion": "1.34.4"}]));
    machines(&mut aks);
    let upgrading = aks.fake.put(&pool("p"), json!({"properties": {"orchestratorVersion": "1.34.4"}})).expect(200);
    assert_eq!(upgrading["properties"]["provisioningState"], "Upgrading");
    aks.fake.settle();
    let (started, gone) = machines(&mut aks);
    assert_eq!((started.len(), gone.len()), (1, 1), "the machine starts anew");
    let available = aks.fake.get(&path("/availableAgentPoolVersions")).expect(200);
    let versions = available["properties"]["agentPoolVersions"].as_array().unwrap();
    assert_eq!(versions.last().unwrap(), &json!({"kubernetesVersion": "1.34.4", "default": true}));
}

#[test]
fn machines_are_deleted_by_name() {
    let mut aks = Aks::created(&recommended("Manual"));
    let list = aks.fake.get(&path("/agentPools/nodepool1/machines")).expect(200);
    let name = list["value"][1]["name"].clone();
    let refused = aks.fake.post(&path("/agentPools/nodepool1/deleteMachines"), json!({"machineNames": ["none"]}));
    let message = refusal(refused, 400, "InvalidParameter");
    assert!(message.contains("Cannot find any valid machines"), "{message}");
    aks.fake.post(&path("/agentPools/nodepool1/deleteMachines"), json!({"machineNames": [name]})).expect(202);
    aks.fake.settle();
    let left = aks.fake.get(&path("/agentPools/nodepool1/machines")).expect(200);
    assert_eq!(left["value"].as_array().unwrap().len(), 2);
    assert_eq!(aks.fake.get(&pool("nodepool1")).expect(200)["properties"]["count"], 2);
}

#[test]
fn a_new_node_image_starts_each_machine_anew() {
    let mut aks = Aks::created(&recommended("Manual"));
    machines(&mut aks);
    aks.fake.post(&path("/agentPools/nodepool1/upgradeNodeImageVersion"), Value::Null).expect(202);
    aks.fake.settle();
    let (started, gone) = machines(&mut aks);
    assert_eq!((started.len(), gone.len()), (3, 3));
    assert_eq!(aks.fake.get(&pool("nodepool1")).expect(200)["properties"]["provisioningState"], "Succeeded");
}

#[test]
fn patch_is_not_a_way_to_change_a_pool() {
    let mut aks = Aks::created(&recommended("Manual"));
    refusal(aks.fake.patch(&pool("nodepool1"), json!({})), 405, "HttpMethodNotAllowed");
}

/// `az aks update --disable-cluster-autoscaler`, and `az aks nodepool update` with the same flag.
#[test]
fn autoscaling_is_turned_off_without_a_word_about_its_bounds() {
    let mut body = recommended("Manual");
    let bounds = json!({"enableAutoScaling": true, "minCount": 1, "maxCount": 3});
    body["properties"]["agentPoolProfiles"][0].as_object_mut().unwrap().extend(bounds.as_object().unwrap().clone());
    let mut aks = Aks::created(&body);
    let off = |pool: &mut Value| {
        pool["enableAutoScaling"] = json!(false);
        pool.as_object_mut().unwrap().retain(|name, _| !["minCount", "maxCount"].contains(&name.as_str()));
    };
    aks.change(|p| off(&mut p["agentPoolProfiles"][0])).expect(200);
    let shown = aks.fake.get(&pool("nodepool1")).expect(200)["properties"].clone();
    assert_eq!((&shown["enableAutoScaling"], &shown["minCount"]), (&json!(false), &Value::Null));

    aks.fake.put(&pool("nodepool1"), json!({ "properties": bounds })).expect(200);
    aks.fake.settle();
    let reply = aks.fake.put(&pool("nodepool1"), json!({"properties": {"enableAutoScaling": false, "minCount": 1}}));
    refusal(reply, 400, "InvalidParameter");
    let mut one = aks.fake.get(&pool("nodepool1")).expect(200);
    off(&mut one["properties"]);
    aks.fake.put(&pool("nodepool1"), one).expect(200);
}
