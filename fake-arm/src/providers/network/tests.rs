//! The life of networks, subnets and interfaces through the ARM surface.

mod balancing;
mod peering;
mod private;
mod round_trip;
mod security;
mod subnets;

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::gateway::{Reply, TestFake};
use arm::ResourceId;

const NET: &str = "/resourceGroups/rg/providers/Microsoft.Network";
const API: &str = "api-version=2022-01-01";

fn at(path: &str) -> String {
    format!("{NET}/{path}?{API}")
}

fn id(path: &str) -> ResourceId {
    ResourceId::parse(&format!("/subscriptions/{}{NET}/{path}", TestFake::SUBSCRIPTION)).unwrap()
}

fn vnet(space: &str, subnets: &[(&str, &str)]) -> Value {
    let subnets: Vec<Value> =
        subnets.iter().map(|(n, p)| json!({"name": n, "properties": {"addressPrefix": p}})).collect();
    json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": [space]}, "subnets": subnets}})
}

fn nic(subnet: &str, count: usize) -> Value {
    let configurations: Vec<Value> = (0..count)
        .map(|i| {
            json!({"name": format!("ip{i}"), "properties": {
                "primary": i == 0,
                "privateIPAllocationMethod": "Dynamic",
                "subnet": {"id": id(&format!("virtualNetworks/v/subnets/{subnet}"))},
            }})
        })
        .collect();
    json!({"location": "eastus", "properties": {"ipConfigurations": configurations}})
}

fn fixed(subnet: &str, address: &str) -> Value {
    let mut body = nic(subnet, 1);
    body["properties"]["ipConfigurations"][0]["properties"]["privateIPAllocationMethod"] = json!("Static");
    body["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"] = json!(address);
    body
}

fn addresses(nic: &Value) -> Vec<String> {
    let items = nic["properties"]["ipConfigurations"].as_array().unwrap();
    items.iter().map(|c| c["properties"]["privateIPAddress"].as_str().unwrap().to_owned()).collect()
}

/// With a virtual network `v` of 10.0.0.0/16 and the given subnets.
fn fake(subnets: &[(&str, &str)]) -> TestFake {
    let mut fake = TestFake::with_group();
    fake.put(&at("virtualNetworks/v"), vnet("10.0.0.0/16", subnets)).expect(201);
    fake.settle();
    fake
}

#[track_caller]
fn refused(reply: &Reply, code: &str, message: &str) {
    assert_eq!((reply.status, reply.code()), (400, code), "{}", reply.message());
    assert_eq!(reply.message(), message);
}

#[test]
fn a_network_is_made_over_time_and_keeps_its_guid() {
    let mut fake = TestFake::with_group();
    let made = fake.put(&at("virtualNetworks/v"), vnet("10.0.0.0/16", &[("a", "10.0.1.0/24")]));
    assert_eq!(made.body["properties"]["provisioningState"], "Updating");
    let status = made.header("azure-asyncoperation").unwrap().to_owned();
    assert!(status.starts_with("https://127.0.0.1:1/subscriptions/"), "{status}");
    assert!(status.contains("/providers/Microsoft.Network/locations/eastus/operations/"), "{status}");
    assert_eq!((made.header("retry-after"), made.header("retry-after-ms")), (Some("1"), Some("100")));
    let made = made.expect(201);
    let status = status.trim_start_matches("https://127.0.0.1:1").to_owned();
    fake.advance(Duration::from_millis(99));
    assert_eq!(fake.get(&status).expect(200)["status"], "InProgress");
    fake.advance(Duration::from_millis(1));
    assert_eq!(fake.get(&status).expect(200)["status"], "Succeeded");
    let seen = fake.get(&at("virtualNetworks/V")).expect(200);
    assert_eq!(seen["properties"]["provisioningState"], "Succeeded");
    assert_eq!(seen["properties"]["resourceGuid"], made["properties"]["resourceGuid"]);
    assert_eq!(seen["properties"]["subnets"][0]["name"], "a");
    assert_eq!(seen["id"], json!(id("virtualNetworks/v")));

    // A PUT without subnets leaves them or, with an old api-version, removes them; one with others replaces them.
    let wider = json!({"location": "eastus", "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16", "10.1.0.0/16"]}}});
    fake.put(&at("virtualNetworks/v").replace("2022-01-01", "2024-05-01"), wider.clone()).expect(200);
    let seen = fake.get(&at("virtualNetworks/v")).expect(200);
    assert_eq!(seen["properties"]["subnets"].as_array().unwrap().len(), 1);
    assert_eq!(seen["properties"]["resourceGuid"], made["properties"]["resourceGuid"]);
    let pruned = fake.put(&at("virtualNetworks/v"), wider).expect(200);
    assert_eq!(pruned["properties"]["subnets"], json!([]));
    fake.put(&at("virtualNetworks/v"), vnet("10.0.0.0/16", &[("a", "10.0.1.0/24")])).expect(200);
    fake.put(&at("virtualNetworks/v"), vnet("10.0.0.0/16", &[("b", "10.0.1.0/24")])).expect(200);
    assert_eq!(fake.get(&at("virtualNetworks/v/subnets/a")).code(), "NotFound");
    fake.get(&at("virtualNetworks/v/subnets/b")).expect(200);
}

#[test]
fn address_spaces_are_checked() {
    let mut fake = TestFake::with_group();
    for (space, code) in [
        ("10.0.0.0", "InvalidAddressPrefixFormat"),
        ("10.0.0.0/33", "InvalidAddressPrefixFormat"),
        ("10.0.0.5/24", "InvalidCIDRNotation"),
        ("", "AddressPrefixStringCannotBeNullOrEmpty"),
    ] {
        let reply = fake.put(&at("virtualNetworks/v"), vnet(space, &[]));
        assert_eq!((reply.status, reply.code()), (400, code), "{space}");
    }
    let overlapping = vnet("10.0.0.0/16", &[("a", "10.0.1.0/24"), ("b", "10.0.1.128/25")]);
    assert_eq!(fake.put(&at("virtualNetworks/v"), overlapping).code(), "NetcfgSubnetRangesOverlap");
    assert_eq!(fake.get(&at("virtualNetworks/v")).status, 404, "nothing is left of a refused PUT");
    let elsewhere = json!({"properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/16"]}}});
    assert_eq!(fake.put(&at("virtualNetworks/v"), elsewhere).code(), "LocationRequired");
}

#[test]
fn subnets_are_checked_against_their_network() {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    let subnet = |prefix: &str| json!({"properties": {"addressPrefix": prefix}});
    refused(
        &fake.put(&at("virtualNetworks/v/subnets/x"), subnet("10.0.1.128/25")),
        "NetcfgSubnetRangesOverlap",
        "Subnet 'x' is not valid because its IP address range overlaps with that of an existing subnet in virtual network 'v'.",
    );
    refused(
        &fake.put(&at("virtualNetworks/v/subnets/x"), subnet("10.1.0.0/24")),
        "NetcfgSubnetRangeOutsideVnet",
        "Subnet 'x' is not valid because its IP address range is outside the IP address range of virtual network 'v'.",
    );
    assert_eq!(
        fake.put(&at("virtualNetworks/v/subnets/x"), subnet("10.0.2.0/30")).code(),
        "NetcfgSubnetRangeInvalidSize"
    );
    assert_eq!(fake.put(&at("virtualNetworks/w/subnets/x"), subnet("10.0.2.0/24")).code(), "ParentResourceNotFound");
    let made = fake.put(&at("virtualNetworks/v/subnets/x"), subnet("10.0.2.0/24")).expect(201);
    assert_eq!(made["id"], json!(id("virtualNetworks/v/subnets/x")));
    assert_eq!(made["type"], "Microsoft.Network/virtualNetworks/subnets");
    let list = fake.get(&at("virtualNetworks/v/subnets")).expect(200);
    assert_eq!(list["value"].as_array().unwrap().len(), 2);
    assert_eq!(fake.get(&at("virtualNetworks/w/subnets/x")).code(), "ResourceNotFound");
    fake.delete(&at("virtualNetworks/v/subnets/x")).expect(202);
    fake.settle();
    assert_eq!(fake.get(&at("virtualNetworks/v/subnets/x")).status, 404);
    fake.delete(&at("virtualNetworks/v/subnets/x")).expect(204);
}

#[test]
fn interfaces_have_addresses_of_their_subnet_and_give_them_back() {
    let mut fake = fake(&[("a", "10.0.1.0/28"), ("b", "10.0.2.0/24")]);
    let first = fake.put(&at("networkInterfaces/n1"), nic("a", 1)).expect(201);
    assert_eq!(first["id"], json!(id("networkInterfaces/n1")));
    assert_eq!(first["properties"]["provisioningState"], "Succeeded");
    assert_eq!(addresses(&first), ["10.0.1.4"]);
    let again = fake.put(&at("networkInterfaces/n1"), nic("a", 1)).expect(200);
    assert_eq!(addresses(&again), ["10.0.1.4"], "a repeated PUT changes nothing");
    let second = fake.put(&at("networkInterfaces/n2"), nic("a", 3)).expect(201);
    assert_eq!(addresses(&second), ["10.0.1.5", "10.0.1.6", "10.0.1.7"]);
    assert_eq!(second["properties"]["ipConfigurations"][1]["properties"]["primary"], false);
    // Fewer configurations give addresses back; another subnet moves the interface.
    fake.put(&at("networkInterfaces/n2"), nic("a", 1)).expect(200);
    let third = fake.put(&at("networkInterfaces/n3"), nic("a", 1)).expect(201);
    assert_eq!(addresses(&third), ["10.0.1.6"]);
    assert_eq!(addresses(&fake.put(&at("networkInterfaces/n1"), nic("b", 1)).expect(200)), ["10.0.2.4"]);
    assert_eq!(capacity_left(&fake.world, &id("virtualNetworks/v/subnets/a")), 9);
    let shown = fake.get(&at("virtualNetworks/v/subnets/a")).expect(200);
    assert_eq!(shown["properties"]["ipConfigurations"].as_array().unwrap().len(), 2);
    fake.delete(&at("networkInterfaces/n3")).expect(200);
    fake.delete(&at("networkInterfaces/n3")).expect(204);
    assert_eq!(capacity_left(&fake.world, &id("virtualNetworks/v/subnets/a")), 10);
    let (address, subnet) = primary_address(&fake.world, &id("networkInterfaces/n1")).unwrap();
    assert_eq!((address.to_string(), subnet), ("10.0.2.4".to_owned(), id("virtualNetworks/v/subnets/b")));
}

#[test]
fn a_full_subnet_refuses_all_or_nothing() {
    let mut fake = fake(&[("tiny", "10.0.9.0/29")]);
    refused(
        &fake.put(&at("networkInterfaces/n"), nic("tiny", 4)),
        "SubnetIsFull",
        "Subnet tiny with address prefix 10.0.9.0/29 does not have enough capacity for 4 IP addresses.",
    );
    assert_eq!(capacity_left(&fake.world, &id("virtualNetworks/v/subnets/tiny")), 3);
    assert_eq!(fake.get(&at("networkInterfaces/n")).status, 404);
    fake.put(&at("networkInterfaces/n"), nic("tiny", 3)).expect(201);
    assert_eq!(fake.put(&at("networkInterfaces/m"), nic("tiny", 1)).code(), "SubnetIsFull");
    fake.delete(&at("networkInterfaces/n")).expect(200);
    fake.put(&at("networkInterfaces/m"), nic("tiny", 1)).expect(201);
}

#[test]
fn static_addresses_are_checked() {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    refused(
        &fake.put(&at("networkInterfaces/n"), fixed("a", "10.0.2.9")),
        "PrivateIPAddressNotInSubnet",
        "Private static IP address 10.0.2.9 does not belong to the range of subnet prefix 10.0.1.0/24.",
    );
    refused(
        &fake.put(&at("networkInterfaces/n"), fixed("a", "10.0.1.1")),
        "PrivateIPAddressInReservedRange",
        "Private static IP address 10.0.1.1 falls within reserved IP range of subnet prefix 10.0.1.0/24.",
    );
    let made = fake.put(&at("networkInterfaces/n"), fixed("a", "10.0.1.4")).expect(201);
    assert_eq!(made["properties"]["ipConfigurations"][0]["properties"]["privateIPAllocationMethod"], "Static");
    assert_eq!(fake.put(&at("networkInterfaces/m"), fixed("a", "10.0.1.4")).code(), "PrivateIPAddressIsAllocated");
    assert_eq!(addresses(&fake.put(&at("networkInterfaces/m"), nic("a", 1)).expect(201)), ["10.0.1.5"]);
}

#[test]
fn references_must_exist_and_be_of_the_region() {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    let missing = |what: &str| {
        format!(
            "Resource {} referenced by resource {} was not found. Please make sure that the referenced resource exists, \
             and that both resources are in the same region.",
            id(what),
            id("networkInterfaces/n")
        )
    };
    let path = at("networkInterfaces/n");
    let reply = fake.put(&path, nic("nope", 1));
    refused(&reply, "InvalidResourceReference", &missing("virtualNetworks/v/subnets/nope"));

    let mut with_group = nic("a", 1);
    with_group["properties"]["networkSecurityGroup"] = json!({"id": id("networkSecurityGroups/g")});
    refused(&fake.put(&path, with_group.clone()), "InvalidResourceReference", &missing("networkSecurityGroups/g"));
    fake.put(&at("networkSecurityGroups/g"), json!({"location": "eastus"})).expect(201);

    let pool = id("loadBalancers/kubernetes/backendAddressPools/p");
    let mut with_pool = with_group;
    with_pool["properties"]["ipConfigurations"][0]["properties"]["loadBalancerBackendAddressPools"] =
        json!([{"id": pool}]);
    let reply = fake.put(&path, with_pool.clone());
    refused(&reply, "InvalidResourceReference", &missing("loadBalancers/kubernetes/backendAddressPools/p"));
    let balancer = json!({"location": "eastus", "sku": {"name": "Standard"}, "properties": {"backendAddressPools": [{"name": "p"}]}});
    let made = fake.put(&at("loadBalancers/kubernetes"), balancer).expect(201);
    assert_eq!(made["properties"]["backendAddressPools"][0]["id"], json!(pool));
    assert!(made["properties"]["backendAddressPools"][0]["properties"].is_object());
    fake.put(&path, with_pool).expect(201);
    assert_eq!(fake.get(&at("loadBalancers/kubernetes/backendAddressPools/p")).expect(200)["name"], "p");

    let mut elsewhere = nic("a", 1);
    elsewhere["location"] = json!("westus3");
    assert_eq!(fake.put(&at("networkInterfaces/other"), elsewhere).code(), "InvalidResourceReference");
    assert_eq!(fake.delete(&at("networkSecurityGroups/g")).code(), "InUseNetworkSecurityGroupCannotBeDeleted");
}

#[test]
fn what_is_in_use_stays() {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    fake.put(&at("networkInterfaces/n"), nic("a", 1)).expect(201);
    refused(
        &fake.delete(&at("virtualNetworks/v/subnets/a")),
        "InUseSubnetCannotBeDeleted",
        &format!(
            "Subnet a is in use by {} and cannot be deleted. In order to delete the subnet, delete all the resources \
             within the subnet. See aka.ms/deletesubnet.",
            id("networkInterfaces/n/ipConfigurations/ip0")
        ),
    );
    assert_eq!(fake.delete(&at("virtualNetworks/v")).code(), "InUseSubnetCannotBeDeleted");
    let none = vnet("10.0.0.0/16", &[]);
    assert_eq!(fake.put(&at("virtualNetworks/v"), none).code(), "InUseSubnetCannotBeDeleted");
    let larger = json!({"properties": {"addressPrefix": "10.0.0.0/22"}});
    refused(
        &fake.put(&at("virtualNetworks/v/subnets/a"), larger),
        "InUsePrefixCannotBeDeleted",
        "IpPrefix 10.0.1.0/24 on Subnet a has active allocations and cannot be deleted.",
    );
    let delegated = json!({"properties": {"addressPrefix": "10.0.1.0/24", "delegations": [
        {"name": "d", "properties": {"serviceName": "Microsoft.ContainerService/managedClusters"}}]}});
    assert_eq!(
        fake.put(&at("virtualNetworks/v/subnets/a"), delegated.clone()).code(),
        "SubnetDelegationsCannotChangeWhenSubnetUsedByResource"
    );

    let machine = id("a/x").group().unwrap().resource("Microsoft.Compute/virtualMachines", "m");
    let n = id("networkInterfaces/n");
    attach(&mut fake.world, &n, &machine, true).unwrap();
    attach(&mut fake.world, &n, &machine, true).unwrap();
    let other = machine.parent().unwrap().resource("Microsoft.Compute/virtualMachines", "other");
    assert_eq!(attach(&mut fake.world, &n, &other, true).unwrap_err().code(), "NicInUse");
    assert_eq!(fake.delete(&at("networkInterfaces/n")).code(), "NicInUse");
    let again = fake.put(&at("networkInterfaces/n"), nic("a", 1)).expect(200);
    assert_eq!(again["properties"]["virtualMachine"]["id"], json!(machine), "a PUT keeps the link");
    detach(&mut fake.world, &n);
    fake.delete(&at("networkInterfaces/n")).expect(200);
    let made = fake.put(&at("virtualNetworks/v/subnets/a"), delegated).expect(200);
    assert_eq!(
        made["properties"]["delegations"][0]["properties"]["serviceName"],
        "Microsoft.ContainerService/managedClusters"
    );
    fake.delete(&at("virtualNetworks/v")).expect(202);
    fake.settle();
    assert_eq!(fake.get(&at("virtualNetworks/v")).status, 404);
}

#[test]
fn others_take_addresses_too() {
    let mut fake = fake(&[("a", "10.0.1.0/29")]);
    let subnet = id("virtualNetworks/v/subnets/a");
    let world = &mut fake.world;
    let take = |world: &mut crate::world::World, holder: &str| allocate(world, &subnet, holder).map(|a| a.to_string());
    assert_eq!(take(world, "/vmss/0/nic/ip").unwrap(), "10.0.1.4");
    assert_eq!(take(world, "/VMSS/0/nic/ip").unwrap(), "10.0.1.4");
    assert_eq!(take(world, "/vmss/1/nic/ip").unwrap(), "10.0.1.5");
    assert_eq!(take(world, "/vmss/10/nic/ip").unwrap(), "10.0.1.6");
    assert_eq!(take(world, "/vmss/2/nic/ip").unwrap_err().code(), "SubnetIsFull");
    release(world, "/vmss/1");
    assert_eq!(take(world, "/vmss/2/nic/ip").unwrap(), "10.0.1.5");
    let nope = id("virtualNetworks/v/subnets/nope");
    assert_eq!(allocate(world, &nope, "/x").unwrap_err().code(), "InvalidResourceReference");
}

#[test]
fn a_group_takes_everything_with_it() {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    fake.put(&at("networkInterfaces/n"), nic("a", 1)).expect(201);
    fake.put(&at("publicIPAddresses/p"), json!({"location": "eastus"})).expect(201);
    fake.delete("/resourceGroups/rg?api-version=2021-04-01").expect(202);
    let late = fake.put(&at("networkInterfaces/m"), nic("a", 1));
    assert_eq!((late.status, late.code()), (409, "ResourceGroupBeingDeleted"));
    fake.settle();
    let left = fake.world.resources().iter().filter(|r| !r.resource_type.starts_with("Microsoft.Authorization/"));
    assert_eq!(left.count(), 0);
    assert_eq!(fake.get(&at("networkInterfaces/n")).code(), "ResourceGroupNotFound");
}

#[test]
fn lists_come_in_pages() {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    fake.world.settings_mut().page_size = 2;
    for n in ["n1", "n2", "n3"] {
        fake.put(&at(&format!("networkInterfaces/{n}")), nic("a", 1)).expect(201);
    }
    let first = fake.get(&at("networkInterfaces")).expect(200);
    assert_eq!(first["value"].as_array().unwrap().len(), 2);
    let next = first["nextLink"].as_str().unwrap().trim_start_matches("https://127.0.0.1:1").to_owned();
    let second = fake.get(&next).expect(200);
    assert_eq!(second["value"][0]["name"], "n3");
    assert!(second.get("nextLink").is_none());
    let path = format!("/subscriptions/{}/providers/Microsoft.Network/networkInterfaces?{API}", TestFake::SUBSCRIPTION);
    assert_eq!(fake.get(&path).expect(200)["value"].as_array().unwrap().len(), 2);
}

#[test]
fn unknown_versions_types_and_namespaces_are_named() {
    let mut fake = fake(&[]);
    let path = format!("{NET}/virtualNetworks/v");
    let missing = fake.get(&path);
    assert_eq!((missing.status, missing.code()), (400, "MissingApiVersionParameter"));
    let unknown = fake.get(&format!("{path}?api-version=1999-01-01"));
    assert_eq!((unknown.status, unknown.code()), (400, "NoRegisteredProviderFound"));
    assert!(unknown.message().contains("'2015-06-15, "), "{}", unknown.message());
    assert_eq!(fake.get(&format!("{path}?api-version=latest")).code(), "InvalidApiVersionParameter");
    assert_eq!(fake.get(&at("bananas/b")).code(), "InvalidResourceType");
    let namespace = "/resourceGroups/rg/providers/Microsoft.Bananas/b/c?api-version=2022-01-01";
    assert_eq!(fake.get(namespace).code(), "InvalidResourceNamespace");
    let missing = fake.get(&at("networkInterfaces/x"));
    assert_eq!(
        missing.message(),
        "The Resource 'Microsoft.Network/networkInterfaces/x' under resource group 'rg' was not found. For more details \
         please go to https://aka.ms/ARMResourceNotFoundFix"
    );
    let elsewhere =
        fake.get("/subscriptions/99999999-1111-1111-1111-111111111111/resourceGroups?api-version=2021-04-01");
    assert_eq!((elsewhere.status, elsewhere.code()), (404, "SubscriptionNotFound"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever is created and deleted, in whatever order, with static addresses among the dynamic ones: no address is
    /// given twice, none is lost.
    #[test]
    fn addresses_are_neither_shared_nor_lost(
        steps in proptest::collection::vec((0_u8..6, 0_usize..4, any::<bool>(), proptest::option::of((0_u8..4, 4_u8..10))), 1..40),
    ) {
        let mut fake = fake(&[("a", "10.0.1.0/28"), ("b", "10.0.2.0/28")]);
        for (n, count, into_a, fixed) in steps {
            let path = at(&format!("networkInterfaces/n{n}"));
            let mut body = nic(if into_a { "a" } else { "b" }, count);
            let configuration = fixed.and_then(|(at, host)| Some((body["properties"]["ipConfigurations"].get_mut(usize::from(at))?, host)));
            if let Some((configuration, host)) = configuration {
                configuration["properties"]["privateIPAllocationMethod"] = json!("Static");
                configuration["properties"]["privateIPAddress"] = json!(format!("10.0.{}.{host}", if into_a { 1 } else { 2 }));
            }
            if count == 0 {
                fake.delete(&path);
            } else {
                fake.put(&path, body);
            }
            let list = fake.get(&at("networkInterfaces")).expect(200);
            let all: Vec<String> = list["value"].as_array().unwrap().iter().flat_map(addresses).collect();
            prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
            let left = ["a", "b"].map(|s| capacity_left(&fake.world, &id(&format!("virtualNetworks/v/subnets/{s}"))));
            prop_assert_eq!(left[0] + left[1] + all.len() as u64, 22);
        }
    }
}
