//! What one client reads, another can send back: it changes nothing.

use super::*;

/// A body without the ETags in it, which are new at each change.
pub(super) fn without_etags(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            map.into_iter().filter(|(key, _)| key != "etag").map(|(key, value)| (key, without_etags(value))).collect()
        }
        Value::Array(items) => items.into_iter().map(without_etags).collect(),
        other => other,
    }
}

/// Puts what a GET answers; the next GET answers the same.
#[track_caller]
fn unchanged(fake: &mut TestFake, path: &str) {
    fake.settle();
    let first = fake.get(path).expect(200);
    fake.put(path, first.clone()).expect(200);
    fake.settle();
    let second = fake.get(path).expect(200);
    assert_eq!(without_etags(second), without_etags(first), "{path}");
}

#[test]
fn a_whole_network_reads_the_same_after_it_was_sent_back() {
    let mut fake = TestFake::with_group();
    let location = |properties: Value| json!({"location": "eastus", "tags": {"a": "b"}, "properties": properties});
    let standard = |properties: Value| json!({"location": "eastus", "sku": {"name": "Standard"}, "zones": ["1"], "properties": properties});
    let rule = json!({"name": "r", "properties": {
        "priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "Tcp",
        "sourceAddressPrefixes": ["10.0.0.0/24", "10.0.1.4"], "sourcePortRange": "*",
        "destinationAddressPrefix": "VirtualNetwork", "destinationPortRanges": ["80", "443-445"]}});
    let route = json!({"name": "out", "properties": {"addressPrefix": "0.0.0.0/0", "nextHopType": "VirtualAppliance", "nextHopIpAddress": "10.0.9.4"}});
    let reference = |path: &str| json!({"id": id(path)});
    for (path, body) in [
        ("networkSecurityGroups/g", location(json!({"securityRules": [rule]}))),
        ("routeTables/t", location(json!({"routes": [route]}))),
        ("publicIPAddresses/p", standard(json!({"dnsSettings": {"domainNameLabel": "p"}}))),
        ("publicIPAddresses/q", standard(json!({}))),
        ("publicIPAddresses/nat", standard(json!({}))),
        ("natGateways/n", standard(json!({"publicIpAddresses": [reference("publicIPAddresses/nat")]}))),
    ] {
        fake.put(&at(path), body).expect(201);
    }
    let v = location(json!({
        "addressSpace": {"addressPrefixes": ["10.0.0.0/16", "fd00:db8::/48"]},
        "dhcpOptions": {"dnsServers": ["10.0.0.10"]},
        "subnets": [
            {"name": "nodes", "properties": {
                "addressPrefixes": ["10.0.1.0/24", "fd00:db8::/64"],
                "networkSecurityGroup": reference("networkSecurityGroups/g"), "routeTable": reference("routeTables/t"),
                "natGateway": reference("natGateways/n"), "serviceEndpoints": [{"service": "Microsoft.Storage"}]}},
            {"name": "api", "properties": {"addressPrefix": "10.0.2.0/28", "delegations": [
                {"name": "aks", "properties": {"serviceName": "Microsoft.ContainerService/managedClusters"}}]}},
        ],
    }));
    fake.put(&at("virtualNetworks/v"), v).expect(201);
    fake.put(&at("virtualNetworks/w"), vnet("10.1.0.0/16", &[])).expect(201);
    for (from, to) in [("v", "w"), ("w", "v")] {
        let body = json!({"properties": {"remoteVirtualNetwork": reference(&format!("virtualNetworks/{to}"))}});
        fake.put(&at(&format!("virtualNetworks/{from}/virtualNetworkPeerings/p")), body).expect(201);
    }
    let lb = json!({"location": "eastus", "sku": {"name": "Standard"}, "properties": {
        "frontendIPConfigurations": [{"name": "f", "properties": {"publicIPAddress": reference("publicIPAddresses/q")}}],
        "backendAddressPools": [{"name": "pool"}]}});
    fake.put(&at("loadBalancers/lb"), lb).expect(201);
    let mut interface = nic("nodes", 2);
    let configurations = &mut interface["properties"]["ipConfigurations"];
    configurations[0]["properties"]["loadBalancerBackendAddressPools"] =
        json!([reference("loadBalancers/lb/backendAddressPools/pool")]);
    configurations[0]["properties"]["publicIPAddress"] = reference("publicIPAddresses/p");
    configurations[1]["properties"]["privateIPAddressVersion"] = json!("IPv6");
    interface["properties"]["networkSecurityGroup"] = reference("networkSecurityGroups/g");
    fake.put(&at("networkInterfaces/n"), interface).expect(201);
    for path in [
        "networkSecurityGroups/g",
        "networkSecurityGroups/g/securityRules/r",
        "routeTables/t",
        "routeTables/t/routes/out",
        "publicIPAddresses/p",
        "publicIPAddresses/q",
        "natGateways/n",
        "virtualNetworks/v",
        "virtualNetworks/v/subnets/nodes",
        "virtualNetworks/v/subnets/api",
        "virtualNetworks/v/virtualNetworkPeerings/p",
        "loadBalancers/lb",
        "loadBalancers/lb/backendAddressPools/pool",
        "networkInterfaces/n",
    ] {
        unchanged(&mut fake, &at(path));
    }
}
