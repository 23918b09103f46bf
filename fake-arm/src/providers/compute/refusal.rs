//! Azure's errors of the compute namespace, in Azure's words. Where a text could not be seen in the wild,
//! `FIDELITY.md` says so.

use serde_json::Value;

use crate::catalog::{Catalog, Region, VmSize};
use arm::{ArmError, ResourceId};

/// A required property is missing.
pub(super) fn missing(parameter: &str) -> ArmError {
    invalid(parameter, format!("Required parameter '{parameter}' is missing (null)."))
}

/// `InvalidParameter`, the compute namespace's general refusal of a value.
pub(super) fn invalid(target: &str, message: impl Into<String>) -> ArmError {
    ArmError::bad_request("InvalidParameter", message).target(target)
}

/// A region that does not sell virtual machines.
pub(super) fn unknown_location(location: &str, resource_type: &str) -> ArmError {
    let regions: Vec<_> = Catalog::builtin().regions().iter().map(|region| region.name.as_str()).collect();
    ArmError::bad_request(
        "LocationNotAvailableForResourceType",
        format!(
            "The provided location '{location}' is not available for resource type '{resource_type}'. List of \
             available regions for the resource type is '{}'.",
            regions.join(",")
        ),
    )
}

/// A size that no region has.
pub(super) fn unknown_size(size: &str, region: &Region) -> ArmError {
    let sizes = Catalog::builtin().sizes(&region.name);
    let names: Vec<_> = sizes.iter().map(|size| size.name.as_str()).collect();
    invalid(
        "vmSize",
        format!(
            "The value {size} provided for the VM size is not valid. The valid sizes in the current region are: {}. \
             Find out more on the available VM sizes in each region at https://aka.ms/azure-regions.",
            names.join(",")
        ),
    )
}

/// A size that the region, or the zone of it, does not have.
pub(super) fn sku_not_available(size: &VmSize, location: &str) -> ArmError {
    ArmError::conflict(
        "SkuNotAvailable",
        format!(
            "The requested VM size for resource 'Following SKUs have failed for Capacity Restrictions: {}' is \
             currently not available in location '{location}'. Please try another size or deploy to a different \
             location or different zone. See https://aka.ms/azureskunotavailable for details.",
            size.name
        ),
    )
}

/// A zone that the region does not have.
pub(super) fn unknown_zone(zone: &str, vm: &ResourceId, region: &Region) -> ArmError {
    if region.zones.is_empty() {
        return ArmError::bad_request(
            "LocationNotSupportAvailabilityZones",
            format!(
                "The resource '{}' is using availability zones, which location '{}' does not support.",
                vm, region.name
            ),
        );
    }
    ArmError::bad_request(
        "InvalidAvailabilityZone",
        format!(
            "The zone(s) '{zone}' for resource 'Microsoft.Compute/virtualMachines/{}' is not supported. The supported \
             zones for location '{}' are '{}'",
            vm.name(),
            region.name,
            region.zones.join(",")
        ),
    )
}

/// A quota that the machine would exceed. `what` is how Azure calls it, `Total Regional Cores` for example.
pub(super) fn quota_exceeded(what: &str, location: &str, limit: u32, usage: u32, required: u32) -> ArmError {
    ArmError::conflict(
        "OperationNotAllowed",
        format!(
            "Operation could not be completed as it results in exceeding approved {what} quota. Additional details - \
             Deployment Model: Resource Manager, Location: {location}, Current Limit: {limit}, Current Usage: \
             {usage}, Additional Required: {required}, (Minimum) New Limit Required: {}. Setup Alerts when Quota \
             reaches threshold. Learn more at https://aka.ms/quotamonitoringalerting . Submit a request for Quota \
             increase by specifying parameters listed in the 'Details' section for deployment to succeed. Please read \
             more about quota limits at https://docs.microsoft.com/en-us/azure/azure-supportability/per-vm-quota-requests",
            usage + required
        ),
    )
}

/// A change of what cannot change once the machine exists.
pub(super) fn change_not_allowed(property: &str) -> ArmError {
    ArmError::conflict("PropertyChangeNotAllowed", format!("Changing property '{property}' is not allowed."))
        .target(property)
}

/// The machine is on its way out.
pub(super) fn marked_for_deletion(operation: &str, vm: &ResourceId) -> ArmError {
    ArmError::conflict(
        "OperationNotAllowed",
        format!(
            "Operation '{operation}' is not allowed on VM '{}' since the VM is marked for deletion. You can only \
             retry the Delete operation (or wait for an ongoing one to complete).",
            vm.name()
        ),
    )
}

/// A property that should hold a resource id does not.
pub(super) fn invalid_id(id: &str, path: &str) -> ArmError {
    ArmError::bad_request(
        "LinkedInvalidPropertyId",
        format!(
            "Property id '{id}' at path '{path}' is invalid. Expect fully qualified resource Id that start with \
             '/subscriptions/{{subscriptionId}}' or '/providers/{{resourceProviderNamespace}}/'."
        ),
    )
}

/// Azure serves it and this fake does not: a gap that the caller has to hear of.
pub(super) fn not_modelled(what: &str) -> ArmError {
    ArmError::bad_request("NotModelled", format!("{what} cannot be served by fake-arm.")).unknown_route()
}

/// Azure has no room; it notices when it is at work. `place` is `zone` or `region`.
pub(super) fn allocation_failed(code: &str, place: &str) -> ArmError {
    ArmError::conflict(
        code,
        format!(
            "Allocation failed. We do not have sufficient capacity for the requested VM size in this {place}. Read more \
             about improving likelihood of allocation success at http://aka.ms/allocation-guidance"
        ),
    )
}

/// Azure has no room that meets all constraints of the body.
pub(super) fn overconstrained(code: &str, body: &Value) -> ArmError {
    let spot = super::spot::is_spot(body);
    let ephemeral = body.pointer("/properties/storageProfile/osDisk/diffDiskSettings/option").is_some();
    let constraints = [
        (body["zones"][0].is_string(), "Availability Zone"),
        (ephemeral, "Differencing (Ephemeral) Disks"),
        (spot, "Low Priority VMs"),
        (true, "Networking Constraints (such as Accelerated Networking or IPv6)"),
        (spot, "Preemptible VMs (VM might be preempted by another VM with a higher priority)"),
        (true, "VM Size"),
    ];
    let applied: String =
        constraints.iter().filter(|(applies, _)| *applies).map(|(_, name)| format!("  - {name}\n")).collect();
    ArmError::conflict(
        code,
        format!(
            "Allocation failed. VM(s) with the following constraints cannot be allocated, because the condition is too \
             restrictive. Please remove some constraints and try again. Constraints applied are:\n{applied}"
        ),
    )
}

/// A spot machine that would pay less than Azure asks.
pub(super) fn spot_price_too_high(operation: &str, offered: f64, price: f64, size: &str) -> ArmError {
    ArmError::conflict(
        "SpotPriceGreaterThanProvidedMaxPrice",
        format!(
            "Unable to perform operation '{operation}' since the provided max price '{offered} USD' is lower than the \
             current spot price '{price} USD' for Azure Spot Virtual Machine size '{size}'."
        ),
    )
}

/// A preview feature that the subscription has not registered.
pub(super) fn feature_not_enabled(property: &str, feature: &str) -> ArmError {
    invalid(
        property,
        format!(
            "The property '{property}' is not valid because the '{feature}' feature is not enabled for this subscription."
        ),
    )
}

/// A gallery image that does not exist, or not in this region.
pub(super) fn image_not_found(id: &str, location: &str) -> ArmError {
    ArmError::not_found(
        "GalleryImageNotFound",
        format!(
            "The gallery image {id} is not available in {location} region. Please contact image owner to replicate to \
             this region, or change your requested region."
        ),
    )
    .target("imageReference")
}
