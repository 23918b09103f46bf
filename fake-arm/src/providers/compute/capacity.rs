//! What a region can give: shortages of capacity and restrictions of the subscription, as the world's owner sets them.
//! Without any, every machine that a region sells finds its place.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::refusal::{allocation_failed, overconstrained, sku_not_available, spot_price_too_high};
use super::spot::{is_spot, max_price};
use super::vm_placement::Placement;
use super::{VIRTUAL_MACHINES, vm_body};
use crate::world::{KeptState, World};
use arm::{ArmError, ResourceId};

/// How Azure says that it has no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ShortageKind {
    /// `SkuNotAvailable`: the PUT itself is refused.
    SkuNotAvailable,
    /// `ZonalAllocationFailed`: the PUT is accepted, the operation fails.
    ZonalAllocationFailed,
    /// `AllocationFailed`: the same without a word about the zone.
    AllocationFailed,
    /// `OverconstrainedZonalAllocationRequest`: the same, with the constraints that could not be met.
    OverconstrainedZonalAllocationRequest,
    /// `OverconstrainedAllocationRequest`: the same for a regional machine.
    OverconstrainedAllocationRequest,
}

/// Machines that find no place.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shortage {
    region: String,
    zone: Option<String>,
    size: Option<String>,
    spot: Option<bool>,
    room: usize,
    kind: ShortageKind,
}

impl Shortage {
    /// No machine of the region finds a place.
    pub fn new(region: &str, kind: ShortageKind) -> Self {
        Self { region: region.to_ascii_lowercase(), zone: None, size: None, spot: None, room: 0, kind }
    }

    /// Only those of this zone: `1`.
    #[must_use]
    pub fn zone(mut self, zone: &str) -> Self {
        self.zone = Some(zone.to_owned());
        self
    }

    /// Only those of this size, `Standard_D4s_v5`, or of this family, `standardDSv5Family`.
    #[must_use]
    pub fn size(mut self, size: &str) -> Self {
        self.size = Some(size.to_owned());
        self
    }

    /// Only spot machines, or only those that are not.
    #[must_use]
    pub fn spot(mut self, spot: bool) -> Self {
        self.spot = Some(spot);
        self
    }

    /// So many of them find a place all the same, those that are there already among them.
    #[must_use]
    pub fn room(mut self, machines: usize) -> Self {
        self.room = machines;
        self
    }

    fn concerns(&self, region: &str, zone: Option<&str>, size: &str, family: &str, spot: bool) -> bool {
        self.region == region
            && self.zone.as_deref().is_none_or(|wanted| Some(wanted) == zone)
            && self.size.as_deref().is_none_or(|w| w.eq_ignore_ascii_case(size) || w.eq_ignore_ascii_case(family))
            && self.spot.is_none_or(|wanted| wanted == spot)
    }
}

inventory::submit! { KeptState::of::<Capacity>("Microsoft.Compute/capacity") }

/// Capacity and restrictions; `world.state::<Capacity>()`.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Capacity {
    shortages: Vec<Shortage>,
    /// Zones in which the subscription may not have a size, by folded region and size; an empty list is all of the region.
    restrictions: BTreeMap<String, Vec<String>>,
    /// USD an hour, by folded region and size.
    spot_prices: BTreeMap<String, f64>,
}

impl Capacity {
    /// Adds a shortage. The first that concerns a machine speaks.
    pub fn add(&mut self, shortage: Shortage) {
        self.shortages.push(shortage);
    }

    /// Ends all shortages.
    pub fn relieve(&mut self) {
        self.shortages.clear();
    }

    /// Keeps the subscription from a size in a region, in the given zones or, without any, altogether. The SKU list says
    /// so (`NotAvailableForSubscription`), and machines are refused with `SkuNotAvailable`.
    pub fn restrict(&mut self, region: &str, size: &str, zones: &[&str]) {
        let zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
        self.restrictions.insert(key(region, size), zones);
    }

    /// Lets the subscription have a size again.
    pub fn allow(&mut self, region: &str, size: &str) {
        self.restrictions.remove(&key(region, size));
    }

    /// Sets what a spot machine costs. Machines whose maximum price is lower are refused from now on; those that run are
    /// taken back by [`evict_overpriced`](super::evict_overpriced).
    pub fn set_spot_price(&mut self, region: &str, size: &str, usd: f64) {
        self.spot_prices.insert(key(region, size), usd);
    }

    /// What a spot machine costs; `None` where no price was given.
    pub fn spot_price(&self, region: &str, size: &str) -> Option<f64> {
        self.spot_prices.get(&key(region, size)).copied()
    }

    /// The `restrictions` of a size in the SKU list.
    pub(super) fn shown_restrictions(&self, region: &str, size: &str) -> Value {
        let Some(zones) = self.restrictions.get(&key(region, size)) else { return json!([]) };
        let mut info = json!({ "locations": [region] });
        if !zones.is_empty() {
            info["zones"] = json!(zones);
        }
        json!([{
            "type": if zones.is_empty() { "Location" } else { "Zone" },
            "values": [region],
            "restrictionInfo": info,
            "reasonCode": "NotAvailableForSubscription",
        }])
    }

    fn restricts(&self, region: &str, size: &str, zone: Option<&str>) -> bool {
        let zones = self.restrictions.get(&key(region, size));
        zones.is_some_and(|zones| zones.is_empty() || zone.is_some_and(|zone| zones.iter().any(|z| z == zone)))
    }
}

fn key(region: &str, size: &str) -> String {
    format!("{region}/{size}").to_ascii_lowercase()
}

/// Looks for a place for a machine. `Ok(Some(_))`: there is no place, but Azure notices that only once it is at work, so the
/// operation fails with this.
///
/// # Errors
/// What Azure notices at once: `SkuNotAvailable`, and a maximum price that is too low.
pub(super) fn find_place(
    world: &World,
    vm: &ResourceId,
    body: &Value,
    placement: Placement,
    operation: &str,
) -> Result<Option<ArmError>, ArmError> {
    let Some(capacity) = world.peek::<Capacity>() else { return Ok(None) };
    let Placement { region, size } = placement;
    let zone = body["zones"][0].as_str();
    let spot = is_spot(body);
    if capacity.restricts(&region.name, &size.name, zone) {
        return Err(sku_not_available(size, &region.name));
    }
    if let (true, Some(offered), Some(price)) = (spot, max_price(body), capacity.spot_price(&region.name, &size.name))
        && offered >= 0.0
        && offered < price
    {
        return Err(spot_price_too_high(operation, offered, price, &size.name));
    }
    let shortage = capacity.shortages.iter().find(|shortage| {
        shortage.concerns(&region.name, zone, &size.name, &size.family, spot)
            && occupied(world, vm, shortage) >= shortage.room
    });
    let Some(shortage) = shortage else { return Ok(None) };
    match shortage.kind {
        ShortageKind::SkuNotAvailable => Err(sku_not_available(size, &region.name)),
        ShortageKind::ZonalAllocationFailed => Ok(Some(allocation_failed("ZonalAllocationFailed", "zone"))),
        ShortageKind::AllocationFailed => Ok(Some(allocation_failed("AllocationFailed", "region"))),
        ShortageKind::OverconstrainedZonalAllocationRequest => {
            Ok(Some(overconstrained("OverconstrainedZonalAllocationRequest", body)))
        }
        ShortageKind::OverconstrainedAllocationRequest => {
            Ok(Some(overconstrained("OverconstrainedAllocationRequest", body)))
        }
    }
}

/// How many other machines have a place that the shortage is about.
fn occupied(world: &World, vm: &ResourceId, shortage: &Shortage) -> usize {
    let others = world.resources().of_type(VIRTUAL_MACHINES).filter(|other| other.id != *vm);
    let placed = others.filter(|other| {
        let size = vm_body::size(&other.body);
        let family = crate::catalog::Catalog::builtin().known_size(size).map_or("", |size| size.family.as_str());
        let zone = other.body["zones"][0].as_str();
        other.provisioning_state() != "Failed"
            && super::power::state(world, &other.id).has_a_place()
            && shortage.concerns(other.location(), zone, size, family, is_spot(&other.body))
    });
    placed.count()
}
