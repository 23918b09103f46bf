//! What clients prove with who they are: secrets, and tokens of other issuers that an identity trusts.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A client secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientSecret {
    /// The secret itself.
    pub value: String,
    /// When it stops being good; `None` where it never does.
    #[serde(default)]
    pub expires: Option<Timestamp>,
}

impl std::fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientSecret").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl ClientSecret {
    /// One that never expires.
    pub fn new(value: impl Into<String>) -> Self {
        Self { value: value.into(), expires: None }
    }
}

/// A federated identity credential: tokens of this issuer for this subject speak for the identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FederatedCredential {
    /// Name within its identity.
    pub name: String,
    /// `iss` of the tokens, compared character by character.
    pub issuer: String,
    /// `sub` of the tokens, compared character by character.
    pub subject: String,
    /// Values of `aud`, one of which the tokens must have.
    pub audiences: Vec<String>,
}

/// The credentials of everybody, by object id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credentials {
    secrets: BTreeMap<Uuid, Vec<ClientSecret>>,
    federated: BTreeMap<Uuid, Vec<FederatedCredential>>,
}

impl Credentials {
    /// Client secrets of an application.
    pub fn secrets(&self, object_id: Uuid) -> &[ClientSecret] {
        self.secrets.get(&object_id).map_or(&[], Vec::as_slice)
    }

    /// Adds a client secret.
    pub fn add_secret(&mut self, object_id: Uuid, secret: ClientSecret) {
        self.secrets.entry(object_id).or_default().push(secret);
    }

    /// Federated credentials of an application or identity.
    pub fn federated(&self, object_id: Uuid) -> &[FederatedCredential] {
        self.federated.get(&object_id).map_or(&[], Vec::as_slice)
    }

    /// Adds a federated credential, or replaces the one of that name.
    pub fn set_federated(&mut self, object_id: Uuid, credential: FederatedCredential) {
        self.remove_federated(object_id, &credential.name);
        self.federated.entry(object_id).or_default().push(credential);
    }

    /// Takes a federated credential away.
    pub fn remove_federated(&mut self, object_id: Uuid, name: &str) {
        if let Some(all) = self.federated.get_mut(&object_id) {
            all.retain(|known| !known.name.eq_ignore_ascii_case(name));
        }
    }

    /// Takes everything of one away.
    pub fn forget(&mut self, object_id: Uuid) {
        self.secrets.remove(&object_id);
        self.federated.remove(&object_id);
    }
}
