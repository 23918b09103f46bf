//! What the directory and its limits do to node auto-provisioning: principals that it does not know yet or any more, and
//! custom roles that there is no room for.

use catnap::prelude::*;

use super::{Approach, SUBNET_JOIN, SUBNET_READ, network, pool_with_workload, serves};

/// RBAC-04: approach A works where there is no room for a further custom role: Azure refuses the role of approach B, the
/// built-in one can be assigned, and nodes start.
#[scenario]
async fn network_contributor_needs_no_room_for_roles(lab: &Lab) -> Outcome {
    let network = network(lab).await?;
    lab.require::<Tenant>()?.has_room_for_roles(1);
    let role = |name: &str| lab.azure().role_definition(name).actions([SUBNET_READ, SUBNET_JOIN]);
    // The control: the last one that there is room for.
    role("The last one").create().await?;

    let refused = role("Karpenter Subnet Access").create().await.err();

    let code = refused.as_ref().and_then(|error| error.code());
    lab.verify("the code for one role too many", Some("RoleDefinitionLimitExceeded"), code)?;
    Approach::A.give(lab, &network, &network.custom_subnet).await?;
    let cluster = network.cluster(lab).await?;
    pool_with_workload(&cluster, "custom", node_class("custom").vnet_subnet_id(network.custom_subnet.id())).await?;
    serves(&cluster, "custom", &network.custom_subnet).await
}

/// RBAC-32: a principal that was just created may be unknown to Azure for a while: assigning it a right is refused, and
/// the same request succeeds later.
#[scenario(azure_only)]
async fn a_right_for_a_principal_just_created_may_have_to_be_assigned_again(lab: &Lab) -> Outcome {
    let network = network(lab).await?;
    let unknown = lab.require::<Tenant>()?.hide_principal(&network.identity);
    let assign = || lab.azure().role("Network Contributor").on(&network.vnet).to(&network.identity).assign();

    let refused = assign().await.err();

    lab.verify("the status", Some(400), refused.as_ref().and_then(|error| error.status()))?;
    let code = refused.as_ref().and_then(|error| error.code());
    lab.verify("the code", Some("PrincipalNotFound"), code)?;
    lab.verify("the assignments of the identity", 0, lab.azure().roles_of(&network.identity).await?.len())?;

    unknown.reveal();
    assign().await?;
    lab.verify("the assignments of the identity", 1, lab.azure().roles_of(&network.identity).await?.len())
}

/// RBAC-33: where Azure rejects the cluster's tokens for some minutes, no node is lost and none is made; when it accepts
/// them again, provisioning goes on without a restart.
#[scenario]
async fn rejected_tokens_lose_no_node(lab: &Lab) -> Outcome {
    let network = network(lab).await?;
    Approach::A.give(lab, &network, &network.custom_subnet).await?;
    let cluster = network.cluster(lab).await?;
    pool_with_workload(&cluster, "custom", node_class("custom").vnet_subnet_id(network.custom_subnet.id())).await?;
    serves(&cluster, "custom", &network.custom_subnet).await?;
    cluster.expect(node_claims().at_least_in_service(1)).within(minutes(1)).await?;
    let before = cluster.claims_of_pool("custom");
    let names = cluster.pods_of("web-custom");
    let mark = cluster.mark();

    let unknown = lab.require::<Tenant>()?.hide_principal(&network.identity);
    cluster.apply(deployment("more").cpu("1500m").on_pool("custom")).await?;
    cluster.expect(all_requests().since(&mark).answered(401).any()).within(minutes(4)).await?;
    cluster.expect(pods("more").pending(1)).within(minutes(1)).await?;
    let nothing_new = pods("more").pending(1).and(vms().count(1)).and(pods("web-custom").kept(&names));
    cluster.expect(nothing_new).throughout(minutes(2)).await?;
    unknown.reveal();

    cluster.expect(pods("more").all_running()).within(minutes(15)).await?;
    cluster.expect(pods("web-custom").kept(&names)).at_every_instant_since(&mark)?;
    let kept: Vec<_> = cluster.claims_of_pool("custom").into_iter().filter(|uid| before.contains(uid)).collect();
    lab.verify("the node claims from before", before, kept)
}
