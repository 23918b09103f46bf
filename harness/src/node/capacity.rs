//! What a machine of a size offers to pods: capacity as a kubelet reports it, and allocatable as a kubelet computes it
//! from the reservations and eviction thresholds that it was given.
//!
//! **Memory.** A guest sees less than the size promises: the hypervisor, firmware and the kernel keep some. The model
//! is 128 MiB and 1.6 % of the size, which comes close to what AKS nodes of common sizes report (about 3 % of 8 GiB,
//! 2 % of 64 GiB). The provisioner expects to lose 7.5 % (`VM_MEMORY_OVERHEAD_PERCENT`), so a node always offers at
//! least what the provisioner counted on, for every size of 3.5 GiB and more (smaller ones it does not use).
//!
//! **Disk.** An OS disk of *n* "GB" has *n* GiB, of which partitions and the file system take some: AKS nodes with a
//! disk of 128 GB report 129886128Ki, and other disks get their share of that. The provisioner expects *n* · 10⁹ bytes.
//!
//! **GPUs** are reported by a device plugin, which AKS leaves to the user to install. There is none here unless the
//! boot settings say so, and so a node that the provisioner started for GPUs stays uninitialized, as it would on AKS.

use std::collections::BTreeMap;

use super::kubelet::KubeletConfig;
use super::quantity::Quantity;

/// The hardware of a machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Hardware {
    /// vCPUs.
    pub(super) vcpus: u32,
    /// Memory of the size in GiB.
    pub(super) memory_gib: f64,
    /// OS disk in GB, as Azure says.
    pub(super) os_disk_gb: u32,
    /// GPUs that a device plugin reports.
    pub(super) gpus: u32,
}

/// Resources by name, as the strings that a Node carries.
pub(super) type Resources = BTreeMap<String, String>;

/// `status.capacity` and `status.allocatable` of a Node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Offer {
    /// All there is.
    pub(super) capacity: Resources,
    /// What pods may request.
    pub(super) allocatable: Resources,
}

/// Memory that the guest sees.
#[must_use]
pub(super) fn visible_memory(memory_gib: f64) -> Quantity {
    let kib = memory_gib * 1024.0 * 1024.0;
    // Tiny sizes would lose too large a share to the fixed part.
    let kept = (128.0 * 1024.0 + kib * 0.016).min(kib * 0.07);
    Quantity::units((kib - kept) as i128 * 1024)
}

/// Root file system on an OS disk.
#[must_use]
pub(super) fn root_file_system(os_disk_gb: u32) -> Quantity {
    Quantity::units(i128::from(os_disk_gb) * 129_886_128 / 128 * 1024)
}

impl Offer {
    /// What a kubelet with this configuration reports on this hardware.
    #[must_use]
    pub(super) fn new(hardware: Hardware, kubelet: &KubeletConfig) -> Self {
        let cpu = Quantity::units(i128::from(hardware.vcpus));
        let memory = visible_memory(hardware.memory_gib);
        let disk = root_file_system(hardware.os_disk_gb);
        let free = |resource: &str, signal: &str, capacity: Quantity| {
            let reserved = [&kubelet.kube_reserved, &kubelet.system_reserved]
                .into_iter()
                .filter_map(|reserved| reserved.get(resource).copied())
                .fold(Quantity::default(), std::ops::Add::add);
            let evicted = kubelet.eviction_hard.get(signal).map_or(Quantity::default(), |limit| limit.of(capacity));
            capacity.saturating_sub(reserved + evicted)
        };
        let fixed = |resources: &mut Resources| {
            resources.insert("pods".into(), kubelet.max_pods.to_string());
            resources.insert("hugepages-1Gi".into(), "0".into());
            resources.insert("hugepages-2Mi".into(), "0".into());
            if hardware.gpus > 0 {
                resources.insert("nvidia.com/gpu".into(), hardware.gpus.to_string());
            }
        };
        let mut capacity = Resources::from([
            ("cpu".into(), cpu.to_string()),
            ("memory".into(), memory.bytes()),
            ("ephemeral-storage".into(), disk.bytes()),
        ]);
        let mut allocatable = Resources::from([
            ("cpu".into(), free("cpu", "", cpu).to_string()),
            ("memory".into(), free("memory", "memory.available", memory).bytes()),
            ("ephemeral-storage".into(), free("ephemeral-storage", "nodefs.available", disk).bytes()),
        ]);
        fixed(&mut capacity);
        fixed(&mut allocatable);
        Self { capacity, allocatable }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kubelet(flags: &str) -> KubeletConfig {
        KubeletConfig::parse(flags, "").expect("flags")
    }

    #[test]
    fn a_d4s_v5_of_the_provisioner() {
        let hardware = Hardware { vcpus: 4, memory_gib: 16.0, os_disk_gb: 128, gpus: 0 };
        let flags = "--max-pods=250 --kube-reserved=cpu=140m,memory=2662Mi --eviction-hard=memory.available<750Mi,nodefs.available<10%";
        let offer = Offer::new(hardware, &kubelet(flags));
        insta::assert_debug_snapshot!(offer);
    }

    #[test]
    fn a_disk_of_128_gb_reports_what_aks_nodes_report() {
        assert_eq!(root_file_system(128).bytes(), "129886128Ki");
    }

    #[test]
    fn reservations_beyond_the_capacity_leave_nothing_rather_than_less() {
        let hardware = Hardware { vcpus: 2, memory_gib: 4.0, os_disk_gb: 30, gpus: 0 };
        let offer = Offer::new(hardware, &kubelet("--kube-reserved=cpu=3,memory=8Gi --system-reserved=cpu=1"));
        assert_eq!((offer.allocatable["cpu"].as_str(), offer.allocatable["memory"].as_str()), ("0", "0"));
    }

    proptest! {
        /// `CalculateMemoryWithoutOverhead` of the provisioner: whole GiB less 7.5 %, rounded up.
        #[test]
        fn a_node_has_at_least_the_memory_and_disk_that_the_provisioner_counts_on(
            quarters in 14_u32..16_384, disk in 30_u32..=2048,
        ) {
            let gib = f64::from(quarters) / 4.0;
            let whole = i128::from(quarters / 4) << 30;
            prop_assert!(visible_memory(gib).value() >= whole - whole * 75 / 1000);
            prop_assert!((visible_memory(gib).value() as f64) < gib * f64::from(1 << 30));
            prop_assert!(root_file_system(disk).value() >= i128::from(disk) * 1_000_000_000);
        }

        #[test]
        fn allocatable_is_never_more_than_capacity(cpu in 0_u32..4000, memory in 0_u32..4000, percent in 0_u32..=100) {
            let hardware = Hardware { vcpus: 2, memory_gib: 4.0, os_disk_gb: 30, gpus: 1 };
            let flags = format!("--kube-reserved=cpu={cpu}m,memory={memory}Mi --eviction-hard=nodefs.available<{percent}%");
            let offer = Offer::new(hardware, &kubelet(&flags));
            for (name, capacity) in &offer.capacity {
                let all: Quantity = capacity.parse().expect("capacity");
                let free: Quantity = offer.allocatable[name].parse().expect("allocatable");
                prop_assert!(free <= all, "{}", name);
            }
        }
    }
}
