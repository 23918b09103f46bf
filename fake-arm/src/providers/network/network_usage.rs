//! What a virtual network says of its addresses: how full its subnets are, and whether one address is free.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::addresses::AddressBook;
use super::addresses::subnet_prefixes;
use super::api_versions::API_VERSIONS;
use super::types::SUBNET;
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::World;
use arm::{ArmError, ResourceId};
use net;

/// As many free addresses Azure proposes in place of one that is taken.
const PROPOSALS: usize = 5;

struct Usages;
struct Availability;

inventory::submit! {
    ResourceType::new("Microsoft.Network/virtualNetworks/usages", API_VERSIONS, &Usages).computed()
}
inventory::submit! {
    ResourceType::new("Microsoft.Network/virtualNetworks/checkIPAddressAvailability", API_VERSIONS, &Availability)
        .computed()
}

impl Handler for Usages {
    fn list(&self, world: &mut World, request: &Request) -> Reply {
        world.resources().require(&request.id)?;
        let (world, now) = (&*world, world.now());
        let subnets = world.resources().within(&request.id, SUBNET).map(|subnet| {
            let prefixes = subnet_prefixes(world, &subnet.id);
            let used = |prefix: &IpNet| world.peek::<AddressBook>().map_or(0, |b| b.used(&subnet.id, *prefix, now));
            let limits = prefixes.iter().map(|prefix| net::usable_count(*prefix));
            json!({
                "currentValue": prefixes.iter().map(used).sum::<u64>(),
                "id": subnet.id,
                "limit": limits.fold(0, u64::saturating_add),
                "name": { "localizedValue": "Subnet size and usage", "value": "SubnetSpace" },
                "unit": "Count",
            })
        });
        Ok(Answer::list(subnets.collect::<Vec<Value>>()))
    }
}

impl Handler for Availability {
    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let vnet = world.resources().require(&request.id)?.id.clone();
        let text = request.query.get("ipaddress").map(String::as_str).unwrap_or_default();
        let address: IpAddr = text
            .parse()
            .map_err(|_| ArmError::bad_request("InvalidIPAddress", format!("The IP address '{text}' is not valid.")))?;
        let subnets: Vec<ResourceId> = world.resources().within(&vnet, SUBNET).map(|s| s.id.clone()).collect();
        let found = subnets.into_iter().find_map(|subnet| {
            let prefix = subnet_prefixes(world, &subnet).into_iter().find(|prefix| prefix.contains(&address))?;
            Some((subnet, prefix))
        });
        let Some((subnet, prefix)) = found else {
            return Err(ArmError::bad_request(
                "PrivateIPAddressNotInAnySubnet",
                format!("Private static IP address {address} does not belong to the range of any subnet of {vnet}."),
            ));
        };
        let (now, empty) = (world.now(), AddressBook::default());
        let book = world.peek::<AddressBook>().unwrap_or(&empty);
        let is_free = |address: &IpAddr| book.holder(&subnet, *address, now).is_none();
        let reserved = !net::is_assignable(prefix, address);
        let available = !reserved && is_free(&address);
        let mut answer = json!({ "available": available, "isPlatformReserved": reserved });
        if !available {
            let proposals: Vec<IpAddr> = net::usable(prefix).filter(is_free).take(PROPOSALS).collect();
            answer["availableIPAddresses"] = json!(proposals);
        }
        Ok(Answer::json(answer))
    }
}
