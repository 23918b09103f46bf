//! What the region offers, told from the catalog: the oracle for what a requirement means. It is Azure's naming convention
//! and Azure's capabilities that are read here, not the provisioner's code.

use catnap::prelude::*;
use serde_json::Value;

use super::*;

/// `key operator values`, as a node pool has it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requirement {
    pub(super) key: &'static str,
    pub(super) operator: &'static str,
    pub(super) values: &'static [&'static str],
}

/// A requirement.
pub(super) const fn requires(
    key: &'static str,
    operator: &'static str,
    values: &'static [&'static str],
) -> Requirement {
    Requirement { key, operator, values }
}

impl Requirement {
    /// What Kubernetes says that the operator means.
    pub(super) fn is_met_by(&self, value: Option<&str>) -> bool {
        let number = |text: &str| text.parse::<f64>().ok();
        let both = |value: &str| number(value).zip(self.values.first().and_then(|first| number(first)));
        match (self.operator, value) {
            ("In", Some(value)) => self.values.contains(&value),
            ("NotIn", Some(value)) => !self.values.contains(&value),
            ("NotIn" | "DoesNotExist", None) | ("Exists", Some(_)) => true,
            ("Gt", Some(value)) => both(value).is_some_and(|(value, bound)| value > bound),
            ("Lt", Some(value)) => both(value).is_some_and(|(value, bound)| value < bound),
            _ => false,
        }
    }

    /// A node pool that has it.
    pub(super) fn put_on(&self, pool: NodePool) -> NodePool {
        pool.requirement(self.key, self.operator, self.values)
    }
}

/// A machine of a node pool with its network interface and its node.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) vm: Value,
    pub(super) nic: Value,
    pub(super) node: Value,
    pub(super) size: &'static VmSize,
}

impl Machine {
    /// All machines of a node pool.
    pub(super) fn all_of_pool(lab: &Lab, cluster: &Cluster, pool: &str) -> Result<Vec<Self>, Failure> {
        let state = cluster.state();
        let vms: Vec<_> = state
            .resources("Microsoft.Compute/virtualMachines")
            .filter_map(|vm| vm.body.as_deref())
            .filter(|vm| vm["tags"]["karpenter.sh_nodepool"] == pool)
            .collect();
        let mut machines = Vec::new();
        for vm in vms {
            let id = vm["id"].as_str().unwrap_or_default();
            let nic = state
                .resources("Microsoft.Network/networkInterfaces")
                .filter_map(|nic| nic.body.as_deref())
                .find(|nic| is_id(&nic["properties"]["virtualMachine"]["id"], id))
                .ok_or_else(|| Failure::new(format!("{id} has no network interface")))?;
            let provider = format!("azure://{id}");
            let node = state
                .objects(Kind::Node)
                .find(|node| is_id(&node["spec"]["providerID"], &provider))
                .ok_or_else(|| Failure::new(format!("{id} is no node")))?;
            let size = vm["properties"]["hardwareProfile"]["vmSize"].as_str().unwrap_or_default();
            let size =
                lab.require::<Region>()?.catalog().size(lab.require::<Region>()?.name(), size).ok_or_else(|| {
                    Failure::new(format!("{id} is of the size {size:?}, which the region does not sell"))
                })?;
            machines.push(Self { vm: vm.clone(), nic: nic.clone(), node: node.clone(), size });
        }
        Ok(machines)
    }

    /// The one machine of a node pool.
    pub(super) fn of_pool(lab: &Lab, cluster: &Cluster, pool: &str) -> Result<Self, Failure> {
        let mut machines = Self::all_of_pool(lab, cluster, pool)?;
        lab.verify(&format!("the number of machines of {pool}"), 1, machines.len())?;
        machines.pop().ok_or_else(|| Failure::new("there is no machine"))
    }

    /// What it is, by the key of a selector: of its size as the catalog has it, and of the VM as Azure has it.
    pub(super) fn fact(&self, key: &str) -> Option<String> {
        match key {
            CAPACITY_TYPE => {
                Some(if self.vm["properties"]["priority"] == "Spot" { "spot" } else { "on-demand" }.into())
            }
            ZONE => {
                let (zone, region) = (self.vm["zones"][0].as_str()?, self.vm["location"].as_str()?);
                Some(format!("{region}-{zone}"))
            }
            _ => fact(self.size, key),
        }
    }

    /// The label of its node.
    pub(super) fn label(&self, key: &str) -> Option<String> {
        self.node["metadata"]["labels"][key].as_str().map(str::to_owned)
    }

    /// Its image: gallery definition and version.
    pub(super) fn image(&self) -> (String, String) {
        let id = self.vm["properties"]["storageProfile"]["imageReference"]["communityGalleryImageId"].as_str();
        let parts: Vec<_> = id.unwrap_or_default().split('/').collect();
        let after = |name: &str| {
            let position = parts.iter().position(|part| part.eq_ignore_ascii_case(name));
            position.and_then(|position| parts.get(position + 1)).map(|part| (*part).to_owned()).unwrap_or_default()
        };
        (after("images"), after("versions"))
    }
}

fn is_id(value: &Value, id: &str) -> bool {
    value.as_str().is_some_and(|value| value.eq_ignore_ascii_case(id))
}

/// What a size is, by the key of a selector, as Azure's naming convention and the catalog's capabilities have it:
/// `Standard_` family, subfamily, vCPUs, additive features, `_` accelerator, `_v` version.
pub(super) fn fact(size: &VmSize, key: &str) -> Option<String> {
    let parts: Vec<_> = size.short_name.split('_').collect();
    let version = parts.last().and_then(|last| last.strip_prefix('v'));
    let nvidia = size.gpus > 0 && !size.short_name.ends_with("as_v4");
    match key {
        SKU_FAMILY => size.short_name.chars().next().map(String::from),
        SKU_NAME => Some(size.name.clone()),
        SKU_VERSION => Some(version.unwrap_or("1").to_owned()),
        SKU_CPU => Some(size.vcpus.to_string()),
        SKU_MEMORY => Some((size.memory_gib * 1024.0).to_string()),
        SKU_GPU_COUNT => Some(if nvidia { size.gpus } else { 0 }.to_string()),
        SKU_GPU_MANUFACTURER => nvidia.then(|| "nvidia".to_owned()),
        SKU_GPU_NAME => parts.get(1).filter(|part| nvidia && !part.starts_with('v')).map(|part| (*part).to_owned()),
        SKU_ACCELERATED => Some(size.accelerated_networking.to_string()),
        SKU_PREMIUM => Some(size.premium_io.to_string()),
        SKU_EPHEMERAL => ephemeral_gb(size).map(|gb| gb.to_string()),
        OS => Some("linux".to_owned()),
        ARCH => Some(if size.architecture == "Arm64" { "arm64" } else { "amd64" }.to_owned()),
        _ => None,
    }
}

/// Room for an ephemeral OS disk in GB (10⁹ bytes), as the document has it: on the cache, else on the local disk.
fn ephemeral_gb(size: &VmSize) -> Option<u64> {
    let room = if size.cached_disk_bytes > 0 { size.cached_disk_bytes } else { size.temp_disk_mib << 20 };
    let room = if size.ephemeral_os_disk { room } else { 0 };
    Some(room / 1_000_000_000).filter(|room| *room > 0)
}

/// The sizes of the region that node auto-provisioning uses: two vCPUs and 3.5 GiB at least, with a price, neither
/// confidential nor with fewer vCPUs in use than paid for, on a SCSI controller, and no GPU but NVIDIA's.
pub(super) fn offered(region: &Region) -> Vec<&'static VmSize> {
    let priced = |size: &VmSize| region.catalog().price(region.name(), &size.name).is_some();
    let fits = |size: &VmSize| size.vcpus >= 2 && size.memory_gib >= 3.5 && size.vcpus == size.vcpus_available;
    let confidential = |size: &VmSize| size.short_name.starts_with("DC") || size.short_name.starts_with("EC");
    let scsi = |size: &VmSize| size.disk_controllers.as_ref().is_none_or(|all| all.contains("SCSI"));
    let known_gpu = |size: &VmSize| size.gpus == 0 || fact(size, SKU_GPU_MANUFACTURER).is_some();
    let sizes = region.catalog().sizes(region.name()).into_iter();
    sizes.filter(|size| priced(size) && fits(size) && !confidential(size) && scsi(size) && known_gpu(size)).collect()
}

/// USD an hour of a size in the region.
pub(super) fn price(region: &Region, size: &VmSize) -> f64 {
    region.catalog().price(region.name(), &size.name).unwrap_or(f64::INFINITY)
}

/// The lowest price of the offered sizes that meet something.
pub(super) fn cheapest(region: &Region, meets: impl Fn(&VmSize) -> bool) -> f64 {
    offered(region).into_iter().filter(|size| meets(size)).map(|size| price(region, size)).fold(f64::INFINITY, f64::min)
}
