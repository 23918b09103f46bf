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
        usages.extend(quota::counters(world, region).iter().map(|counter| {
            let title = match counter.name.as_str() {
                "cores" => "Total Regional vCPUs".to_owned(),
                "lowPriorityCores" => "Total Regional Spot vCPUs".to_owned(),
                family => format!("{family} vCPUs"),
            };
            entry(&counter.name, &title, counter.used, counter.limit)
        }));
        Ok(Answer::list(usages))
    }
}
