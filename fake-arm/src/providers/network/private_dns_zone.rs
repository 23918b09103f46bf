//! Private DNS zones, the networks that they are linked to, and their records: as much as private clusters need.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::reference::{self, list, missing_reference};
use super::types::{PRIVATE_DNS_ZONE, VIRTUAL_NETWORK};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::{Resource, World};
use arm::{ArmError, ResourceId};

/// The type of a zone's links to networks.
const LINK: &str = "Microsoft.Network/privateDnsZones/virtualNetworkLinks";

const API_VERSIONS: &[&str] = &["2018-09-01", "2020-01-01", "2020-06-01", "2024-06-01"];

/// The kinds of record sets that are served, with the array that holds the records.
const RECORDS: [(&str, &str); 4] =
    [("A", "aRecords"), ("AAAA", "aaaaRecords"), ("CNAME", "cnameRecord"), ("TXT", "txtRecords")];

struct Zones;
struct Links;
/// Record sets of one kind: its name, and the property that holds the records.
struct Records(&'static str, &'static str);

inventory::submit! { ResourceType::new(PRIVATE_DNS_ZONE, API_VERSIONS, &Zones).tracked() }
inventory::submit! { ResourceType::new(LINK, API_VERSIONS, &Links).tracked() }
inventory::submit! { ResourceType::new("Microsoft.Network/privateDnsZones/A", API_VERSIONS, &Records("A", "aRecords")) }
inventory::submit! {
    ResourceType::new("Microsoft.Network/privateDnsZones/AAAA", API_VERSIONS, &Records("AAAA", "aaaaRecords"))
}
inventory::submit! {
    ResourceType::new("Microsoft.Network/privateDnsZones/CNAME", API_VERSIONS, &Records("CNAME", "cnameRecord"))
}
inventory::submit! {
    ResourceType::new("Microsoft.Network/privateDnsZones/TXT", API_VERSIONS, &Records("TXT", "txtRecords"))
}

impl Handler for Zones {
    fn show(&self, world: &World, resource: &Resource) -> Value {
        let mut shown = resource.json();
        let links: Vec<&Resource> = world.resources().within(&resource.id, LINK).collect();
        let registering = links.iter().filter(|link| link.properties()["registrationEnabled"] == json!(true)).count();
        let sets = RECORDS.iter().flat_map(|(kind, _)| record_sets(world, &resource.id, kind)).count();
        let numbers = [
            ("maxNumberOfRecordSets", 25_000),
            ("maxNumberOfVirtualNetworkLinks", 1_000),
            ("maxNumberOfVirtualNetworkLinksWithRegistration", 100),
            // The zone's own SOA is one of them.
            ("numberOfRecordSets", sets + 1),
            ("numberOfVirtualNetworkLinks", links.len()),
            ("numberOfVirtualNetworkLinksWithRegistration", registering),
        ];
        for (field, number) in numbers {
            shown["properties"][field] = json!(number);
        }
        shown
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let name = request.id.name();
        let labels = name.split('.').count();
        let sound =
            name.split('.').all(|l| !l.is_empty() && l.len() <= 63) && name.len() <= 253 && (2..=34).contains(&labels);
        if !sound {
            return Err(ArmError::bad_request(
                "BadRequest",
                format!("The domain name '{name}' is invalid. The number of labels must be between 2 and 34."),
            ));
        }
        let old = world.resources().get(&request.id).map(|zone| zone.properties()["internalId"].clone());
        let internal = old.unwrap_or_else(|| json!(world.uuid().simple().to_string()));
        let mut body = request.resource_body();
        body["properties"] = json!({ "internalId": internal, "provisioningState": "Succeeded" });
        let new = world.upsert(&request.id, PRIVATE_DNS_ZONE, body);
        let duration = world.settings().duration(&format!("{PRIVATE_DNS_ZONE}/write"), Duration::ZERO);
        Ok(Answer::put(new, &request.id).after(duration, |_| Ok(())))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        if !world.resources().contains(&request.id) {
            return Ok(Answer::no_content());
        }
        if world.resources().within(&request.id, LINK).next().is_some() {
            return Err(ArmError::conflict(
                "CannotDeleteResource",
                "Can not delete resource before nested resources are deleted.",
            ));
        }
        for below in world.resources().below(&request.id) {
            world.resources_mut().remove(&below);
        }
        world.resources_mut().remove(&request.id);
        Ok(Answer::ok())
    }
}

impl Handler for Links {
    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let vnet = reference::id_of(&request.properties()["virtualNetwork"])?;
        let vnet = vnet.ok_or_else(|| {
            ArmError::bad_request("BadRequest", "The virtual network of a virtual network link must be given.")
        })?;
        let found = world.resources().get(&vnet).filter(|v| v.resource_type == VIRTUAL_NETWORK);
        let vnet = found.ok_or_else(|| missing_reference(vnet.as_str(), request.id.as_str()))?.id.clone();
        check_apart(world, request, &vnet)?;
        let mut body = request.resource_body();
        let registration = request.properties()["registrationEnabled"] == json!(true);
        body["properties"]["virtualNetwork"] = json!({ "id": vnet });
        body["properties"]["registrationEnabled"] = json!(registration);
        body["properties"]["virtualNetworkLinkState"] = json!("Completed");
        body["properties"]["provisioningState"] = json!("Succeeded");
        let new = world.upsert(&request.id, LINK, body);
        let duration = world.settings().duration(&format!("{LINK}/write"), Duration::ZERO);
        Ok(Answer::put(new, &request.id).after(duration, |_| Ok(())))
    }
}

/// A network sees one zone of a name.
fn check_apart(world: &World, request: &Request, vnet: &ResourceId) -> Result<(), ArmError> {
    let zone = request.id.parent().unwrap_or_else(ResourceId::tenant);
    let links = world.resources().of_type(LINK).filter(|link| link.id != request.id);
    let mut zones = links
        .filter(|link| reference::is_to(&link.properties()["virtualNetwork"], vnet))
        .filter_map(|link| link.id.parent());
    let Some(other) = zones.find(|other| other.name().eq_ignore_ascii_case(zone.name())) else { return Ok(()) };
    Err(ArmError::bad_request(
        "BadRequest",
        format!(
            "A virtual network cannot be linked to multiple zones with overlapping namespaces. You tried to link virtual \
             network with '{}' and '{}' zones.",
            zone.name(),
            other.name()
        ),
    ))
}

impl Handler for Records {
    fn show(&self, _: &World, resource: &Resource) -> Value {
        let mut shown = resource.json();
        let zone = resource.id.parent().map(|zone| zone.name().to_owned()).unwrap_or_default();
        let name = resource.name();
        let fqdn = if name == "@" { format!("{zone}.") } else { format!("{name}.{zone}.") };
        shown["properties"]["fqdn"] = json!(fqdn);
        shown["properties"]["isAutoRegistered"] = json!(false);
        shown
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let Self(kind, property) = self;
        let sent = request.properties();
        let ttl = sent["ttl"].as_u64().or(sent["TTL"].as_u64());
        let ttl = ttl.ok_or_else(|| ArmError::bad_request("BadRequest", "The 'ttl' of a record set must be given."))?;
        for record in list(&sent[*property]) {
            let address = match *kind {
                "A" => &record["ipv4Address"],
                "AAAA" => &record["ipv6Address"],
                _ => continue,
            };
            let read = address.as_str().and_then(|text| text.parse::<IpAddr>().ok());
            if read.is_none_or(|a| a.is_ipv4() != (*kind == "A")) {
                return Err(ArmError::bad_request("BadRequest", format!("The address {address} is invalid.")));
            }
        }
        let mut properties = Map::new();
        properties.insert("ttl".into(), json!(ttl));
        for field in [*property, "metadata"] {
            if !sent[field].is_null() {
                properties.insert(field.into(), sent[field].clone());
            }
        }
        let new = world.upsert(&request.id, request.resource_type.name, json!({ "properties": properties }));
        Ok(Answer::put(new, &request.id))
    }
}

fn record_sets<'w>(world: &'w World, zone: &ResourceId, kind: &str) -> Vec<&'w Resource> {
    world.resources().within(zone, &format!("{PRIVATE_DNS_ZONE}/{kind}")).collect()
}

/// The addresses that machines in a network get for a name out of the private zones that the network is linked to; empty
/// where no linked zone has the name.
pub fn resolve(world: &World, vnet: &ResourceId, name: &str) -> Vec<IpAddr> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let links = world.resources().of_type(LINK).filter(|l| reference::is_to(&l.properties()["virtualNetwork"], vnet));
    let zones = links.filter_map(|link| link.id.parent());
    let inside = zones.filter_map(|zone| {
        let suffix = zone.name().to_ascii_lowercase();
        let host = if name == suffix { "@" } else { name.strip_suffix(&suffix)?.strip_suffix('.')? };
        Some((suffix.len(), zone.child("A", host), zone.child("AAAA", host)))
    });
    // The longest zone name decides, as in any DNS.
    let Some((_, v4, v6)) = inside.max_by_key(|(length, ..)| *length) else { return Vec::new() };
    let of = |id: &ResourceId, array: &str, field: &str| -> Vec<IpAddr> {
        let found = world.resources().get(id);
        let records = found.map(|set| list(&set.properties()[array])).unwrap_or_default();
        records.iter().filter_map(|record| record[field].as_str()?.parse().ok()).collect()
    };
    let mut addresses = of(&v4, "aRecords", "ipv4Address");
    addresses.extend(of(&v6, "aaaaRecords", "ipv6Address"));
    addresses
}
