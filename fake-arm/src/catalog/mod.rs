//! What Azure sells, by region: virtual machine sizes with their capabilities, zones and retail prices, node images,
//! quotas. Facts live in the YAML files of `fake-arm/catalog/`; this room reads them and tells them as ARM would.

mod image;
mod region;
mod size;
mod sku;
mod table;

pub use image::{Gallery, Image, ImageVersion};
pub use region::{Quota, Region};
pub use size::{NvmeDisks, VmSize};
pub use table::{Catalog, CatalogError};
