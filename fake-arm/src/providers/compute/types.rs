//! Names of the resource types of `Microsoft.Compute` that others refer to.

/// Type of a virtual machine.
pub(crate) const VIRTUAL_MACHINES: &str = "Microsoft.Compute/virtualMachines";
/// Type of a managed disk.
pub(crate) const DISKS: &str = "Microsoft.Compute/disks";
/// Type of an extension.
pub(super) const EXTENSIONS: &str = "Microsoft.Compute/virtualMachines/extensions";
