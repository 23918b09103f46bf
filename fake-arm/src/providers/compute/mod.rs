//! `Microsoft.Compute`: virtual machines with their extensions and disks, galleries, and what the region has to offer:
//! sizes, quotas, room, images. What becomes of a machine is told as [`VmEvent`](crate::events::VmEvent)s.

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
mod machine;
mod network_interface;
mod power;
mod quota;
mod refusal;
mod shared_gallery;
mod sku;
mod spot;
mod teardown;
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

/// Type of a virtual machine.
pub(crate) const VIRTUAL_MACHINES: &str = "Microsoft.Compute/virtualMachines";
/// Type of a managed disk.
pub(crate) const DISKS: &str = "Microsoft.Compute/disks";
/// Type of an extension.
const EXTENSIONS: &str = "Microsoft.Compute/virtualMachines/extensions";

/// Api-versions of virtual machines and what hangs on them, newest first.
const VM_API_VERSIONS: &[&str] = &[
    "2026-04-01",
    "2025-11-01",
    "2025-04-01",
    "2024-11-01",
    "2024-07-01",
    "2024-03-01",
    "2023-09-01",
    "2023-07-01",
    "2023-03-01",
    "2022-11-01",
    "2022-08-01",
    "2022-03-01",
    "2021-11-01",
    "2021-07-01",
];
