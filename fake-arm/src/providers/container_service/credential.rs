//! What `listClusterAdminCredential` and `listClusterUserCredential` hand out.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::arm::{ArmError, ResourceId};
use crate::engine::ClusterAccess;
use crate::world::{KeptState, World};

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

/// `{"kubeconfigs":[{"name":"clusterAdmin","value":"<base64>"}]}`.
///
/// # Errors
/// `ResourceNotFound`; 409 while the cluster is being made.
pub(super) fn list(world: &World, id: &ResourceId, admin: bool) -> Result<Value, ArmError> {
    world.resources().require(id)?;
    let access = world.peek::<Credentials>().and_then(|known| known.0.get(id)).ok_or_else(|| {
        ArmError::conflict(
            "OperationNotAllowed",
            format!("Getting credentials is not allowed while the managed cluster {} is not provisioned.", id.name()),
        )
    })?;
    let (name, text) =
        if admin { ("clusterAdmin", &access.admin_kubeconfig) } else { ("clusterUser", &access.user_kubeconfig) };
    Ok(json!({ "kubeconfigs": [{ "name": name, "value": BASE64_STANDARD.encode(text) }] }))
}
