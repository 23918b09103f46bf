//! Virtual networks and subnets.

use ipnet::IpNet;
use serde_json::{Value, json};

use super::{ArmError, Azure, api_version};

/// A virtual network to be created.
#[derive(Debug, Clone)]
#[must_use = "nothing is created before `create`"]
pub struct VnetBuilder {
    azure: Azure,
    name: String,
    address_spaces: Vec<String>,
}

impl VnetBuilder {
    pub(super) fn new(azure: Azure, name: &str) -> Self {
        Self { azure, name: name.to_owned(), address_spaces: Vec::new() }
    }

    /// Adds an address prefix such as `10.0.0.0/16`.
    pub fn address_space(mut self, prefix: &str) -> Self {
        self.address_spaces.push(prefix.to_owned());
        self
    }

    /// Creates it, and the resource group where that is missing.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn create(self) -> Result<Vnet, ArmError> {
        self.azure.ensure_group().await?;
        self.azure.step(format!("create the virtual network {} {}", self.name, self.address_spaces.join(", ")));
        let id = self.azure.id(&format!("Microsoft.Network/virtualNetworks/{}", self.name));
        let body = json!({
            "location": self.azure.location(),
            "properties": { "addressSpace": { "addressPrefixes": self.address_spaces } },
        });
        let resource = self.azure.client().put(&id, api_version::NETWORK, &body).await?;
        Ok(Vnet { azure: self.azure, name: self.name, id: read_id(&resource, id) })
    }
}

/// A virtual network that exists.
#[derive(Debug, Clone)]
pub struct Vnet {
    azure: Azure,
    name: String,
    id: String,
}

impl Vnet {
    pub(super) fn existing(azure: Azure, resource: &Value) -> Self {
        let text = |field: &str| resource[field].as_str().unwrap_or_default().to_owned();
        Self { azure, name: text("name"), id: text("id") }
    }

    /// ARM id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Id that a subnet of this name has or would have, whether it exists or not.
    #[must_use]
    pub fn subnet_id(&self, name: &str) -> String {
        format!("{}/subnets/{name}", self.id)
    }

    /// A subnet with an address prefix such as `10.0.1.0/24`, to be created.
    pub fn subnet(&self, name: &str, prefix: &str) -> SubnetBuilder {
        SubnetBuilder {
            azure: self.azure.clone(),
            id: self.subnet_id(name),
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            delegation: None,
        }
    }

    /// Reads it as Azure has it now.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn get(&self) -> Result<Value, ArmError> {
        self.azure.client().get(&self.id, api_version::NETWORK).await
    }
}

/// A subnet to be created.
#[derive(Debug, Clone)]
#[must_use = "nothing is created before `create`"]
pub struct SubnetBuilder {
    azure: Azure,
    id: String,
    name: String,
    prefix: String,
    delegation: Option<String>,
}

impl SubnetBuilder {
    /// Delegates it to a service such as `Microsoft.ContainerService/managedClusters`.
    pub fn delegated_to(mut self, service: &str) -> Self {
        self.delegation = Some(service.to_owned());
        self
    }

    /// Creates it.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn create(self) -> Result<Subnet, ArmError> {
        self.azure.step(format!("create the subnet {} {}", self.name, self.prefix));
        let mut properties = json!({ "addressPrefix": self.prefix });
        if let Some(service) = &self.delegation {
            properties["delegations"] = json!([{ "name": "delegation", "properties": { "serviceName": service } }]);
        }
        let body = json!({ "properties": properties });
        let resource = self.azure.client().put(&self.id, api_version::NETWORK, &body).await?;
        let prefix = resource["properties"]["addressPrefix"].as_str().unwrap_or(&self.prefix).to_owned();
        let prefix = prefix.parse().map_err(|error| ArmError::Unexpected {
            method: "PUT".into(),
            id: self.id.clone(),
            what: format!("the address prefix {prefix:?} is none: {error}"),
        })?;
        Ok(Subnet { id: read_id(&resource, self.id), azure: self.azure, name: self.name, prefix })
    }
}

/// A subnet that exists.
#[derive(Debug, Clone)]
pub struct Subnet {
    azure: Azure,
    name: String,
    id: String,
    prefix: IpNet,
}

impl Subnet {
    /// ARM id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Address prefix.
    #[must_use]
    pub fn prefix(&self) -> IpNet {
        self.prefix
    }

    /// Reads it as Azure has it now.
    ///
    /// # Errors
    /// What Azure answers.
    pub async fn get(&self) -> Result<Value, ArmError> {
        self.azure.client().get(&self.id, api_version::NETWORK).await
    }

    /// Deletes it.
    ///
    /// # Errors
    /// What Azure answers, for example `InUseSubnetCannotBeDeleted`.
    pub async fn delete(&self) -> Result<(), ArmError> {
        self.azure.step(format!("delete the subnet {}", self.name));
        self.azure.client().delete(&self.id, api_version::NETWORK).await
    }
}

/// The id as Azure keeps it, which may differ in case from the one asked for.
fn read_id(resource: &Value, asked: String) -> String {
    resource["id"].as_str().map_or(asked, str::to_owned)
}
