//! Private DNS zones and private endpoints.

use super::*;

const DNS: &str = "api-version=2020-06-01";

fn zone(path: &str) -> String {
    format!("{NET}/privateDnsZones/{path}?{DNS}")
}

#[test]
fn names_in_a_linked_zone_resolve_in_the_network() {
    let mut fake = fake(&[]);
    let name = "x.privatelink.eastus.azmk8s.io";
    let made = fake.put(&zone(name), json!({"location": "global"})).expect(201);
    assert_eq!(made["properties"]["numberOfRecordSets"], 1);
    let v = id("virtualNetworks/v");
    let link = json!({"location": "global", "properties": {"virtualNetwork": {"id": v}, "registrationEnabled": false}});
    let record = json!({"properties": {"ttl": 300, "aRecords": [{"ipv4Address": "10.0.1.4"}]}});
    let made = fake.put(&zone(&format!("{name}/A/api")), record).expect(201);
    assert_eq!(made["properties"]["fqdn"], format!("api.{name}."));
    assert!(resolve(&fake.world, &v, &format!("api.{name}")).is_empty(), "not linked yet");
    let made = fake.put(&zone(&format!("{name}/virtualNetworkLinks/l")), link.clone()).expect(201);
    assert_eq!(made["properties"]["virtualNetworkLinkState"], "Completed");
    assert_eq!(resolve(&fake.world, &v, &format!("API.{name}.")), ["10.0.1.4".parse::<std::net::IpAddr>().unwrap()]);
    assert!(resolve(&fake.world, &v, &format!("other.{name}")).is_empty());
    assert_eq!(fake.get(&zone(name)).expect(200)["properties"]["numberOfVirtualNetworkLinks"], 1);

    fake.put("/resourceGroups/rg2?api-version=2021-04-01", json!({"location": "eastus"})).expect(201);
    let second = |path: &str| zone(path).replace("/rg/", "/rg2/");
    fake.put(&second(name), json!({"location": "global"})).expect(201);
    refused(
        &fake.put(&second(&format!("{name}/virtualNetworkLinks/l")), link),
        "BadRequest",
        &format!(
            "A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link virtual \
             network with '{name}' and '{name}' zones."
        ),
    );
    let nested = fake.delete(&zone(name));
    assert_eq!(
        (nested.status, nested.message()),
        (409, "Can not delete resource before nested resources are deleted.")
    );
    fake.delete(&zone(&format!("{name}/virtualNetworkLinks/l"))).expect(200);
    fake.delete(&zone(name)).expect(200);
    assert_eq!(fake.get(&zone(&format!("{name}/A/api"))).status, 404);
    let bad = json!({"properties": {"ttl": 300, "aRecords": [{"ipv4Address": "fd00::1"}]}});
    assert_eq!(fake.put(&second(&format!("{name}/A/x")), bad).code(), "BadRequest");
}

#[test]
fn a_private_endpoint_has_an_interface_in_its_subnet() {
    let mut fake = fake(&[("a", "10.0.1.0/24")]);
    let subnet = id("virtualNetworks/v/subnets/a");
    let body = json!({"location": "eastus", "properties": {
        "subnet": {"id": subnet},
        "privateLinkServiceConnections": [{"name": "c", "properties": {"privateLinkServiceId": id("privateLinkServices/s"), "groupIds": ["management"]}}],
    }});
    let made = fake.put(&at("privateEndpoints/e"), body.clone()).expect(201);
    fake.settle();
    let connection = &made["properties"]["privateLinkServiceConnections"][0]["properties"];
    assert_eq!(connection["privateLinkServiceConnectionState"]["status"], "Approved");
    let nic = ResourceId::parse(made["properties"]["networkInterfaces"][0]["id"].as_str().unwrap()).unwrap();
    assert_eq!(primary_address(&fake.world, &nic).unwrap().0.to_string(), "10.0.1.4");
    fake.put(&at("privateEndpoints/e"), body).expect(200);
    let deleted = fake.delete(&format!("{nic}?{API}"));
    assert_eq!(deleted.code(), "NicInUseWithPrivateEndpoint");
    let shown = fake.get(&at("virtualNetworks/v/subnets/a")).expect(200);
    assert_eq!(shown["properties"]["privateEndpoints"], json!([{"id": id("privateEndpoints/e")}]));
    fake.delete(&at("privateEndpoints/e")).expect(202);
    fake.settle();
    assert!(fake.world.resources().get(&nic).is_none());
    assert_eq!(capacity_left(&fake.world, &subnet), 251);
}
