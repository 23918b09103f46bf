//! `Microsoft.Compute`: virtual machines with their extensions and disks, galleries, and what the region has to offer:
//! sizes, quotas, room, images. What becomes of a machine is told as [`VmEvent`](crate::events::VmEvent)s.

mod api_versions;
mod boot_facts;
mod capacity;
mod community_gallery;
mod custom_data;
mod data_disk;
mod disk;
mod eviction;
mod extension;
mod feature;
mod gallery;
mod instance_view;
mod links;
mod network_interface;
mod power;
mod quota;
mod refusal;
mod shared_gallery;
mod sku;
mod spot;
mod teardown;
mod types;
mod usage;
mod virtual_machine;
mod vm_action;
mod vm_body;
mod vm_change;
mod vm_identity;
mod vm_placement;
mod vm_size;

pub use capacity::{Capacity, Shortage, ShortageKind};
pub use community_gallery::PublishedVersions;
pub use eviction::{acknowledge, evict, evict_overpriced, scheduled_events};
pub use feature::ComputeFeatures;
pub use power::{PowerState, state as power_state};
pub use quota::{QuotaLimits, Quotas};
pub(crate) use types::{DISKS, VIRTUAL_MACHINES};

use api_versions::VM_API_VERSIONS;
use types::EXTENSIONS;
