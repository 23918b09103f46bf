//! `NodePool`, `karpenter.sh/v1`.

use serde_json::{Value, json};

use super::{Apply, ManifestError, Named};
use crate::expect::{Kind, NamedObject};

/// A node pool of this name: on-demand Linux x64 nodes of the node class with the same name, consolidated at once when
/// empty or under-used, all of them at a time if need be, never expiring. Each of these can be changed.
pub fn node_pool(name: &str) -> NodePool {
    NodePool(json!({
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodePool",
        "metadata": { "name": name },
        "spec": {
            "disruption": {
                "consolidationPolicy": "WhenEmptyOrUnderutilized",
                "consolidateAfter": "0s",
                "budgets": [{ "nodes": "100%" }],
            },
            "template": {
                "spec": {
                    "nodeClassRef": { "group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": name },
                    "expireAfter": "Never",
                    "requirements": [
                        { "key": "karpenter.sh/capacity-type", "operator": "In", "values": ["on-demand"] },
                        { "key": "kubernetes.io/os", "operator": "In", "values": ["linux"] },
                        { "key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"] },
                        { "key": "karpenter.azure.com/sku-family", "operator": "In", "values": ["D"] },
                    ],
                },
            },
        },
    }))
}

/// A `NodePool` to be applied.
#[derive(Debug, Clone)]
pub struct NodePool(Value);

impl NodePool {
    /// The node class that its nodes are made from.
    pub fn node_class(mut self, name: &str) -> Self {
        self.template()["nodeClassRef"]["name"] = json!(name);
        self
    }

    /// `spec.weight`: of the pools that fit, the one with the highest weight is used first.
    pub fn weight(mut self, weight: u32) -> Self {
        self.0["spec"]["weight"] = json!(weight);
        self
    }

    /// A requirement `key operator values`. It takes the place of one with the same key.
    pub fn requirement(mut self, key: &str, operator: &str, values: &[&str]) -> Self {
        if let Some(requirements) = self.template()["requirements"].as_array_mut() {
            requirements.retain(|requirement| requirement["key"] != key);
            requirements.push(json!({ "key": key, "operator": operator, "values": values }));
        }
        self
    }

    /// Leaves a requirement away, for example the builder's own on the family.
    pub fn without_requirement(mut self, key: &str) -> Self {
        if let Some(requirements) = self.template()["requirements"].as_array_mut() {
            requirements.retain(|requirement| requirement["key"] != key);
        }
        self
    }

    /// Only these VM sizes, for example `Standard_D4s_v5`.
    pub fn sizes(self, sizes: &[&str]) -> Self {
        self.requirement("node.kubernetes.io/instance-type", "In", sizes)
    }

    /// `spec.disruption.consolidationPolicy`: `WhenEmpty` or `WhenEmptyOrUnderutilized`.
    pub fn consolidation_policy(mut self, policy: &str) -> Self {
        self.0["spec"]["disruption"]["consolidationPolicy"] = json!(policy);
        self
    }

    /// `spec.disruption.consolidateAfter`: a duration such as `30s`, or `Never`.
    pub fn consolidate_after(mut self, duration: &str) -> Self {
        self.0["spec"]["disruption"]["consolidateAfter"] = json!(duration);
        self
    }

    /// `spec.disruption.budgets`, instead of the one that allows everything.
    pub fn budgets(mut self, budgets: impl IntoIterator<Item = Budget>) -> Self {
        self.0["spec"]["disruption"]["budgets"] = budgets.into_iter().map(|budget| budget.0).collect();
        self
    }

    /// `spec.template.spec.expireAfter`: a duration such as `720h`, or `Never`.
    pub fn expire_after(mut self, duration: &str) -> Self {
        self.template()["expireAfter"] = json!(duration);
        self
    }

    /// `spec.template.spec.terminationGracePeriod`: how long a drain may take.
    pub fn termination_grace_period(mut self, duration: &str) -> Self {
        self.template()["terminationGracePeriod"] = json!(duration);
        self
    }

    /// `spec.limits.<resource>`.
    pub fn limit(mut self, resource: &str, quantity: &str) -> Self {
        self.0["spec"]["limits"][resource] = json!(quantity);
        self
    }

    /// `spec.limits` as a whole.
    pub fn limits(mut self, limits: Value) -> Self {
        self.0["spec"]["limits"] = limits;
        self
    }

    /// A label of its nodes.
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.0["spec"]["template"]["metadata"]["labels"][key] = json!(value);
        self
    }

    /// An annotation of its nodes.
    pub fn annotation(mut self, key: &str, value: &str) -> Self {
        self.0["spec"]["template"]["metadata"]["annotations"][key] = json!(value);
        self
    }

    /// A taint of its nodes, without a value: the key and `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub fn taint(self, key: &str, effect: &str) -> Self {
        self.one_more("taints", json!({ "key": key, "effect": effect }))
    }

    /// A taint that its nodes have until somebody takes it away: until then they are not Initialized.
    pub fn startup_taint(self, key: &str, effect: &str) -> Self {
        self.one_more("startupTaints", json!({ "key": key, "effect": effect }))
    }

    /// A label of the node pool itself, which says nothing about its nodes.
    pub fn own_label(mut self, key: &str, value: &str) -> Self {
        self.0["metadata"]["labels"][key] = json!(value);
        self
    }

    /// Sets any field of `spec.disruption`.
    pub fn disruption(mut self, field: &str, value: Value) -> Self {
        self.0["spec"]["disruption"][field] = value;
        self
    }

    fn one_more(mut self, list: &str, entry: Value) -> Self {
        match self.template()[list].as_array_mut() {
            Some(entries) => entries.push(entry),
            None => self.template()[list] = json!([entry]),
        }
        self
    }

    fn template(&mut self) -> &mut Value {
        &mut self.0["spec"]["template"]["spec"]
    }
}

impl Named for NodePool {
    fn named(&self) -> NamedObject {
        NamedObject::new(Kind::NodePool, self.0["metadata"]["name"].as_str().unwrap_or_default())
    }
}

impl Apply for NodePool {
    fn objects(self) -> Result<Vec<Value>, ManifestError> {
        Ok(vec![self.0])
    }
}

/// One entry of `spec.disruption.budgets`.
#[derive(Debug, Clone)]
pub struct Budget(Value);

impl Budget {
    /// At most so many nodes at a time: a number or a percentage, for example `0`, `1`, `10%`.
    #[must_use]
    pub fn nodes(nodes: &str) -> Self {
        Self(json!({ "nodes": nodes }))
    }

    /// Only for these reasons: `Underutilized`, `Empty`, `Drifted`.
    #[must_use]
    pub fn for_reasons(mut self, reasons: &[&str]) -> Self {
        self.0["reasons"] = json!(reasons);
        self
    }

    /// Only while this schedule (cron, UTC) is open for this duration.
    #[must_use]
    pub fn on_schedule(mut self, cron: &str, duration: Option<&str>) -> Self {
        self.0["schedule"] = json!(cron);
        if let Some(duration) = duration {
            self.0["duration"] = json!(duration);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requirement_takes_the_place_of_one_with_the_same_key() {
        let pool = node_pool("p").requirement("kubernetes.io/arch", "In", &["arm64"]);
        let requirements = &pool.0["spec"]["template"]["spec"]["requirements"];
        let arch: Vec<_> =
            requirements.as_array().unwrap().iter().filter(|entry| entry["key"] == "kubernetes.io/arch").collect();
        assert_eq!(arch.len(), 1);
        assert_eq!(arch[0]["values"], json!(["arm64"]));
    }

    #[test]
    fn a_requirement_that_is_left_away_is_not_there() {
        let pool = node_pool("p").without_requirement("karpenter.azure.com/sku-family");
        let requirements = &pool.0["spec"]["template"]["spec"]["requirements"];
        let keys: Vec<_> = requirements.as_array().unwrap().iter().map(|entry| &entry["key"]).collect();
        assert_eq!(keys, ["karpenter.sh/capacity-type", "kubernetes.io/os", "kubernetes.io/arch"]);
    }
}
