//! Clusters that come to be, and what is refused before one does.

use serde_json::{Value, json};

use super::{Aks, CLUSTER, path, recommended, refusal};
use crate::engine::EngineError;

#[test]
fn a_cluster_shows_what_azure_shows() {
    let mut aks = Aks::new();
    let made = aks.fake.put(&path(""), recommended("Auto")).expect(201);
    assert_eq!(made["properties"]["provisioningState"], "Creating");
    // `az aks create` reads it at once, to assign a role.
    assert!(made["identity"]["principalId"].is_string());
    assert_eq!(made["properties"]["agentPoolProfiles"][0]["provisioningState"], "Creating");
    aks.fake.settle();
    let shown = aks.get();
    let properties = &shown["properties"];
    let pool = &properties["agentPoolProfiles"][0];
    for (found, expected) in [
        (&shown["type"], json!("Microsoft.ContainerService/ManagedClusters")),
        (&shown["sku"], json!({"name": "Base", "tier": "Free"})),
        (&properties["provisioningState"], json!("Succeeded")),
        (&properties["powerState"], json!({"code": "Running"})),
        (&properties["kubernetesVersion"], json!("1.34")),
        (&properties["currentKubernetesVersion"], json!("1.34.4")),
        (&properties["nodeResourceGroup"], json!("MC_rg_c_eastus")),
        (&properties["nodeProvisioningProfile"], json!({"mode": "Auto", "defaultNodePools": "Auto"})),
        (&properties["networkProfile"]["networkPolicy"], json!("cilium")),
        (&properties["networkProfile"]["podCidr"], json!("10.244.0.0/16")),
        (&properties["networkProfile"]["podCidrs"], json!(["10.244.0.0/16"])),
        (&properties["networkProfile"]["serviceCidr"], json!("10.0.0.0/16")),
        (&properties["networkProfile"]["dnsServiceIP"], json!("10.0.0.10")),
        (&properties["networkProfile"]["ipFamilies"], json!(["IPv4"])),
        (&properties["networkProfile"]["loadBalancerProfile"]["managedOutboundIPs"], json!({"count": 1})),
        (&properties["servicePrincipalProfile"], json!({"clientId": "msi"})),
        (&properties["storageProfile"]["diskCSIDriver"], json!({"enabled": true})),
        (&properties["supportPlan"], json!("KubernetesOfficial")),
        (&properties["maxAgentPools"], json!(100)),
        (&pool["vmSize"], json!("Standard_D2s_v5")),
        (&pool["orchestratorVersion"], json!("1.34.4")),
        (&pool["maxPods"], json!(250)),
        (&pool["osSKU"], json!("Ubuntu")),
        (&pool["osDiskSizeGB"], json!(128)),
        (&pool["powerState"], json!({"code": "Running"})),
        (&pool["upgradeSettings"], json!({"maxSurge": "10%", "maxUnavailable": "0"})),
    ] {
        assert_eq!(*found, expected);
    }
    assert!(properties["fqdn"].as_str().unwrap().starts_with("c-rg-111111-"));
    assert!(shown.get("etag").is_none() && properties["eTag"].is_string());
    let outbound = properties["networkProfile"]["loadBalancerProfile"]["effectiveOutboundIPs"][0]["id"].as_str();
    assert!(outbound.unwrap().contains("/publicIPAddresses/"));
}

#[test]
fn the_node_resource_group_holds_what_aks_puts_there() {
    let mut aks = Aks::created(&recommended("Auto"));
    let list = aks.fake.get("/resourceGroups/MC_rg_c_eastus/resources?api-version=2021-04-01").expect(200);
    let mut kinds: Vec<String> = list["value"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| format!("{}/{}", r["type"].as_str().unwrap(), r["name"].as_str().unwrap()))
        .collect();
    kinds.sort();
    let has = |pattern: &str| {
        let regex = regex::Regex::new(pattern).unwrap();
        assert!(kinds.iter().any(|kind| regex.is_match(kind)), "{pattern} in {kinds:#?}");
    };
    has(r"^Microsoft\.Network/networkSecurityGroups/aks-agentpool-\d{8}-nsg$");
    has(r"^Microsoft\.Network/loadBalancers/kubernetes$");
    has(r"^Microsoft\.Network/publicIPAddresses/");
    has(r"^Microsoft\.Network/virtualNetworks/aks-vnet-\d{8}$");
    has(r"^Microsoft\.ManagedIdentity/userAssignedIdentities/c-agentpool$");
    let group = aks.fake.get("/resourceGroups/MC_rg_c_eastus?api-version=2021-04-01").expect(200);
    assert_eq!(group["tags"], json!({"aks-managed-cluster-name": "c", "aks-managed-cluster-rg": "rg"}));
    assert!(group["managedBy"].as_str().unwrap().ends_with(CLUSTER));
    let network = kinds.iter().find_map(|kind| kind.strip_prefix("Microsoft.Network/virtualNetworks/")).unwrap();
    let subnet = aks
        .fake
        .get(&format!("/resourceGroups/MC_rg_c_eastus/providers/Microsoft.Network/virtualNetworks/{network}/subnets/aks-subnet?api-version=2024-07-01"))
        .expect(200);
    assert!(subnet["properties"]["networkSecurityGroup"]["id"].as_str().unwrap().ends_with("-nsg"));
    // Overlay: one address for each of the three nodes.
    assert_eq!(subnet["properties"]["ipConfigurations"].as_array().unwrap().len(), 3);
}

#[test]
fn the_engine_learns_the_cluster_after_validation_and_defaulting() {
    let mut aks = Aks::new();
    let mut body = recommended("Auto");
    body["tags"] = json!({"team": "a"});
    aks.put(&body).expect(201);
    let cluster = aks.engine.latest();
    assert_eq!((cluster.kubernetes_version.as_str(), cluster.node_provisioning), ("1.34.4", true));
    assert_eq!(cluster.network.pod_cidrs, ["10.244.0.0/16".parse().unwrap()]);
    assert_eq!(cluster.network.outbound_type, "loadBalancer");
    assert_eq!(cluster.tags["team"], "a");
    assert!(cluster.kubelet_identity.resource_id.ends_with("/c-agentpool"));
    assert_eq!(json!(cluster.cluster_identity.object_id), aks.get()["identity"]["principalId"]);
}

#[test]
fn a_refused_request_leaves_nothing_behind() {
    let mut aks = Aks::new();
    let subnet = aks.network("10.1.0.0/16", "10.1.0.0/29");
    let mut body = recommended("Auto");
    body["properties"]["agentPoolProfiles"][0]["vnetSubnetID"] = json!(subnet);
    body["properties"]["agentPoolProfiles"][0]["count"] = json!(4);
    let before = aks.fake.world.resources().iter().count();
    let message = refusal(aks.put(&body), 400, "InsufficientSubnetSize");
    assert_eq!(message, "Pre-allocated IPs 4 exceeds IPs available in Subnet 3");
    assert_eq!(aks.fake.world.resources().iter().count(), before);
    assert!(aks.engine.asked().is_empty());
}

#[test]
fn an_engine_that_fails_fails_the_operation() {
    let mut aks = Aks::new();
    *aks.engine.broken.lock() = Some(EngineError { code: "CreateControlPlaneError".into(), message: "No.".into() });
    let made = aks.put(&recommended("Auto"));
    let outcome = aks.outcome(&made);
    assert_eq!((&outcome["status"], &outcome["error"]["code"]), (&json!("Failed"), &json!("CreateControlPlaneError")));
    let shown = aks.get();
    assert_eq!(shown["properties"]["provisioningState"], "Failed");
    *aks.engine.broken.lock() = None;
    aks.put(&recommended("Auto")).expect(200);
    assert_eq!(aks.get()["properties"]["provisioningState"], "Succeeded");
}

#[test]
fn ranges_are_checked_against_the_network_around() {
    let mut aks = Aks::new();
    let subnet = aks.network("10.0.0.0/16", "10.0.1.0/24");
    let mut body = recommended("Auto");
    body["properties"]["agentPoolProfiles"][0]["vnetSubnetID"] = json!(subnet);
    let refused = aks.put(&body);
    assert_eq!(refused.body["error"]["target"], "networkProfile.serviceCIDR");
    let message = refusal(refused, 400, "ServiceCidrOverlapExistingSubnetsCidr");
    assert!(
        message.starts_with(
            "The specified service CIDR 10.0.0.0/16 is conflicted with an existing subnet CIDR 10.0.1.0/24."
        )
    );

    let network = &mut body["properties"]["networkProfile"];
    network["serviceCidr"] = json!("10.2.0.0/16");
    network["dnsServiceIP"] = json!("10.2.0.10");
    network["podCidr"] = json!("10.0.64.0/18");
    let refused = aks.put(&body);
    assert_eq!(refused.body["error"]["target"], "networkProfile.podCIDR");
    let message = refusal(refused, 400, "NetworkProfileCIDROverlapVNET");
    assert_eq!(message, "NetworkProfile CIDR 10.0.64.0/18 overlaps with reserved VNET CIDR 10.0.0.0/16");

    body["properties"]["networkProfile"]["podCidr"] = json!("10.244.0.0/16");
    aks.put(&body).expect(201);
}

#[test]
fn a_pod_range_has_a_block_for_each_node() {
    let mut body = recommended("Manual");
    body["properties"]["networkProfile"]["podCidr"] = json!("10.244.0.0/28");
    let refused = Aks::new().put(&body);
    assert_eq!(refused.body["error"]["target"], "networkProfile.podCIDR");
    refusal(refused, 400, "InsufficientSubnetSize");
    body["properties"]["networkProfile"]["podCidr"] = json!("10.244.0.0/22");
    Aks::created(&body);
    body["properties"]["agentPoolProfiles"][0]["count"] = json!(5);
    refusal(Aks::new().put(&body), 400, "InsufficientSubnetSize");
}

#[test]
fn node_subnet_networking_keeps_an_address_for_each_pod() {
    let mut aks = Aks::new();
    let subnet = aks.network("10.1.0.0/16", "10.1.0.0/25");
    let mut body = recommended("Manual");
    let properties = &mut body["properties"];
    properties["networkProfile"] = json!({"networkPlugin": "azure", "loadBalancerSku": "standard"});
    properties["agentPoolProfiles"][0]["vnetSubnetID"] = json!(subnet);
    properties["agentPoolProfiles"][0]["count"] = json!(4);
    let message = refusal(aks.put(&body), 400, "InsufficientSubnetSize");
    assert_eq!(message, "Pre-allocated IPs 124 exceeds IPs available in Subnet 123");
    body["properties"]["agentPoolProfiles"][0]["count"] = json!(3);
    aks.put(&body).expect(201);
    assert_eq!(aks.get()["properties"]["agentPoolProfiles"][0]["maxPods"], 30);
    let subnet = aks.fake.get(&format!("{subnet}?api-version=2024-07-01")).expect(200);
    assert_eq!(subnet["properties"]["ipConfigurations"].as_array().unwrap().len(), 93);
}

#[test]
fn pools_need_a_subnet_that_is_theirs() {
    let mut aks = Aks::new();
    let delegations =
        json!([{"name": "0", "properties": {"serviceName": "Microsoft.ContainerService/managedClusters"}}]);
    let delegated = aks.subnet("10.1.0.0/16", "d", json!({"addressPrefix": "10.1.1.0/24", "delegations": delegations}));
    let plain = aks.subnet("10.1.0.0/16", "nodes", json!({"addressPrefix": "10.1.2.0/24"}));
    let with = |subnet: &str| {
        let mut body = recommended("Auto");
        body["properties"]["agentPoolProfiles"][0]["vnetSubnetID"] = json!(subnet);
        body
    };
    let message = refusal(aks.put(&with(&delegated)), 400, "SubnetIsDelegated");
    assert_eq!(
        message,
        format!(
            "AgentPoolProfile.VnetSubnetID {delegated} cannot be used as it's a delegated subnet. Please check https://aka.ms/adv-network-prerequest for more details."
        )
    );
    refusal(aks.put(&with(&plain.replace("/nodes", "/none"))), 404, "ResourceNotFound");
    refusal(aks.put(&with("nonsense")), 400, "LinkedInvalidPropertyId");
    refusal(aks.put(&with(plain.trim_end_matches("/subnets/nodes"))), 400, "InvalidParameter");
    aks.put(&with(&plain)).expect(201);
}

#[test]
fn outbound_types_want_their_surroundings() {
    let mut aks = Aks::new();
    let plain = aks.network("10.1.0.0/16", "10.1.2.0/24");
    let routed = json!({"addressPrefix": "10.1.3.0/24", "routeTable": {"id": "/subscriptions/x/resourceGroups/rg/providers/Microsoft.Network/routeTables/r"}});
    let _ = routed;
    for (outbound, subnet, code) in [
        ("managedNATGateway", Some(&plain), "ManagedNATGatewayWithCustomVNetNotAllowed"),
        ("userAssignedNATGateway", None, "UserAssignedNATGatewayWithManagedVNetNotAllowed"),
        ("userAssignedNATGateway", Some(&plain), "SubnetNotAssociatedWithNATGateway"),
        ("userDefinedRouting", None, "InvalidParameter"),
        ("userDefinedRouting", Some(&plain), "ExistingRouteTableNotAssociatedWithSubnet"),
        ("elsewhere", None, "UnsupportedOutboundType"),
    ] {
        let mut body = recommended("Auto");
        body["properties"]["networkProfile"]["outboundType"] = json!(outbound);
        if let Some(subnet) = subnet {
            body["properties"]["agentPoolProfiles"][0]["vnetSubnetID"] = json!(subnet);
        }
        refusal(aks.put(&body), 400, code);
    }
    for outbound in ["managedNATGateway", "none"] {
        let mut body = recommended("Auto");
        body["properties"]["networkProfile"]["outboundType"] = json!(outbound);
        let mut aks = Aks::created(&body);
        assert_eq!(aks.get()["properties"]["networkProfile"]["outboundType"], outbound);
        let balancers =
            "/resourceGroups/MC_rg_c_eastus/providers/Microsoft.Network/loadBalancers?api-version=2022-01-01";
        assert_eq!(aks.fake.get(balancers).expect(200)["value"], json!([]), "{outbound}");
    }
}

#[test]
fn identities_are_read_from_the_request() {
    let identity = "/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    let mut aks = Aks::new();
    let made = aks.fake.put(&format!("{identity}?api-version=2023-01-31"), json!({"location": "eastus"})).expect(201);
    let id = made["id"].as_str().unwrap().replace("/resourceGroups/", "/resourcegroups/");
    let mut body = recommended("Auto");
    body["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {&id: {}}});
    aks.put(&body).expect(201);
    let shown = aks.get();
    assert_eq!(shown["identity"]["userAssignedIdentities"][&id]["principalId"], made["properties"]["principalId"]);
    assert!(shown["identity"]["principalId"].is_null());

    let mut aks = Aks::new();
    body["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {id.replace("/i", "/none"): {}}});
    refusal(aks.put(&body), 404, "ResourceNotFound");
    body["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {}});
    refusal(aks.put(&body), 400, "InvalidIdentityValues");
    body.as_object_mut().unwrap().remove("identity");
    let message = refusal(aks.put(&body), 400, "InvalidParameter");
    assert_eq!(message, "Required parameter servicePrincipalProfile is missing (null).");
    let mut body = recommended("Manual");
    body["properties"]["identityProfile"]["kubeletidentity"]["resourceId"] = json!(id);
    refusal(aks.put(&body), 400, "CustomKubeletIdentityOnlySupportedOnUserAssignedMSICluster");
}

#[test]
fn the_api_servers_subnet_is_delegated_large_enough_and_in_the_pools_network() {
    let mut aks = Aks::new();
    let delegated = |prefix: &str| json!({"addressPrefix": prefix, "delegations": [{"name": "0", "properties": {"serviceName": "Microsoft.ContainerService/managedClusters"}}]});
    let space = "172.19.0.0/16";
    let nodes = aks.network(space, "172.19.1.0/24");
    let good = aks.subnet(space, "api", delegated("172.19.0.0/28"));
    let small = aks.subnet(space, "small", delegated("172.19.2.0/29"));
    let plain = aks.subnet(space, "plain", json!({"addressPrefix": "172.19.3.0/28"}));
    let body = |api: Value| {
        let mut body = recommended("Auto");
        body["properties"]["agentPoolProfiles"][0]["vnetSubnetID"] = json!(nodes);
        body["properties"]["apiServerAccessProfile"] = json!({"enableVnetIntegration": true, "subnetId": api});
        body
    };
    refusal(aks.put(&body(json!(small))), 400, "InsufficientSubnetSize");
    refusal(aks.put(&body(json!(plain))), 400, "SubnetNotDelegated");
    refusal(aks.put(&body(json!(nodes))), 400, "InvalidParameter");
    let message = refusal(aks.put(&body(Value::Null)), 400, "InvalidParameter");
    assert!(message.contains("subnetId should not be empty when using custom vnet"), "{message}");
    aks.put(&body(json!(good))).expect(201);
    let subnet = aks.fake.get(&format!("{good}?api-version=2024-07-01")).expect(200);
    assert_eq!(subnet["properties"]["ipConfigurations"].as_array().unwrap().len(), 9);
    // A /28 has eleven addresses: a second cluster does not fit.
    let second = CLUSTER.replace("/c", "/second");
    let refused = aks.fake.put(&format!("{second}?{}", super::API), body(json!(good)));
    refusal(refused, 400, "InsufficientSubnetSize");
    aks.fake.delete(&path("")).expect(202);
    aks.fake.settle();
    let subnet = aks.fake.get(&format!("{good}?api-version=2024-07-01")).expect(200);
    assert!(subnet["properties"].get("ipConfigurations").is_none());
}

#[test]
fn an_older_api_version_does_not_know_node_provisioning() {
    let mut aks = Aks::new();
    let old = path("").replace("2026-06-01", "2024-05-01");
    aks.fake.put(&old, recommended("Auto")).expect(201);
    aks.fake.settle();
    assert_eq!(aks.get()["properties"]["nodeProvisioningProfile"]["mode"], "Manual");
    aks.change(|properties| properties["nodeProvisioningProfile"]["mode"] = json!("Auto")).expect(200);
    aks.fake.put(&old, recommended("Manual")).expect(200);
    aks.fake.settle();
    assert_eq!(aks.get()["properties"]["nodeProvisioningProfile"]["mode"], "Auto");
}

#[test]
fn without_an_engine_nothing_is_made() {
    let mut fake = crate::gateway::TestFake::with_group();
    assert_eq!(fake.put(&path(""), recommended("Auto")).code(), "ClusterEngineMissing");
}
