use serde_json::json;

use super::*;
use crate::azure::testing::{owned, seen_by};
use crate::azure::{Azure, Identity, Subnet, Vnet, api_version};

/// A network that is free of AKS's default ranges, with the subnet of a system pool.
struct Site {
    azure: Azure,
    vnet: Vnet,
    system: Subnet,
    identity: Identity,
}

async fn site() -> (std::sync::Arc<fake_arm::FakeArm>, Site) {
    let (fake, azure) = owned().await;
    let vnet = azure.vnet("v").address_space("10.1.0.0/16").create().await.unwrap();
    let system = vnet.subnet("system", "10.1.0.0/24").create().await.unwrap();
    let identity = azure.identity("i").create().await.unwrap();
    (fake, Site { azure, vnet, system, identity })
}

impl Site {
    async fn subnet(&self, name: &str, prefix: &str) -> Subnet {
        self.vnet.subnet(name, prefix).create().await.unwrap()
    }

    /// A subnet in a range that the network gets for it.
    async fn subnet_beyond(&self, name: &str, prefix: &str) -> Subnet {
        let client = self.azure.client();
        let mut vnet = client.get(self.vnet.id(), api_version::NETWORK).await.unwrap();
        vnet["properties"]["addressSpace"]["addressPrefixes"].as_array_mut().unwrap().push(json!(prefix));
        client.put(self.vnet.id(), api_version::NETWORK, &vnet).await.unwrap();
        self.subnet(name, prefix).await
    }

    async fn look(&self, subnets: &[&Subnet]) -> Report {
        let plan = Plan {
            subnets: std::iter::once(&self.system).chain(subnets.iter().copied()).map(|s| s.id().to_owned()).collect(),
            network_profile: json!({}),
            identity: Some(self.identity.id().to_owned()),
            ..Plan::default()
        };
        check(self.azure.client(), &plan).await.unwrap()
    }

    async fn give(&self, role: &str, on: &impl crate::azure::Scope) {
        self.azure.role(role).on(on).to(&self.identity).assign().await.unwrap();
    }
}

fn bad(report: &Report, area: &str) -> Vec<String> {
    report.bad().filter(|finding| finding.area == area).map(|finding| finding.text.clone()).collect()
}

#[tokio::test]
async fn the_documents_examples_of_ranges() {
    let (_fake, site) = site().await;
    let free = site.subnet("free", "10.1.1.0/24").await;
    assert_eq!(bad(&site.look(&[&free]).await, "network"), [] as [&str; 0]);
    for (name, prefix, code, conflict) in [
        ("in-pods", "10.244.1.0/24", "NetworkProfileCIDROverlapVNET", "overlaps the pod range 10.244.0.0/16"),
        (
            "in-services",
            "10.0.10.0/24",
            "ServiceCidrOverlapExistingSubnetsCidr",
            "overlaps the service range 10.0.0.0/16",
        ),
    ] {
        let subnet = site.subnet_beyond(name, prefix).await;
        let found = bad(&site.look(&[&subnet]).await, "network");
        assert!(found[0].contains("AKS refuses to create this cluster") && found[0].contains(code), "{found:?}");
        assert!(found.iter().any(|text| text.contains(conflict)), "{found:?}");
        assert_eq!(found.len(), 2, "{found:?}");
        site.azure.delete(subnet.id(), api_version::NETWORK).await.unwrap();
    }
}

#[tokio::test]
async fn a_subnet_must_be_there_in_the_network_and_let_machines_out() {
    let (_fake, site) = site().await;
    let elsewhere = site.azure.vnet("w").address_space("192.168.0.0/16").create().await.unwrap();
    let elsewhere = elsewhere.subnet("a", "192.168.0.0/24").create().await.unwrap();
    let gone = site.subnet("gone", "10.1.2.0/24").await;
    site.azure.delete(gone.id(), api_version::NETWORK).await.unwrap();
    let found = bad(&site.look(&[&elsewhere, &gone]).await, "network");
    assert!(found[0].contains("is not in the cluster's network v"), "{found:?}");
    assert!(found[1].contains("is not there; v has system"), "{found:?}");

    let group = site.azure.id("Microsoft.Network/networkSecurityGroups/closed");
    let rule = json!({ "name": "nothing", "properties": {
        "priority": 100, "direction": "Outbound", "access": "Deny", "protocol": "*", "sourcePortRange": "*",
        "destinationPortRange": "443", "sourceAddressPrefix": "*", "destinationAddressPrefix": "*",
    }});
    let body = json!({ "location": "eastus", "properties": { "securityRules": [rule] } });
    let client = site.azure.client();
    client.put(&group, api_version::NETWORK, &body).await.unwrap();
    let closed = site.subnet("closed", "10.1.3.0/24").await;
    let body = json!({ "properties": { "addressPrefix": "10.1.3.0/24", "networkSecurityGroup": { "id": group } } });
    client.put(closed.id(), api_version::NETWORK, &body).await.unwrap();
    let found = bad(&site.look(&[&closed]).await, "network");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("never becomes a node: the rule nothing of closed drops port 443"), "{found:?}");
}

#[tokio::test]
async fn what_is_soon_full_and_who_does_not_find_whom_is_told() {
    let (_fake, site) = site().await;
    let tiny = site.subnet("tiny", "10.1.2.0/29").await;
    let report = site.look(&[&tiny]).await;
    let room = report.findings.iter().find(|finding| finding.text.contains("subnet tiny")).unwrap();
    assert_eq!(
        (room.level, room.text.as_str()),
        (Level::Caution, "3 of 3 addresses are free in subnet tiny 10.1.2.0/29")
    );

    let group = site.azure.id("Microsoft.Network/networkSecurityGroups/apart");
    let rule = json!({ "name": "not-from-there", "properties": {
        "priority": 100, "direction": "Inbound", "access": "Deny", "protocol": "*", "sourcePortRange": "*",
        "destinationPortRange": "10250", "sourceAddressPrefix": "10.1.0.0/24", "destinationAddressPrefix": "*",
    }});
    let client = site.azure.client();
    let body = json!({ "location": "eastus", "properties": { "securityRules": [rule] } });
    client.put(&group, api_version::NETWORK, &body).await.unwrap();
    let body = json!({ "properties": { "addressPrefix": "10.1.2.0/29", "networkSecurityGroup": { "id": group } } });
    client.put(tiny.id(), api_version::NETWORK, &body).await.unwrap();
    let found = bad(&site.look(&[&tiny]).await, "network");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("nodes of subnet system do not reach nodes of subnet tiny: the rule not-from-there"));
}

#[tokio::test]
async fn rights_are_what_azure_says_that_holds_there() {
    let (fake, site) = site().await;
    let custom = site.subnet("custom", "10.1.2.0/24").await;
    let report = site.look(&[&custom]).await;
    let found = bad(&report, "rights");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[1].contains("subnets/join/action on v/custom: no role assignment grants it"), "{found:?}");
    let network = |finding: &&Finding| finding.text.contains("Microsoft.Network/virtualNetworks/read on v: no role");
    assert_eq!(report.findings.iter().find(network).map(|finding| finding.level), Some(Level::Caution));

    // Reading is half of it; the right itself may come from above.
    site.give("Reader", &site.vnet).await;
    let found = bad(&site.look(&[&custom]).await, "rights");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found.iter().all(|text| text.contains("may not Microsoft.Network/virtualNetworks/subnets/join/action")));
    site.give("Network Contributor", &site.vnet).await;
    assert_eq!(bad(&site.look(&[&custom]).await, "rights"), [] as [&str; 0]);

    // Whoever may not see assignments does not learn that they are missing.
    let other = site.azure.identity("other").create().await.unwrap();
    let stranger = seen_by(&fake, other.principal_id().as_str().parse().unwrap());
    let plan = Plan { subnets: vec![custom.id().to_owned()], ..Plan::default() };
    let report = check(stranger.client(), &plan).await.unwrap();
    assert_eq!(report.bad().count(), 0);
    assert!(report.findings[0].text.contains("may not be read by whoever asks here"), "{report:?}");
}

#[tokio::test]
async fn a_cluster_that_is_there_says_its_ranges_identity_and_group() {
    let (fake, site) = site().await;
    fake.set_engine(std::sync::Arc::new(fake_arm::engine::NoopEngine));
    site.give("Network Contributor", &site.vnet).await;
    let cluster = site.azure.id("Microsoft.ContainerService/managedClusters/c");
    let body = json!({
        "location": "eastus",
        "identity": { "type": "UserAssigned", "userAssignedIdentities": { site.identity.id(): {} } },
        "properties": {
            "dnsPrefix": "c",
            "nodeProvisioningProfile": { "mode": "Auto" },
            "networkProfile": { "podCidr": "10.64.0.0/16", "serviceCidr": "10.2.0.0/16", "dnsServiceIP": "10.2.0.10",
                "networkPlugin": "azure", "networkPluginMode": "overlay", "networkDataplane": "cilium" },
            "agentPoolProfiles": [{ "name": "system", "mode": "System", "count": 1, "vmSize": "Standard_D2s_v5",
                "vnetSubnetID": site.system.id() }],
        },
    });
    site.azure.client().put(&cluster, api_version::CONTAINER_SERVICE, &body).await.unwrap();
    let class = site.subnet_beyond("class", "10.64.3.0/24").await;
    let plan = Plan { cluster: Some(cluster), subnets: vec![class.id().to_owned()], ..Plan::default() };
    let report = check(site.azure.client(), &plan).await.unwrap();
    assert_eq!(bad(&report, "rights"), [] as [&str; 0]);
    let rights = report.findings.iter().filter(|finding| finding.area == "rights" && finding.level == Level::Good);
    // The network, two subnets, the node resource group.
    assert_eq!(rights.count(), 4, "{report:?}");
    assert!(bad(&report, "network")[0].contains("subnet class 10.64.3.0/24 overlaps the pod range 10.64.0.0/16"));
}

#[tokio::test]
async fn what_is_no_id_and_what_aks_refuses_is_told() {
    let (_fake, site) = site().await;
    let error = async |plan: Plan| check(site.azure.client(), &plan).await.unwrap_err().to_string();
    let subnets = vec![site.system.id().to_owned()];
    assert!(
        error(Plan { subnets: vec!["x".into()], ..Plan::default() }).await.contains("\"x\" is not the id of a subnet")
    );
    let vnet = Plan { subnets: vec![site.vnet.id().to_owned()], ..Plan::default() };
    assert!(error(vnet).await.contains("but of Microsoft.Network/virtualNetworks"));
    assert!(error(Plan::default()).await.contains("neither a cluster nor a subnet"));
    let profile = json!({ "serviceCidr": "10.2.0.0/16" });
    let refused = error(Plan { subnets, network_profile: profile, ..Plan::default() }).await;
    assert!(refused.contains("AKS refuses this network profile"), "{refused}");
}
