//! Whether the cluster's identity may do what the provisioner does as it.
//!
//! Where something holds is Azure's affair: it is asked for what is assigned at a scope or above it, to the identity or
//! to a group that it is in (`atScope() and assignedTo('…')`). What these roles permit is decided here.

use std::collections::BTreeMap;

use fake_arm::arm::ResourceId;
use fake_arm::rbac::condition::NoAttributes;
use fake_arm::rbac::{
    Access, Decision, DenyAssignment, Hierarchy, Policy, Refusal, RoleAssignment, RoleDefinition, decide, last_id,
};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::survey::Survey;
use super::{CheckError, Level, Report};
use crate::azure::{ArmClient, ArmError, api_version};

const AREA: &str = "rights";

/// What the provisioner does with a subnet that a node class names: it looks whether it is there, and puts network
/// interfaces into it (Microsoft's document on custom networks, "Scoped permissions").
pub const ON_THE_SUBNET: [&str; 2] =
    ["Microsoft.Network/virtualNetworks/subnets/read", "Microsoft.Network/virtualNetworks/subnets/join/action"];

/// What the provisioner does with the network of a cluster in overlay mode when it starts, unless it is told the network's
/// GUID. The documents' scoped roles do without this right, so AKS tells it; who runs the provisioner himself may not.
pub const ON_THE_NETWORK: &str = "Microsoft.Network/virtualNetworks/read";

/// What the provisioner does in the node resource group: the life of a machine from its launch to its end, also of one
/// that fails. AKS gives the cluster's identity the role Contributor there.
pub const IN_THE_NODE_RESOURCE_GROUP: [&str; 14] = [
    "Microsoft.Compute/virtualMachines/read",
    "Microsoft.Compute/virtualMachines/write",
    "Microsoft.Compute/virtualMachines/delete",
    "Microsoft.Compute/virtualMachines/extensions/read",
    "Microsoft.Compute/virtualMachines/extensions/write",
    "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action",
    "Microsoft.Network/loadBalancers/backendAddressPools/join/action",
    "Microsoft.Network/loadBalancers/read",
    "Microsoft.Network/networkInterfaces/delete",
    "Microsoft.Network/networkInterfaces/join/action",
    "Microsoft.Network/networkInterfaces/read",
    "Microsoft.Network/networkInterfaces/write",
    "Microsoft.Network/networkSecurityGroups/join/action",
    "Microsoft.Network/networkSecurityGroups/read",
];

/// Looks at each right at each place.
pub(super) async fn look(azure: &ArmClient, survey: &Survey, report: &mut Report) -> Result<(), CheckError> {
    let Some(identity) = survey.identity else {
        let remedy =
            "name the cluster's identity with --identity: its object id, or the id of a user-assigned identity";
        report.add(Level::Caution, AREA, "whose rights to look at is not known", Some(remedy.into()));
        return Ok(());
    };
    let mut places: Vec<(ResourceId, Vec<&str>)> = Vec::new();
    if survey.profile.plugin_mode == "overlay"
        && let Some(network) = survey.subnets.first().and_then(ResourceId::parent)
    {
        places.push((network, vec![ON_THE_NETWORK]));
    }
    places.extend(survey.subnets.iter().map(|subnet| (subnet.clone(), ON_THE_SUBNET.to_vec())));
    if let Some(group) = &survey.node_resource_group {
        places.push((group.clone(), IN_THE_NODE_RESOURCE_GROUP.to_vec()));
    }
    let mut roles = Roles { azure, known: BTreeMap::new() };
    for (place, actions) in places {
        match roles.at(&place, identity).await {
            Ok(held) => judge(&held, identity, &place, &actions, report),
            Err(ArmError::Refused(fault)) if matches!(fault.status, 403 | 404) => {
                let text = format!("what is assigned at {place} may not be read, so rights there cannot be judged");
                report.add(Level::Caution, AREA, text, Some("ask as someone with the role Reader".into()));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn judge(held: &Held, identity: Uuid, place: &ResourceId, actions: &[&str], report: &mut Report) {
    let mut missing: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for action in actions {
        let access = Access {
            principal: identity,
            groups: &held.groups,
            action,
            data: false,
            scope: place,
            attributes: &NoAttributes,
            now: Timestamp::now(),
        };
        if let Decision::Refused(refusal) = decide(&held.policy, &access) {
            let why = match refusal {
                Refusal::NotGranted => "no role assignment grants it".to_owned(),
                Refusal::ConditionNotFulfilled => {
                    "a role assignment would, but its condition is not fulfilled".to_owned()
                }
                Refusal::Denied { name, .. } => format!("the deny assignment {name:?} denies it"),
            };
            missing.entry(why).or_default().push(action);
        }
    }
    let shown = place.names();
    let shown = if shown.is_empty() { place.as_str() } else { &shown };
    if missing.is_empty() {
        let text = format!("the identity may do on {shown} what the provisioner does: {}", actions.join(", "));
        report.add(Level::Good, AREA, text, None);
    }
    for (why, actions) in missing {
        let remedy = (!why.starts_with("the deny")).then(|| {
            let role =
                if place.is_type("Microsoft.Resources/resourceGroups") { "Contributor" } else { "Network Contributor" };
            format!(
                "az role assignment create --assignee-object-id {identity} --assignee-principal-type ServicePrincipal \
                 --role {role:?} --scope {place}"
            )
        });
        let mut text = format!("the identity may not {} on {shown}: {why}", actions.join(", "));
        let level = if actions == [ON_THE_NETWORK] {
            text += "; in overlay mode a provisioner that is not told the network's GUID does not start";
            Level::Caution
        } else {
            Level::Bad
        };
        report.add(level, AREA, text, remedy);
    }
}

/// What holds at one place for one principal.
struct Held {
    policy: Policy,
    groups: Vec<Uuid>,
}

/// Reads role assignments, and each role definition once.
struct Roles<'a> {
    azure: &'a ArmClient,
    known: BTreeMap<String, RoleDefinition>,
}

impl Roles<'_> {
    async fn at(&mut self, place: &ResourceId, identity: Uuid) -> Result<Held, ArmError> {
        let mut policy = Policy::new(Hierarchy::default());
        let mut groups = Vec::new();
        let filter = format!("$filter=atScope() and assignedTo('{identity}')");
        let list = format!("{place}/providers/Microsoft.Authorization/roleAssignments?{filter}");
        for found in self.azure.list(&list, api_version::AUTHORIZATION).await? {
            // Azure says that it holds here, wherever it was assigned.
            let assignment = RoleAssignment::read(id(&found["name"]), place.clone(), &found["properties"]);
            if assignment.principal != identity {
                groups.push(assignment.principal);
            }
            policy.assign(assignment);
            let role = found["properties"]["roleDefinitionId"].as_str().unwrap_or_default();
            policy.define(self.role(role).await?);
        }
        let list = format!("{place}/providers/Microsoft.Authorization/denyAssignments?$filter=atScope()");
        for found in self.azure.list(&list, api_version::AUTHORIZATION).await? {
            let properties = &found["properties"];
            let scope = properties["scope"].as_str().unwrap_or_default();
            if properties["doNotApplyToChildScopes"] == true && !scope.eq_ignore_ascii_case(place.as_str()) {
                continue;
            }
            let denial = DenyAssignment::read(id(&found["name"]), place.clone(), properties);
            policy.deny(DenyAssignment { only_here: true, ..denial });
        }
        Ok(Held { policy, groups })
    }

    async fn role(&mut self, definition: &str) -> Result<RoleDefinition, ArmError> {
        if let Some(known) = self.known.get(definition) {
            return Ok(known.clone());
        }
        let found = self.azure.get(definition, api_version::AUTHORIZATION).await?;
        let role = RoleDefinition::read(id(&found["name"]), &found["properties"]);
        self.known.insert(definition.to_owned(), role.clone());
        Ok(role)
    }
}

/// An object id; nil for what is none, which is nobody.
fn id(value: &Value) -> Uuid {
    last_id(value.as_str().unwrap_or_default())
}
