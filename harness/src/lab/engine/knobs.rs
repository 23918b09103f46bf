//! What a scenario changes of how the provisioner is started.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What the provisioner is started with besides what its managed cluster says. Clones share the knobs.
#[derive(Debug, Clone, Default)]
pub struct ProvisionerKnobs(Arc<Mutex<Knobs>>);

#[derive(Debug, Clone, Default)]
pub(super) struct Knobs {
    pub(super) environment: BTreeMap<String, Option<String>>,
    pub(super) flags: Vec<String>,
    panics: Vec<String>,
    pub(super) no_provisioner: Option<String>,
    pub(super) version: Option<String>,
}

impl ProvisionerKnobs {
    /// Sets an environment variable, also one that the managed cluster would set.
    pub fn env(&self, name: &str, value: &str) -> &Self {
        self.lock().environment.insert(name.to_owned(), Some(value.to_owned()));
        self
    }

    /// Adds a command line flag with its value.
    pub fn flag(&self, name: &str, value: &str) -> &Self {
        self.lock().flags.push(format!("{name}={value}"));
        self
    }

    /// It may panic with a message that holds this text, which otherwise fails a scenario.
    pub fn may_panic(&self, text: &str) -> &Self {
        self.lock().panics.push(text.to_owned());
        self
    }

    /// Another version of the provisioner from here on: the next cluster has it with its custom resources, and one that is
    /// there gets both with [`Lab::restart_provisioner`](crate::lab::Lab::restart_provisioner).
    /// [`Lab::needs_provisioner`](crate::lab::Lab::needs_provisioner) makes sure that it is at hand.
    pub fn version(&self, version: &str) -> &Self {
        self.lock().version = Some(version.to_owned());
        self
    }

    /// A panic with this message is one that the scenario wants to see.
    pub(crate) fn expects_panic(&self, message: &str) -> bool {
        self.lock().panics.iter().any(|text| message.contains(text))
    }

    /// Why what was given as the provisioner is none that can be run here, if so: then nothing can be said of it.
    pub(crate) fn no_provisioner(&self) -> Option<String> {
        self.lock().no_provisioner.clone()
    }

    pub(super) fn lock(&self) -> std::sync::MutexGuard<'_, Knobs> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
