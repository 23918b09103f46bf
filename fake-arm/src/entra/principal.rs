//! Those whom tokens speak for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Someone in the directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    /// Object id; role assignments call it `principalId`.
    pub object_id: Uuid,
    /// Application (client) id; a user's tokens carry that of the client program.
    pub client_id: Uuid,
    /// What it is.
    pub kind: PrincipalKind,
    /// Name for people.
    pub display_name: String,
}

/// What a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PrincipalKind {
    /// A person.
    User,
    /// An application's service principal.
    ServicePrincipal,
    /// A managed identity of a resource, or one of its own.
    ManagedIdentity,
}

/// The directory of one tenant.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Principals {
    by_object: BTreeMap<Uuid, Principal>,
}

impl Principals {
    /// Adds one, or replaces the one with the same object id.
    pub fn add(&mut self, principal: Principal) {
        self.by_object.insert(principal.object_id, principal);
    }

    /// Takes one away; its tokens are refused from now on.
    pub fn remove(&mut self, object_id: Uuid) -> Option<Principal> {
        self.by_object.remove(&object_id)
    }

    /// By object id.
    pub fn get(&self, object_id: Uuid) -> Option<&Principal> {
        self.by_object.get(&object_id)
    }

    /// By application id.
    pub fn by_client(&self, client_id: Uuid) -> Option<&Principal> {
        self.by_object.values().find(|p| p.client_id == client_id)
    }

    /// All, by object id.
    pub fn iter(&self) -> impl Iterator<Item = &Principal> {
        self.by_object.values()
    }
}
