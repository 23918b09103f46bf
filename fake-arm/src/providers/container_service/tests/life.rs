//! Stop, start, delete, credentials, maintenance, and what is listed about versions.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Aks, path, recommended, refusal};

#[test]
fn a_cluster_with_node_provisioning_is_not_stopped() {
    let mut aks = Aks::created(&recommended("Auto"));
    let message = refusal(aks.fake.post(&path("/stop"), Value::Null), 400, "OperationNotAllowed");
    assert_eq!(
        message,
        "Unable to perform 'stopping' operation since the cluster enables .properties.nodeProvisioningProfile.mode 'Auto'"
    );
    assert_eq!(aks.get()["properties"]["powerState"]["code"], "Running");
}

#[test]
fn a_cluster_stops_and_starts() {
    let mut aks = Aks::created(&recommended("Manual"));
    aks.fake.post(&path("/stop"), Value::Null).expect(202);
    assert_eq!(aks.get()["properties"]["provisioningState"], "Stopping");
    aks.fake.settle();
    let shown = aks.get();
    assert_eq!(shown["properties"]["powerState"]["code"], "Stopped");
    assert_eq!(shown["properties"]["agentPoolProfiles"][0]["powerState"]["code"], "Stopped");
    let machines = path("/agentPools/nodepool1/machines");
    assert_eq!(aks.fake.get(&machines).expect(200)["value"], json!([]));
    refusal(aks.fake.put(&path("/agentPools/p"), json!({"properties": {"count": 1}})), 400, "OperationNotAllowed");
    aks.fake.post(&path("/start"), Value::Null).expect(202);
    aks.fake.settle();
    assert_eq!(aks.get()["properties"]["powerState"]["code"], "Running");
    assert_eq!(aks.fake.get(&machines).expect(200)["value"].as_array().unwrap().len(), 3);
    assert_eq!(aks.engine.asked(), ["create", "stop", "start"]);
}

#[test]
fn a_deleted_cluster_takes_its_node_resource_group_along() {
    let mut aks = Aks::created(&recommended("Auto"));
    aks.fake.delete(&path("")).expect(202);
    assert_eq!(aks.get()["properties"]["provisioningState"], "Deleting");
    aks.fake.settle();
    assert_eq!(aks.fake.get(&path("")).status, 404);
    assert_eq!(aks.fake.get("/resourceGroups/MC_rg_c_eastus?api-version=2021-04-01").status, 404);
    assert_eq!(aks.fake.get(&path("/agentPools/nodepool1")).status, 404);
    assert_eq!(aks.engine.asked(), ["create", "delete"]);
    aks.fake.delete(&path("")).expect(204);
}

#[test]
fn a_deleted_resource_group_takes_its_clusters_along() {
    let mut aks = Aks::created(&recommended("Auto"));
    aks.fake.delete("/resourceGroups/rg?api-version=2021-04-01").expect(202);
    aks.fake.settle();
    assert_eq!(aks.engine.asked(), ["create", "delete"]);
    for group in ["rg", "MC_rg_c_eastus"] {
        assert_eq!(aks.fake.get(&format!("/resourceGroups/{group}?api-version=2021-04-01")).status, 404, "{group}");
    }
}

#[test]
fn credentials_are_handed_out_once_the_cluster_is_there() {
    let mut aks = Aks::new();
    aks.fake.put(&path(""), recommended("Auto")).expect(201);
    let action = |role: &str| path(&format!("/listCluster{role}Credential"));
    refusal(aks.fake.post(&action("User"), Value::Null), 409, "OperationNotAllowed");
    aks.fake.settle();
    for (role, name, text) in [
        ("User", "clusterUser", "user: yes"),
        ("Admin", "clusterAdmin", "admin: yes"),
        ("MonitoringUser", "clusterMonitoringUser", "user: yes"),
    ] {
        let found = aks.fake.post(&action(role), Value::Null).expect(200);
        assert_eq!(found["kubeconfigs"][0]["name"], name);
        assert_eq!(
            BASE64_STANDARD.decode(found["kubeconfigs"][0]["value"].as_str().unwrap()).unwrap(),
            text.as_bytes()
        );
    }
}

#[test]
fn local_accounts_that_are_disabled_are_not_handed_out() {
    let mut body = recommended("Auto");
    body["properties"]["disableLocalAccounts"] = json!(true);
    body["properties"]["aadProfile"] = json!({"managed": true, "enableAzureRBAC": true});
    let mut aks = Aks::created(&body);
    for role in ["Admin", "MonitoringUser"] {
        let refused = aks.fake.post(&path(&format!("/listCluster{role}Credential")), Value::Null);
        let message = refusal(refused, 400, "BadRequest");
        assert_eq!(
            message,
            "Getting static credential is not allowed because this cluster is set to disable local accounts."
        );
    }
    aks.fake.post(&path("/listClusterUserCredential"), Value::Null).expect(200);
}

#[test]
fn maintenance_is_planned_under_three_names() {
    let mut aks = Aks::created(&recommended("Auto"));
    let at = |name: &str| path(&format!("/maintenanceConfigurations/{name}"));
    let window = json!({"properties": {"maintenanceWindow": {
        "schedule": {"weekly": {"intervalWeeks": 1, "dayOfWeek": "Friday"}},
        "durationHours": 8, "utcOffset": "+00:00", "startTime": "00:00"}}});
    let made = aks.fake.put(&at("aksManagedAutoUpgradeSchedule"), window.clone()).expect(201);
    assert_eq!(made["properties"], window["properties"]);
    aks.fake.put(&at("aksManagedNodeOSUpgradeSchedule"), window.clone()).expect(201);
    refusal(aks.fake.put(&at("mine"), window.clone()), 400, "InvalidParameter");
    refusal(aks.fake.put(&at("default"), window.clone()), 400, "InvalidParameter");
    aks.fake
        .put(&at("default"), json!({"properties": {"timeInWeek": [{"day": "Monday", "hourSlots": [1, 2]}]}}))
        .expect(201);
    let mut short = window;
    short["properties"]["maintenanceWindow"]["durationHours"] = json!(2);
    refusal(aks.fake.put(&at("aksManagedAutoUpgradeSchedule"), short), 400, "InvalidParameter");
    assert_eq!(aks.fake.get(&path("/maintenanceConfigurations")).expect(200)["value"].as_array().unwrap().len(), 3);
    aks.fake.delete(&at("default")).expect(200);
    aks.fake.delete(&at("default")).expect(204);
}

#[test]
fn versions_on_offer_are_listed_with_their_upgrades() {
    let mut aks = Aks::new();
    let path = "/providers/Microsoft.ContainerService/locations/eastus/kubernetesVersions?api-version=2026-06-01";
    let found = aks.fake.get(path).expect(200);
    let minors = found["values"].as_array().unwrap();
    let default: Vec<&Value> = minors.iter().filter(|minor| minor["isDefault"] == true).collect();
    assert_eq!((default.len(), &default[0]["version"]), (1, &json!("1.34")));
    assert_eq!(default[0]["patchVersions"]["1.34.4"]["upgrades"], json!(["1.35.1"]));
}
