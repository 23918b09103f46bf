//! `Microsoft.Compute`: virtual machines with their extensions and OS disks, and what the region has to offer: sizes,
//! quotas, community gallery images. A machine's PUT and DELETE become [`VmEvent`](crate::events::VmEvent)s.

mod community_gallery;
mod custom_data;
mod disk;
mod extension;
mod instance_view;
mod links;
mod machine;
mod network_interface;
mod quota;
mod refusal;
mod sku;
mod teardown;
mod usage;
mod virtual_machine;
mod vm_body;
mod vm_change;
mod vm_placement;

pub use community_gallery::PublishedVersions;
pub use quota::{QuotaLimits, Quotas};

/// Type of a virtual machine.
pub(crate) const VIRTUAL_MACHINES: &str = "Microsoft.Compute/virtualMachines";
/// Type of a managed disk.
pub(crate) const DISKS: &str = "Microsoft.Compute/disks";
/// Type of an extension.
const EXTENSIONS: &str = "Microsoft.Compute/virtualMachines/extensions";

/// Api-versions of virtual machines and what hangs on them, newest first.
const VM_API_VERSIONS: &[&str] = &[
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
