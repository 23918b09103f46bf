//! A region: its zones, what it sells there, and how much of it a subscription may have.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A region of the catalog.
#[derive(Debug, Clone)]
pub struct Region {
    /// ARM name, `eastus`.
    pub name: String,
    /// `East US`.
    pub display_name: String,
    /// Availability zones, `1`, `2`, `3`; empty for a region without.
    pub zones: Vec<String>,
    /// What a subscription may have here.
    pub quota: Quota,
    /// By lower-cased size name.
    pub(super) offers: BTreeMap<String, Offer>,
}

/// vCPU quotas of one subscription in one region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// All regular vCPUs (`cores`).
    pub regional: u32,
    /// vCPUs of each size family.
    pub family: u32,
    /// Spot vCPUs (`lowPriorityCores`).
    pub spot: u32,
}

/// A size as sold in one region.
#[derive(Debug, Clone)]
pub(super) struct Offer {
    /// Index into the catalog's sizes.
    pub(super) size: usize,
    /// Zones that have it.
    pub(super) zones: Vec<String>,
    /// USD an hour.
    pub(super) price: Option<f64>,
}

/// The ARM name of a region that is written either way: `East US` and `eastus` are one.
pub(super) fn normalized(location: &str) -> String {
    location.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// `regions.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegionsFile {
    pub(super) regions: Vec<RegionRow>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RegionRow {
    pub(super) name: String,
    pub(super) display_name: String,
    pub(super) zones: Vec<String>,
    /// The region whose sizes and prices it is taken to have, where its own are not at hand.
    pub(super) sells_as: Option<String>,
    #[serde(default)]
    pub(super) unpriced: Vec<String>,
    #[serde(default)]
    pub(super) zones_of: BTreeMap<String, Vec<String>>,
    pub(super) quota: Quota,
}

/// `prices.yaml`: one column for each of its regions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PricesFile {
    pub(super) regions: Vec<String>,
    pub(super) prices: BTreeMap<String, Vec<Option<f64>>>,
}
