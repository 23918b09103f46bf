//! What `listClusterAdminCredential` and `listClusterUserCredential` hand out.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::engine::ClusterAccess;
use crate::world::{KeptState, World};
use arm::{ArmError, ResourceId};

inventory::submit! { KeptState::of::<Credentials>("Microsoft.ContainerService/credentials") }

/// How to reach each cluster that is up.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Credentials(BTreeMap<ResourceId, ClusterAccess>);

impl Credentials {
    pub(super) fn set(&mut self, id: &ResourceId, access: ClusterAccess) {
        self.0.insert(id.clone(), access);
    }

    pub(super) fn forget(&mut self, id: &ResourceId) {
        self.0.remove(id);
    }
}

/// Which credentials are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The cluster's own administrator, a local account.
    Admin,
    /// Whoever asks.
    User,
    /// Monitoring, a local account.
    Monitoring,
}

impl Role {
    /// The role of an action such as `listClusterUserCredential`, in any case.
    pub(super) fn of_action(action: &str) -> Option<Self> {
        match action.to_ascii_lowercase().as_str() {
            "listclusteradmincredential" => Some(Self::Admin),
            "listclusterusercredential" => Some(Self::User),
            "listclustermonitoringusercredential" => Some(Self::Monitoring),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Admin => "clusterAdmin",
            Self::User => "clusterUser",
            Self::Monitoring => "clusterMonitoringUser",
        }
    }
}

/// `{"kubeconfigs":[{"name":"clusterAdmin","value":"<base64>"}]}`.
///
/// # Errors
/// `ResourceNotFound`; `BadRequest` where local accounts are disabled; 409 while the cluster is being made.
pub(super) fn list(world: &World, id: &ResourceId, role: Role) -> Result<Value, ArmError> {
    let cluster = world.resources().require(id)?;
    if role != Role::User && cluster.properties()["disableLocalAccounts"] == true {
        return Err(ArmError::bad_request(
            "BadRequest",
            "Getting static credential is not allowed because this cluster is set to disable local accounts.",
        ));
    }
    let access = world.peek::<Credentials>().and_then(|known| known.0.get(id)).ok_or_else(|| {
        ArmError::conflict(
            "OperationNotAllowed",
            format!("Getting credentials is not allowed while the managed cluster {} is not provisioned.", id.name()),
        )
    })?;
    let text = if role == Role::Admin { &access.admin_kubeconfig } else { &access.user_kubeconfig };
    Ok(json!({ "kubeconfigs": [{ "name": role.name(), "value": BASE64_STANDARD.encode(text) }] }))
}
