//! What is expected of the labels, annotations and taints of nodes.

use serde_json::Value;

use super::expectation::{Expectation, Verdict};
use super::node::NodeSelection;
use crate::object::has_label;

impl NodeSelection {
    /// At least one exists, and each carries this label with this value.
    pub fn all_labelled(self, key: &str, value: &str) -> Expectation {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.each(&format!("labelled {key}={value}"), move |_, node| match has_label(node, &key, &value) {
            true => Ok(()),
            false => Err(format!("has {key}={}", node["metadata"]["labels"][&key])),
        })
    }

    /// At least one exists, and each carries this annotation with this value.
    pub fn all_annotated(self, key: &str, value: &str) -> Expectation {
        let (key, value) = (key.to_owned(), value.to_owned());
        self.each(&format!("annotated {key}={value}"), move |_, node| {
            let found = &node["metadata"]["annotations"][&key];
            if *found == value.as_str() { Ok(()) } else { Err(format!("has {key}={found}")) }
        })
    }

    /// At least one exists, and each carries a taint of this key.
    pub fn all_tainted(self, key: &str) -> Expectation {
        let key = key.to_owned();
        self.each(&format!("tainted {key}"), move |_, node| tainted(node, &key))
    }

    /// At least one of them carries a taint of this key.
    pub fn any_tainted(self, key: &str) -> Expectation {
        let key = key.to_owned();
        self.one_is(&format!("tainted {key}"), move |_, node| tainted(node, &key))
    }

    /// At least one exists, and none carries a taint of this key.
    pub fn none_tainted(self, key: &str) -> Expectation {
        let (what, key) = (format!("tainted {key}"), key.to_owned());
        self.none_is(&what, move |_, node| tainted(node, &key).is_ok().then(|| node["spec"]["taints"].to_string()))
    }
}

fn tainted(node: &Value, key: &str) -> Verdict {
    let taints = &node["spec"]["taints"];
    let has = taints.as_array().is_some_and(|taints| taints.iter().any(|taint| taint["key"] == key));
    if has { Ok(()) } else { Err(format!("has the taints {taints}")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::node::nodes;
    use super::super::state::tests::state_of;

    #[test]
    fn marks_are_of_all_nodes_or_of_one() {
        let marked = json!({"kind": "Node", "metadata": {"uid": "a", "name": "a", "labels": {"l": "1"},
            "annotations": {"n": "1"}}, "spec": {"taints": [{"key": "t", "effect": "NoSchedule"}]}});
        let plain = json!({"kind": "Node", "metadata": {"uid": "b", "name": "b"}, "spec": {}});
        let all = [nodes().all_labelled("l", "1"), nodes().all_annotated("n", "1"), nodes().all_tainted("t")];
        for expectation in all {
            assert_eq!(expectation.evaluate(&state_of(std::slice::from_ref(&marked))), Ok(()));
            assert!(expectation.evaluate(&state_of(&[marked.clone(), plain.clone()])).is_err());
            assert!(expectation.evaluate(&state_of(&[])).is_err());
        }
        assert_eq!(nodes().any_tainted("t").evaluate(&state_of(&[marked.clone(), plain.clone()])), Ok(()));
        assert!(nodes().any_tainted("t").evaluate(&state_of(std::slice::from_ref(&plain))).is_err());
        assert_eq!(nodes().none_tainted("t").evaluate(&state_of(std::slice::from_ref(&plain))), Ok(()));
        let seen = nodes().none_tainted("t").evaluate(&state_of(&[marked, plain])).unwrap_err();
        assert!(seen.starts_with("tainted t: 1: a ([{"), "{seen}");
    }
}
