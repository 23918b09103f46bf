//! `AKSNodeClass`, `karpenter.azure.com/v1beta1`.

use serde_json::{Value, json};

use super::{Apply, ManifestError, Named};
use crate::expect::{Kind, NamedObject};

/// A node class of this name with nothing set: nodes go to the cluster's default subnet.
pub fn node_class(name: &str) -> NodeClass {
    NodeClass(json!({
        "apiVersion": "karpenter.azure.com/v1beta1",
        "kind": "AKSNodeClass",
        "metadata": { "name": name },
        "spec": {},
    }))
}

/// An `AKSNodeClass` to be applied.
#[derive(Debug, Clone)]
pub struct NodeClass(Value);

impl NodeClass {
    /// `spec.vnetSubnetID`: the subnet that nodes of this class go to.
    pub fn vnet_subnet_id(self, id: impl Into<String>) -> Self {
        self.spec("vnetSubnetID", json!(id.into()))
    }

    /// `spec.imageFamily`: `Ubuntu`, `Ubuntu2204`, `Ubuntu2404`, `AzureLinux`.
    pub fn image_family(self, family: &str) -> Self {
        self.spec("imageFamily", json!(family))
    }

    /// `spec.osDiskSizeGB`.
    pub fn os_disk_gb(self, size: u32) -> Self {
        self.spec("osDiskSizeGB", json!(size))
    }

    /// `spec.maxPods`, 10 to 250.
    pub fn max_pods(self, pods: u32) -> Self {
        self.spec("maxPods", json!(pods))
    }

    /// Sets any field of `spec`.
    pub fn spec(mut self, field: &str, value: Value) -> Self {
        self.0["spec"][field] = value;
        self
    }
}

impl Named for NodeClass {
    fn named(&self) -> NamedObject {
        NamedObject::new(Kind::AksNodeClass, self.0["metadata"]["name"].as_str().unwrap_or_default())
    }
}

impl Apply for NodeClass {
    fn objects(self) -> Result<Vec<Value>, ManifestError> {
        Ok(vec![self.0])
    }
}
