//! What virtual machines and disks link to, and the right that it takes.

use crate::provider::Link;

/// Of a virtual machine.
pub(super) const VIRTUAL_MACHINE: &[Link] = &[
    Link::new("properties.networkProfile.networkInterfaces[].id", "Microsoft.Network/networkInterfaces/join/action"),
    Link::new("properties.storageProfile.osDisk.managedDisk.id", "Microsoft.Compute/disks/write"),
    Link::new("properties.storageProfile.dataDisks[].managedDisk.id", "Microsoft.Compute/disks/write"),
    Link::new(
        "properties.storageProfile.osDisk.managedDisk.diskEncryptionSet.id",
        "Microsoft.Compute/diskEncryptionSets/read",
    ),
    Link::new(
        "properties.storageProfile.dataDisks[].managedDisk.diskEncryptionSet.id",
        "Microsoft.Compute/diskEncryptionSets/read",
    ),
    Link::new("properties.availabilitySet.id", "Microsoft.Compute/availabilitySets/write"),
    Link::new("properties.proximityPlacementGroup.id", "Microsoft.Compute/proximityPlacementGroups/write"),
];
