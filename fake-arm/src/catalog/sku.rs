//! A size in a region as `Microsoft.Compute/skus` tells it.

use serde_json::{Value, json};

use super::VmSize;

impl VmSize {
    /// The element of the SKU list for this size in a region that has it in `zones`.
    pub fn to_sku(&self, location: &str, zones: &[String]) -> Value {
        // Azure says per zone which of them take ultra disks.
        let zone_details = if self.ultra_disks && !zones.is_empty() {
            json!([{ "Name": zones, "capabilities": [{ "name": "UltraSSDAvailable", "value": "True" }] }])
        } else {
            json!([])
        };
        json!({
            "resourceType": "virtualMachines",
            "name": self.name,
            "tier": "Standard",
            "size": self.short_name,
            "family": self.family,
            "locations": [location],
            "locationInfo": [{ "location": location, "zones": zones, "zoneDetails": zone_details }],
            "capabilities": self
                .capabilities()
                .into_iter()
                .map(|(name, value)| json!({ "name": name, "value": value }))
                .collect::<Vec<_>>(),
            "restrictions": [],
        })
    }

    /// Capabilities by Azure's names, in its order, values as Azure writes them.
    pub fn capabilities(&self) -> Vec<(&'static str, String)> {
        let mut list = Capabilities(Vec::with_capacity(32));
        list.number("MaxResourceVolumeMB", self.temp_disk_mib)
            .number("OSVhdSizeMB", 1_047_552)
            .number("vCPUs", self.vcpus.into())
            .flag("MemoryPreservingMaintenanceSupported", self.memory_preserving_maintenance)
            .text("HyperVGenerations", Some(&self.generations))
            .text("DiskControllerTypes", self.disk_controllers.as_ref())
            .text("SupportedEphemeralOSDiskPlacements", self.ephemeral_placements.as_ref())
            .text("MemoryGB", Some(&self.memory_gib.to_string()))
            .number("MaxDataDiskCount", self.max_data_disks.into())
            .text("CpuArchitectureType", Some(&self.architecture))
            .flag("LowPriorityCapable", self.spot)
            .flag("PremiumIO", self.premium_io)
            .text("VMDeploymentTypes", Some(&"IaaS".to_owned()))
            .number("vCPUsAvailable", self.vcpus_available.into())
            .text("ACUs", self.acu.map(|acu| acu.to_string()).as_ref())
            .text("ParentSize", self.parent.as_ref())
            .text("GPUs", (self.gpus > 0).then(|| self.gpus.to_string()).as_ref())
            .number("vCPUsPerCore", self.vcpus_per_core.into());
        if self.cached_disk_bytes > 0 {
            list.number("CachedDiskBytes", self.cached_disk_bytes);
        }
        if let Some(nvme) = self.nvme {
            list.number("NvmeDiskSizeInMiB", nvme.total_mib()).number("NvmeSizePerDiskInMiB", nvme.mib_each);
        }
        list.flag("EphemeralOSDiskSupported", self.ephemeral_os_disk)
            .flag("EncryptionAtHostSupported", self.encryption_at_host)
            .flag("CapacityReservationSupported", false);
        // Azure names the refusal, and only where there is one.
        if !self.trusted_launch {
            list.flag("TrustedLaunchDisabled", true);
        }
        list.flag("AcceleratedNetworkingEnabled", self.accelerated_networking)
            .flag("RdmaEnabled", self.rdma)
            .number("MaxNetworkInterfaces", self.max_nics.into());
        list.0
    }
}

struct Capabilities(Vec<(&'static str, String)>);

impl Capabilities {
    fn text(&mut self, name: &'static str, value: Option<&String>) -> &mut Self {
        self.0.extend(value.map(|value| (name, value.clone())));
        self
    }

    fn number(&mut self, name: &'static str, value: u64) -> &mut Self {
        self.0.push((name, value.to_string()));
        self
    }

    fn flag(&mut self, name: &'static str, value: bool) -> &mut Self {
        self.0.push((name, if value { "True" } else { "False" }.to_owned()));
        self
    }
}
