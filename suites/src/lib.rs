//! Scenario suites: one file or folder each in `tests/`. Here is what several of them begin with.

pub mod versions;

use std::net::IpAddr;

use catnap::net::Place;
use catnap::prelude::*;
use serde_json::{Value, json};

/// api-version of the network provider.
const NETWORK: &str = "2022-01-01";

/// A cluster with node auto-provisioning, a node class `p` and this node pool, which is called `p` and is Ready.
///
/// # Errors
/// What keeps it from being so.
pub async fn cluster_with(lab: &Lab, pool: NodePool) -> Result<Cluster, Failure> {
    let cluster = lab.managed_cluster().node_provisioning(Auto).create().await?;
    cluster.apply(node_class("p")).await?;
    cluster.apply(pool).await?;
    cluster.expect(node_pool("p").ready()).within(minutes(1)).await?;
    Ok(cluster)
}

/// A pool of this name makes a node for a pod that only it can serve.
///
/// # Errors
/// When it does not.
pub async fn provisions(cluster: &Cluster, pool: &str) -> Outcome {
    cluster.apply(node_class(pool)).await?;
    cluster.apply(node_pool(pool).sizes(&["Standard_D2s_v5"])).await?;
    let web = format!("web-{pool}");
    cluster.apply(deployment(&web).cpu("1").on_pool(pool)).await?;
    cluster.expect(pods(&web).all_running()).within(minutes(5)).await?;
    cluster.expect(nodes().of_pool(pool).count(1)).now()
}

/// Where a pod is in the network: under its own address and its node's.
///
/// # Errors
/// When it has none yet.
pub fn place_of(cluster: &Cluster, pod: &str) -> Result<Place, Failure> {
    let state = cluster.state();
    let status = state.object(Kind::Pod, pod).map(|pod| &pod["status"]);
    let address = |field: &str| status?[field].as_str()?.parse::<IpAddr>().ok();
    match (address("podIP"), address("hostIP")) {
        (Some(address), Some(node)) => Ok(Place::Pod { address, node }),
        _ => Err(Failure::new(format!("the pod {pod} has no address"))),
    }
}

/// Gives a subnet a security group `nsg-<subnet>` with these [rules](rule) for what comes in.
///
/// # Errors
/// What Azure refuses.
pub async fn close(lab: &Lab, subnet: &Subnet, rules: &[Value]) -> Outcome {
    let id = lab.azure().id(&format!("Microsoft.Network/networkSecurityGroups/nsg-{}", subnet.name()));
    let group = json!({ "location": lab.azure().location(), "properties": { "securityRules": rules } });
    lab.azure().client().put(&id, NETWORK, &group).await?;
    let mut resource = subnet.get().await?;
    resource["properties"]["networkSecurityGroup"] = json!({ "id": id });
    lab.azure().client().put(subnet.id(), NETWORK, &resource).await?;
    Ok(())
}

/// An inbound rule of a security group, for all protocols and source ports; `access` is `Allow` or `Deny`, `*` is any
/// address or port.
#[must_use]
pub fn rule(name: &str, priority: u32, access: &str, from: &str, to: &str, port: &str) -> Value {
    json!({ "name": name, "properties": {
        "priority": priority, "direction": "Inbound", "access": access, "protocol": "*",
        "sourceAddressPrefix": from, "sourcePortRange": "*",
        "destinationAddressPrefix": to, "destinationPortRange": port,
    } })
}
