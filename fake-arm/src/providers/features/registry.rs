//! Which features are registered, and which have taken effect.

use std::collections::BTreeMap;

use crate::world::World;

/// How far a feature is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum State {
    #[default]
    NotRegistered,
    Registering,
    Registered,
    Unregistering,
    Unregistered,
}

impl State {
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
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    pub(super) state: State,
    /// The namespace was registered again since: only then its provider looks at the feature.
    pub(super) effective: bool,
}

/// The features of the subscription, by namespace and name as Azure writes them.
#[derive(Debug, Default)]
pub(super) struct Features(pub(super) BTreeMap<(&'static str, &'static str), Entry>);

impl Features {
    pub(super) fn entry(&mut self, feature: (&'static str, &'static str)) -> &mut Entry {
        self.0.entry(feature).or_default()
    }
}

/// A namespace was registered (again): its provider takes over which of its features are registered.
pub(crate) fn propagate(world: &mut World, namespace: &str) {
    for ((of, _), entry) in &mut world.state::<Features>().0 {
        if of.eq_ignore_ascii_case(namespace) {
            entry.effective = entry.state == State::Registered;
        }
    }
}
