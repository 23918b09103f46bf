//! What Azure itself says of identities and roles: where an identity is found, what a role lets it do, and what is refused
//! when roles are defined and given.

use catnap::prelude::*;
use serde_json::json;

use super::{
    Approach, CONDITION, SERVICE_CIDR, SUBNET_JOIN, SUBNET_READ, network, pool_with_workload, serves, subnet_access,
};

const GUID: &str = "8d3f1a0e-5b0c-4c0b-9c56-7f6f2f0a1b2c";
/// Id of the built-in role Reader.
const READER: &str = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

/// RBAC-05, RBAC-28+: a cluster with an identity of its own shows it as `identity.principalId`, and a role that is given
/// to it counts. A cluster with a user-assigned identity shows none there: the documents' query is empty, an assignment
/// to nobody is refused, and `identity.userAssignedIdentities` has the right one.
#[scenario]
async fn the_clusters_identity_is_where_the_documents_look(lab: &Lab) -> Outcome {
    let network = network(lab).await?;
    network.tell_guid(lab).await?;
    let builder = lab.managed_cluster().node_provisioning(Auto).subnet(&network.cluster_subnet);
    let cluster = builder.skip_subnet_role_assignment().service_cidr(SERVICE_CIDR).create().await?;
    let shown = cluster.resource()["identity"]["principalId"].as_str().unwrap_or_default().to_owned();
    lab.verify("the principal id", cluster.identity().as_str(), shown.as_str())?;
    lab.verify("it is a GUID", 36, shown.len())?;
    let role = subnet_access(lab).await?;
    lab.azure().role(role.name()).on(&network.custom_subnet).to(shown.as_str()).assign().await?;
    let class = node_class("custom").vnet_subnet_id(network.custom_subnet.id());
    pool_with_workload(&cluster, "custom", class).await?;
    serves(&cluster, "custom", &network.custom_subnet).await?;

    let other = network.builder(lab).name("other").node_provisioning(Manual).create().await?;
    let identity = &other.resource()["identity"];
    lab.verify("the principal id of a user-assigned cluster", None, identity["principalId"].as_str())?;
    let refused = lab.azure().role(role.name()).on(&network.custom_subnet).to("").assign().await.err();
    lab.verify("the code for nobody", Some("InvalidPrincipalId"), refused.as_ref().and_then(|error| error.code()))?;
    let principal = network.identity.principal_id().as_str();
    let found = identity["userAssignedIdentities"][network.identity.id()]["principalId"].as_str();
    lab.verify("the identity's principal id", Some(principal), found)
}

/// RBAC-03, RBAC-06, RBAC-12, RBAC-16, RBAC-17: what else the identity may do under each approach. A lets it write and
/// delete every subnet and the network, though nothing outside of that; B and the condition let it read the one subnet.
/// Whether Azure holds conditions against actions of `Microsoft.Network` is not certain; the documents rely on it, and
/// the fake does as they say.
#[scenario(azure_only)]
#[case::a_grants_more_than_is_needed(Approach::A, [200, 200, 403, 200, 200, 403, 200])]
#[case::b_grants_what_is_needed(Approach::B, [200, 403, 403, 403, 403, 403, 403])]
#[case::the_condition_takes_writing_and_deleting_away(Approach::BuiltIn, [200, 403, 403, 403, 403, 403, 403])]
async fn what_else_the_identity_may_do(lab: &Lab, #[case] approach: Approach, #[case] expected: [u16; 7]) -> Outcome {
    const API: &str = "2022-01-01";
    let network = network(lab).await?;
    let other = lab.azure().vnet("other-vnet").address_space("10.1.0.0/16").create().await?;
    approach.give(lab, &network, &network.custom_subnet).await?;

    let own = lab.azure_as(&network.identity)?;
    let client = own.client();
    let (vnet, subnet) = (network.vnet.id(), network.custom_subnet.id());
    let location = own.location();
    let prefix = json!({ "properties": { "addressPrefix": "10.0.2.0/24" } });
    let space =
        json!({ "location": location, "properties": { "addressSpace": { "addressPrefixes": ["10.0.0.0/16"] } } });
    let group = own.id("Microsoft.Network/networkSecurityGroups/own");
    let answers = [
        client.get(subnet, API).await.map(|_| ()),
        client.put(subnet, API, &prefix).await.map(|_| ()),
        client.get(other.id(), API).await.map(|_| ()),
        client.get(vnet, API).await.map(|_| ()),
        client.put(vnet, API, &space).await.map(|_| ()),
        client.put(&group, API, &json!({ "location": location })).await.map(|_| ()),
        client.delete(subnet, API).await,
    ];
    let names = [
        "read the subnet",
        "write it",
        "read another network",
        "read the network",
        "write it",
        "write a security \
         group beside it",
        "delete the subnet",
    ];
    for ((name, answer), expected) in names.iter().zip(&answers).zip(expected) {
        let seen = answer.as_ref().map_or_else(|error| error.status().unwrap_or(0), |()| 200);
        lab.verify(&format!("the status for: {name}"), expected, seen)?;
        let code = answer.as_ref().err().and_then(|error| error.code());
        lab.verify(&format!("the code for: {name}"), (expected == 403).then_some("AuthorizationFailed"), code)?;
    }
    Ok(())
}

/// RBAC-07, RBAC-08, RBAC-14, RBAC-31+, RBAC-37+: what Azure refuses when roles are defined and given: a second role of
/// the same name, a role out of its assignable scopes, the same assignment again, a definition's end while it is in use,
/// and a condition that is none. What was there before stays as it was.
#[scenario(azure_only)]
async fn what_azure_refuses_in_roles(lab: &Lab) -> Outcome {
    const API: &str = "2022-04-01";
    let network = network(lab).await?;
    let (azure, identity, subnet) = (lab.azure(), &network.identity, &network.custom_subnet);
    let client = azure.client();
    let role = subnet_access(lab).await?;
    let actions = client.get(role.id(), API).await?["properties"]["permissions"][0]["actions"].clone();
    lab.verify("the actions of the documents' role", json!([SUBNET_READ, SUBNET_JOIN]), actions.clone())?;
    let code = |error: Option<ArmError>| error.and_then(|error| error.code().map(str::to_owned)).unwrap_or_default();

    let properties = role.resource()["properties"].clone();
    let twin = format!("{}/{GUID}", role.id().rsplit_once('/').map_or("", |(roles, _)| roles));
    let again = client.put(&twin, API, &json!({ "properties": properties })).await.err();
    lab.verify("a second role of the name", "RoleDefinitionWithSameNameExists", &code(again))?;
    lab.verify(
        "the first one",
        &actions,
        &client.get(role.id(), API).await?["properties"]["permissions"][0]["actions"],
    )?;

    let elsewhere = azure.further_group("other-rg").ensure_group().await?;
    let bound = azure.role_definition("Bound").actions([SUBNET_READ]).assignable_on(&elsewhere).create().await?;
    let id = format!("{}/providers/Microsoft.Authorization/roleAssignments/{}", subnet.id(), GUID);
    let body =
        json!({ "properties": { "roleDefinitionId": bound.id(), "principalId": identity.principal_id().as_str() } });
    let out_of_scope = client.put(&id, API, &body).await.err();
    lab.verify("a role out of its scopes", "RoleDefinitionDoesNotExist", &code(out_of_scope))?;

    let given = azure.role(role.name()).on(subnet).to(identity).assign().await?;
    let twice = azure.role(role.name()).on(subnet).to(identity).named(GUID).assign().await.err();
    lab.verify("the same assignment again", "RoleAssignmentExists", &code(twice))?;
    let in_use = client.delete(role.id(), API).await.err();
    lab.verify("the end of a role in use", "RoleDefinitionHasAssignments", &code(in_use))?;

    let unbalanced = azure.role("Reader").on(subnet).to(identity).condition("((!(ActionMatches{'a/b'}))").assign();
    lab.verify("an unbalanced condition", "InvalidRoleAssignmentCondition", &code(unbalanced.await.err()))?;
    let reader = format!(
        "/subscriptions/{}/providers/Microsoft.Authorization/roleDefinitions/{READER}",
        azure.subscription_id()
    );
    let body = json!({ "properties": {
        "roleDefinitionId": reader,
        "principalId": identity.principal_id().as_str(),
        "condition": CONDITION,
        "conditionVersion": "1.0",
    }});
    let version = client.put(&id, API, &body).await.err();
    lab.verify("a condition of another version", "InvalidRoleAssignmentCondition", &code(version))?;
    lab.verify("the assignments of the identity", 1, azure.roles_of(identity).await?.len())?;
    given.revoke().await?;
    lab.verify("the assignments of the identity", 0, azure.roles_of(identity).await?.len())
}

/// RBAC-30+: actions and roles' names compare without regard to letter case, wildcards stand for any characters, and
/// what `NotActions` take out is not permitted.
#[scenario(azure_only)]
async fn wildcards_and_not_actions_apply(lab: &Lab) -> Outcome {
    const API: &str = "2022-01-01";
    let network = network(lab).await?;
    let azure = lab.azure();
    azure
        .role_definition("Subnets")
        .actions(["MICROSOFT.NETWORK/virtualnetworks/Subnets/*"])
        .not_actions([
            "Microsoft.Network/virtualNetworks/subnets/WRITE",
            "Microsoft.Network/virtualNetworks/subnets/delete",
        ])
        .create()
        .await?;
    azure.role("SUBNETS").on(&network.custom_subnet.id().to_uppercase()).to(&network.identity).assign().await?;

    let own = lab.azure_as(&network.identity)?;
    let subnet = network.custom_subnet.id();
    own.client().get(&subnet.to_lowercase(), API).await?;
    let prefix = json!({ "properties": { "addressPrefix": "10.0.2.0/24" } });
    let written = own.client().put(subnet, API, &prefix).await.err();
    lab.verify("the status for writing it", Some(403), written.and_then(|error| error.status()))?;
    let deleted = own.client().delete(subnet, API).await.err();
    lab.verify("the status for deleting it", Some(403), deleted.and_then(|error| error.status()))
}
