//! Azure's built-in roles, out of `fake-arm/catalog/roles.yaml`.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use serde::Deserialize;
use uuid::Uuid;

use super::{ActionPattern, Permission, RoleDefinition, RoleKind};
use arm::ResourceId;

/// Roles that code speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BuiltinRole {
    /// Everything.
    Owner,
    /// Everything but to give rights.
    Contributor,
    /// To look at everything.
    Reader,
    /// Everything of `Microsoft.Network`.
    NetworkContributor,
}

impl BuiltinRole {
    /// Its id.
    pub const fn id(self) -> Uuid {
        Uuid::from_u128(match self {
            Self::Owner => 0x8e3a_f657_a8ff_443c_a75c_2fe8_c4bc_b635,
            Self::Contributor => 0xb249_88ac_6180_42a0_ab88_20f7_382d_d24c,
            Self::Reader => 0xacdd_72a7_3385_48ef_bd42_f606_fba8_1ae7,
            Self::NetworkContributor => 0x4d97_b98b_1d4f_4787_a291_c678_34d2_12e7,
        })
    }
}

#[derive(Deserialize)]
struct File {
    roles: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Row {
    id: Uuid,
    name: String,
    description: String,
    #[serde(default)]
    actions: Vec<String>,
    #[serde(default)]
    not_actions: Vec<String>,
    #[serde(default)]
    data_actions: Vec<String>,
    #[serde(default)]
    not_data_actions: Vec<String>,
}

impl Row {
    fn definition(self) -> RoleDefinition {
        let patterns = |texts: Vec<String>| texts.iter().map(|text| ActionPattern::new(text)).collect();
        RoleDefinition {
            id: self.id,
            name: self.name,
            description: self.description,
            kind: RoleKind::BuiltIn,
            permissions: vec![Permission {
                actions: patterns(self.actions),
                not_actions: patterns(self.not_actions),
                data_actions: patterns(self.data_actions),
                not_data_actions: patterns(self.not_data_actions),
            }],
            assignable_scopes: vec![ResourceId::tenant()],
        }
    }
}

static BUILTIN: LazyLock<HashMap<Uuid, Arc<RoleDefinition>>> = LazyLock::new(|| {
    let file: File = serde_saphyr::from_str(include_str!("../../catalog/roles.yaml"))
        .unwrap_or_else(|error| unreachable!("the built-in roles are tested to be sound: {error}"));
    file.roles.into_iter().map(|row| (row.id, Arc::new(row.definition()))).collect()
});

/// All built-in roles, by id.
pub fn builtin() -> &'static HashMap<Uuid, Arc<RoleDefinition>> {
    &BUILTIN
}

/// The built-in role of this name, in any case.
pub fn builtin_named(name: &str) -> Option<&'static Arc<RoleDefinition>> {
    BUILTIN.values().find(|role| role.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_roles_are_sound_and_the_named_ones_are_among_them() {
        let names: HashSet<_> = builtin().values().map(|role| role.name.to_lowercase()).collect();
        assert_eq!(names.len(), builtin().len(), "no name twice");
        assert_eq!(include_str!("../../catalog/roles.yaml").matches("\n  - id: ").count(), names.len(), "no id twice");
        for (role, name) in [
            (BuiltinRole::Owner, "Owner"),
            (BuiltinRole::Contributor, "Contributor"),
            (BuiltinRole::Reader, "Reader"),
            (BuiltinRole::NetworkContributor, "network contributor"),
        ] {
            assert_eq!(builtin_named(name).unwrap().id, role.id());
        }
        assert_eq!(BuiltinRole::NetworkContributor.id().to_string(), "4d97b98b-1d4f-4787-a291-c67834d212e7");
    }

    #[test]
    fn roles_permit_what_the_documents_rely_on() {
        let permits = |role: &str, action: &str| builtin_named(role).unwrap().permits(&action.to_lowercase(), false);
        let join = "Microsoft.Network/virtualNetworks/subnets/join/action";
        let assign = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";
        assert!(permits("Network Contributor", join) && permits("Contributor", join) && permits("Owner", join));
        assert!(!permits("Reader", join) && permits("Reader", "Microsoft.Network/virtualNetworks/subnets/read"));
        assert!(!permits("Network Contributor", "Microsoft.Compute/virtualMachines/write"));
        assert!(permits("Managed Identity Operator", assign) && permits("Contributor", assign));
        let grant = "Microsoft.Authorization/roleAssignments/write";
        assert!(
            permits("Owner", grant) && permits("User Access Administrator", grant) && !permits("Contributor", grant)
        );
        let user = "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action";
        assert!(permits("Azure Kubernetes Service Cluster User Role", user));
        let pods = "microsoft.containerservice/managedclusters/pods/write";
        let writer = builtin_named("Azure Kubernetes Service RBAC Writer").unwrap();
        assert!(writer.permits(pods, true) && !writer.permits(pods, false), "data actions are apart");
    }
}
