//! Kubernetes objects that scenarios apply: builders for those that node auto-provisioning is about, and YAML for
//! everything else.

mod node_class;
mod node_pool;
mod workload;
mod yaml;

pub use node_class::{NodeClass, node_class};
pub use node_pool::{Budget, NodePool, node_pool};
pub use workload::{Deployment, DisruptionBudget, deployment, disruption_budget};
pub use yaml::{ManifestError, Manifests};

use serde_json::Value;

use crate::expect::{ConditionSelection, Expectation, NamedObject};

/// Something that can be applied to a cluster: one Kubernetes object or several.
pub trait Apply {
    /// The objects, in the order in which they shall be applied.
    ///
    /// # Errors
    /// When the text that they come from cannot be read.
    fn objects(self) -> Result<Vec<Value>, ManifestError>;

    /// The text that they come from, for errors that name the place in it: a path; `None` where there is no text.
    fn origin(&self) -> Option<String> {
        None
    }
}

impl Apply for Value {
    fn objects(self) -> Result<Vec<Value>, ManifestError> {
        Ok(vec![self])
    }
}

/// A builder whose noun also stands in expectations: what is said is said of the object of its name, whatever else the
/// builder holds.
pub trait Named: Sized {
    /// The object of this name.
    fn named(&self) -> NamedObject;

    /// Its condition `Ready` is True.
    fn ready(self) -> Expectation {
        self.named().ready()
    }

    /// Its condition of this type.
    fn condition(self, condition: &str) -> ConditionSelection {
        self.named().condition(condition)
    }

    /// It exists.
    fn exists(self) -> Expectation {
        self.named().exists()
    }

    /// It does not exist.
    fn absent(self) -> Expectation {
        self.named().absent()
    }

    /// It is on its way out and held by this finalizer.
    fn held_by_finalizer(self, finalizer: &str) -> Expectation {
        self.named().held_by_finalizer(finalizer)
    }
}
