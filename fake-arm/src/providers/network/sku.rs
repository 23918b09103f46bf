//! Basic and Standard: the SKUs of public addresses, load balancers and NAT gateways.

use serde_json::{Value, json};

use super::reference::{list, unreadable};
use crate::catalog::Catalog;
use crate::provider::Request;
use arm::{ArmError, ResourceId};

/// The SKU's name in a body; the first of those known where the body names no SKU.
pub(super) fn read(body: &Value, kind: &str, known: &[&'static str]) -> Result<&'static str, ArmError> {
    let Some(name) = body["sku"]["name"].as_str() else { return Ok(known[0]) };
    let found = known.iter().find(|sku| sku.eq_ignore_ascii_case(name)).copied();
    found.ok_or_else(|| unreadable(&format!("{kind}.sku.name"), name, &known.join(", ")))
}

/// The SKU as it is shown, with its tier.
pub(super) fn shown(body: &Value, name: &str) -> Value {
    json!({ "name": name, "tier": body["sku"]["tier"].as_str().unwrap_or("Regional") })
}

/// A stored resource keeps its SKU.
pub(super) fn check_unchanged(old: Option<&Value>, new: &str, id: &ResourceId) -> Result<(), ArmError> {
    let Some(old) = old.and_then(|old| old["sku"]["name"].as_str()).filter(|old| *old != new) else { return Ok(()) };
    Err(ArmError::bad_request(
        "SkuCannotBeChangedOnUpdate",
        format!(
            "Sku property is set at creation time and cannot be changed from {old} to {new} on resource update for \
             resource {id}."
        ),
    ))
}

/// Zones are for Standard, and must be the region's.
pub(super) fn check_zones(request: &Request, standard: bool) -> Result<(), ArmError> {
    let zones: Vec<&str> = list(&request.body["zones"]).iter().filter_map(Value::as_str).collect();
    if zones.is_empty() {
        return Ok(());
    }
    if !standard {
        return Err(ArmError::bad_request(
            "BasicSkuCannotHaveZones",
            format!("Resource {} has Basic sku and cannot have availability zones.", request.id),
        ));
    }
    let location = request.location();
    let known = Catalog::builtin().region(&location).map(|region| region.zones.as_slice()).unwrap_or_default();
    let Some(zone) = zones.into_iter().find(|zone| !known.iter().any(|k| k == zone)) else { return Ok(()) };
    Err(ArmError::bad_request(
        "InvalidAvailabilityZone",
        format!(
            "The zone(s) '{zone}' for resource '{}/{}' is not supported. The supported zones for location '{location}' \
             are '{}'",
            request.resource_type.name,
            request.id.name(),
            known.join(",")
        ),
    ))
}
