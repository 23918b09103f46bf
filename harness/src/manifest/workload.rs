//! Workloads: deployments and pod disruption budgets.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{Apply, ManifestError};

/// A deployment of this name with one replica of a container that asks for nothing.
pub fn deployment(name: &str) -> Deployment {
    Deployment(json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "namespace": "default", "labels": { "app": name } },
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": { "app": name } },
            "template": {
                "metadata": { "labels": { "app": name } },
                "spec": {
                    "containers": [{ "name": "app", "image": "mcr.microsoft.com/oss/kubernetes/pause:3.10" }],
                },
            },
        },
    }))
}

/// A deployment to be applied.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before it is applied"]
pub struct Deployment(Value);

impl Deployment {
    /// Number of pods.
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.0["spec"]["replicas"] = json!(replicas);
        self
    }

    /// CPU request of each pod, for example `1` or `500m`.
    pub fn cpu(mut self, quantity: &str) -> Self {
        self.pod()["containers"][0]["resources"]["requests"]["cpu"] = json!(quantity);
        self
    }

    /// Memory request of each pod, for example `1Gi`.
    pub fn memory(mut self, quantity: &str) -> Self {
        self.pod()["containers"][0]["resources"]["requests"]["memory"] = json!(quantity);
        self
    }

    /// Its pods run on nodes of this node pool only.
    pub fn on_pool(self, pool: &str) -> Self {
        self.node_selector("karpenter.sh/nodepool", pool)
    }

    /// Its pods run on nodes with this label only.
    pub fn node_selector(mut self, key: &str, value: &str) -> Self {
        self.pod()["nodeSelector"][key] = json!(value);
        self
    }

    /// Its pods run on nodes whose label meets this only, as `requiredDuringSchedulingIgnoredDuringExecution`.
    pub fn node_affinity(mut self, key: &str, operator: &str, values: &[&str]) -> Self {
        self.pod()["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!({
            "nodeSelectorTerms": [{
                "matchExpressions": [{ "key": key, "operator": operator, "values": values }],
            }],
        });
        self
    }

    /// Its pods prefer no node: each goes to a node of its own.
    pub fn one_per_node(mut self) -> Self {
        let labels = self.0["spec"]["selector"]["matchLabels"].clone();
        self.pod()["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"] = json!([{
            "topologyKey": "kubernetes.io/hostname",
            "labelSelector": { "matchLabels": labels },
        }]);
        self
    }

    /// Its pods bear taints of this key, whatever their value and effect.
    pub fn tolerating(mut self, key: &str) -> Self {
        let toleration = json!({ "key": key, "operator": "Exists" });
        match self.pod()["tolerations"].as_array_mut() {
            Some(tolerations) => tolerations.push(toleration),
            None => self.pod()["tolerations"] = json!([toleration]),
        }
        self
    }

    /// Annotates its pods, for example with `karpenter.sh/do-not-disrupt`.
    pub fn pod_annotation(mut self, key: &str, value: &str) -> Self {
        self.0["spec"]["template"]["metadata"]["annotations"][key] = json!(value);
        self
    }

    /// A further label of its pods, for example for a second disruption budget.
    pub fn pod_label(mut self, key: &str, value: &str) -> Self {
        self.0["spec"]["template"]["metadata"]["labels"][key] = json!(value);
        self
    }

    /// Its pods are ready while they get through to this address by TCP; they look every five seconds.
    pub fn ready_if_it_reaches(mut self, address: IpAddr, port: u16) -> Self {
        let container = &mut self.pod()["containers"][0];
        // The image of the others has no tools.
        container["image"] = json!("mcr.microsoft.com/cbl-mariner/busybox:2.0");
        container["command"] = json!(["sleep", "infinity"]);
        container["readinessProbe"] = json!({
            "exec": { "command": ["nc", "-z", "-w", "1", address.to_string(), port.to_string()] },
            "periodSeconds": 5,
            "timeoutSeconds": 2,
        });
        self
    }

    fn pod(&mut self) -> &mut Value {
        &mut self.0["spec"]["template"]["spec"]
    }
}

impl Apply for Deployment {
    fn objects(self) -> Result<Vec<Value>, ManifestError> {
        Ok(vec![self.0])
    }
}

/// A pod disruption budget of this name for the pods labelled `app=<app>`.
pub fn disruption_budget(name: &str, app: &str) -> DisruptionBudget {
    DisruptionBudget(json!({
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": { "name": name, "namespace": "default" },
        "spec": { "selector": { "matchLabels": { "app": app } } },
    }))
}

/// A `PodDisruptionBudget` to be applied.
#[derive(Debug, Clone)]
#[must_use = "nothing happens before it is applied"]
pub struct DisruptionBudget(Value);

impl DisruptionBudget {
    /// `spec.minAvailable`.
    pub fn min_available(mut self, pods: u32) -> Self {
        self.0["spec"]["minAvailable"] = json!(pods);
        self
    }

    /// `spec.maxUnavailable`.
    pub fn max_unavailable(mut self, pods: u32) -> Self {
        self.0["spec"]["maxUnavailable"] = json!(pods);
        self
    }
}

impl Apply for DisruptionBudget {
    fn objects(self) -> Result<Vec<Value>, ManifestError> {
        Ok(vec![self.0])
    }
}
