//! The form of a world that people write.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::directory::PrincipalKind;

/// A world in YAML. Each part may be left out.
///
/// ```
/// let world = fake_arm::seed::WorldDocument::parse(
///     r#"
/// settings:
///   throttling: false                  # no limits
///   durations:
///     Microsoft.Compute/virtualMachines/write: 20s
/// principals:
///   - name: deployer
///     clientId: 11111111-2222-3333-4444-555555555555
///     secret: not-a-secret
///     roles:
///       - role: Contributor
///         scope: /resourceGroups/rg
/// resources:                           # in this order; ids may start at the resource group
///   - id: /resourceGroups/rg
///     location: eastus
///   - id: /resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/vnet
///     location: eastus
///     properties:
///       addressSpace: { addressPrefixes: [10.0.0.0/16] }
/// "#,
/// )
/// .unwrap();
/// assert_eq!(world.resources.len(), 2);
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorldDocument {
    /// How the fake behaves.
    #[serde(default)]
    pub settings: SettingsEntry,
    /// Who is in the directory.
    #[serde(default)]
    pub principals: Vec<PrincipalEntry>,
    /// Foreign issuers whose tokens are taken as assertions.
    #[serde(default)]
    pub issuers: Vec<IssuerEntry>,
    /// What there is.
    #[serde(default)]
    pub resources: Vec<ResourceEntry>,
}

/// Settings; those that are left out stay as they are.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SettingsEntry {
    /// Whether requests are limited as Azure limits them.
    pub throttling: Option<bool>,
    /// Whether changes of networks wait for each other.
    pub conflicts: Option<bool>,
    /// Whether requests need roles.
    pub enforce_roles: Option<bool>,
    /// How long a role assignment takes to count, for example `5m`.
    pub role_propagation: Option<String>,
    /// Items on one page of a list.
    pub page_size: Option<usize>,
    /// What callers are told to wait between two looks at an operation, for example `1s`.
    pub poll_interval: Option<String>,
    /// How long operations take, by name, for example `Microsoft.Compute/virtualMachines/write: 20s`.
    #[serde(default)]
    pub durations: BTreeMap<String, String>,
}

/// Someone in the directory.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrincipalEntry {
    /// Name for people.
    pub name: String,
    /// What it is; a service principal unless said.
    pub kind: Option<PrincipalKind>,
    /// Object id; a new one unless said.
    pub object_id: Option<Uuid>,
    /// Client id; a new one unless said.
    pub client_id: Option<Uuid>,
    /// Client secret, where it has one.
    pub secret: Option<String>,
    /// What it may do.
    #[serde(default)]
    pub roles: Vec<RoleEntry>,
}

/// A role in a scope.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoleEntry {
    /// Its name or id, `Contributor`.
    pub role: String,
    /// Where; the subscription unless said. May start at the resource group.
    pub scope: Option<String>,
}

/// A foreign issuer of tokens.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerEntry {
    /// `iss` of its tokens.
    pub issuer: String,
    /// Its JWKS.
    pub keys: Value,
}

/// A resource as its PUT would have it, with its id.
#[derive(Debug, Clone, Deserialize)]
pub struct ResourceEntry {
    /// Full id, or from the resource group on; `{subscription}` and `{tenant}` stand for those of the fake.
    pub id: String,
    /// The body.
    #[serde(flatten)]
    pub body: Map<String, Value>,
}

/// The text is not a world document; the message says at which line and column.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvalidDocument(String);

impl WorldDocument {
    /// Reads YAML or JSON.
    ///
    /// # Errors
    /// [`InvalidDocument`], which names the place.
    pub fn parse(text: &str) -> Result<Self, InvalidDocument> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        serde_saphyr::from_str(text).map_err(|error| InvalidDocument(error.to_string().trim().to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_name_their_line() {
        for (text, part) in [
            ("resources:\n  - id: 5\n    location: [\n", "line 3"),
            ("principals:\n  - name: x\n    colour: red\n", "colour"),
            ("settings:\n  throttling: maybe\n", "line 2"),
        ] {
            let error = WorldDocument::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(WorldDocument::parse("").unwrap().resources.is_empty());
        let json = r#"{"resources": [{"id": "/resourceGroups/rg", "location": "eastus"}]}"#;
        assert_eq!(WorldDocument::parse(json).unwrap().resources[0].body["location"], "eastus");
    }
}
