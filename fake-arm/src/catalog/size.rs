//! A virtual machine size: the numbers that Azure states of it, the same in every region.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A virtual machine size, for example `Standard_D4s_v5`.
#[derive(Debug, Clone, PartialEq)]
pub struct VmSize {
    /// Name as Azure writes it, `Standard_D4s_v5`.
    pub name: String,
    /// Name without its tier, `D4s_v5`.
    pub short_name: String,
    /// Quota family, for example `standardDSv5Family`.
    pub family: String,
    /// vCPUs.
    pub vcpus: u32,
    /// vCPUs that the guest may use; fewer than [`vcpus`](Self::vcpus) at constrained sizes (`Standard_E8-4s_v5`).
    pub vcpus_available: u32,
    /// vCPUs of one physical core.
    pub vcpus_per_core: u32,
    /// The size that a constrained size is cut from.
    pub parent: Option<String>,
    /// Memory in GiB.
    pub memory_gib: f64,
    /// `x64` or `Arm64`.
    pub architecture: String,
    /// Hyper-V generations, `V1,V2`.
    pub generations: String,
    /// Temporary disk in MiB, 0 without one.
    pub temp_disk_mib: u64,
    /// Host cache in bytes, 0 without one.
    pub cached_disk_bytes: u64,
    /// Local NVMe disks.
    pub nvme: Option<NvmeDisks>,
    /// GPUs; a part of one counts as one.
    pub gpus: u32,
    /// Data disks at most.
    pub max_data_disks: u32,
    /// Network interfaces at most.
    pub max_nics: u32,
    /// Disk controllers, `SCSI,NVMe`; `None` where Azure does not say.
    pub disk_controllers: Option<String>,
    /// An ephemeral OS disk is possible.
    pub ephemeral_os_disk: bool,
    /// Where an ephemeral OS disk may lie, `ResourceDisk,CacheDisk`.
    pub ephemeral_placements: Option<String>,
    /// Premium storage.
    pub premium_io: bool,
    /// Accelerated networking.
    pub accelerated_networking: bool,
    /// Encryption at host.
    pub encryption_at_host: bool,
    /// Spot machines of this size are sold.
    pub spot: bool,
    /// Trusted launch.
    pub trusted_launch: bool,
    /// Ultra disks, in the zones of the size.
    pub ultra_disks: bool,
    /// Remote direct memory access.
    pub rdma: bool,
    /// Maintenance keeps memory.
    pub memory_preserving_maintenance: bool,
    /// Azure compute units per vCPU.
    pub acu: Option<u32>,
}

/// The local NVMe disks of a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(from = "(u32, u64)")]
pub struct NvmeDisks {
    /// How many.
    pub count: u32,
    /// MiB of each.
    pub mib_each: u64,
}

impl From<(u32, u64)> for NvmeDisks {
    fn from((count, mib_each): (u32, u64)) -> Self {
        Self { count, mib_each }
    }
}

impl NvmeDisks {
    /// MiB of all of them.
    pub fn total_mib(&self) -> u64 {
        u64::from(self.count) * self.mib_each
    }
}

/// `sizes.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SizesFile {
    series: Vec<Series>,
}

impl SizesFile {
    /// All sizes, in the file's order of series.
    pub(super) fn into_sizes(self) -> Vec<VmSize> {
        self.series.into_iter().flat_map(Series::into_sizes).collect()
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Series {
    quota_family: String,
    #[serde(default = "x64")]
    architecture: String,
    #[serde(default = "v2")]
    generations: String,
    #[serde(default = "one")]
    threads: u32,
    #[serde(default = "yes")]
    premium: bool,
    #[serde(default = "yes")]
    encryption_at_host: bool,
    #[serde(default = "yes")]
    accelerated_networking: bool,
    #[serde(default = "yes")]
    spot: bool,
    #[serde(default = "yes")]
    trusted_launch: bool,
    #[serde(default = "yes")]
    memory_preserving: bool,
    #[serde(default)]
    ephemeral: bool,
    placements: Option<String>,
    controllers: Option<String>,
    cached: Option<f64>,
    #[serde(default)]
    ultra: bool,
    #[serde(default)]
    rdma: bool,
    acu: Option<u32>,
    sizes: BTreeMap<String, Row>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    vcpus: u32,
    available: Option<u32>,
    parent: Option<String>,
    memory: f64,
    #[serde(default)]
    temp: f64,
    cached: Option<f64>,
    nvme: Option<NvmeDisks>,
    #[serde(default)]
    gpus: u32,
    disks: u32,
    nics: u32,
}

impl Series {
    fn into_sizes(self) -> Vec<VmSize> {
        let Self { sizes, .. } = &self;
        let mut sizes: Vec<_> = sizes.iter().map(|(name, row)| self.size(name, row)).collect();
        // Smallest first, as Azure's pages have them; names alone would put D16 before D2.
        sizes.sort_by(|a, b| a.vcpus.cmp(&b.vcpus).then(a.memory_gib.total_cmp(&b.memory_gib)));
        sizes
    }

    fn size(&self, short_name: &str, row: &Row) -> VmSize {
        VmSize {
            name: format!("Standard_{short_name}"),
            short_name: short_name.to_owned(),
            family: self.quota_family.clone(),
            vcpus: row.vcpus,
            vcpus_available: row.available.unwrap_or(row.vcpus),
            vcpus_per_core: self.threads,
            parent: row.parent.as_ref().map(|parent| format!("Standard_{parent}")),
            memory_gib: row.memory,
            architecture: self.architecture.clone(),
            generations: self.generations.clone(),
            temp_disk_mib: (row.temp * 1024.0) as u64,
            cached_disk_bytes: (row.cached.or(self.cached).unwrap_or(0.0) * GIB) as u64,
            nvme: row.nvme,
            gpus: row.gpus,
            max_data_disks: row.disks,
            max_nics: row.nics,
            disk_controllers: self.controllers.clone(),
            ephemeral_os_disk: self.ephemeral,
            ephemeral_placements: self.placements.clone(),
            premium_io: self.premium,
            accelerated_networking: self.accelerated_networking,
            encryption_at_host: self.encryption_at_host,
            spot: self.spot,
            trusted_launch: self.trusted_launch,
            ultra_disks: self.ultra,
            rdma: self.rdma,
            memory_preserving_maintenance: self.memory_preserving,
            acu: self.acu,
        }
    }
}

const GIB: f64 = (1u64 << 30) as f64;

fn x64() -> String {
    "x64".to_owned()
}

fn v2() -> String {
    "V2".to_owned()
}

fn one() -> u32 {
    1
}

fn yes() -> bool {
    true
}
