//! What spot machines may say, and what only they may.

use serde_json::{Value, json};

use crate::catalog::VmSize;
use arm::ArmError;

/// The body asks for a spot machine.
pub(super) fn is_spot(body: &Value) -> bool {
    body.pointer("/properties/priority").and_then(Value::as_str).is_some_and(|priority| {
        // `Low` is what Azure called it before.
        priority.eq_ignore_ascii_case("Spot") || priority.eq_ignore_ascii_case("Low")
    })
}

/// `billingProfile.maxPrice`.
pub(super) fn max_price(body: &Value) -> Option<f64> {
    body.pointer("/properties/billingProfile/maxPrice").and_then(Value::as_f64)
}

/// The machine is deleted on eviction, not deallocated.
pub(super) fn deletes_on_eviction(body: &Value) -> bool {
    let policy = body.pointer("/properties/evictionPolicy").and_then(Value::as_str);
    policy.is_some_and(|policy| policy.eq_ignore_ascii_case("Delete"))
}

/// Holds priority, eviction policy and maximum price against each other and against the size.
pub(super) fn check(body: &Value, size: &VmSize) -> Result<(), ArmError> {
    let properties = &body["properties"];
    let known = |field: &str, names: &[&str]| match properties[field].as_str() {
        Some(value) if !names.iter().any(|name| name.eq_ignore_ascii_case(value)) => Err(super::refusal::invalid(
            field,
            format!(
                "The value '{value}' of parameter '{field}' is not valid. Supported values are: {}.",
                names.join(", ")
            ),
        )),
        _ => Ok(()),
    };
    known("priority", &["Regular", "Low", "Spot"])?;
    known("evictionPolicy", &["Deallocate", "Delete"])?;
    if !is_spot(body) {
        if properties["evictionPolicy"].is_string() {
            return Err(ArmError::bad_request(
                "EvictionPolicyCanBeSetOnlyOnAzureSpotVirtualMachines",
                "Eviction policy can be set only on Azure Spot Virtual Machines.",
            ));
        }
        if max_price(body).is_some() {
            return Err(ArmError::bad_request(
                "MaxPriceIsSupportedOnlyForAzureSpotVirtualMachines",
                "Max price is supported only for Azure Spot Virtual Machines.",
            ));
        }
        return Ok(());
    }
    if properties["availabilitySet"].is_object() {
        return Err(ArmError::bad_request(
            "AzureSpotVMNotSupportedInAvailabilitySet",
            "Azure Spot Virtual Machine is not supported in Availability Set.",
        ));
    }
    if !size.spot {
        return Err(ArmError::bad_request(
            "AzureSpotIsNotSupportedForThisVMSize",
            format!("Azure Spot Virtual Machine is not supported for this VM size {}.", size.name),
        ));
    }
    match max_price(body) {
        Some(price) if price <= 0.0 && price != -1.0 => Err(ArmError::bad_request(
            "MaxPriceValueInvalid",
            "Invalid max price value. The only supported values for max price are -1 or a decimal greater than zero. Max \
             price value of -1 indicates the Azure Spot Virtual Machine will not be evicted for price reasons.",
        )),
        _ => Ok(()),
    }
}

/// What Azure fills in of a machine's priority.
pub(super) fn fill_in(body: &mut Value) {
    if is_spot(body) && body["properties"]["evictionPolicy"].is_null() {
        body["properties"]["evictionPolicy"] = json!("Deallocate");
    }
}
