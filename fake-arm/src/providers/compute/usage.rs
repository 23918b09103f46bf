//! `Microsoft.Compute/locations/usages`: vCPUs in use and allowed in a region.

use serde_json::json;

use super::quota;
use super::refusal::unknown_location;
use super::{VIRTUAL_MACHINES, VM_API_VERSIONS};
use crate::catalog::Catalog;
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::World;

/// Virtual machines that a subscription may have in a region.
const MACHINES: u32 = 25_000;

struct Usages;

inventory::submit! {
    ResourceType::new("Microsoft.Compute/locations/usages", VM_API_VERSIONS, &Usages).computed()
}

impl Handler for Usages {
    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let name = request.id.segment("locations").unwrap_or_default();
        let region = Catalog::builtin().region(name).ok_or_else(|| unknown_location(name, "locations/usages"))?;
        let entry = |name: &str, title: &str, used: u32, limit: u32| {
            json!({
                "unit": "Count",
                "currentValue": used,
                "limit": limit,
                "name": { "value": name, "localizedValue": title },
            })
        };
        let machines = world.resources().of_type(VIRTUAL_MACHINES).filter(|vm| vm.location() == region.name).count();
        let mut usages = vec![entry("virtualMachines", "Virtual Machines", machines as u32, MACHINES)];
        usages.extend([
            entry("availabilitySets", "Availability Sets", 0, 2_500),
            entry("virtualMachineScaleSets", "Virtual Machine Scale Sets", 0, 2_500),
        ]);
        usages.extend(quota::counters(world, region).iter().map(|counter| {
            let title = match counter.name.as_str() {
                "cores" => "Total Regional vCPUs".to_owned(),
                "lowPriorityCores" => "Total Regional Spot vCPUs".to_owned(),
                family => titled(family),
            };
            entry(&counter.name, &title, counter.used, counter.limit)
        }));
        Ok(Answer::list(usages))
    }
}

/// A family as the portal writes it: `standardDSv5Family` is `Standard DSv5 Family vCPUs`.
fn titled(family: &str) -> String {
    let name = family.strip_prefix("standard").or_else(|| family.strip_prefix("Standard")).unwrap_or(family);
    let name = name.strip_suffix("Family").unwrap_or(name);
    format!("Standard {} Family vCPUs", name.replace('_', " ").trim())
}

#[cfg(test)]
mod tests {
    use super::titled;

    #[test]
    fn families_are_written_as_in_the_portal() {
        assert_eq!(titled("standardDSv5Family"), "Standard DSv5 Family vCPUs");
        assert_eq!(titled("StandardNCADSA100v4Family"), "Standard NCADSA100v4 Family vCPUs");
    }
}
