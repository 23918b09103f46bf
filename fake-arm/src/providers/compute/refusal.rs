//! Azure's errors of the compute namespace, in Azure's words. Where a text could not be seen in the wild,
//! `FIDELITY.md` says so.

use crate::arm::{ArmError, ResourceId};
use crate::catalog::{Catalog, Region, VmSize};

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
