//! Drift: what makes a node one that no longer is what its node pool and node class ask for, and how it is replaced.
//!
//! The rules, from Microsoft's "Overview of node auto-provisioning" (nodes that "move out of spec, known as Drift") and
//! "Create a node auto-provisioning cluster in a custom virtual network" (subnet drift), and from the provisioner: a
//! node claim gets the condition `Drifted` with a reason, `NodeClassDrift` for anything in the node class but its tags,
//! `NodePoolDrifted` for the template of the node pool, `RequirementsDrifted` where its labels no longer meet the
//! requirements, `SubnetDrift` where its network interface is elsewhere. A drifted node is replaced one at a time, the
//! replacement is in service first, and budgets, pod disruption budgets and `karpenter.sh/do-not-disrupt` bound it. The
//! provisioner looks for drift at each change and every five minutes, and acts within ten seconds.

mod boundary;
mod field;
mod interruption;
mod network;
mod obstacle;
mod subnet;

use std::time::Duration;

use catnap::prelude::*;
use suites::cluster_with;
use suites::versions::makes_each_replacement_once;

const D2: &str = "Standard_D2s_v5";
const D4: &str = "Standard_D4s_v5";

/// The taint of a node that is about to go.
const DISRUPTED: &str = "karpenter.sh/disrupted";

/// The provisioner looks for drift every five minutes, and needs some seconds to act.
const A_WHOLE_ROUND: Duration = seconds(330);

/// A pod that needs a node of two CPUs for itself.
const A_NODE_FULL: &str = "1500m";

/// The service range is not the default one: 10.0.0.0/16 would contain the subnets, and Azure refuses that (CIDR-12+).
const SERVICE_CIDR: &str = "10.2.0.0/16";

/// A node pool of small nodes that nothing but drift removes, one at a time.
///
/// More at a time would make [`replaced`] a matter of luck: between the eviction of a pod and the scheduling of its
/// successor, the provisioner takes the replacement that was made for it for a free node, and may remove another drifted
/// node, whose pod would fit there, without a replacement.
fn steady(name: &str) -> NodePool {
    node_pool(name).sizes(&[D2]).consolidate_after("Never").budgets([Budget::nodes("1")])
}

/// The network of the documents, with a second custom subnet, and a cluster in it that may use all of it.
struct CustomVnet {
    vnet: Vnet,
    cluster_subnet: Subnet,
    custom_subnet: Subnet,
    custom_subnet2: Subnet,
    cluster: Cluster,
}

async fn custom_vnet(lab: &Lab) -> Result<CustomVnet, Failure> {
    let vnet = lab.azure().vnet("my-aks-vnet").address_space("10.0.0.0/16").create().await?;
    let cluster_subnet = vnet.subnet("cluster-subnet", "10.0.1.0/24").create().await?;
    let custom_subnet = vnet.subnet("custom-subnet", "10.0.2.0/24").create().await?;
    let custom_subnet2 = vnet.subnet("custom-subnet2", "10.0.3.0/24").create().await?;
    let identity = lab.azure().identity("my-aks-identity").create().await?;
    lab.azure().role("Network Contributor").on(&vnet).to(&identity).assign().await?;
    let builder = lab.managed_cluster().node_provisioning(Auto).identity(&identity).subnet(&cluster_subnet);
    let cluster = builder.service_cidr(SERVICE_CIDR).create().await?;
    Ok(CustomVnet { vnet, cluster_subnet, custom_subnet, custom_subnet2, cluster })
}

/// A deployment `web-<pool>` of so many pods on as many nodes, all in service. Gives the node claims.
async fn full_nodes(cluster: &Cluster, pool: &str, count: u32) -> Result<Vec<String>, Failure> {
    let web = format!("web-{pool}");
    cluster.apply(deployment(&web).replicas(count).cpu(A_NODE_FULL).on_pool(pool)).await?;
    let count = count as usize;
    cluster.expect(pods(&web).all_running()).within(minutes(5)).await?;
    cluster.expect(node_claims().of_pool(pool).at_least_in_service(count)).within(minutes(1)).await?;
    cluster.expect(nodes().of_pool(pool).count(count)).now()?;
    Ok(cluster.claims_of_pool(pool))
}

/// The nodes of `before` are replaced: all of them are gone, there were as many in service at every instant, the pods
/// run again, and Azure holds nothing but the new ones.
async fn replaced(lab: &Lab, cluster: &Cluster, pool: &str, before: &[String], since: &Mark) -> Outcome {
    gone_for_new_ones(lab, cluster, pool, before).await?;
    cluster.expect(node_claims().of_pool(pool).at_least_in_service(before.len())).at_every_instant_since(since)
}

/// As [`replaced`], of a pool that may replace several nodes at a time: in the meantime there may be fewer.
async fn gone_for_new_ones(lab: &Lab, cluster: &Cluster, pool: &str, before: &[String]) -> Outcome {
    let (web, count) = (format!("web-{pool}"), before.len());
    cluster.expect(node_claims().of_pool(pool).none_of(before)).within(minutes(15)).await?;
    cluster.expect(pods(&web).all_running()).within(minutes(2)).await?;
    let (vms, nics, claims) = (vms().of_pool(pool), nics().of_pool(pool), node_claims().of_pool(pool));
    let as_many = if makes_each_replacement_once(lab) {
        vms.count(count).and(nics.count(count)).and(claims.count(count))
    } else {
        vms.at_most(2 * count).and(nics.at_most(2 * count)).and(claims.at_most(2 * count))
    };
    cluster.expect(as_many).within(minutes(1)).await
}
