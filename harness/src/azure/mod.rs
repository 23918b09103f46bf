//! Azure as scenarios use it: a client of Azure Resource Manager that is the same for fake-arm and for Azure, and
//! builders for the resources that node auto-provisioning stands on.

mod client;
mod credential;
mod error;
mod feature;
mod group;
mod identity;
mod role;
#[cfg(test)]
pub(crate) mod testing;
mod vnet;

pub use client::{ArmClient, Begun};
pub use credential::{ClientSecret, ClientSecretCredential, Credential, SignInError};
pub use error::{ArmError, ArmFault};
pub use fake_arm::arm::lies_within;
pub use group::ResourceGroup;
pub use identity::{Identity, IdentityBuilder, PrincipalId};
pub use role::{RoleAssignment, RoleAssignmentBuilder, RoleDefinition, RoleDefinitionBuilder, Scope};
pub use vnet::{Subnet, SubnetBuilder, Vnet, VnetBuilder};

use crate::history::{Event, History};

/// Azure, seen from one scenario: a subscription, a region, a resource group that is made when it is first needed.
#[derive(Debug, Clone)]
pub struct Azure {
    client: ArmClient,
    history: History,
    subscription: String,
    location: String,
    resource_group: String,
    /// What the names of further resource groups of the scenario begin with.
    group_prefix: String,
}

impl Azure {
    /// A view on `subscription` in `location`; resources go to `resource_group` unless a builder says otherwise.
    #[must_use]
    pub fn new(client: ArmClient, history: History, subscription: &str, location: &str, resource_group: &str) -> Self {
        Self {
            client,
            history,
            subscription: subscription.to_owned(),
            location: location.to_owned(),
            resource_group: resource_group.to_owned(),
            group_prefix: String::new(),
        }
    }

    /// The same, where [further resource groups](Self::further_group) have names that begin with `prefix`.
    #[must_use]
    pub fn with_group_prefix(self, prefix: &str) -> Self {
        Self { group_prefix: prefix.to_owned(), ..self }
    }

    /// The same Azure with a resource group of the scenario's own beside its first one, which it calls `name`. Where others
    /// work in the subscription, it is called otherwise there.
    #[must_use]
    pub fn further_group(&self, name: &str) -> Self {
        self.in_group(&format!("{}{name}", self.group_prefix))
    }

    /// The same Azure as someone else sees it, through another client.
    #[must_use]
    pub fn seen_through(&self, client: ArmClient) -> Self {
        Self { client, ..self.clone() }
    }

    /// The client, for requests that no builder covers.
    #[must_use]
    pub fn client(&self) -> &ArmClient {
        &self.client
    }

    /// Subscription id.
    #[must_use]
    pub fn subscription_id(&self) -> &str {
        &self.subscription
    }

    /// ARM region, lower case.
    #[must_use]
    pub fn location(&self) -> &str {
        &self.location
    }

    /// Name of the resource group that builders use.
    #[must_use]
    pub fn resource_group_name(&self) -> &str {
        &self.resource_group
    }

    /// The same Azure with another resource group, by its name in Azure, for what is built from here on.
    #[must_use]
    pub fn in_group(&self, name: &str) -> Self {
        Self { resource_group: name.to_owned(), ..self.clone() }
    }

    /// Id of a resource in the scenario's resource group: `type_and_name` is
    /// `Microsoft.Network/virtualNetworks/vnet/subnets/nodes` and the like.
    #[must_use]
    pub fn id(&self, type_and_name: &str) -> String {
        format!("/subscriptions/{}/resourceGroups/{}/providers/{type_and_name}", self.subscription, self.resource_group)
    }

    /// A virtual network to be created.
    pub fn vnet(&self, name: &str) -> VnetBuilder {
        VnetBuilder::new(self.clone(), name)
    }

    /// A user-assigned identity to be created.
    pub fn identity(&self, name: &str) -> IdentityBuilder {
        IdentityBuilder::new(self.clone(), name)
    }

    /// A role, built-in or custom, by its name, to be assigned.
    pub fn role(&self, name: &str) -> RoleAssignmentBuilder {
        RoleAssignmentBuilder::new(self.clone(), name)
    }

    /// A custom role to be defined.
    pub fn role_definition(&self, name: &str) -> RoleDefinitionBuilder {
        RoleDefinitionBuilder::new(self.clone(), name)
    }

    /// A custom role to be defined out of what `az role definition create --role-definition` reads: `Name`,
    /// `Description`, `Actions`, `NotActions`, `AssignableScopes`.
    pub fn role_definition_from(&self, definition: &serde_json::Value) -> RoleDefinitionBuilder {
        RoleDefinitionBuilder::read(self.clone(), definition)
    }

    /// The role assignments of a principal in the subscription and in all that it is in, also those that nobody asked
    /// for, such as AKS's own.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn roles_of(&self, principal: impl Into<PrincipalId>) -> Result<Vec<RoleAssignment>, ArmError> {
        let all = format!("/subscriptions/{}/providers/Microsoft.Authorization/roleAssignments", self.subscription);
        let filter = format!("$filter=principalId eq '{}'", principal.into());
        let found = self.client.list(&format!("{all}?{filter}"), api_version::AUTHORIZATION).await?;
        Ok(found.iter().map(|resource| RoleAssignment::existing(self.clone(), resource)).collect())
    }

    /// The virtual networks of the resource group.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn vnets(&self) -> Result<Vec<Vnet>, ArmError> {
        let networks = self.client.list(&self.id("Microsoft.Network/virtualNetworks"), api_version::NETWORK).await?;
        Ok(networks.iter().map(|resource| Vnet::existing(self.clone(), resource)).collect())
    }

    /// The network security groups of the resource group.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn network_security_groups(&self) -> Result<Vec<serde_json::Value>, ArmError> {
        self.client.list(&self.id("Microsoft.Network/networkSecurityGroups"), api_version::NETWORK).await
    }

    /// Deletes any resource.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn delete(&self, id: &str, api_version: &str) -> Result<(), ArmError> {
        self.step(format!("delete {id}"));
        self.client.delete(id, api_version).await
    }

    /// Makes the resource group where it is not there yet.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn ensure_group(&self) -> Result<ResourceGroup, ArmError> {
        ResourceGroup::ensure(self, &self.resource_group).await
    }

    pub(crate) fn step(&self, text: String) {
        self.history.record(Event::Step { text });
    }
}

/// api-version of each namespace that the builders send.
pub(crate) mod api_version {
    /// `Microsoft.Resources`.
    pub(crate) const RESOURCES: &str = "2021-04-01";
    /// `Microsoft.Network`.
    pub(crate) const NETWORK: &str = "2022-01-01";
    /// `Microsoft.Authorization`.
    pub(crate) const AUTHORIZATION: &str = "2022-04-01";
    /// `Microsoft.ManagedIdentity`.
    pub(crate) const MANAGED_IDENTITY: &str = "2023-01-31";
    /// `Microsoft.ContainerService`.
    pub(crate) const CONTAINER_SERVICE: &str = "2025-05-01";
}
