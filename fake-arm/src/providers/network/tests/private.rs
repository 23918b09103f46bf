//! Private DNS zones and private endpoints.

use super::*;

const DNS: &str = "api-version=2020-06-01";

fn zone(path: &str) -> String {
    format!("{NET}/privateDnsZones/{path}?{DNS}")
}

#[test]
fn names_in_a_linked_zone_resolve_in_the_network() {
    let mut bench = bench(&[]);
    let name = "x.privatelink.eastus.azmk8s.io";
    let made = bench.put(&zone(name), json!({"location": "global"})).expect(201);
    assert_eq!(made["properties"]["numberOfRecordSets"], 1);
    let v = id("virtualNetworks/v");
    let link = json!({"location": "global", "properties": {"virtualNetwork": {"id": v}, "registrationEnabled": false}});
    let record = json!({"properties": {"ttl": 300, "aRecords": [{"ipv4Address": "10.0.1.4"}]}});
    let made = bench.put(&zone(&format!("{name}/A/api")), record).expect(201);
    assert_eq!(made["properties"]["fqdn"], format!("api.{name}."));
    assert!(resolve(&bench.world, &v, &format!("api.{name}")).is_empty(), "not linked yet");
    let made = bench.put(&zone(&format!("{name}/virtualNetworkLinks/l")), link.clone()).expect(201);
    assert_eq!(made["properties"]["virtualNetworkLinkState"], "Completed");
    assert_eq!(resolve(&bench.world, &v, &format!("API.{name}.")), ["10.0.1.4".parse::<std::net::IpAddr>().unwrap()]);
    assert!(resolve(&bench.world, &v, &format!("other.{name}")).is_empty());
    assert_eq!(bench.get(&zone(name)).expect(200)["properties"]["numberOfVirtualNetworkLinks"], 1);

    bench.put("/resourceGroups/rg2?api-version=2021-04-01", json!({"location": "eastus"})).expect(201);
    let second = |path: &str| zone(path).replace("/rg/", "/rg2/");
    bench.put(&second(name), json!({"location": "global"})).expect(201);
    refused(
        &bench.put(&second(&format!("{name}/virtualNetworkLinks/l")), link),
        "BadRequest",
        &format!(
            "A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link virtual \
             network with '{name}' and '{name}' zones."
        ),
    );
    let nested = bench.delete(&zone(name));
    assert_eq!(
        (nested.status, nested.message()),
        (409, "Can not delete resource before nested resources are deleted.")
    );
    bench.delete(&zone(&format!("{name}/virtualNetworkLinks/l"))).expect(200);
    bench.delete(&zone(name)).expect(200);
    assert_eq!(bench.get(&zone(&format!("{name}/A/api"))).status, 404);
    let bad = json!({"properties": {"ttl": 300, "aRecords": [{"ipv4Address": "fd00::1"}]}});
    assert_eq!(bench.put(&second(&format!("{name}/A/x")), bad).code(), "BadRequest");
}

#[test]
fn a_private_endpoint_has_an_interface_in_its_subnet() {
    let mut bench = bench(&[("a", "10.0.1.0/24")]);
    let subnet = id("virtualNetworks/v/subnets/a");
    let body = json!({"location": "eastus", "properties": {
        "subnet": {"id": subnet},
        "privateLinkServiceConnections": [{"name": "c", "properties": {"privateLinkServiceId": id("privateLinkServices/s"), "groupIds": ["management"]}}],
    }});
    let made = bench.put(&at("privateEndpoints/e"), body.clone()).expect(201);
    bench.settle();
    let connection = &made["properties"]["privateLinkServiceConnections"][0]["properties"];
    assert_eq!(connection["privateLinkServiceConnectionState"]["status"], "Approved");
    let nic = ResourceId::parse(made["properties"]["networkInterfaces"][0]["id"].as_str().unwrap()).unwrap();
    assert_eq!(primary_address(&bench.world, &nic).unwrap().0.to_string(), "10.0.1.4");
    bench.put(&at("privateEndpoints/e"), body).expect(200);
    let deleted = bench.delete(&format!("{nic}?{API}"));
    assert_eq!(deleted.code(), "NicInUseWithPrivateEndpoint");
    let shown = bench.get(&at("virtualNetworks/v/subnets/a")).expect(200);
    assert_eq!(shown["properties"]["privateEndpoints"], json!([{"id": id("privateEndpoints/e")}]));
    bench.delete(&at("privateEndpoints/e")).expect(202);
    bench.settle();
    assert!(bench.world.resources().get(&nic).is_none());
    assert_eq!(capacity_left(&bench.world, &subnet), 251);
}
