//! Static private addresses, as interfaces and frontends ask for them.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;

use super::allocation::IpFamily;
use arm::{ArmError, ResourceId};
use net;

/// The address that a configuration asks for; `None` where its method is dynamic.
pub(in crate::providers::network) fn read(
    properties: &Value,
    prefixes: &[IpNet],
    family: IpFamily,
    id: &ResourceId,
) -> Result<Option<IpAddr>, ArmError> {
    if !properties["privateIPAllocationMethod"].as_str().is_some_and(|m| m.eq_ignore_ascii_case("Static")) {
        return Ok(None);
    }
    let text = properties["privateIPAddress"].as_str().unwrap_or_default();
    let address: Option<IpAddr> = text.parse().ok();
    let address = address.filter(|a| a.is_ipv4() == (family == IpFamily::V4)).ok_or_else(|| {
        ArmError::bad_request(
            "InvalidIPAddress",
            format!("The private IP address '{text}' of IP configuration {id} is not an {} address.", family.name()),
        )
    })?;
    let own: Vec<&IpNet> = prefixes.iter().filter(|prefix| family.has(prefix)).collect();
    let Some(prefix) = own.iter().find(|prefix| prefix.contains(&address)) else {
        let all: Vec<String> = own.iter().map(ToString::to_string).collect();
        return Err(ArmError::bad_request(
            "PrivateIPAddressNotInSubnet",
            format!(
                "Private static IP address {address} does not belong to the range of subnet prefix {}.",
                all.join(",")
            ),
        ));
    };
    if !net::is_assignable(**prefix, address) {
        return Err(ArmError::bad_request(
            "PrivateIPAddressInReservedRange",
            format!("Private static IP address {address} falls within reserved IP range of subnet prefix {prefix}."),
        ));
    }
    Ok(Some(address))
}

/// Somebody else has the address.
pub(in crate::providers::network) fn taken(address: IpAddr, id: &ResourceId, holder: &str) -> ArmError {
    ArmError::bad_request(
        "PrivateIPAddressIsAllocated",
        format!(
            "IP configuration {id} is using the private IP address {address} which is already allocated to resource \
             {holder}."
        ),
    )
}
