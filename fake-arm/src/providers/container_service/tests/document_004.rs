//! «Configure Azure CNI Overlay networking»: overlay, dedicated subnets, dual stack, growing the pod range.

use serde_json::{Value, json};

use super::{Aks, path, recommended, refusal};

fn overlay(more: Value) -> Value {
    let mut body = recommended("Manual");
    let properties = body["properties"].as_object_mut().unwrap();
    properties.remove("nodeProvisioningProfile");
    let mut network = json!({"networkPlugin": "azure", "networkPluginMode": "overlay", "loadBalancerSku": "standard", "outboundType": "loadBalancer"});
    network.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    properties.insert("networkProfile".into(), network);
    body
}

/// `az feature register`, and `az provider register` where `completely`.
fn register(aks: &mut Aks, feature: &str, completely: bool) {
    let path = format!(
        "/providers/Microsoft.Features/providers/Microsoft.ContainerService/features/{feature}/register?api-version=2021-07-01"
    );
    aks.fake.post(&path, Value::Null).expect(200);
    aks.fake.settle();
    if completely {
        aks.fake.post("/providers/Microsoft.ContainerService/register?api-version=2024-11-01", Value::Null).expect(200);
    }
}

#[test]
fn the_pod_range_is_the_given_one_or_the_default() {
    let mut aks = Aks::created(&overlay(json!({"podCidr": "192.168.0.0/16"})));
    let profile = aks.get()["properties"]["networkProfile"].clone();
    assert_eq!((&profile["podCidr"], &profile["podCidrs"]), (&json!("192.168.0.0/16"), &json!(["192.168.0.0/16"])));
    let mut aks = Aks::created(&overlay(json!({})));
    assert_eq!(aks.get()["properties"]["networkProfile"]["podCidr"], "10.244.0.0/16");
    refusal(
        Aks::new().put(&{
            let mut body = overlay(json!({"podCidr": "10.244.0.0/16"}));
            body["properties"]["networkProfile"].as_object_mut().unwrap().remove("networkPluginMode");
            body
        }),
        400,
        "InvalidParameter",
    );
}

#[test]
fn a_pool_in_a_dedicated_subnet_is_added() {
    let mut aks = Aks::new();
    let first = aks.network("10.1.0.0/16", "10.1.1.0/24");
    let dedicated = aks.subnet("10.1.0.0/16", "dedicated", json!({"addressPrefix": "10.1.2.0/24"}));
    let mut body = overlay(json!({}));
    body["properties"]["agentPoolProfiles"][0]["vnetSubnetID"] = json!(first);
    aks.put(&body).expect(201);
    let pool = json!({"properties": {"vmSize": "", "osType": "Linux", "vnetSubnetID": dedicated, "count": 1, "mode": "system"}});
    aks.fake.put(&path("/agentPools/np2"), pool).expect(201);
    aks.fake.settle();
    let shown = aks.fake.get(&path("/agentPools/np2")).expect(200);
    assert_eq!(
        (&shown["properties"]["mode"], &shown["properties"]["vnetSubnetID"]),
        (&json!("System"), &json!(dedicated))
    );
    let machines = aks.fake.get(&path("/agentPools/np2/machines")).expect(200);
    assert_eq!(machines["value"][0]["properties"]["network"]["ipAddresses"][0]["ip"], "10.1.2.4");
}

#[test]
fn dual_stack_has_the_documents_defaults() {
    for dataplane in ["azure", "cilium"] {
        // The CLI sends the families in lower case.
        let mut aks = Aks::created(&overlay(json!({"ipFamilies": ["ipv4", "ipv6"], "networkDataplane": dataplane})));
        let profile = aks.get()["properties"]["networkProfile"].clone();
        assert_eq!(profile["ipFamilies"], json!(["IPv4", "IPv6"]));
        assert_eq!(profile["podCidrs"], json!(["10.244.0.0/16", "fd12:3456:789a::/64"]));
        assert_eq!(profile["serviceCidrs"], json!(["10.0.0.0/16", "fd12:3456:789a:1::/108"]));
        assert_eq!(aks.engine.latest().network.service_cidrs.len(), 2);
    }
    let mut virtual_nodes = overlay(json!({"ipFamilies": ["ipv4", "ipv6"]}));
    virtual_nodes["properties"]["addonProfiles"] = json!({"aciConnectorLinux": {"enabled": true}});
    refusal(Aks::new().put(&virtual_nodes), 400, "InvalidParameter");
}

#[test]
fn node_provisioning_and_dual_stack_exclude_each_other() {
    let mut aks = Aks::created(&overlay(json!({"ipFamilies": ["ipv4", "ipv6"]})));
    let reply = aks.change(|p| p["nodeProvisioningProfile"]["mode"] = json!("Auto"));
    let message = refusal(reply, 400, "OperationNotAllowed");
    assert_eq!(
        message,
        ".properties.nodeProvisioningProfile.mode cannot be Auto unless .properties.networkProfile.ipFamilies is set to one of [IPv4]."
    );
}

#[test]
fn windows_in_dual_stack_needs_the_feature_and_the_namespace_registered_again() {
    let mut aks = Aks::created(&overlay(json!({"ipFamilies": ["ipv4", "ipv6"]})));
    let windows = json!({"properties": {"vmSize": "", "osType": "Windows", "count": 2, "mode": "User"}});
    let add = |aks: &mut Aks, name: &str| aks.fake.put(&path(&format!("/agentPools/{name}")), windows.clone());
    // The document's `winpool1` has two letters more than AKS takes.
    refusal(add(&mut aks, "winpool1"), 400, "WindowsAgentPoolNameTooLong");
    let expected = "Feature Microsoft.ContainerService/AzureOverlayDualStackPreview is not enabled. Please see https://aka.ms/aks/previews for how to enable features.";
    assert_eq!(refusal(add(&mut aks, "winp1"), 400, "BadRequest"), expected);
    register(&mut aks, "AzureOverlayDualStackPreview", false);
    assert_eq!(refusal(add(&mut aks, "winp1"), 400, "BadRequest"), expected);
    register(&mut aks, "AzureOverlayDualStackPreview", true);
    add(&mut aks, "winp1").expect(201);
    aks.fake.settle();
    let shown = aks.fake.get(&path("/agentPools/winp1")).expect(200);
    assert_eq!((&shown["properties"]["osType"], &shown["properties"]["count"]), (&json!("Windows"), &json!(2)));
}

#[test]
fn the_pod_range_grows_once_the_feature_is_registered() {
    let mut body = overlay(json!({"podCidr": "10.244.0.0/18"}));
    body["properties"]["kubernetesVersion"] = json!("1.33");
    let mut aks = Aks::created(&body);
    let expand = |aks: &mut Aks, to: &'static str| aks.change(|p| p["networkProfile"]["podCidr"] = json!(to));
    let message = refusal(expand(&mut aks, "10.244.0.0/16"), 400, "BadRequest");
    assert!(
        message.starts_with("Feature Microsoft.ContainerService/EnableAzureCNIOverlayPodCIDRExpansion is not enabled.")
    );
    register(&mut aks, "EnableAzureCNIOverlayPodCIDRExpansion", true);
    for wrong in ["10.244.0.0/20", "10.100.0.0/16", "10.244.128.0/17"] {
        let reply = expand(&mut aks, wrong);
        assert_eq!(reply.body["error"]["target"], "networkProfile.podCidr");
        refusal(reply, 400, "PodCIDRExpansionNotAllowed");
        assert_eq!(aks.get()["properties"]["networkProfile"]["podCidr"], "10.244.0.0/18");
    }
    expand(&mut aks, "10.244.0.0/16").expect(200);
    let profile = aks.get()["properties"]["networkProfile"].clone();
    assert_eq!((&profile["podCidr"], &profile["podCidrs"]), (&json!("10.244.0.0/16"), &json!(["10.244.0.0/16"])));
    assert_eq!(aks.engine.latest().network.pod_cidr, Some("10.244.0.0/16".parse().unwrap()));
}

#[test]
fn a_pod_range_does_not_grow_onto_the_network_or_the_services() {
    let mut aks = Aks::new();
    let subnet = aks.network("10.244.192.0/18", "10.244.192.0/24");
    let mut body =
        overlay(json!({"podCidr": "10.244.0.0/18", "serviceCidr": "10.245.0.0/16", "dnsServiceIP": "10.245.0.10"}));
    body["properties"]["agentPoolProfiles"][0]["vnetSubnetID"] = json!(subnet);
    aks.put(&body).expect(201);
    register(&mut aks, "EnableAzureCNIOverlayPodCIDRExpansion", true);
    let before = aks.get();
    for (to, code) in
        [("10.244.0.0/16", "NetworkProfileCIDROverlapVNET"), ("10.244.0.0/15", "PodCidrOverlapServiceCidr")]
    {
        let refused = aks.change(|p| p["networkProfile"]["podCidr"] = json!(to));
        assert_eq!(refused.body["error"]["target"], "networkProfile.podCIDR", "{to}");
        refusal(refused, 400, code);
        assert_eq!(aks.get(), before, "{to}");
    }
    aks.change(|p| p["networkProfile"]["podCidr"] = json!("10.244.0.0/17")).expect(200);
}

#[test]
fn a_missing_resource_group_is_not_found() {
    let mut aks = Aks::new();
    let reply = aks.fake.put(&path("").replace("/rg/", "/none/"), overlay(json!({})));
    refusal(reply, 404, "ResourceGroupNotFound");
}
