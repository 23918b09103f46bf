//! Which resource types there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::Handler;

/// A resource type that is served: its name, the api-versions it knows, and who handles it.
pub struct ResourceType {
    /// `Microsoft.Network/virtualNetworks/subnets`.
    pub name: &'static str,
    /// Api-versions, in any order.
    pub api_versions: &'static [&'static str],
    /// Who handles it.
    pub handler: &'static dyn Handler,
    /// Its resources have a location and tags; PUT demands the location and refuses to change it.
    pub tracked: bool,
    /// Its handler computes what there is (sizes, images, usages); nothing of it is in the store.
    pub computed: bool,
}

inventory::collect!(ResourceType);

impl ResourceType {
    /// A type whose resources are in the store and have no location of their own.
    pub const fn new(name: &'static str, api_versions: &'static [&'static str], handler: &'static dyn Handler) -> Self {
        Self { name, api_versions, handler, tracked: false, computed: false }
    }

    /// Its resources have a location and tags.
    #[must_use]
    pub const fn tracked(mut self) -> Self {
        self.tracked = true;
        self
    }

    /// Its handler computes what there is.
    #[must_use]
    pub const fn computed(mut self) -> Self {
        self.computed = true;
        self
    }

    /// `Microsoft.Network`.
    pub fn namespace(&self) -> &'static str {
        self.name.split('/').next().unwrap_or_default()
    }

    /// `virtualNetworks/subnets`.
    pub fn path(&self) -> &'static str {
        self.name.split_once('/').map(|(_, path)| path).unwrap_or_default()
    }
}

impl std::fmt::Debug for ResourceType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResourceType").field("name", &self.name).finish_non_exhaustive()
    }
}

/// All registered types.
#[derive(Debug)]
pub(crate) struct Registry {
    by_name: BTreeMap<String, &'static ResourceType>,
    namespaces: BTreeSet<String>,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let mut registry = Registry { by_name: BTreeMap::new(), namespaces: BTreeSet::new() };
    for entry in inventory::iter::<ResourceType> {
        registry.namespaces.insert(entry.namespace().to_ascii_lowercase());
        registry.by_name.insert(entry.name.to_ascii_lowercase(), entry);
    }
    registry
});

impl Registry {
    /// The types of this program.
    pub(crate) fn get() -> &'static Registry {
        &REGISTRY
    }

    /// By full name, without regard to case.
    pub(crate) fn find(&self, name: &str) -> Option<&'static ResourceType> {
        // Asked some times for each request; no name is longer.
        let mut folded = [0; 128];
        let folded = folded.get_mut(..name.len())?;
        folded.copy_from_slice(name.as_bytes());
        folded.make_ascii_lowercase();
        self.by_name.get(std::str::from_utf8(folded).ok()?).copied()
    }

    /// Some type of the namespace is served.
    pub(crate) fn has_namespace(&self, namespace: &str) -> bool {
        self.namespaces.contains(&namespace.to_ascii_lowercase())
    }

    /// All, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static ResourceType> {
        self.by_name.values().copied()
    }
}
