//! One right too few, one pool without rights beside one that has them, and deny assignments: the node claim tells in
//! Azure's words, nothing stays, and all goes on when the right is there.

use catnap::prelude::*;
use serde_json::json;
use suites::versions::{gives_up_launches, tells_of_unreadable_subnets};

use super::{
    Approach, NIC_WRITE, PROVISIONER, SUBNET_JOIN, SUBNET_READ, VM_WRITE, cannot_read, needed, network,
    nothing_is_made, only, pool_with_workload, redefine, requests_refused, serves, starts,
};

/// RBAC-11, RBAC-13, RBAC-26+, RBAC-36+: each right that a launch needs, taken out in turn. The node claim says which is
/// missing (a right to read the subnet: the node class), in Azure's words. No machine is made, and a network interface
/// that was made goes again. When the right is put into the role's definition, the same pod gets its node.
#[scenario]
#[case::to_read_the_subnet(SUBNET_READ, "AuthorizationFailed")]
#[case::to_join_the_subnet(SUBNET_JOIN, "LinkedAuthorizationFailed")]
#[case::to_join_the_security_group("Microsoft.Network/networkSecurityGroups/join/action", "LinkedAuthorizationFailed")]
#[case::to_join_the_backend_pool(
    "Microsoft.Network/loadBalancers/backendAddressPools/join/action",
    "LinkedAuthorizationFailed"
)]
#[case::to_write_network_interfaces(NIC_WRITE, "AuthorizationFailed")]
#[case::to_join_network_interfaces("Microsoft.Network/networkInterfaces/join/action", "LinkedAuthorizationFailed")]
#[case::to_read_machines("Microsoft.Compute/virtualMachines/read", "AuthorizationFailed")]
#[case::to_write_machines(VM_WRITE, "AuthorizationFailed")]
#[case::to_assign_the_nodes_identity(
    "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    "LinkedAuthorizationFailed"
)]
async fn without_a_right_nothing_is_made_until_it_comes(
    lab: &Lab,
    #[case] missing: &str,
    #[case] code: &str,
) -> Outcome {
    if missing == SUBNET_READ {
        tells_of_unreadable_subnets(lab)?;
    }
    let network = network(lab).await?;
    let cluster = network.cluster(lab).await?;
    let others: Vec<_> = needed().into_iter().filter(|action| *action != missing).collect();
    only(lab, &network, &cluster, &others).await?;
    let mark = cluster.mark();

    let class = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", class).await?;
    if missing == SUBNET_READ {
        cluster.expect(cannot_read("custom", &network.custom_subnet, &network.identity)).within(minutes(1)).await?;
        nothing_is_made(&cluster, "custom", &mark).await?;
    } else {
        let claims = node_claims().of_pool("custom");
        let fails = |text: &str| claims.clone().all_with_reason("Launched", "CreateInstanceFailed", text);
        cluster.expect(fails(code).and(fails(missing))).within(minutes(1)).await?;
        // Ready is no proof of any right but that to read the subnet (RBAC-24+).
        cluster.expect(node_class("custom").ready()).now()?;
        cluster.expect(pods("web-custom").pending(1)).throughout(seconds(30)).await?;
        cluster.expect(vms().none().and(nics().at_most(1))).at_every_instant_since(&mark)?;
        cluster.expect(nics().none()).within(minutes(1)).await?;
    }
    cluster.expect(requests_refused(&network.identity).since(&mark).any()).now()?;

    redefine(lab, PROVISIONER, &needed()).await?;
    serves(&cluster, "custom", &network.custom_subnet).await?;
    cluster.expect(vms().count(1).and(nics().count(1))).within(minutes(1)).await?;
    lab.verify("starts of the provisioner", 1, starts(lab))
}

/// RBAC-35+: a pool whose subnet cannot be joined and one that has all rights, with pods for both at the same time. The
/// provisioner of 1.7.1 makes no plans for any pod while a node claim has not launched, and gives that up after five
/// minutes; the pod of the other pool runs nevertheless, within two of these rounds.
#[scenario]
async fn a_pool_without_rights_does_not_starve_one_with_rights(lab: &Lab) -> Outcome {
    lab.wait_of(minutes(12))?;
    gives_up_launches(lab)?;
    let network = network(lab).await?;
    Approach::B.give(lab, &network, &network.custom_subnet).await?;
    redefine(lab, "Subnet Reader", &[SUBNET_READ]).await?;
    lab.azure().role("Subnet Reader").on(&network.cluster_subnet).to(&network.identity).assign().await?;
    let cluster = network.cluster(lab).await?;

    pool_with_workload(&cluster, "refused", node_class("refused")).await?;
    let failed = node_claims().of_pool("refused").all_with_reason("Launched", "CreateInstanceFailed", SUBNET_JOIN);
    cluster.expect(failed).within(minutes(1)).await?;
    let class = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", class).await?;

    cluster.expect(pods("web-custom").all_running()).within(minutes(11)).await?;
    cluster.expect(nodes().of_pool("custom").all_in_subnet(&network.custom_subnet)).now()?;
    cluster.expect(pods("web-refused").pending(1).and(vms().of_pool("refused").none())).now()
}

/// RBAC-22+: a deny assignment wins over every role. On the network it takes the right to join, which shows as if no role
/// gave it; in the node resource group it is named. The right to read is not denied, so the node class is Ready. When it
/// is lifted the pod gets its node.
#[scenario]
#[case::on_the_network(true, "LinkedAuthorizationFailed")]
#[case::in_the_node_resource_group(false, "DenyAssignmentAuthorizationFailed")]
async fn a_deny_assignment_wins_over_roles(lab: &Lab, #[case] network_denied: bool, #[case] code: &str) -> Outcome {
    let network = network(lab).await?;
    Approach::A.give(lab, &network, &network.custom_subnet).await?;
    let cluster = network.cluster(lab).await?;
    let nodes = lab.azure().in_group(cluster.node_resource_group()).ensure_group().await?;
    let scope = if network_denied { network.vnet.id() } else { nodes.id() };
    let denial = lab.require::<Tenant>()?.deny_changes(scope, "the landlord's own");
    let mark = cluster.mark();

    let class = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", class).await?;
    let claims = node_claims().of_pool("custom");
    cluster.expect(claims.all_with_reason("Launched", "CreateInstanceFailed", code)).within(minutes(1)).await?;
    cluster.expect(node_class("custom").ready()).now()?;
    cluster.expect(pods("web-custom").pending(1)).throughout(seconds(30)).await?;
    cluster.expect(vms().none().and(nics().none())).at_every_instant_since(&mark)?;

    denial.lift();
    serves(&cluster, "custom", &network.custom_subnet).await
}

/// RBAC-22+: where AKS locks the node resource group down (`restrictionLevel: ReadOnly`), its deny assignment spares the
/// cluster's identity: nodes come and go, while the owner of the subscription may change nothing there.
#[scenario]
async fn a_locked_node_resource_group_is_no_hindrance(lab: &Lab) -> Outcome {
    let network = network(lab).await?;
    Approach::B.give(lab, &network, &network.custom_subnet).await?;
    network.tell_guid(lab).await?;
    let locked = json!({ "restrictionLevel": "ReadOnly" });
    let cluster = network.builder(lab).property("nodeResourceGroupProfile", locked).create().await?;

    let class = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", class).await?;
    serves(&cluster, "custom", &network.custom_subnet).await?;
    let machine = format!("Microsoft.Compute/virtualMachines/{}", cluster.nodes_of_pool("custom").concat());
    let azure = lab.azure().in_group(cluster.node_resource_group());
    let refused = azure.delete(&azure.id(&machine), "2024-07-01").await.err();
    let code = refused.as_ref().and_then(|error| error.code());
    lab.verify("the code for the owner's change", Some("DenyAssignmentAuthorizationFailed"), code)?;
    cluster.scale("web-custom", 0).await?;
    cluster.expect(node_claims().none()).within(minutes(5)).await?;
    cluster.expect(vms().none().and(nics().none())).within(minutes(1)).await?;
    cluster.expect(rights_of(&network.identity).suffice()).now()
}
