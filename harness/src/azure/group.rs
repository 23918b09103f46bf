//! Resource groups.

use serde_json::json;

use super::{ArmError, Azure, api_version};

/// A resource group that exists.
#[derive(Debug, Clone)]
pub struct ResourceGroup {
    id: String,
}

impl ResourceGroup {
    pub(super) async fn ensure(azure: &Azure, name: &str) -> Result<Self, ArmError> {
        let id = format!("/subscriptions/{}/resourceGroups/{name}", azure.subscription_id());
        match azure.client().get(&id, api_version::RESOURCES).await {
            Ok(_) => return Ok(Self { id }),
            Err(ArmError::Refused(fault)) if fault.status == 404 => {}
            Err(error) => return Err(error),
        }
        azure.step(format!("create the resource group {name}"));
        azure.client().put(&id, api_version::RESOURCES, &json!({ "location": azure.location() })).await?;
        Ok(Self { id })
    }

    /// ARM id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}
