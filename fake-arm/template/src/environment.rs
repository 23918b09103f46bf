//! What expressions can ask about: where the deployment takes place, and what is there already.

use serde_json::{Value, json};
use uuid::Uuid;

use super::error::TemplateError;
use arm::ResourceId;

/// Where and as what a deployment takes place.
#[derive(Debug, Clone)]
pub struct DeploymentFacts {
    /// What `subscription()` shows as its id.
    pub subscription: Uuid,
    /// What `tenant()` and `subscription()` show.
    pub tenant: Uuid,
    /// Its resource group; `None` for a deployment to the subscription.
    pub group: Option<Group>,
    /// Name of the deployment.
    pub name: String,
    /// Where a deployment to a subscription keeps its data.
    pub location: String,
    /// `https://127.0.0.1:1234/`: what `environment().resourceManager` says.
    pub endpoint: String,
    /// What `newGuid()` gives.
    pub guid: Uuid,
    /// What `utcNow()` gives, in its default format.
    pub now: String,
}

/// A resource group as `resourceGroup()` shows it.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Where it keeps its data: `westeurope`.
    pub location: String,
    /// An object of texts.
    pub tags: Value,
}

/// What is there already, told while a deployment runs.
pub trait Runtime {
    /// `reference(id, apiVersion, 'Full')`: the resource as GET shows it.
    ///
    /// # Errors
    /// It is not there.
    fn resource(&self, id: &ResourceId) -> Result<Value, TemplateError>;
}

impl DeploymentFacts {
    /// The scope of the deployment: its group, or the subscription.
    pub fn scope(&self) -> ResourceId {
        match &self.group {
            Some(group) => ResourceId::group_of(self.subscription, &group.name),
            None => ResourceId::subscription_of(self.subscription),
        }
    }

    pub(super) fn subscription_json(&self) -> Value {
        json!({
            "id": format!("/subscriptions/{}", self.subscription),
            "subscriptionId": self.subscription,
            "tenantId": self.tenant,
            "displayName": "fake-arm",
        })
    }

    pub(super) fn group_json(&self) -> Option<Value> {
        let group = self.group.as_ref()?;
        Some(json!({
            "id": self.scope(),
            "name": group.name,
            "type": "Microsoft.Resources/resourceGroups",
            "location": group.location,
            "tags": group.tags,
            "properties": { "provisioningState": "Succeeded" },
        }))
    }

    pub(super) fn tenant_json(&self) -> Value {
        json!({ "tenantId": self.tenant, "displayName": "fake-arm", "countryCode": "US" })
    }

    pub(super) fn deployment_json(&self) -> Value {
        let mut shown =
            json!({ "name": self.name, "properties": { "mode": "Incremental", "provisioningState": "Accepted" } });
        if self.group.is_none() {
            shown["location"] = json!(self.location);
        }
        shown
    }

    pub(super) fn environment_json(&self) -> Value {
        json!({
            "name": "AzureCloud",
            "resourceManager": self.endpoint,
            "portal": "https://portal.azure.com",
            "authentication": { "loginEndpoint": "https://login.microsoftonline.com/", "tenant": "common" },
            "suffixes": { "keyvaultDns": ".vault.azure.net", "storage": "core.windows.net" },
        })
    }
}
