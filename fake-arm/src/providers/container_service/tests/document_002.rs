//! «Node autoprovisioning»: its two templates as printed, in the form in which the az CLI sends them; its commands' bodies.

use serde_json::{Value, json};

use super::{API, Aks, recommended, refusal};
use crate::engine::NapState;
use crate::gateway::TestFake;
use template::deployment_body;

const DEPLOYMENT: &str = "/resourcegroups/nap-rg/providers/Microsoft.Resources/deployments/nap?api-version=2025-04-01";
const NAPCLUSTER: &str = "/resourceGroups/nap-rg/providers/Microsoft.ContainerService/managedClusters/napcluster";

/// `nap.json` of «Enable node autoprovisioning on a new cluster», with its trailing comma.
const ENABLE: &str = r##"{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "metadata": {},
  "parameters": {},
  "resources": [
    {
      "type": "Microsoft.ContainerService/managedClusters",
      "apiVersion": "2025-05-01",
      "sku": {
        "name": "Base",
        "tier": "Standard"
      },
      "name": "napcluster",
      "location": "uksouth",
      "identity": {
        "type": "SystemAssigned"
      },
      "properties": {
        "networkProfile": {
            "networkPlugin": "azure",
            "networkPluginMode": "overlay",
            "networkPolicy": "cilium",
            "networkDataplane":"cilium",
            "loadBalancerSku": "Standard"
        },
        "dnsPrefix": "napcluster",
        "agentPoolProfiles": [
          {
            "name": "agentpool",
            "count": 3,
            "vmSize": "standard_d2s_v3",
            "osType": "Linux",
            "mode": "System"
          }
        ],
        "nodeProvisioningProfile": {
          "mode": "Auto"
        },
      }
    }
  ]
}"##;

/// The body that the CLI makes of a template file: the template as it is, below a name without quotes.
fn sent(template: &str) -> Value {
    let body =
        format!("{{\"properties\": {{\"parameters\": {{}}, \"mode\": \"Incremental\", template:{template}\n}}}}");
    assert!(serde_json::from_str::<Value>(&body).is_err(), "it is no strict JSON");
    deployment_body(body.as_bytes()).unwrap()
}

/// «Disabling»: the same template with the mode Manual, which is strict JSON.
fn disable() -> String {
    let text = ENABLE.replace("\"Auto\"\n        },", "\"Manual\"\n        }");
    serde_json::from_str::<Value>(&text).unwrap();
    text
}

fn with_group() -> Aks {
    let mut aks = Aks::new();
    aks.fake.put("/resourceGroups/nap-rg?api-version=2024-11-01", json!({"location": "uksouth"})).expect(201);
    aks
}

#[track_caller]
fn deploy(aks: &mut Aks, template: &str) -> Value {
    let validate = DEPLOYMENT.replace("/nap?", "/nap/validate?");
    aks.fake.post(&validate, sent(template)).expect(200);
    let started = aks.fake.put(DEPLOYMENT, sent(template));
    assert!(started.status == 201 || started.status == 200, "{:#}", started.body);
    aks.fake.settle();
    aks.outcome(&started)
}

fn napcluster(fake: &mut TestFake) -> Value {
    fake.get(&format!("{NAPCLUSTER}?{API}")).expect(200)
}

#[test]
fn the_template_makes_the_cluster_and_the_other_one_disables_node_provisioning() {
    let mut aks = with_group();
    assert_eq!(deploy(&mut aks, ENABLE)["status"], "Succeeded");
    let made = napcluster(&mut aks.fake);
    let properties = &made["properties"];
    assert_eq!(properties["nodeProvisioningProfile"]["mode"], "Auto");
    assert_eq!(made["sku"], json!({"name": "Base", "tier": "Standard"}));
    assert_eq!(
        (&properties["dnsPrefix"], &properties["agentPoolProfiles"][0]["vmSize"]),
        (&json!("napcluster"), &json!("standard_d2s_v3"))
    );
    assert_eq!(properties["agentPoolProfiles"][0]["count"], 3);
    assert!(properties["fqdn"].as_str().unwrap().starts_with("napcluster-"));
    let machines = format!("{NAPCLUSTER}/agentPools/agentpool/machines?{API}");
    assert_eq!(aks.fake.get(&machines).expect(200)["value"].as_array().unwrap().len(), 3);

    // With a NAP node left, the disabling template fails and nothing changes.
    *aks.engine.nap.lock() = NapState { nodes: vec!["aks-default-abcde".into()], ..NapState::default() };
    let outcome = deploy(&mut aks, &disable());
    assert_eq!((&outcome["status"], &outcome["error"]["code"]), (&json!("Failed"), &json!("DeploymentFailed")));
    assert_eq!(outcome["error"]["details"][0]["code"], "OperationNotAllowed");
    assert_eq!(napcluster(&mut aks.fake)["properties"]["nodeProvisioningProfile"]["mode"], "Auto");

    *aks.engine.nap.lock() = NapState::default();
    assert_eq!(deploy(&mut aks, &disable())["status"], "Succeeded");
    let mut after = napcluster(&mut aks.fake);
    assert_eq!(after["properties"]["nodeProvisioningProfile"]["mode"], "Manual");
    for changed in
        ["/properties/eTag", "/properties/agentPoolProfiles/0/eTag", "/properties/nodeProvisioningProfile/mode"]
    {
        *after.pointer_mut(changed).unwrap() = made.pointer(changed).unwrap().clone();
    }
    assert_eq!(made, after, "the other properties are unchanged");
}

#[test]
fn what_node_provisioning_excludes_is_refused_before_the_deployment_starts() {
    let mut aks = with_group();
    let template = ENABLE
        .replace("\"networkDataplane\":\"cilium\"", "\"networkDataplane\":\"azure\"")
        .replace("\"networkPolicy\": \"cilium\"", "\"networkPolicy\": \"calico\"");
    let refused = aks.fake.put(DEPLOYMENT, sent(&template));
    let detail = refused.body["error"]["details"][0].clone();
    refusal(refused, 400, "InvalidTemplateDeployment");
    assert_eq!(detail["code"], "OperationNotAllowed");
    assert!(detail["message"].as_str().unwrap().starts_with(".properties.nodeProvisioningProfile.mode cannot be Auto"));
    assert_eq!(aks.fake.get(DEPLOYMENT).status, 404);
}

#[test]
fn an_existing_cluster_gets_node_provisioning() {
    let mut aks = Aks::created(&recommended("Manual"));
    aks.change(|p| p["nodeProvisioningProfile"] = json!({"mode": "Auto"})).expect(200);
    assert_eq!(aks.engine.asked(), ["create", "update"]);
    assert!(aks.engine.latest().node_provisioning);
}

/// The commands of «Custom Virtual Networks and Node Autoprovisioning».
fn custom_network() -> (Aks, String, String) {
    let mut aks = Aks::new();
    let delegation =
        json!([{"name": "0", "properties": {"serviceName": "Microsoft.ContainerService/managedClusters"}}]);
    let api = aks.subnet(
        "172.19.0.0/16",
        "apiServerSubnet",
        json!({"addressPrefix": "172.19.0.0/28", "delegations": delegation}),
    );
    let nodes = aks.subnet("172.19.0.0/16", "clusterSubnet", json!({"addressPrefix": "172.19.1.0/24"}));
    (aks, api, nodes)
}

#[test]
fn both_subnets_and_an_identity_are_given_at_creation() {
    let (mut aks, api, nodes) = custom_network();
    let identity = "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    let made = aks.fake.put(&format!("{identity}?api-version=2023-01-31"), json!({"location": "eastus"})).expect(201);
    // The document writes `resourcegroups`, and gives no network plugin.
    let id = made["id"].as_str().unwrap().replace("/resourceGroups/", "/resourcegroups/");
    let mut body = recommended("Auto");
    body["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {&id: {}}});
    let properties = &mut body["properties"];
    properties["agentPoolProfiles"][0]["vnetSubnetID"] = json!(nodes);
    properties["apiServerAccessProfile"] = json!({"enableVnetIntegration": true, "subnetId": api});
    properties["networkProfile"] = json!({"loadBalancerSku": "standard", "outboundType": "loadBalancer"});
    // The document gives the identity its role on the network first.
    refusal(aks.put(&body), 403, "LinkedAuthorizationFailed");
    let network = api.trim_end_matches("/subnets/apiServerSubnet");
    let role = json!({"properties": {
        "roleDefinitionId": format!("/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7", TestFake::SUBSCRIPTION),
        "principalId": made["properties"]["principalId"], "principalType": "ServicePrincipal"}});
    let assignment = format!(
        "{network}/providers/Microsoft.Authorization/roleAssignments/00000000-0000-0000-0000-0000000000aa?api-version=2022-04-01"
    );
    aks.fake.put(&assignment, role).expect(201);
    aks.fake.advance(std::time::Duration::from_secs(600));
    aks.put(&body).expect(201);
    let shown = aks.get();
    assert_eq!(shown["properties"]["apiServerAccessProfile"]["subnetId"], json!(api));
    assert_eq!(shown["properties"]["agentPoolProfiles"][0]["vnetSubnetID"], json!(nodes));
    assert_eq!(shown["identity"]["userAssignedIdentities"][&id]["principalId"], made["properties"]["principalId"]);
    assert_eq!(shown["properties"]["networkProfile"]["networkPlugin"], "azure");
    let subnet = aks.fake.get(&format!("{api}?api-version=2024-07-01")).expect(200);
    assert!(subnet["properties"]["ipConfigurations"].as_array().unwrap().len() >= 9);
    let balancer = "/resourceGroups/MC_rg_c_eastus/providers/Microsoft.Network/loadBalancers/kube-apiserver?api-version=2022-01-01";
    aks.fake.get(balancer).expect(200);
}

#[test]
fn the_first_command_goes_without_a_subnet_for_the_api_server() {
    let (mut aks, _, nodes) = custom_network();
    let mut body = recommended("Auto");
    body["properties"]["agentPoolProfiles"][0]["vnetSubnetID"] = json!(nodes);
    aks.put(&body).expect(201);
    assert_eq!(aks.engine.latest().subnet_id, nodes);
}

#[test]
fn get_credentials_hands_out_the_users() {
    let mut aks = Aks::created(&recommended("Auto"));
    let found = aks.fake.post(&super::path("/listClusterUserCredential"), Value::Null).expect(200);
    assert_eq!(found["kubeconfigs"][0]["name"], "clusterUser");
}
