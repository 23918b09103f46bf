//! Node pools: which machines node auto-provisioning makes for a node pool's requirements, limits and weight, what it
//! does where Azure cannot give them, and how it tells.
//!
//! The rules, from Microsoft's "Overview of node auto-provisioning" (node pools, SKU selectors, limits, weights, events):
//! the requirements of a pool and those of the pods are combined, the cheapest size that meets them is taken, and where
//! nothing does, no machine is made and an event says why. What a size is, is not written down here: the catalog of the
//! region is the oracle (see [`offer`]).

use catnap::prelude::*;

mod capacity;
mod choice;
mod events;
mod limits;
mod offer;
mod operators;
mod pools;
mod selectors;
mod weights;
mod workloads;

const D2: &str = "Standard_D2s_v5";
const D4: &str = "Standard_D4s_v5";

const SKU_FAMILY: &str = "karpenter.azure.com/sku-family";
const SKU_NAME: &str = "karpenter.azure.com/sku-name";
const SKU_VERSION: &str = "karpenter.azure.com/sku-version";
const SKU_CPU: &str = "karpenter.azure.com/sku-cpu";
const SKU_MEMORY: &str = "karpenter.azure.com/sku-memory";
const SKU_GPU_NAME: &str = "karpenter.azure.com/sku-gpu-name";
const SKU_GPU_MANUFACTURER: &str = "karpenter.azure.com/sku-gpu-manufacturer";
const SKU_GPU_COUNT: &str = "karpenter.azure.com/sku-gpu-count";
const SKU_ACCELERATED: &str = "karpenter.azure.com/sku-networking-accelerated";
const SKU_PREMIUM: &str = "karpenter.azure.com/sku-storage-premium-capable";
const SKU_EPHEMERAL: &str = "karpenter.azure.com/sku-storage-ephemeralos-maxsize";
const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";
const ZONE: &str = "topology.kubernetes.io/zone";
const OS: &str = "kubernetes.io/os";
const ARCH: &str = "kubernetes.io/arch";

const VM_WRITE: &str = "Microsoft.Compute/virtualMachines/write";

/// A cluster with node auto-provisioning and the node classes and node pools given, each pool with a node class of its
/// name.
async fn cluster_with(lab: &Lab, pools: &[(&str, NodePool)]) -> Result<Cluster, Failure> {
    let cluster = lab.managed_cluster().node_provisioning(Auto).create().await?;
    for (name, pool) in pools {
        cluster.apply(node_class(name)).await?;
        cluster.apply(pool.clone()).await?;
    }
    for (name, _) in pools {
        cluster.expect(node_pool(name).ready()).within(minutes(1)).await?;
    }
    Ok(cluster)
}

/// A node pool of any size of any architecture and family that stays as it is: what is looked at shall not be
/// consolidated away meanwhile.
fn any_size(name: &str) -> NodePool {
    node_pool(name).without_requirement(SKU_FAMILY).without_requirement(ARCH).consolidate_after("Never")
}

/// How the provisioner begins what it tells a pod that it makes no node for; the scheduler's events are of the same reason.
const NOT_SCHEDULED: &str = "Failed to schedule pod";

/// Longer than it takes from a pending pod to its machine, which the controls of the scenarios show.
const LONG_ENOUGH: std::time::Duration = seconds(30);
