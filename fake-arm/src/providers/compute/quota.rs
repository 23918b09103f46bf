//! vCPU quotas: what a subscription may have in a region, and how much of it its machines use.

use std::collections::BTreeMap;

use super::refusal::quota_exceeded;
use super::spot::is_spot;
use super::vm_placement::Placement;
use super::{VIRTUAL_MACHINES, vm_body};
use crate::catalog::{Catalog, Quota, Region};
use crate::world::{KeptState, World};
use arm::{ArmError, ResourceId};

inventory::submit! { KeptState::of::<Quotas>("Microsoft.Compute/quotas") }

/// Quotas that differ from the catalog's, by region; `world.state::<Quotas>()`.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Quotas {
    regions: BTreeMap<String, QuotaLimits>,
}

/// What is set in one region; what is not set is as the catalog has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct QuotaLimits {
    /// All regular vCPUs.
    pub regional: Option<u32>,
    /// Spot vCPUs.
    pub spot: Option<u32>,
    /// vCPUs of single families, by names such as `standardDSv5Family`.
    pub families: BTreeMap<String, u32>,
}

impl Quotas {
    /// What is set in a region, to change it. `region` is the ARM name, `eastus`.
    pub fn region(&mut self, region: &str) -> &mut QuotaLimits {
        self.regions.entry(region.to_ascii_lowercase()).or_default()
    }
}

/// One counter of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counter {
    /// `cores`, `lowPriorityCores` or a family's name.
    pub(super) name: String,
    /// vCPUs in use.
    pub(super) used: u32,
    /// vCPUs allowed.
    pub(super) limit: u32,
}

/// The counters of a region: regional, spot, then each family that it sells.
pub(super) fn counters(world: &World, region: &Region) -> Vec<Counter> {
    let usage = Usage::of(world, region, None);
    let limits = Limits::of(world, region);
    let mut counters = vec![
        Counter { name: "cores".to_owned(), used: usage.regional, limit: limits.regional() },
        Counter { name: "lowPriorityCores".to_owned(), used: usage.spot, limit: limits.spot() },
    ];
    let families: std::collections::BTreeSet<_> =
        Catalog::builtin().sizes(&region.name).iter().map(|size| size.family.as_str()).collect();
    counters.extend(families.into_iter().map(|family| Counter {
        name: family.to_owned(),
        used: usage.families.get(family).copied().unwrap_or_default(),
        limit: limits.family(family),
    }));
    counters
}

/// Refuses a machine whose vCPUs the subscription may not have beside those of all others. Spot machines have a quota of
/// their own. Machines that are deallocated count as those that run.
pub(super) fn check(world: &World, vm: &ResourceId, placement: Placement, spot: bool) -> Result<(), ArmError> {
    let Placement { region, size } = placement;
    let usage = Usage::of(world, region, Some(vm));
    let limits = Limits::of(world, region);
    let refuse = |what: &str, used: u32, limit: u32| {
        if used + size.vcpus > limit {
            return Err(quota_exceeded(what, &region.name, limit, used, size.vcpus));
        }
        Ok(())
    };
    if spot {
        return refuse("LowPriorityCores", usage.spot, limits.spot());
    }
    refuse("Total Regional Cores", usage.regional, limits.regional())?;
    let used = usage.families.get(size.family.as_str()).copied().unwrap_or_default();
    refuse(&format!("{} Cores", size.family), used, limits.family(&size.family))
}

struct Limits<'a> {
    catalog: Quota,
    set: Option<&'a QuotaLimits>,
}

impl<'a> Limits<'a> {
    fn of(world: &'a World, region: &Region) -> Self {
        let set = world.peek::<Quotas>().and_then(|quotas| quotas.regions.get(&region.name));
        Self { catalog: region.quota, set }
    }

    fn regional(&self) -> u32 {
        self.set.and_then(|set| set.regional).unwrap_or(self.catalog.regional)
    }

    fn spot(&self) -> u32 {
        self.set.and_then(|set| set.spot).unwrap_or(self.catalog.spot)
    }

    fn family(&self, name: &str) -> u32 {
        let set = self.set.and_then(|set| set.families.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)));
        set.map_or(self.catalog.family, |(_, limit)| *limit)
    }
}

#[derive(Default)]
struct Usage {
    regional: u32,
    spot: u32,
    families: BTreeMap<&'static str, u32>,
}

/// Instances of agent pools' scale sets count as machines do.
const SCALE_SET_INSTANCES: &str = "Microsoft.Compute/virtualMachineScaleSets/virtualMachines";

impl Usage {
    /// What all machines of the region use but this one.
    fn of(world: &World, region: &Region, except: Option<&ResourceId>) -> Self {
        let mut usage = Self::default();
        let machines = world.resources().of_type(VIRTUAL_MACHINES).filter(|vm| Some(&vm.id) != except);
        let machines = machines.map(|vm| (vm, vm_body::size(&vm.body), is_spot(&vm.body)));
        let instances = world.resources().of_type(SCALE_SET_INSTANCES);
        let instances = instances.map(|vm| (vm, vm.body["sku"]["name"].as_str().unwrap_or_default(), false));
        for (vm, size, spot) in machines.chain(instances) {
            let Some(size) = Catalog::builtin().known_size(size).filter(|_| vm.location() == region.name) else {
                continue;
            };
            if spot {
                usage.spot += size.vcpus;
            } else {
                usage.regional += size.vcpus;
                *usage.families.entry(&size.family).or_default() += size.vcpus;
            }
        }
        usage
    }
}
