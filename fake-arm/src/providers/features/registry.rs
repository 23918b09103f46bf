//! Which features are registered, and which have taken effect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::world::{KeptState, World};

inventory::submit! { KeptState::of::<Features>("Microsoft.Features/features") }

/// How far a feature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum FeatureState {
    #[default]
    NotRegistered,
    Registering,
    Registered,
    Unregistering,
    Unregistered,
}

impl FeatureState {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NotRegistered => "NotRegistered",
            Self::Registering => "Registering",
            Self::Registered => "Registered",
            Self::Unregistering => "Unregistering",
            Self::Unregistered => "Unregistered",
        }
    }
}

/// One feature of the subscription.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) state: FeatureState,
    /// The namespace was registered again since: only then its provider looks at the feature.
    pub(super) effective: bool,
}

/// The features of the subscription, by `namespace/name` as Azure writes them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Features(BTreeMap<String, Entry>);

impl Features {
    pub(super) fn get(&self, (namespace, name): (&str, &str)) -> Entry {
        self.0.get(&format!("{namespace}/{name}")).copied().unwrap_or_default()
    }

    pub(super) fn entry(&mut self, (namespace, name): (&str, &str)) -> &mut Entry {
        self.0.entry(format!("{namespace}/{name}")).or_default()
    }
}

/// A namespace was registered (again): its provider takes over which of its features are registered.
pub(crate) fn propagate(world: &mut World, namespace: &str) {
    for (feature, entry) in &mut world.state::<Features>().0 {
        if feature.split('/').next().is_some_and(|of| of.eq_ignore_ascii_case(namespace)) {
            entry.effective = entry.state == FeatureState::Registered;
        }
    }
}
