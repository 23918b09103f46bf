//! User-assigned identities, and whom roles are assigned to.

use std::fmt;

use serde_json::{Value, json};

use super::{ArmError, Azure, api_version};

/// Object id of someone who can have roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrincipalId(String);

impl PrincipalId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PrincipalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for PrincipalId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl From<&PrincipalId> for PrincipalId {
    fn from(id: &PrincipalId) -> Self {
        id.clone()
    }
}

impl From<&Identity> for PrincipalId {
    fn from(identity: &Identity) -> Self {
        identity.principal_id.clone()
    }
}

/// A user-assigned identity to be created (`az identity create`).
#[derive(Debug, Clone)]
#[must_use = "nothing is created before `create`"]
pub struct IdentityBuilder {
    azure: Azure,
    name: String,
}

impl IdentityBuilder {
    pub(super) fn new(azure: Azure, name: &str) -> Self {
        Self { azure, name: name.to_owned() }
    }

    /// Creates it, and the resource group where that is missing.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn create(self) -> Result<Identity, ArmError> {
        self.azure.ensure_group().await?;
        self.azure.step(format!("create the identity {}", self.name));
        let id = self.azure.id(&format!("Microsoft.ManagedIdentity/userAssignedIdentities/{}", self.name));
        let body = json!({ "location": self.azure.location() });
        let resource = self.azure.client().put(&id, api_version::MANAGED_IDENTITY, &body).await?;
        Identity::read(&resource).ok_or_else(|| ArmError::Unexpected {
            method: "PUT".into(),
            id,
            what: format!("the identity has no ids: {resource}"),
        })
    }
}

/// A user-assigned identity that exists.
#[derive(Debug, Clone)]
pub struct Identity {
    id: String,
    principal_id: PrincipalId,
    client_id: String,
}

impl Identity {
    fn read(resource: &Value) -> Option<Self> {
        Some(Self {
            id: resource["id"].as_str()?.to_owned(),
            principal_id: resource["properties"]["principalId"].as_str()?.into(),
            client_id: resource["properties"]["clientId"].as_str()?.to_owned(),
        })
    }

    /// ARM id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Object id: whom roles are assigned to.
    #[must_use]
    pub fn principal_id(&self) -> &PrincipalId {
        &self.principal_id
    }

    /// Application (client) id.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }
}
