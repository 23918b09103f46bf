//! The catalog as a whole: read once, looked up by region and size.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::image::ImagesFile;
use super::region::{Offer, PricesFile, RegionRow, RegionsFile, normalized};
use super::size::SizesFile;
use super::{Gallery, Region, VmSize};

/// Everything that is for sale. Names of regions and sizes are looked up in any case.
#[derive(Debug, Clone)]
pub struct Catalog {
    sizes: Vec<VmSize>,
    by_name: BTreeMap<String, usize>,
    regions: Vec<Region>,
    galleries: Vec<Gallery>,
}

/// Why the catalog's data cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A file is not the YAML that it should be.
    #[error("{file}: {reason}")]
    Malformed {
        /// File of `fake-arm/catalog/`.
        file: &'static str,
        /// What the parser says, with line and column.
        reason: String,
    },
    /// A file speaks of a size that `sizes.yaml` does not have.
    #[error("{file}: size {size} is not in sizes.yaml")]
    UnknownSize {
        /// File of `fake-arm/catalog/`.
        file: &'static str,
        /// The name in question.
        size: String,
    },
    /// A region names zones for a size that it does not sell.
    #[error("regions.yaml: {region} has zones for {size}, which it does not sell")]
    NotSold {
        /// Region of the row.
        region: String,
        /// The name in question.
        size: String,
    },
    /// A row of `prices.yaml` has not one price for each region.
    #[error("prices.yaml: {size} has {found} prices for {wanted} regions")]
    RaggedPrices {
        /// Size of the row.
        size: String,
        /// Prices in the row.
        found: usize,
        /// Regions in the file's head.
        wanted: usize,
    },
}

impl Catalog {
    /// The catalog that comes with fake-arm.
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Catalog> = OnceLock::new();
        BUILTIN.get_or_init(|| {
            Self::parse(
                include_str!("../../catalog/sizes.yaml"),
                include_str!("../../catalog/regions.yaml"),
                include_str!("../../catalog/prices.yaml"),
                include_str!("../../catalog/images.yaml"),
            )
            .unwrap_or_else(|error| unreachable!("the built-in catalog is tested to be sound: {error}"))
        })
    }

    /// Reads a catalog from the text of its four files.
    pub fn parse(sizes: &str, regions: &str, prices: &str, images: &str) -> Result<Self, CatalogError> {
        let sizes = yaml::<SizesFile>("sizes.yaml", sizes)?.into_sizes();
        let by_name: BTreeMap<_, _> =
            sizes.iter().enumerate().map(|(index, size)| (size.name.to_ascii_lowercase(), index)).collect();
        let prices = yaml::<PricesFile>("prices.yaml", prices)?;
        if let Some((size, row)) = prices.prices.iter().find(|(_, row)| row.len() != prices.regions.len()) {
            let (found, wanted) = (row.len(), prices.regions.len());
            return Err(CatalogError::RaggedPrices { size: size.clone(), found, wanted });
        }
        let regions = yaml::<RegionsFile>("regions.yaml", regions)?
            .regions
            .into_iter()
            .map(|row| region(row, &prices, &by_name))
            .collect::<Result<_, _>>()?;
        let galleries = yaml::<ImagesFile>("images.yaml", images)?.into_galleries();
        Ok(Self { sizes, by_name, regions, galleries })
    }

    /// All regions.
    pub fn regions(&self) -> &[Region] {
        &self.regions
    }

    /// A region, by `eastus` or `East US`.
    pub fn region(&self, name: &str) -> Option<&Region> {
        let name = normalized(name);
        self.regions.iter().find(|region| region.name == name)
    }

    /// A size as far as any region knows it.
    pub fn known_size(&self, name: &str) -> Option<&VmSize> {
        self.by_name.get(&name.to_ascii_lowercase()).map(|&index| &self.sizes[index])
    }

    /// A size that the region sells.
    pub fn size(&self, region: &str, name: &str) -> Option<&VmSize> {
        self.offer(region, name).map(|offer| &self.sizes[offer.size])
    }

    /// All sizes that the region sells, in the catalog's order; empty for an unknown region.
    pub fn sizes(&self, region: &str) -> Vec<&VmSize> {
        self.offers(region).into_iter().map(|offer| &self.sizes[offer.size]).collect()
    }

    /// The zones in which the region has a size; empty for a size that is sold without zones, or not at all.
    pub fn zones(&self, region: &str, size: &str) -> &[String] {
        self.offer(region, size).map_or(&[], |offer| &offer.zones)
    }

    /// Retail price of a size in USD an hour, where Azure publishes one.
    pub fn price(&self, region: &str, size: &str) -> Option<f64> {
        self.offer(region, size)?.price
    }

    /// What `Microsoft.Compute/skus` says of a size in a region.
    pub fn sku(&self, region: &str, size: &str) -> Option<Value> {
        let offer = self.offer(region, size)?;
        Some(self.sizes[offer.size].to_sku(&normalized(region), &offer.zones))
    }

    /// What `Microsoft.Compute/skus` says of a region.
    pub fn skus(&self, region: &str) -> Vec<Value> {
        let location = normalized(region);
        self.offers(region).into_iter().map(|offer| self.sizes[offer.size].to_sku(&location, &offer.zones)).collect()
    }

    /// All community galleries; every region has them.
    pub fn galleries(&self) -> &[Gallery] {
        &self.galleries
    }

    /// A community gallery by its public name, in any case.
    pub fn gallery(&self, name: &str) -> Option<&Gallery> {
        self.galleries.iter().find(|gallery| gallery.name.eq_ignore_ascii_case(name))
    }

    fn offer(&self, region: &str, size: &str) -> Option<&Offer> {
        self.region(region)?.offers.get(&size.to_ascii_lowercase())
    }

    fn offers(&self, region: &str) -> Vec<&Offer> {
        let mut offers: Vec<_> = self.region(region).map_or_else(Vec::new, |region| region.offers.values().collect());
        offers.sort_by_key(|offer| offer.size);
        offers
    }
}

fn region(row: RegionRow, prices: &PricesFile, sizes: &BTreeMap<String, usize>) -> Result<Region, CatalogError> {
    let mut offers = BTreeMap::new();
    let mut offer = |file: &'static str, short_name: &str, price: Option<f64>| {
        let key = offer_key(short_name);
        let size = *sizes.get(&key).ok_or_else(|| CatalogError::UnknownSize { file, size: short_name.to_owned() })?;
        let zones = row.zones_of.get(short_name).unwrap_or(&row.zones).clone();
        offers.insert(key, Offer { size, zones, price });
        Ok(())
    };
    let priced_as = row.sells_as.as_ref().unwrap_or(&row.name);
    if let Some(column) = prices.regions.iter().position(|name| name == priced_as) {
        for (size, row) in &prices.prices {
            if let Some(price) = row[column] {
                offer("prices.yaml", size, Some(price))?;
            }
        }
    }
    for size in &row.unpriced {
        offer("regions.yaml", size, None)?;
    }
    if let Some(size) = row.zones_of.keys().find(|name| !offers.contains_key(&offer_key(name))) {
        return Err(CatalogError::NotSold { region: row.name.clone(), size: size.clone() });
    }
    let RegionRow { name, display_name, zones, quota, .. } = row;
    Ok(Region { name, display_name, zones, quota, offers })
}

fn offer_key(short_name: &str) -> String {
    format!("standard_{}", short_name.to_ascii_lowercase())
}

fn yaml<T: DeserializeOwned>(file: &'static str, text: &str) -> Result<T, CatalogError> {
    serde_saphyr::from_str(text).map_err(|error| CatalogError::Malformed { file, reason: error.to_string() })
}

#[cfg(test)]
mod tests;
