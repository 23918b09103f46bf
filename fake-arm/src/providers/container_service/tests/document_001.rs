//! «Node autoprovisioning networking configuration», with custom subnets: the walkthrough's requests in their order.

use serde_json::json;

use super::{Aks, refusal};

const RG: &str = "/resourceGroups/my-aks-rg";
const CLUSTER: &str = "/resourceGroups/my-aks-rg/providers/Microsoft.ContainerService/managedClusters/my-aks-cluster";
const VNET: &str = "/resourceGroups/my-aks-rg/providers/Microsoft.Network/virtualNetworks/my-aks-vnet";

fn walkthrough() -> (Aks, String) {
    let mut aks = Aks::new();
    aks.fake.put(&format!("{RG}?api-version=2024-11-01"), json!({"location": "eastus"})).expect(201);
    let network = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}, "enableDdosProtection": false, "enableVmProtection": false}});
    aks.fake.put(&format!("{VNET}?api-version=2024-07-01"), network).expect(201);
    aks.fake.settle();
    for (name, prefix) in [("cluster-subnet", "10.0.1.0/24"), ("custom-subnet", "10.0.2.0/24")] {
        let subnet = json!({"name": name, "properties": {"addressPrefix": prefix, "privateEndpointNetworkPolicies": "Disabled", "privateLinkServiceNetworkPolicies": "Enabled"}});
        aks.fake.put(&format!("{VNET}/subnets/{name}?api-version=2024-07-01"), subnet).expect(201);
        aks.fake.settle();
    }
    let id = aks.fake.get(&format!("{VNET}/subnets/cluster-subnet?api-version=2024-07-01")).expect(200)["id"].clone();
    (aks, id.as_str().unwrap().to_owned())
}

/// `az aks create --node-count 1 --vnet-subnet-id … --network-plugin azure --enable-managed-identity
/// --node-provisioning-mode Auto`: no plugin mode, no data plane, no service range.
fn create(subnet: &str) -> serde_json::Value {
    let mut body = super::recommended("Auto");
    let properties = &mut body["properties"];
    properties["dnsPrefix"] = json!("my-aks-clu-my-aks-rg-111111");
    properties["agentPoolProfiles"][0]["count"] = json!(1);
    properties["agentPoolProfiles"][0]["vnetSubnetID"] = json!(subnet);
    properties["networkProfile"] =
        json!({"networkPlugin": "azure", "loadBalancerSku": "standard", "outboundType": "loadBalancer"});
    body
}

#[test]
fn as_printed_the_default_service_range_meets_the_subnet() {
    let (mut aks, subnet) = walkthrough();
    let refused = aks.fake.put(&format!("{CLUSTER}?{}", super::API), create(&subnet));
    assert_eq!(refused.body["error"]["target"], "networkProfile.serviceCIDR");
    refusal(refused, 400, "ServiceCidrOverlapExistingSubnetsCidr");
}

#[test]
fn with_another_service_range_it_runs_in_node_subnet_networking() {
    let (mut aks, subnet) = walkthrough();
    let mut body = create(&subnet);
    body["properties"]["networkProfile"]["serviceCidr"] = json!("10.2.0.0/16");
    body["properties"]["networkProfile"]["dnsServiceIP"] = json!("10.2.0.10");
    aks.fake.put(&format!("{CLUSTER}?{}", super::API), body).expect(201);
    aks.fake.settle();
    let shown = aks.fake.get(&format!("{CLUSTER}?{}", super::API)).expect(200);
    assert_eq!(shown["properties"]["agentPoolProfiles"][0]["vnetSubnetID"], json!(subnet));
    assert!(shown["identity"]["principalId"].is_string());
    let cluster = aks.engine.latest();
    assert_eq!((cluster.network.plugin_mode.as_str(), cluster.network.pod_cidr), ("", None));
    assert_eq!(
        (cluster.subnet_id.as_str(), cluster.node_resource_group.as_str()),
        (subnet.as_str(), "MC_my-aks-rg_my-aks-cluster_eastus")
    );
    assert!(cluster.vnet_guid.is_some());
}
