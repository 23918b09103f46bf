//! Security groups and route tables.

use super::*;
use net::{Direction, NextHop, Packet};

fn rule(name: &str, priority: u32, change: Value) -> Value {
    let mut rule = json!({"name": name, "properties": {
        "priority": priority, "direction": "Inbound", "access": "Allow", "protocol": "Tcp",
        "sourceAddressPrefix": "*", "sourcePortRange": "*", "destinationAddressPrefix": "*", "destinationPortRange": "443",
    }});
    for (field, value) in change.as_object().unwrap() {
        rule["properties"][field] = value.clone();
    }
    rule
}

fn group(rules: &[Value]) -> Value {
    json!({"location": "eastus", "properties": {"securityRules": rules}})
}

#[test]
fn rules_that_azure_refuses_are_refused() {
    let path = at("networkSecurityGroups/g");
    let own = id("networkSecurityGroups/g/securityRules/r");
    let cases = [
        (json!({"priority": 50}), "SecurityRuleInvalidPriority", "Security rule has invalid Priority. Value provided: 50 Allowed range 100-4096.".to_owned()),
        (json!({"priority": 4097}), "SecurityRuleInvalidPriority", "Security rule has invalid Priority. Value provided: 4097 Allowed range 100-4096.".to_owned()),
        (
            json!({"destinationPortRange": "80,443"}),
            "SecurityRuleInvalidPortRange",
            "Security rule has invalid Port range. Value provided: 80,443. Value should be an integer OR integer range with '-' delimiter. Valid range 0-65535.".to_owned(),
        ),
        (
            json!({"sourceAddressPrefix": "193.23.120.230/30"}),
            "SecurityRuleInvalidAddressPrefix",
            "Security rule has invalid Address prefix. Value provided: 193.23.120.230/30.".to_owned(),
        ),
        (
            json!({"sourceAddressPrefix": "AzureBastionSubnet"}),
            "SecurityRuleInvalidAddressPrefix",
            "Security rule has invalid Address prefix. Value provided: AzureBastionSubnet.".to_owned(),
        ),
        (
            json!({"destinationAddressPrefix": null, "destinationAddressPrefixes": ["10.0.0.0/8", "AzureContainerRegistry"]}),
            "SecurityRuleParameterContainsUnsupportedValue",
            format!("Security rule parameter DestinationAddressPrefixes for rule with Id {own} cannot specify existing VIRTUALNETWORK, INTERNET, AZURELOADBALANCER, '*' or system tags. Unsupported value used: AzureContainerRegistry."),
        ),
        (
            json!({"sourceAddressPrefix": null}),
            "SecurityRuleParametersMissing",
            format!("Required security rule parameters are missing for security rule with Id: {own}. Security rule must specify SourceAddressPrefixes, or SourceAddressPrefix, or SourceApplicationSecurityGroups."),
        ),
        (
            json!({"destinationAddressPrefix": "AzurePlatformDNS", "direction": "Outbound"}),
            "SecurityRuleInvalidAccessType",
            format!("Security rule {own} has invalid Access type for service tag AzurePlatformDNS. Value provided: Allow. Allowed values: Deny."),
        ),
        (json!({"protocol": "Sctp"}), "InvalidRequestFormat", "Cannot parse the request.".to_owned()),
    ];
    for (change, code, message) in cases {
        let mut fake = TestFake::with_group();
        refused(&fake.put(&path, group(&[rule("r", 200, change.clone())])), code, &message);
        assert_eq!(fake.get(&path).status, 404, "{change}");
        // The same on its own.
        fake.put(&path, group(&[])).expect(201);
        let child = at("networkSecurityGroups/g/securityRules/r");
        assert_eq!(fake.put(&child, rule("r", 200, change)).code(), code);
    }
}

#[test]
fn two_rules_of_one_priority_and_direction_conflict() {
    let mut fake = TestFake::with_group();
    let path = at("networkSecurityGroups/g");
    let conflict = "Security rule one conflicts with rule two. Rules cannot have the same Priority and Direction. To learn \
                    more, see aka.ms/nsgrules.";
    let rules = [rule("one", 100, json!({})), rule("two", 100, json!({}))];
    refused(&fake.put(&path, group(&rules)), "SecurityRuleConflict", conflict);
    let other_way = [rule("one", 100, json!({})), rule("two", 100, json!({"direction": "Outbound"}))];
    fake.put(&path, group(&other_way)).expect(201);
    let child = at("networkSecurityGroups/g/securityRules/three");
    assert_eq!(fake.put(&child, rule("three", 100, json!({}))).code(), "SecurityRuleConflict");
    let made = fake.put(&child, rule("three", 110, json!({"sourceAddressPrefix": "10.0.0.4"}))).expect(201);
    assert_eq!(made["properties"]["sourceAddressPrefix"], "10.0.0.4");
    assert!(made["etag"].is_string());
    let shown = fake.get(&path).expect(200);
    assert_eq!(shown["properties"]["securityRules"].as_array().unwrap().len(), 3);
    assert_eq!(shown["properties"]["defaultSecurityRules"].as_array().unwrap().len(), 6);
    fake.delete(&child).expect(200);
    fake.delete(&child).expect(204);
    assert_eq!(fake.get(&child).status, 404);
}

#[test]
fn both_groups_must_let_a_packet_pass() {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    let deny = rule("deny-web", 100, json!({"access": "Deny", "sourceAddressPrefix": "10.0.2.0/24"}));
    fake.put(&at("networkSecurityGroups/on-subnet"), group(&[deny])).expect(201);
    let allow = rule("allow-web", 100, json!({"sourceAddressPrefix": "Internet"}));
    fake.put(&at("networkSecurityGroups/on-nic"), group(&[allow])).expect(201);
    let reference = |name: &str| json!({"id": id(&format!("networkSecurityGroups/{name}"))});
    let subnet =
        json!({"properties": {"addressPrefix": "10.0.1.0/24", "networkSecurityGroup": reference("on-subnet")}});
    fake.put(&at("virtualNetworks/v/subnets/a"), subnet).expect(200);
    let mut body = nic("a", 1);
    body["properties"]["networkSecurityGroup"] = reference("on-nic");
    fake.put(&at("networkInterfaces/n"), body).expect(201);
    let (n, a) = (id("networkInterfaces/n"), id("virtualNetworks/v/subnets/a"));
    let ask = |fake: &TestFake, source: &str, port: u16| {
        let packet = Packet::tcp(source.parse().unwrap(), "10.0.1.4".parse().unwrap(), port);
        passes(&fake.world, Direction::Inbound, Some(&n), &a, &packet)
    };
    assert_eq!(ask(&fake, "10.0.2.9", 443), Err("on-subnet/deny-web".to_owned()));
    assert_eq!(ask(&fake, "10.0.2.9", 80), Ok(()), "the default rule for the network");
    assert_eq!(ask(&fake, "8.8.8.8", 443), Err("on-subnet/DenyAllInBound".to_owned()));
    assert_eq!(ask(&fake, "168.63.129.16", 10256), Ok(()), "the load balancer's probe");
    let shown = fake.get(&at("networkSecurityGroups/on-subnet")).expect(200);
    assert_eq!(shown["properties"]["subnets"], json!([{"id": a}]));
    let post = |action: &str| at(&format!("networkInterfaces/n/{action}"));
    let effective = fake.post(&post("effectiveNetworkSecurityGroups"), json!(null)).expect(200);
    assert_eq!(effective["value"].as_array().unwrap().len(), 2);
    assert_eq!(effective["value"][0]["effectiveSecurityRules"].as_array().unwrap().len(), 7);
    let in_use = fake.delete(&at("networkSecurityGroups/on-subnet"));
    refused(
        &in_use,
        "InUseNetworkSecurityGroupCannotBeDeleted",
        &format!(
            "Network security group {} cannot be deleted because it is in use by the following resources: {a}. In order to \
             delete the Network security group, remove the association with the resource(s). To learn how to do this, see \
             aka.ms/deletensg.",
            id("networkSecurityGroups/on-subnet")
        ),
    );
}

#[test]
fn application_groups_name_their_members() {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    fake.put(&at("applicationSecurityGroups/web"), json!({"location": "eastus"})).expect(201);
    let web = id("applicationSecurityGroups/web");
    let mut member = nic("a", 1);
    member["properties"]["ipConfigurations"][0]["properties"]["applicationSecurityGroups"] = json!([{"id": web}]);
    fake.put(&at("networkInterfaces/n"), member).expect(201);
    let deny = rule(
        "deny",
        100,
        json!({"access": "Deny", "destinationAddressPrefix": null, "destinationApplicationSecurityGroups": [{"id": web}]}),
    );
    fake.put(&at("networkSecurityGroups/g"), group(&[deny])).expect(201);
    let subnet = json!({"properties": {"addressPrefix": "10.0.1.0/24", "networkSecurityGroup": {"id": id("networkSecurityGroups/g")}}});
    fake.put(&at("virtualNetworks/v/subnets/a"), subnet).expect(200);
    let a = id("virtualNetworks/v/subnets/a");
    let ask = |to: &str| {
        let packet = Packet::tcp("10.0.1.9".parse().unwrap(), to.parse().unwrap(), 443);
        passes(&fake.world, Direction::Inbound, None, &a, &packet)
    };
    assert_eq!(ask("10.0.1.4"), Err("g/deny".to_owned()));
    assert_eq!(ask("10.0.1.5"), Ok(()));
    assert_eq!(
        fake.delete(&at("applicationSecurityGroups/web")).code(),
        "InUseApplicationSecurityGroupCannotBeDeleted"
    );
}

#[test]
fn route_tables_decide_where_a_subnet_sends_its_packets() {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    let route = |name: &str, prefix: &str, hop: &str, address: Value| json!({"name": name, "properties": {"addressPrefix": prefix, "nextHopType": hop, "nextHopIpAddress": address}});
    let table = |routes: &[Value]| json!({"location": "eastus", "properties": {"routes": routes}});
    let path = at("routeTables/t");
    let twice = [route("one", "0.0.0.0/0", "None", json!(null)), route("two", "0.0.0.0/0", "Internet", json!(null))];
    refused(
        &fake.put(&path, table(&twice)),
        "RouteConflict",
        "Route: two conflicts with Route: one. Routes cannot have the same AddressPrefix.",
    );
    for bad in
        [route("r", "0.0.0.0/0", "VirtualAppliance", json!(null)), route("r", "0.0.0.0/0", "None", json!("10.0.0.4"))]
    {
        assert_eq!(fake.put(&path, table(&[bad])).code(), "RouteNextHopIpAddressInvalid");
    }
    assert_eq!(
        fake.put(&path, table(&[route("r", "10.0.0.1/8", "None", json!(null))])).code(),
        "InvalidAddressPrefixFormat"
    );
    assert_eq!(
        fake.put(&path, table(&[route("r", "10.0.0.0/8", "Nirvana", json!(null))])).code(),
        "InvalidRequestFormat"
    );
    fake.put(&path, table(&[route("out", "0.0.0.0/0", "VirtualAppliance", json!("10.0.9.4"))])).expect(201);
    let subnet = json!({"properties": {"addressPrefix": "10.0.1.0/24", "routeTable": {"id": id("routeTables/t")}}});
    fake.put(&at("virtualNetworks/v/subnets/a"), subnet).expect(200);
    fake.put(&at("networkInterfaces/n"), nic("a", 1)).expect(201);
    let a = id("virtualNetworks/v/subnets/a");
    let hop = |fake: &TestFake, to: &str| routes(&fake.world, &a).next_hop(to.parse().unwrap());
    assert_eq!(hop(&fake, "8.8.8.8"), NextHop::VirtualAppliance("10.0.9.4".parse().unwrap()));
    assert_eq!(hop(&fake, "10.0.7.7"), NextHop::VnetLocal);
    let child = at("routeTables/t/routes/hole");
    fake.put(&child, route("hole", "10.0.7.0/24", "None", json!(null))).expect(201);
    assert_eq!(hop(&fake, "10.0.7.7"), NextHop::None);
    let effective = fake.post(&at("networkInterfaces/n/effectiveRouteTable"), json!(null)).expect(200);
    assert_eq!(effective["value"][0]["addressPrefix"], json!(["10.0.7.0/24"]));
    assert_eq!(fake.get(&path).expect(200)["properties"]["subnets"], json!([{"id": a}]));
    refused(&fake.delete(&path), "InUseRouteTableCannotBeDeleted", "Route table t is in use and cannot be deleted.");
    fake.put(
        &at("virtualNetworks/v/subnets/a"),
        json!({"properties": {"addressPrefix": "10.0.1.0/24", "routeTable": null}}),
    )
    .expect(200);
    fake.delete(&path).expect(200);
}
