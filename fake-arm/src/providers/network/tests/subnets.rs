//! Address spaces, subnets and the addresses in them.

use super::*;

const NEW: &str = "api-version=2024-05-01";

fn subnet(prefixes: &[&str]) -> Value {
    json!({"properties": {"addressPrefixes": prefixes}})
}

#[test]
fn a_network_keeps_its_prefixes_apart_and_off_azures_own() {
    let mut fake = TestFake::with_group();
    let put = |fake: &mut TestFake, space: &[&str]| {
        let body = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": space}}});
        fake.put(&at("virtualNetworks/v"), body)
    };
    refused(
        &put(&mut fake, &["10.0.0.0/16", "10.0.128.0/17"]),
        "VnetAddressPrefixesOverlap",
        &format!(
            "Address prefixes 10.0.0.0/16 and 10.0.128.0/17 of virtual network {} overlap. The address prefixes of a \
             virtual network must not overlap with each other.",
            id("virtualNetworks/v")
        ),
    );
    for space in ["169.254.1.0/24", "224.0.0.0/8", "10.0.0.0/30", "0.0.0.0/1", "168.63.129.0/24"] {
        assert_eq!(put(&mut fake, &[space]).code(), "AddressPrefixNotAllowed", "{space}");
    }
    put(&mut fake, &["10.0.0.0/16", "fd00:db8::/48"]).expect(201);
}

#[test]
fn a_prefix_with_subnets_stays_in_the_space() {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    let path = at("virtualNetworks/v").replace(API, NEW);
    let space = |prefixes: &[&str]| json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": prefixes}}});
    refused(
        &fake.put(&path, space(&["10.1.0.0/16"])),
        "NetcfgSubnetRangeOutsideVnet",
        "Subnet 'a' is not valid because its IP address range is outside the IP address range of virtual network 'v'.",
    );
    fake.put(&path, space(&["10.0.0.0/20", "10.1.0.0/16"])).expect(200);
    let shown = fake.get(&path).expect(200);
    assert_eq!(shown["properties"]["addressSpace"]["addressPrefixes"], json!(["10.0.0.0/20", "10.1.0.0/16"]));
    assert_eq!(shown["properties"]["subnets"].as_array().unwrap().len(), 1);
}

#[test]
fn a_full_subnet_is_cured_by_a_second_prefix() {
    let mut fake = fake(&[("a", "10.0.1.0/29")]);
    fake.put(&at("networkInterfaces/n"), nic("a", 3)).expect(201);
    let full = fake.put(&at("networkInterfaces/m"), nic("a", 1));
    assert_eq!(full.code(), "SubnetIsFull");
    let path = at("virtualNetworks/v/subnets/a");
    refused(
        &fake.put(&path, subnet(&["10.0.1.0/28"])),
        "InUsePrefixCannotBeDeleted",
        "IpPrefix 10.0.1.0/29 on Subnet a has active allocations and cannot be deleted.",
    );
    assert_eq!(fake.put(&path, subnet(&["10.0.1.0/29", "10.0.1.0/28"])).code(), "NetcfgSubnetRangesOverlap");
    fake.put(&path, subnet(&["10.0.1.0/29", "10.0.9.0/29"])).expect(200);
    assert_eq!(addresses(&fake.put(&at("networkInterfaces/m"), nic("a", 1)).expect(201)), ["10.0.9.4"]);
    // The first prefix is in use, and so is the second now.
    assert_eq!(fake.put(&path, subnet(&["10.0.1.0/29"])).code(), "InUsePrefixCannotBeDeleted");
    fake.delete(&at("networkInterfaces/m")).expect(200);
    fake.put(&path, subnet(&["10.0.1.0/29"])).expect(200);
    assert_eq!(capacity_left(&fake.world, &id("virtualNetworks/v/subnets/a")), 0);
}

#[test]
fn the_addresses_of_a_deleted_machine_are_held_for_three_minutes() {
    let mut fake = fake(&[("a", "10.0.1.0/29")]);
    let machine = id("a/x").group().unwrap().resource("Microsoft.Compute/virtualMachines", "m");
    for name in ["n1", "n2", "n3"] {
        fake.put(&at(&format!("networkInterfaces/{name}")), nic("a", 1)).expect(201);
        attach(&mut fake.world, &id(&format!("networkInterfaces/{name}")), &machine, true).unwrap();
    }
    delete_interface(&mut fake.world, &id("networkInterfaces/n1"));
    let path = at("networkInterfaces/late");
    assert_eq!(fake.put(&path, nic("a", 1)).code(), "SubnetIsFull");
    assert_eq!(fake.put(&path, fixed("a", "10.0.1.4")).code(), "PrivateIPAddressIsAllocated");
    let subnet = fake.get(&at("virtualNetworks/v/subnets/a")).expect(200);
    assert_eq!(subnet["properties"]["ipConfigurations"].as_array().unwrap().len(), 2, "held, but nobody's");
    fake.advance(Duration::from_secs(179));
    assert_eq!(fake.put(&path, nic("a", 1)).code(), "SubnetIsFull");
    fake.advance(Duration::from_secs(1));
    assert_eq!(addresses(&fake.put(&path, nic("a", 1)).expect(201)), ["10.0.1.4"]);

    fake.world.settings_mut().address_hold = Duration::ZERO;
    delete_interface(&mut fake.world, &id("networkInterfaces/n2"));
    fake.put(&at("networkInterfaces/soon"), nic("a", 1)).expect(201);
}

#[test]
fn an_interface_that_a_machine_left_by_force_is_reserved() {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    fake.put(&at("networkInterfaces/n"), nic("a", 1)).expect(201);
    let group = id("a/x").group().unwrap();
    let machine = |name: &str| group.resource("Microsoft.Compute/virtualMachines", name);
    let n = id("networkInterfaces/n");
    attach(&mut fake.world, &n, &machine("m"), true).unwrap();
    detach(&mut fake.world, &n);
    reserve(&mut fake.world, &n, &machine("m"));
    let text = format!(
        "Nic(s) in request is reserved for another Virtual Machine for 180 seconds. Please provide another nic(s) or \
         retry after 180 seconds. Reserved VM: {}",
        machine("m")
    );
    refused(&fake.delete(&at("networkInterfaces/n")), "NicReservedForAnotherVm", &text);
    assert_eq!(attach(&mut fake.world, &n, &machine("other"), true).unwrap_err().message(), text);
    fake.advance(Duration::from_secs(180));
    attach(&mut fake.world, &n, &machine("other"), true).unwrap();
    detach(&mut fake.world, &n);
    reserve(&mut fake.world, &n, &machine("m"));
    attach(&mut fake.world, &n, &machine("m"), true).unwrap();
    detach(&mut fake.world, &n);
    fake.delete(&at("networkInterfaces/n")).expect(200);
}

#[test]
fn dual_stack_interfaces_have_an_address_of_each_family() {
    let mut fake = TestFake::with_group();
    let body = json!({"location": "eastus", "properties": {
        "addressSpace": {"addressPrefixes": ["10.0.0.0/16", "fd00:db8::/48"]},
        "subnets": [
            {"name": "both", "properties": {"addressPrefixes": ["10.0.1.0/24", "fd00:db8:0:1::/64"]}},
            {"name": "four", "properties": {"addressPrefix": "10.0.2.0/24"}},
        ],
    }});
    fake.put(&at("virtualNetworks/v"), body).expect(201);
    let wide = json!({"properties": {"addressPrefix": "fd00:db8:0:2::/63"}});
    assert_eq!(fake.put(&at("virtualNetworks/v/subnets/wide"), wide).code(), "NetcfgSubnetRangeInvalidSize");
    let dual = |subnet: &str| {
        let mut body = nic(subnet, 2);
        body["properties"]["ipConfigurations"][1]["properties"]["privateIPAddressVersion"] = json!("IPv6");
        body
    };
    let made = fake.put(&at("networkInterfaces/n"), dual("both")).expect(201);
    assert_eq!(addresses(&made), ["10.0.1.4", "fd00:db8:0:1::4"]);
    assert_eq!(made["properties"]["ipConfigurations"][1]["properties"]["privateIPAddressVersion"], "IPv6");
    assert_eq!(addresses(&fake.put(&at("networkInterfaces/n"), dual("both")).expect(200)), addresses(&made));
    assert_eq!(fake.put(&at("networkInterfaces/m"), dual("four")).code(), "SubnetDoesNotHaveIPv6AddressPrefix");
    let mut alone = dual("both");
    alone["properties"]["ipConfigurations"].as_array_mut().unwrap().remove(0);
    assert_eq!(fake.put(&at("networkInterfaces/m"), alone).code(), "IPv6ConfigurationCannotBePrimary");
    assert_eq!(capacity_left(&fake.world, &id("virtualNetworks/v/subnets/both")), 250);
}

#[test]
fn a_delegated_subnet_is_the_services_own() {
    let mut fake = fake(&[]);
    let path = at("virtualNetworks/v/subnets/api");
    let delegated = |service: &str| {
        json!({"properties": {"addressPrefix": "10.0.1.0/28", "delegations": [
            {"name": "0", "properties": {"serviceName": service}}]}})
    };
    assert_eq!(fake.put(&path, delegated("Microsoft.Bananas/peels")).code(), "SubnetDelegationServiceNameInvalid");
    let aks = "Microsoft.ContainerService/managedClusters";
    let made = fake.put(&path, delegated(aks)).expect(201);
    let delegation = &made["properties"]["delegations"][0];
    assert_eq!(delegation["id"], json!(id("virtualNetworks/v/subnets/api/delegations/0")));
    assert_eq!(delegation["properties"]["actions"], json!(["Microsoft.Network/virtualNetworks/subnets/join/action"]));
    let api = id("virtualNetworks/v/subnets/api");
    assert!(is_delegated(&fake.world, &api, aks) && !is_delegated(&fake.world, &api, "Microsoft.App/environments"));
    assert_eq!(longest_prefix(aks), Some(28));
    let reply = fake.put(&at("networkInterfaces/n"), nic("api", 1));
    refused(
        &reply,
        "ResourceNotPermittedOnDelegatedSubnet",
        &format!(
            "Resource of type 'Microsoft.Network/networkInterfaces' is not permitted on delegated subnet '{api}'. \
             Permitted resource types are: [{aks}]"
        ),
    );
    // The service itself takes addresses there, and leaves a link that keeps the subnet.
    let internal = id("loadBalancers/kube-apiserver");
    let body = json!({"location": "eastus", "properties": {"frontendIPConfigurations": [{"name": "f", "properties": {"subnet": {"id": api}}}]}});
    assert_eq!(
        fake.put(&at("loadBalancers/kube-apiserver"), body.clone()).code(),
        "ResourceNotPermittedOnDelegatedSubnet"
    );
    crate::provider::internal_put(&mut fake.world, &internal, LOAD_BALANCER, body).unwrap();
    assert_eq!(capacity_left(&fake.world, &api), 10);
    fake.delete(&at("loadBalancers/kube-apiserver")).expect(200);
    let cluster = api.group().unwrap().resource(aks, "c");
    allocate(&mut fake.world, &api, &format!("{cluster}/apiserver/0")).unwrap();
    release(&mut fake.world, cluster.as_str());
    link_service(&mut fake.world, &api, "aks", aks, &cluster).unwrap();
    let shown = fake.put(&path, delegated(aks)).expect(200);
    assert_eq!(shown["properties"]["serviceAssociationLinks"][0]["properties"]["linkedResourceType"], aks);
    let links = fake.get(&at("virtualNetworks/v/subnets/api/ServiceAssociationLinks")).expect(200);
    assert_eq!(links["value"][0]["name"], "aks");
    let refusal = fake.delete(&path);
    assert_eq!(refusal.code(), "InUseSubnetCannotBeDeleted");
    assert!(refusal.message().contains("/subnets/api/serviceAssociationLinks/aks"), "{}", refusal.message());
    let plain = json!({"properties": {"addressPrefix": "10.0.1.0/28"}});
    assert_eq!(fake.put(&path, plain).code(), "SubnetDelegationsCannotChangeWhenSubnetUsedByResource");
    unlink_service(&mut fake.world, &api, "aks");
    fake.delete(&path).expect(202);
}

#[test]
fn endpoints_and_policies_of_a_subnet_are_checked_and_filled_in() {
    let mut fake = fake(&[]);
    let path = at("virtualNetworks/v/subnets/a");
    let with = |field: &str, value: Value| {
        let mut body = json!({"properties": {"addressPrefix": "10.0.1.0/24"}});
        body["properties"][field] = value;
        body
    };
    let endpoints = json!([{"service": "microsoft.storage"}, {"service": "Microsoft.KeyVault"}]);
    let made = fake.put(&path, with("serviceEndpoints", endpoints)).expect(201);
    let shown = &made["properties"]["serviceEndpoints"];
    assert_eq!(shown[0]["service"], "Microsoft.Storage");
    assert_eq!((&shown[0]["locations"], &shown[1]["locations"]), (&json!(["eastus"]), &json!(["*"])));
    let unknown = fake.put(&path, with("serviceEndpoints", json!([{"service": "Microsoft.Bananas"}])));
    assert_eq!(unknown.code(), "ServiceEndpointServiceNotSupported");
    assert_eq!(made["properties"]["privateEndpointNetworkPolicies"], "Disabled");
    let policies = fake.put(&path, with("privateEndpointNetworkPolicies", json!("Sometimes")));
    assert_eq!(policies.code(), "InvalidRequestFormat");
    let policies = fake.put(&path, with("privateEndpointNetworkPolicies", json!("routetableenabled"))).expect(200);
    assert_eq!(policies["properties"]["privateEndpointNetworkPolicies"], "RouteTableEnabled");
}

#[test]
fn a_subnet_tells_how_full_it_is_and_which_addresses_are_free() {
    let mut fake = fake(&[("a", "10.0.1.0/29"), ("b", "10.0.2.0/24")]);
    fake.put(&at("networkInterfaces/n"), nic("a", 2)).expect(201);
    let usages = fake.get(&at("virtualNetworks/v/usages")).expect(200);
    let of = |n: usize| {
        (usages["value"][n]["currentValue"].as_u64().unwrap(), usages["value"][n]["limit"].as_u64().unwrap())
    };
    assert_eq!((of(0), of(1)), ((2, 3), (0, 251)));
    assert_eq!(usages["value"][0]["name"]["value"], "SubnetSpace");
    assert_eq!(usages["value"][0]["id"], json!(id("virtualNetworks/v/subnets/a")));
    let mut ask = |address: &str| {
        fake.get(&format!("{}&ipAddress={address}", at("virtualNetworks/v/CheckIPAddressAvailability")))
    };
    assert_eq!(ask("10.0.1.6").expect(200), json!({"available": true, "isPlatformReserved": false}));
    let taken = json!({"available": false, "isPlatformReserved": false, "availableIPAddresses": ["10.0.1.6"]});
    assert_eq!(ask("10.0.1.4").expect(200), taken);
    assert_eq!(ask("10.0.2.1").expect(200)["isPlatformReserved"], true);
    assert_eq!(ask("10.0.9.1").code(), "PrivateIPAddressNotInAnySubnet");
    assert_eq!(ask("nonsense").code(), "InvalidIPAddress");
}

#[test]
fn a_subnet_in_use_names_everything_that_uses_it() {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    fake.put(&at("networkInterfaces/n"), nic("a", 2)).expect(201);
    let message = fake.delete(&at("virtualNetworks/v/subnets/a")).message().to_owned();
    for holder in ["ip0", "ip1"] {
        let holder = id(&format!("networkInterfaces/n/ipConfigurations/{holder}"));
        assert!(message.contains(holder.as_str()), "{message}");
    }
}
