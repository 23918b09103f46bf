//! Role definitions and role assignments.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{ArmError, Azure, Identity, PrincipalId, ResourceGroup, Subnet, Vnet, api_version};

/// What a role can be assigned on: anything with an ARM id.
pub trait Scope {
    /// The ARM id.
    fn scope(&self) -> &str;
}

impl Scope for str {
    fn scope(&self) -> &str {
        self
    }
}

impl Scope for String {
    fn scope(&self) -> &str {
        self
    }
}

impl Scope for ResourceGroup {
    fn scope(&self) -> &str {
        self.id()
    }
}

impl Scope for Vnet {
    fn scope(&self) -> &str {
        self.id()
    }
}

impl Scope for Subnet {
    fn scope(&self) -> &str {
        self.id()
    }
}

impl Scope for Identity {
    fn scope(&self) -> &str {
        self.id()
    }
}

/// A role assignment to be made: `azure.role("Network Contributor").on(&vnet).to(&identity).assign()`.
#[derive(Debug, Clone)]
#[must_use = "nothing is assigned before `assign`"]
pub struct RoleAssignmentBuilder {
    azure: Azure,
    role: String,
    scope: Option<String>,
    principal: Option<PrincipalId>,
    condition: Option<String>,
    name: Option<String>,
}

impl RoleAssignmentBuilder {
    pub(super) fn new(azure: Azure, role: &str) -> Self {
        Self { azure, role: role.to_owned(), scope: None, principal: None, condition: None, name: None }
    }

    /// Where the role holds; the scenario's resource group unless said.
    pub fn on(mut self, scope: &(impl Scope + ?Sized)) -> Self {
        self.scope = Some(scope.scope().to_owned());
        self
    }

    /// Whom the role is given to.
    pub fn to(mut self, principal: impl Into<PrincipalId>) -> Self {
        self.principal = Some(principal.into());
        self
    }

    /// A condition of version 2.0, as `az role assignment create --condition` takes it.
    pub fn condition(mut self, condition: &str) -> Self {
        self.condition = Some(condition.to_owned());
        self
    }

    /// The assignment's own id; unless said, one that follows from role, scope and principal.
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Looks the role up by its name at the scope and assigns it, as `az role assignment create` does.
    ///
    /// # Errors
    /// What Azure answers; a role that does not exist at the scope.
    pub async fn assign(self) -> Result<RoleAssignment, ArmError> {
        let scope = match self.scope {
            Some(scope) => scope,
            None => self.azure.ensure_group().await?.id().to_owned(),
        };
        let principal = self.principal.as_ref().map(ToString::to_string).unwrap_or_default();
        self.azure.step(format!("assign {} on {scope} to {principal}", self.role));
        let client = self.azure.client();
        let filter = format!("$filter=roleName eq '{}'", self.role.replace('\'', "''"));
        let roles = format!("{scope}/providers/Microsoft.Authorization/roleDefinitions");
        let found = client.list(&format!("{roles}?{filter}"), api_version::AUTHORIZATION).await?;
        let Some(role) = found.first().and_then(|role| role["id"].as_str()) else {
            return Err(ArmError::Unexpected {
                method: "GET".into(),
                id: roles,
                what: format!("there is no role '{}' here", self.role),
            });
        };
        let name = self.name.unwrap_or_else(|| {
            Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{scope} {role} {principal}").as_bytes()).to_string()
        });
        let id = format!("{scope}/providers/Microsoft.Authorization/roleAssignments/{name}");
        let mut properties = json!({ "roleDefinitionId": role, "principalId": principal });
        if let Some(condition) = &self.condition {
            properties["condition"] = json!(condition);
            properties["conditionVersion"] = json!("2.0");
        }
        client.put(&id, api_version::AUTHORIZATION, &json!({ "properties": properties })).await?;
        Ok(RoleAssignment { azure: self.azure, id, role: self.role })
    }
}

/// A role assignment that exists.
#[derive(Debug, Clone)]
pub struct RoleAssignment {
    azure: Azure,
    id: String,
    role: String,
}

impl RoleAssignment {
    pub(super) fn existing(azure: Azure, resource: &Value) -> Self {
        let role = resource["properties"]["roleDefinitionId"].as_str().unwrap_or_default();
        let role = role.rsplit('/').next().unwrap_or(role).to_owned();
        Self { azure, id: resource["id"].as_str().unwrap_or_default().to_owned(), role }
    }

    /// ARM id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Takes the role away again.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn revoke(&self) -> Result<(), ArmError> {
        self.azure.step(format!("revoke {} ({})", self.role, self.id));
        self.azure.client().delete(&self.id, api_version::AUTHORIZATION).await
    }
}

/// A custom role to be defined, assignable in the whole subscription unless said otherwise.
#[derive(Debug, Clone)]
#[must_use = "nothing is created before `create`"]
pub struct RoleDefinitionBuilder {
    azure: Azure,
    name: String,
    description: String,
    actions: Vec<String>,
    not_actions: Vec<String>,
    scopes: Vec<String>,
}

impl RoleDefinitionBuilder {
    pub(super) fn new(azure: Azure, name: &str) -> Self {
        Self {
            azure,
            name: name.to_owned(),
            description: String::new(),
            actions: Vec::new(),
            not_actions: Vec::new(),
            scopes: Vec::new(),
        }
    }

    /// Reads a definition in the form of the Azure CLI; what is missing is empty.
    pub(super) fn read(azure: Azure, definition: &Value) -> Self {
        let text = |field: &str| definition[field].as_str().unwrap_or_default().to_owned();
        let texts = |field: &str| -> Vec<String> {
            let items = definition[field].as_array().into_iter().flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            azure,
            name: text("Name"),
            description: text("Description"),
            actions: texts("Actions"),
            not_actions: texts("NotActions"),
            scopes: texts("AssignableScopes"),
        }
    }

    /// One sentence about it.
    pub fn description(mut self, text: &str) -> Self {
        self.description = text.to_owned();
        self
    }

    /// What it permits.
    pub fn actions<'a>(mut self, actions: impl IntoIterator<Item = &'a str>) -> Self {
        self.actions.extend(actions.into_iter().map(str::to_owned));
        self
    }

    /// What is taken out of that.
    pub fn not_actions<'a>(mut self, actions: impl IntoIterator<Item = &'a str>) -> Self {
        self.not_actions.extend(actions.into_iter().map(str::to_owned));
        self
    }

    /// Adds a scope in which it can be assigned.
    pub fn assignable_on(mut self, scope: &(impl Scope + ?Sized)) -> Self {
        self.scopes.push(scope.scope().to_owned());
        self
    }

    /// Defines it, or replaces the definition of the same name that this builder made before.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn create(self) -> Result<RoleDefinition, ArmError> {
        self.azure.step(format!("define the role {}: {}", self.name, self.actions.join(", ")));
        let subscription = format!("/subscriptions/{}", self.azure.subscription_id());
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{subscription} {}", self.name).as_bytes());
        let id = format!("{subscription}/providers/Microsoft.Authorization/roleDefinitions/{id}");
        let scopes = if self.scopes.is_empty() { vec![subscription] } else { self.scopes };
        let body = json!({ "properties": {
            "roleName": self.name,
            "description": self.description,
            "assignableScopes": scopes,
            "permissions": [{
                "actions": self.actions,
                "notActions": self.not_actions,
                "dataActions": [],
                "notDataActions": [],
            }],
        }});
        let resource = self.azure.client().put(&id, api_version::AUTHORIZATION, &body).await?;
        Ok(RoleDefinition { resource, name: self.name })
    }
}

/// A custom role that exists.
#[derive(Debug, Clone)]
pub struct RoleDefinition {
    resource: Value,
    name: String,
}

impl RoleDefinition {
    /// ARM id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.resource["id"].as_str().unwrap_or_default()
    }

    /// Name, as [`Azure::role`] takes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The definition as Azure showed it after its creation.
    #[must_use]
    pub fn resource(&self) -> &Value {
        &self.resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::testing::{owned, seen_by};

    #[tokio::test]
    async fn roles_are_defined_assigned_and_revoked() {
        let (fake, azure_of_owner) = owned().await;
        let vnet = azure_of_owner.vnet("v").address_space("10.0.0.0/16").create().await.expect("vnet");
        let subnet = vnet.subnet("a", "10.0.1.0/24").create().await.expect("subnet");
        let identity = azure_of_owner.identity("i").create().await.expect("identity");
        let object_id = identity.principal_id().as_str().parse().expect("a GUID");
        let client = seen_by(&fake, object_id).client().clone();
        let read = async || client.get(subnet.id(), api_version::NETWORK).await.err().and_then(|e| e.status());
        assert_eq!(read().await, Some(403));

        let role = azure_of_owner
            .role_definition("Subnet Access")
            .actions(["Microsoft.Network/virtualNetworks/subnets/read"])
            .create()
            .await
            .expect("role");
        let given = azure_of_owner.role(role.name()).on(&subnet).to(&identity).assign().await.expect("assignment");
        assert_eq!(read().await, None);
        given.revoke().await.expect("revoked");
        assert_eq!(read().await, Some(403));

        let unknown = azure_of_owner.role("Nope").on(&vnet).to(&identity).assign().await.expect_err("no such role");
        assert!(unknown.to_string().contains("there is no role 'Nope' here"), "{unknown}");
        let malformed = azure_of_owner.role("Reader").on(&vnet).to(&identity).condition("(").assign().await;
        assert_eq!(malformed.expect_err("no condition").status(), Some(400));
    }
}
