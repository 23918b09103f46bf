//! Roles as a client meets them: defining, assigning, refusals, lists, links.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::directory::{Principal, PrincipalKind};
use crate::gateway::TestFake;
use arm::ResourceId;
use rbac::BuiltinRole;

const NETWORK: &str = "/resourceGroups/rg/providers/Microsoft.Network";
const NETWORK_API: &str = "api-version=2022-01-01";
const API: &str = "api-version=2022-04-01";
const ROLE: &str = "4d97b98b-1d4f-4787-a291-c67834d212e7";
const SOMEONE: Uuid = Uuid::from_u128(0xabc);

fn subscription() -> String {
    format!("/subscriptions/{}", TestFake::SUBSCRIPTION)
}

fn role_id(role: &str) -> String {
    format!("{}/providers/Microsoft.Authorization/roleDefinitions/{role}", subscription())
}

fn assignment(n: u128) -> String {
    Uuid::from_u128(n).to_string()
}

fn path(scope: &str, n: u128) -> String {
    format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{}?{API}", assignment(n))
}

fn subnet(name: &str) -> String {
    format!("{}{NETWORK}/virtualNetworks/v/subnets/{name}", subscription())
}

/// A network `v` with the subnets `a` and `b`, a machine's identity, and SOMEONE without a role.
fn fake() -> TestFake {
    let mut fake = TestFake::with_group();
    let network = json!({"location": "eastus", "properties": {
        "addressSpace": {"addressPrefixes": ["10.0.0.0/16"]},
        "subnets": [
            {"name": "a", "properties": {"addressPrefix": "10.0.1.0/24"}},
            {"name": "b", "properties": {"addressPrefix": "10.0.2.0/24"}},
        ],
    }});
    fake.put(&format!("{NETWORK}/virtualNetworks/v?{NETWORK_API}"), network).expect(201);
    fake.settle();
    add(&mut fake, SOMEONE, PrincipalKind::ManagedIdentity);
    fake
}

fn add(fake: &mut TestFake, object_id: Uuid, kind: PrincipalKind) {
    let client_id = Uuid::from_u128(object_id.as_u128() + 0xc000);
    fake.world.add_principal(Principal { object_id, client_id, kind, display_name: format!("{kind:?}") });
}

fn give(fake: &mut TestFake, scope: &str, n: u128, role: &str, more: Value) -> crate::gateway::Reply {
    let mut properties = json!({"roleDefinitionId": role_id(role), "principalId": SOMEONE});
    for (name, value) in more.as_object().into_iter().flatten() {
        properties[name] = value.clone();
    }
    fake.put(&path(scope, n), json!({"properties": properties}))
}

/// Does something as SOMEONE.
fn as_someone<T>(fake: &mut TestFake, work: impl FnOnce(&mut TestFake) -> T) -> T {
    fake.caller = SOMEONE;
    let result = work(fake);
    fake.caller = TestFake::OWNER;
    result
}

fn read_subnet(fake: &mut TestFake, name: &str) -> crate::gateway::Reply {
    let path = format!("{}?{NETWORK_API}", subnet(name));
    as_someone(fake, |fake| fake.get(&path))
}

#[test]
fn nothing_is_allowed_without_a_role_and_the_refusal_is_azures() {
    let mut fake = fake();
    let refused = read_subnet(&mut fake, "a");
    assert_eq!((refused.status, refused.code()), (403, "AuthorizationFailed"));
    assert_eq!(
        refused.message(),
        format!(
            "The client '{}' with object id '{SOMEONE}' does not have authorization to perform action \
             'Microsoft.Network/virtualNetworks/subnets/read' over scope '{}' or the scope is invalid. If access was \
             recently granted, please refresh your credentials.",
            Uuid::from_u128(0xabc + 0xc000),
            subnet("a")
        )
    );
    let missing = read_subnet(&mut fake, "none");
    assert_eq!(missing.status, 403, "whether it exists is nobody's business without the right");
    let list = as_someone(&mut fake, |fake| fake.get(&format!("{NETWORK}/networkInterfaces?{NETWORK_API}")));
    assert_eq!(list.status, 403);
    assert!(
        list.message()
            .contains(&format!("over scope '{}/resourceGroups/rg/providers/Microsoft.Network'", subscription())),
        "{}",
        list.message()
    );
    give(&mut fake, &subnet("a"), 1, ROLE, json!({})).expect(201);
    assert_eq!(read_subnet(&mut fake, "a").status, 200);
    assert_eq!(read_subnet(&mut fake, "b").status, 403, "a neighbour is another scope");
}

#[test]
fn a_role_holds_below_its_scope_at_every_height() {
    let group = format!("{}/resourceGroups/RG", subscription());
    let network = format!("{}{NETWORK}/virtualNetworks/v", subscription());
    let tenant_group = format!("/providers/Microsoft.Management/managementGroups/{}", Uuid::from_u128(0x22));
    for scope in [subnet("a"), network, group, subscription(), tenant_group] {
        let mut fake = fake();
        assert_eq!(read_subnet(&mut fake, "a").status, 403, "{scope}");
        if scope.starts_with("/providers") {
            let scope = ResourceId::parse(&scope).unwrap();
            super::grant(&mut fake.world, SOMEONE, BuiltinRole::NetworkContributor.id(), &scope);
        } else {
            let made = give(&mut fake, &scope, 1, ROLE, json!({})).expect(201);
            assert_eq!(made["properties"]["scope"], scope.as_str());
            assert_eq!(
                made["id"],
                format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{}", assignment(1))
            );
        }
        assert_eq!(read_subnet(&mut fake, "a").status, 200, "{scope}");
        // Who may look is told what is missing; nobody else is.
        let elsewhere = if scope == subnet("a") { 403 } else { 404 };
        assert_eq!(read_subnet(&mut fake, "none").status, elsewhere, "{scope}");
    }
}

#[test]
fn groups_of_groups_give_their_roles() {
    let mut fake = fake();
    let (inner, outer) = (Uuid::from_u128(0xa1), Uuid::from_u128(0xa2));
    add(&mut fake, inner, PrincipalKind::Group);
    add(&mut fake, outer, PrincipalKind::Group);
    let made = give(&mut fake, &subnet("a"), 1, ROLE, json!({"principalId": outer})).expect(201);
    assert_eq!(made["properties"]["principalType"], "Group");
    fake.world.principals_mut().join(inner, outer);
    assert_eq!(read_subnet(&mut fake, "a").status, 403);
    fake.world.principals_mut().join(SOMEONE, inner);
    assert_eq!(read_subnet(&mut fake, "a").status, 200);
    fake.world.principals_mut().leave(SOMEONE, inner);
    assert_eq!(read_subnet(&mut fake, "a").status, 403);
}

#[test]
fn assignments_are_made_shown_changed_and_taken_away() {
    let mut fake = fake();
    let made = give(&mut fake, &subnet("a"), 1, ROLE, json!({"principalType": "ServicePrincipal"})).expect(201);
    assert_eq!(made["properties"]["roleDefinitionId"], role_id(ROLE));
    assert_eq!(
        (&made["properties"]["principalType"], &made["properties"]["createdBy"], &made["type"]),
        (&json!("ServicePrincipal"), &json!(TestFake::OWNER), &json!("Microsoft.Authorization/roleAssignments"))
    );
    assert!(made.get("etag").is_none() && made.get("effectiveFrom").is_none());
    assert_eq!(fake.get(&path(&subnet("a"), 1)).expect(200), made);
    assert_eq!(give(&mut fake, &subnet("a"), 1, ROLE, json!({"principalType": "ServicePrincipal"})).status, 200);
    let changed = give(&mut fake, &subnet("a"), 1, ROLE, json!({"description": "d"})).expect(200);
    assert_eq!(changed["properties"]["description"], "d");

    let twice = give(&mut fake, &subnet("a"), 2, ROLE, json!({}));
    assert_eq!((twice.status, twice.code()), (409, "RoleAssignmentExists"));
    assert!(twice.message().starts_with("The role assignment already exists."));
    let elsewhere = give(&mut fake, &subnet("b"), 1, ROLE, json!({}));
    assert_eq!((elsewhere.status, elsewhere.code()), (400, "RoleAssignmentUpdateNotPermitted"));
    let other = give(&mut fake, &subnet("a"), 1, &BuiltinRole::Reader.id().to_string(), json!({}));
    assert_eq!(other.code(), "RoleAssignmentUpdateNotPermitted");

    let gone = fake.delete(&path(&subnet("a"), 1)).expect(200);
    assert_eq!(gone["name"], assignment(1));
    assert_eq!(fake.delete(&path(&subnet("a"), 1)).status, 204);
    let missing = fake.get(&path(&subnet("a"), 1));
    assert_eq!((missing.status, missing.code()), (404, "RoleAssignmentNotFound"));
    assert_eq!(missing.message(), format!("The role assignment '{}' is not found.", assignment(1)));
    assert_eq!(read_subnet(&mut fake, "a").status, 403);
}

#[test]
fn wrong_assignments_are_refused_in_azures_words() {
    let mut fake = fake();
    let mut refused = |more: Value| {
        let reply = give(&mut fake, &subnet("a"), 1, ROLE, more);
        (reply.status, reply.code().to_owned(), reply.message().to_owned())
    };
    let principal = "A valid principal ID must be provided for role assignment.";
    assert_eq!(refused(json!({"principalId": ""})), (400, "InvalidPrincipalId".into(), principal.into()));
    assert_eq!(refused(json!({"principalId": null})).1, "InvalidPrincipalId");
    let (status, code, message) = refused(json!({"principalId": Uuid::from_u128(0xdead)}));
    assert_eq!((status, code.as_str()), (400, "PrincipalNotFound"));
    assert!(
        message.starts_with("Principal 0000000000000000000000000000dead does not exist in the directory"),
        "{message}"
    );
    let (_, code, message) = refused(json!({"principalType": "User"}));
    assert_eq!(code, "UnmatchedPrincipalType");
    assert!(message.contains("has type 'ServicePrincipal' , which is different from specified PrinciaplType 'User'"));
    let (status, code, message) = refused(json!({"roleDefinitionId": role_id(&assignment(5))}));
    assert_eq!((status, code.as_str()), (404, "RoleDefinitionDoesNotExist"));
    assert!(message.contains("ID '00000000000000000000000000000005' does not exist"));
    assert_eq!(refused(json!({"roleDefinitionId": "Network Contributor"})).1, "InvalidRoleDefinitionId");

    let name = fake.put(
        &format!("{}/providers/Microsoft.Authorization/roleAssignments/mine?{API}", subnet("a")),
        json!({"properties": {}}),
    );
    assert_eq!(name.code(), "InvalidRoleAssignmentId");
    let nowhere = give(&mut fake, &subnet("none"), 1, ROLE, json!({}));
    assert_eq!(nowhere.code(), "ParentResourceNotFound");
    let trusted = give(
        &mut fake,
        &subnet("a"),
        9,
        ROLE,
        json!({"principalId": Uuid::from_u128(0xbeef), "principalType": "ServicePrincipal"}),
    );
    assert_eq!(trusted.status, 201, "with its type said, a principal that is still on its way is taken");
}

#[test]
fn the_documents_condition_is_kept_to() {
    let mut fake = fake();
    let condition = "((!(ActionMatches{'Microsoft.Network/virtualNetworks/subnets/write'})) AND (!(ActionMatches{'Microsoft.Network/virtualNetworks/subnets/delete'})))";
    for (bad, version) in [("ActionMatches{", "2.0"), (condition, "1.0")] {
        let reply = give(&mut fake, &subnet("a"), 1, ROLE, json!({"condition": bad, "conditionVersion": version}));
        assert_eq!((reply.status, reply.message()), (400, "The given role assignment condition is invalid."));
    }
    let tags = json!({"condition": "@Resource[x/y/tags:Project<$>] StringEquals 'a'", "conditionVersion": "2.0"});
    assert_eq!(
        give(&mut fake, &subnet("a"), 1, ROLE, tags).message(),
        "Resource attribute x/y/tags:Project<$> is not valid."
    );
    assert_eq!(fake.get(&path(&subnet("a"), 1)).status, 404, "nothing of the refused is kept");

    let made =
        give(&mut fake, &subnet("a"), 1, ROLE, json!({"condition": condition, "conditionVersion": "2.0"})).expect(201);
    assert_eq!(
        (&made["properties"]["condition"], &made["properties"]["conditionVersion"]),
        (&json!(condition), &json!("2.0"))
    );
    assert_eq!(read_subnet(&mut fake, "a").status, 200);
    let write = |fake: &mut TestFake, method: Method| {
        let body = json!({"properties": {"addressPrefix": "10.0.1.0/24"}});
        let path = format!("{}?{NETWORK_API}", subnet("a"));
        as_someone(fake, |fake| fake.call(method, &path, body))
    };
    for method in [Method::PUT, Method::DELETE] {
        let refused = write(&mut fake, method);
        assert_eq!((refused.status, refused.code()), (403, "AuthorizationFailed"));
        assert!(
            refused.message().contains("does not have authorization or an ABAC condition not fulfilled to perform")
        );
    }
}

#[test]
fn whoever_gives_roles_can_be_kept_to_some_of_them() {
    let mut fake = fake();
    let administrator = "f58310d9-a9f6-439a-9e8d-f62e7b41a168";
    let condition = format!(
        "(!(ActionMatches{{'Microsoft.Authorization/roleAssignments/write'}})) OR (@Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {{{ROLE}}} AND @Request[Microsoft.Authorization/roleAssignments:PrincipalType] StringEqualsIgnoreCase 'user')"
    );
    give(&mut fake, &subscription(), 1, administrator, json!({"condition": condition})).expect(201);
    let user = Uuid::from_u128(0x77);
    add(&mut fake, user, PrincipalKind::User);
    let mut gives = |role: &str, to: Uuid, n: u128| {
        as_someone(&mut fake, |fake| give(fake, &subnet("a"), n, role, json!({"principalId": to})).status)
    };
    assert_eq!(gives(ROLE, user, 2), 201);
    assert_eq!(gives(&BuiltinRole::Owner.id().to_string(), user, 3), 403);
    assert_eq!(gives(ROLE, SOMEONE, 4), 403, "not to a service principal");
}

#[test]
fn assignments_take_their_time_to_come_and_to_go() {
    let mut fake = fake();
    fake.world.settings_mut().role_propagation = Duration::from_secs(300);
    give(&mut fake, &subnet("a"), 1, ROLE, json!({})).expect(201);
    fake.advance(Duration::from_secs(299));
    assert_eq!(read_subnet(&mut fake, "a").status, 403);
    fake.advance(Duration::from_secs(1));
    assert_eq!(read_subnet(&mut fake, "a").status, 200);
    fake.delete(&path(&subnet("a"), 1)).expect(200);
    fake.advance(Duration::from_secs(299));
    assert_eq!(read_subnet(&mut fake, "a").status, 200);
    fake.advance(Duration::from_secs(1));
    assert_eq!(read_subnet(&mut fake, "a").status, 403);
}

#[test]
fn lists_of_assignments_are_filtered_as_the_clients_ask() {
    let mut fake = fake();
    let group = format!("{}/resourceGroups/rg", subscription());
    give(&mut fake, &group, 1, ROLE, json!({})).expect(201);
    give(&mut fake, &subnet("a"), 2, ROLE, json!({})).expect(201);
    give(&mut fake, &subnet("b"), 3, ROLE, json!({})).expect(201);
    let mut names = |scope: &str, filter: &str| {
        let path = format!("{scope}/providers/Microsoft.Authorization/roleAssignments?{API}&$filter={filter}");
        let list = fake.get(&path).expect(200);
        let mut names: Vec<u128> = list["value"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|a| a["properties"]["principalId"] == json!(SOMEONE))
            .map(|a| a["name"].as_str().unwrap().parse::<Uuid>().unwrap().as_u128())
            .collect();
        names.sort_unstable();
        (names, list["value"].as_array().unwrap().len())
    };
    assert_eq!(names(&subnet("a"), "atScope()"), (vec![1, 2], 3), "and the owner's above");
    assert_eq!(names(&group, "atScope()"), (vec![1], 2));
    assert_eq!(names(&group, ""), (vec![1, 2, 3], 4), "at, above and below");
    assert_eq!(names(&subscription(), &format!("principalId%20eq%20'{SOMEONE}'")), (vec![1, 2, 3], 3));
    assert_eq!(names(&subnet("a"), &format!("atScope()%20and%20assignedTo('{SOMEONE}')")), (vec![1, 2], 2));
    let bad = format!("{group}/providers/Microsoft.Authorization/roleAssignments?{API}&$filter=nonsense()");
    assert_eq!(fake.get(&bad).code(), "InvalidFilter");
}

#[test]
fn roles_are_found_defined_and_removed() {
    let mut fake = fake();
    let roles = |scope: &str, filter: &str| {
        format!(
            "{scope}/providers/Microsoft.Authorization/roleDefinitions?api-version=2022-05-01-preview&$filter={filter}"
        )
    };
    let found = fake.get(&roles(&subnet("a"), "roleName%20eq%20'Network%20Contributor'")).expect(200);
    assert_eq!(found["value"].as_array().unwrap().len(), 1);
    assert_eq!((&found["value"][0]["id"], &found["value"][0]["name"]), (&json!(role_id(ROLE)), &json!(ROLE)));
    assert_eq!(found["value"][0]["properties"]["type"], "BuiltInRole");
    assert_eq!(fake.get(&roles(&subscription(), "roleName%20eq%20'Nope'")).expect(200)["value"], json!([]));
    assert!(fake.get(&roles("", "")).status == 200, "the tenant's");
    let by_id = format!("/providers/Microsoft.Authorization/roleDefinitions/{ROLE}?{API}");
    assert_eq!(as_someone(&mut fake, |fake| fake.get(&by_id)).expect(200)["name"], ROLE, "everyone may look");

    // As `az role definition create` sends the document's role.
    let id = |n: u128| format!("{}?api-version=2022-05-01-preview", role_id(&assignment(n)));
    let role = json!({"properties": {
        "roleName": "Karpenter Subnet Access",
        "description": "Allows reading subnet information and joining VMs to subnets",
        "assignableScopes": [subscription()],
        "permissions": [{
            "actions": ["Microsoft.Network/virtualNetworks/subnets/read", "Microsoft.Network/virtualNetworks/subnets/join/action"],
            "notActions": [], "dataActions": [], "notDataActions": [],
        }],
    }});
    let made = fake.put(&id(7), role.clone()).expect(201);
    assert_eq!((&made["properties"]["type"], &made["id"]), (&json!("CustomRole"), &json!(role_id(&assignment(7)))));
    assert_eq!(made["properties"]["permissions"], role["properties"]["permissions"]);
    let again = fake.put(&id(8), role.clone());
    assert_eq!((again.status, again.code()), (409, "RoleDefinitionWithSameNameExists"));
    let from_subnet = roles(&subnet("a"), "roleName%20eq%20'karpenter%20subnet%20access'");
    assert_eq!(fake.get(&from_subnet).expect(200)["value"][0]["id"], made["id"]);
    assert_eq!(
        fake.get(&roles(&subscription(), "type%20eq%20'CustomRole'")).expect(200)["value"].as_array().unwrap().len(),
        1
    );

    give(&mut fake, &subnet("a"), 1, &assignment(7), json!({})).expect(201);
    assert_eq!(read_subnet(&mut fake, "a").status, 200);
    let used = fake.delete(&id(7));
    assert_eq!((used.status, used.code()), (400, "RoleDefinitionHasAssignments"));
    let mut less = role.clone();
    less["properties"]["permissions"][0]["actions"] = json!(["Microsoft.Network/virtualNetworks/read"]);
    fake.put(&id(7), less).expect(201);
    assert_eq!(read_subnet(&mut fake, "a").status, 403, "what the role permits is what it permits now");
    fake.delete(&path(&subnet("a"), 1)).expect(200);
    fake.delete(&id(7)).expect(200);
    fake.delete(&id(7)).expect(204);
    assert_eq!(fake.get(&id(7)).code(), "RoleDefinitionDoesNotExist");
}

#[test]
fn wrong_roles_are_refused() {
    let mut fake = fake();
    let good = json!({"properties": {"roleName": "r", "assignableScopes": [subscription()], "permissions": [{"actions": ["*/read"]}]}});
    let mut with = |change: &dyn Fn(&mut Value), name: &str| {
        let mut body = good.clone();
        change(&mut body["properties"]);
        let reply = fake.put(&format!("{}?{API}", role_id(name)), body);
        (reply.status, reply.code().to_owned())
    };
    let name = assignment(7);
    assert_eq!(
        with(&|p| p["permissions"][0]["actions"] = json!(["read everything"]), &name).1,
        "InvalidActionOrNotAction"
    );
    assert_eq!(with(&|p| p["assignableScopes"] = json!([]), &name).1, "MissingAssignableScopes");
    assert_eq!(
        with(&|p| p["assignableScopes"] = json!(["/subscriptions/<subscription-id>"]), &name).1,
        "InvalidAssignableScope"
    );
    assert_eq!(with(&|p| p["permissions"] = json!(null), &name).1, "MissingPermissions");
    assert_eq!(with(&|p| p["roleName"] = json!(""), &name).1, "RoleDefinitionNameNotValid");
    assert_eq!(with(&|_| {}, "mine").1, "InvalidRoleDefinitionId");
    assert_eq!(with(&|_| {}, ROLE).0, 403, "built-in roles stay as they are");
    let foreign = format!("/subscriptions/{}", Uuid::from_u128(5));
    assert_eq!(with(&|p| p["assignableScopes"] = json!([foreign]), &name), (403, "LinkedAuthorizationFailed".into()));
    assert_eq!(with(&|p| p["roleName"] = json!("READER"), &name).0, 409);
    assert_eq!(with(&|_| {}, &name).0, 201);
    // Assignable in one group only.
    let group = format!("{}/resourceGroups/other", subscription());
    assert_eq!(with(&|p| p["assignableScopes"] = json!([group]), &name).0, 201);
    assert_eq!(give(&mut fake, &subnet("a"), 1, &name, json!({})).code(), "RoleDefinitionDoesNotExist");
}

#[test]
fn a_link_takes_a_right_of_its_own() {
    let mut fake = fake();
    fake.put(&format!("{NETWORK}/networkSecurityGroups/g?{NETWORK_API}"), json!({"location": "eastus"})).expect(201);
    let group = format!("{}{NETWORK}/networkSecurityGroups/g", subscription());
    fake.put("/resourceGroups/nodes?api-version=2021-04-01", json!({"location": "eastus"})).expect(201);
    let nodes = format!("{}/resourceGroups/nodes", subscription());
    give(&mut fake, &nodes, 1, &BuiltinRole::Contributor.id().to_string(), json!({})).expect(201);
    let nic = format!("{nodes}/providers/Microsoft.Network/networkInterfaces/n");
    let body = |subnet: &str| {
        json!({"location": "eastus", "properties": {
            "networkSecurityGroup": {"id": group},
            "ipConfigurations": [{"name": "ip", "properties": {"subnet": {"id": subnet}}}],
        }})
    };
    let put = |fake: &mut TestFake, subnet: &str| {
        as_someone(fake, |fake| fake.put(&format!("{nic}?{NETWORK_API}"), body(subnet)))
    };
    let refused = put(&mut fake, &subnet("a"));
    assert_eq!((refused.status, refused.code()), (403, "LinkedAuthorizationFailed"));
    assert_eq!(
        refused.message(),
        format!(
            "The client '{}' with object id '{SOMEONE}' has permission to perform action \
             'Microsoft.Network/networkInterfaces/write' on scope '{nic}'; however, it does not have permission to \
             perform action(s) 'Microsoft.Network/virtualNetworks/subnets/join/action,\
             Microsoft.Network/networkSecurityGroups/join/action' on the linked scope(s) '{},{group}' (respectively) or \
             the linked scope(s) are invalid.",
            Uuid::from_u128(0xabc + 0xc000),
            subnet("a"),
        )
    );
    assert_eq!(fake.get(&format!("{nic}?{NETWORK_API}")).status, 404, "nothing was made");
    give(&mut fake, &group, 2, ROLE, json!({})).expect(201);
    assert_eq!(put(&mut fake, &subnet("a")).code(), "LinkedAuthorizationFailed");
    give(&mut fake, &subnet("a"), 3, ROLE, json!({})).expect(201);
    assert_eq!(put(&mut fake, &subnet("b")).code(), "LinkedAuthorizationFailed");
    put(&mut fake, &subnet("a")).expect(201);
    let elsewhere = subnet("a").replace(TestFake::SUBSCRIPTION, &Uuid::from_u128(5).to_string());
    let foreign = put(&mut fake, &elsewhere);
    assert_eq!((foreign.status, foreign.code()), (403, "LinkedAuthorizationFailed"));
    assert!(
        foreign
            .message()
            .ends_with("however the linked subscription '00000000-0000-0000-0000-000000000005' was not found. ")
    );
    // An identity on whatever resource.
    let identity =
        format!("{}/resourceGroups/rg/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i", subscription());
    fake.put(&format!("{identity}?api-version=2023-01-31"), json!({"location": "eastus"})).expect(201);
    let mut with_identity = body(&subnet("a"));
    with_identity["identity"] = json!({"type": "UserAssigned", "userAssignedIdentities": {&identity: {}}});
    let refused = as_someone(&mut fake, |fake| fake.put(&format!("{nic}?{NETWORK_API}"), with_identity.clone()));
    assert!(
        refused.message().contains("'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action' on the linked")
    );
    give(&mut fake, &identity, 4, "f1a07417-d97a-45cb-824c-7a7467783830", json!({})).expect(201);
    as_someone(&mut fake, |fake| fake.put(&format!("{nic}?{NETWORK_API}"), with_identity)).expect(200);
}

#[test]
fn lists_show_what_their_caller_may_read() {
    let mut fake = fake();
    for name in ["one", "two"] {
        fake.put(&format!("/resourceGroups/{name}?api-version=2021-04-01"), json!({"location": "eastus"})).expect(201);
        let address =
            format!("/resourceGroups/{name}/providers/Microsoft.Network/publicIPAddresses/{name}?{NETWORK_API}");
        fake.put(&address, json!({"location": "eastus"})).expect(201);
    }
    let addresses = format!("/providers/Microsoft.Network/publicIPAddresses?{NETWORK_API}");
    let names = |fake: &mut TestFake, path: &str| {
        let reply = as_someone(fake, |fake| fake.get(path));
        let items = reply.body["value"].as_array().cloned().unwrap_or_default();
        (reply.status, items.iter().map(|i| i["name"].as_str().unwrap_or("?").to_owned()).collect::<Vec<_>>())
    };
    let query = json!({"query": "Resources | where type == 'microsoft.network/publicipaddresses' | project name"});
    let graph = "/providers/Microsoft.ResourceGraph/resources?api-version=2021-06-01-preview";
    let subscriptions = "/subscriptions?api-version=2022-12-01";
    let skus = "/providers/Microsoft.Compute/skus?api-version=2021-07-01&$filter=location%20eq%20'eastus'";
    assert_eq!(names(&mut fake, &addresses).0, 403);
    assert_eq!(names(&mut fake, subscriptions), (200, vec![]));
    assert_eq!(names(&mut fake, skus).0, 403);
    assert_eq!(as_someone(&mut fake, |b| b.post(graph, query.clone())).expect(200)["count"], 0);

    let one = format!("{}/resourceGroups/one", subscription());
    give(&mut fake, &one, 1, &BuiltinRole::Reader.id().to_string(), json!({})).expect(201);
    assert_eq!(names(&mut fake, &addresses), (200, vec!["one".to_owned()]));
    assert_eq!(names(&mut fake, "/resourceGroups?api-version=2021-04-01"), (200, vec!["one".to_owned()]));
    assert_eq!(names(&mut fake, "/resources?api-version=2021-04-01"), (200, vec!["one".to_owned()]));
    assert_eq!(names(&mut fake, subscriptions).1.len(), 1);
    assert_eq!(names(&mut fake, skus).0, 200, "sizes are for everyone in the subscription");
    let rows = as_someone(&mut fake, |b| b.post(graph, query)).expect(200);
    assert_eq!(rows["data"], json!([{"name": "one"}]));
}

#[test]
fn a_locked_group_denies_even_its_owner() {
    let mut fake = fake();
    let group = ResourceId::parse(&format!("{}/resourceGroups/rg", subscription())).unwrap();
    give(&mut fake, group.as_str(), 1, &BuiltinRole::Contributor.id().to_string(), json!({})).expect(201);
    let deny = super::deny_changes(&mut fake.world, &group, "lockdown", &[SOMEONE]);
    let address = format!("{NETWORK}/publicIPAddresses/p?{NETWORK_API}");
    let refused = fake.put(&address, json!({"location": "eastus"}));
    assert_eq!((refused.status, refused.code()), (403, "DenyAssignmentAuthorizationFailed"));
    let id = deny.name().parse::<Uuid>().unwrap().simple().to_string();
    let end = format!(
        "however, the access is denied because of the deny assignment with name 'lockdown' and Id '{id}' at scope '{group}'."
    );
    assert!(refused.message().ends_with(&end), "{}", refused.message());
    assert_eq!(fake.get(&address).status, 404, "looking is free");
    as_someone(&mut fake, |fake| fake.put(&address, json!({"location": "eastus"}))).expect(201);
    let list = format!("{group}/providers/Microsoft.Authorization/denyAssignments?{API}&$filter=atScope()");
    let shown = fake.get(&list).expect(200);
    assert_eq!(shown["value"][0]["id"], deny.as_str());
    assert_eq!(shown["value"][0]["properties"]["excludePrincipals"][0]["id"], json!(SOMEONE));
    assert_eq!(fake.get(&format!("{deny}?{API}")).expect(200), shown["value"][0]);
    assert_eq!(fake.delete(&format!("{deny}?{API}")).status, 403, "it guards itself");
}

#[test]
fn the_caller_is_told_what_it_may_do() {
    let mut fake = fake();
    let permissions = format!("{}/providers/Microsoft.Authorization/permissions?{API}", subnet("a"));
    assert_eq!(
        fake.get(&permissions).expect(200)["value"],
        json!([{"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}])
    );
    let condition = "!(ActionMatches{'*/delete'})";
    give(&mut fake, &subnet("a"), 1, ROLE, json!({"condition": condition, "conditionVersion": "2.0"})).expect(201);
    let own = as_someone(&mut fake, |fake| fake.get(&permissions)).expect(200);
    assert_eq!(own["value"][0]["condition"], condition);
    assert!(own["value"][0]["actions"].as_array().unwrap().contains(&json!("Microsoft.Network/*")));
}

#[test]
fn without_enforcement_everyone_may_do_everything() {
    let mut fake = fake();
    fake.world.settings_mut().enforce_roles = false;
    assert_eq!(read_subnet(&mut fake, "a").status, 200);
    let address = format!("{NETWORK}/publicIPAddresses/p?{NETWORK_API}");
    as_someone(&mut fake, |fake| fake.put(&address, json!({"location": "eastus"}))).expect(201);
    assert_eq!(
        as_someone(&mut fake, |b| b.get("/subscriptions?api-version=2022-12-01")).expect(200)["value"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn groups_take_the_assignments_in_them_along() {
    let mut fake = fake();
    give(&mut fake, &subnet("a"), 1, ROLE, json!({})).expect(201);
    fake.delete("/resourceGroups/rg?api-version=2021-04-01");
    fake.settle();
    assert_eq!(read_subnet(&mut fake, "a").status, 403);
}
