//! Sizes as the compute provider lists them beside the SKUs: those of a region, and those that a machine can become.

use serde_json::{Value, json};

use super::refusal::unknown_location;
use super::{VIRTUAL_MACHINES, VM_API_VERSIONS};
use crate::catalog::{Catalog, VmSize};
use crate::provider::{Answer, Handler, Reply, Request, ResourceType};
use crate::world::World;

struct Sizes;
struct SizesOfMachine;

inventory::submit! {
    ResourceType::new("Microsoft.Compute/locations/vmSizes", VM_API_VERSIONS, &Sizes).computed()
}
inventory::submit! {
    ResourceType::new("Microsoft.Compute/virtualMachines/vmSizes", VM_API_VERSIONS, &SizesOfMachine).computed()
}

impl Handler for Sizes {
    fn list(&self, _: &mut World, request: &Request) -> Reply {
        let name = request.id.segment("locations").unwrap_or_default();
        let region = Catalog::builtin().region(name).ok_or_else(|| unknown_location(name, "locations/vmSizes"))?;
        Ok(Answer::list(all(&region.name)))
    }
}

impl Handler for SizesOfMachine {
    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let vm = world.resources().require(&request.id)?;
        Ok(Answer::list(all(vm.location())))
    }

    fn operation(&self, _: &Request) -> Option<String> {
        Some(format!("{VIRTUAL_MACHINES}/vmSizes/read"))
    }
}

fn all(region: &str) -> Vec<Value> {
    Catalog::builtin().sizes(region).into_iter().map(shown).collect()
}

fn shown(size: &VmSize) -> Value {
    json!({
        "name": size.name,
        "numberOfCores": size.vcpus,
        "osDiskSizeInMB": 1_047_552,
        "resourceDiskSizeInMB": size.temp_disk_mib,
        "memoryInMB": (size.memory_gib * 1024.0) as u64,
        "maxDataDiskCount": size.max_data_disks,
    })
}
