//! The rights that the provisioner really uses, measured and put to the proof.

use catnap::prelude::*;
use serde_json::Value;

use super::{
    Approach, Network, PROVISIONER, SUBNET_JOIN, network, only, pool_with_workload, redefine, requests_refused, serves,
};

/// RBAC-09, RBAC-12, RBAC-38+: least privilege, measured. A cluster with more rights than it needs lives through a whole
/// life of its nodes; the actions that its provisioner used are a role definition in JSON, as `catnap rights` prints it.
/// A second cluster, whose identity has this role and no other, lives through the same, from the start of its
/// provisioner on, and never asks for more.
#[scenario]
async fn the_printed_role_alone_suffices(lab: &Lab) -> Outcome {
    let network = network(lab).await?;
    Approach::A.give(lab, &network, &network.custom_subnet).await?;
    let cluster = network.builder(lab).create().await?;
    life_of_nodes(&cluster, "generous", &network.custom_subnet).await?;
    let footprint = rights_of(&network.identity).footprint(&cluster.state());
    let subscription = format!("/subscriptions/{}", lab.azure().subscription_id());
    let printed = footprint.role_definition(PROVISIONER, "What the provisioner used", &[subscription]);
    let used: Vec<&str> = printed["Actions"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();

    let identity = lab.azure().identity("frugal-identity").create().await?;
    let frugal = Network { identity, ..network };
    let builder = frugal.builder(lab).name("frugal").node_provisioning(Manual);
    let cluster = builder.create().await?;
    only(lab, &frugal, &cluster, &[]).await?;
    lab.azure().role_definition_from(&printed).create().await?;
    let mark = cluster.mark();
    lab.set_node_provisioning(&cluster, Auto).await?;
    life_of_nodes(&cluster, "frugal", &frugal.custom_subnet).await?;

    let rights = rights_of(&frugal.identity).since(&mark);
    cluster.expect(rights.clone().suffice()).now()?;
    cluster.expect(rights.clone().are_within(&used)).now()?;
    cluster.expect(rights.hold(SUBNET_JOIN, frugal.custom_subnet.id())).now()?;
    // The list is as long as it must be: without one action of it, the provisioner is refused.
    let others: Vec<_> = used.iter().copied().filter(|action| *action != SUBNET_JOIN).collect();
    lab.verify("the role holds the right to join the subnet", used.len() - 1, others.len())?;
    redefine(lab, PROVISIONER, &others).await?;
    let mark = cluster.mark();
    cluster.scale("web-frugal", 1).await?;
    cluster.expect(requests_refused(&frugal.identity).since(&mark).any()).within(minutes(1)).await
}

/// A node comes, a second one, and both go again.
async fn life_of_nodes(cluster: &Cluster, pool: &str, subnet: &Subnet) -> Outcome {
    pool_with_workload(cluster, pool, node_class(pool).vnet_subnet_id(subnet.id())).await?;
    serves(cluster, pool, subnet).await?;
    let web = format!("web-{pool}");
    cluster.scale(&web, 3).await?;
    cluster.expect(pods(&web).running(3)).within(minutes(5)).await?;
    cluster.scale(&web, 0).await?;
    cluster.expect(node_claims().of_pool(pool).none()).within(minutes(10)).await?;
    cluster.expect(vms().none().and(nics().none()).and(disks().none())).within(minutes(1)).await
}
