//! All resources, by id.

use std::collections::{BTreeMap, HashMap};

use slab::Slab;

use super::Resource;
use arm::{ArmError, ResourceId};

/// The resources of a world. Ids are compared without regard to case.
#[derive(Debug, Default)]
pub struct Resources {
    /// Where the others find them by number.
    slots: Slab<Resource>,
    /// To find one. A request does it some times, and ids have long beginnings in common, which makes each comparison in
    /// an ordered map a long one.
    by_id: HashMap<ResourceId, usize>,
    /// To see all.
    ordered: BTreeMap<ResourceId, usize>,
    /// By type in lower case: most questions are about one type, and most resources are of others.
    by_type: HashMap<String, BTreeMap<ResourceId, usize>>,
    /// Types of those that were touched since the owner was last told.
    touched: BTreeMap<ResourceId, String>,
    /// By namespace, how often something of it was touched.
    revisions: BTreeMap<String, u64>,
}

impl Resources {
    /// By id.
    pub fn get(&self, id: &ResourceId) -> Option<&Resource> {
        self.by_id.get(id).map(|slot| &self.slots[*slot])
    }

    /// By id, to change it.
    pub fn get_mut(&mut self, id: &ResourceId) -> Option<&mut Resource> {
        let slot = *self.by_id.get(id)?;
        let found = &self.slots[slot];
        self.touch(found.id.clone(), found.resource_type.clone());
        Some(&mut self.slots[slot])
    }

    /// It exists.
    pub fn contains(&self, id: &ResourceId) -> bool {
        self.by_id.contains_key(id)
    }

    /// By id.
    ///
    /// # Errors
    /// Azure's `ResourceNotFound` where it does not exist.
    pub fn require(&self, id: &ResourceId) -> Result<&Resource, ArmError> {
        self.get(id).ok_or_else(|| not_found(id))
    }

    /// By id, to change it.
    ///
    /// # Errors
    /// Azure's `ResourceNotFound` where it does not exist.
    pub fn require_mut(&mut self, id: &ResourceId) -> Result<&mut Resource, ArmError> {
        self.get_mut(id).ok_or_else(|| not_found(id))
    }

    /// Adds one or replaces the one with the same id.
    pub fn insert(&mut self, resource: Resource) {
        self.take(&resource.id);
        self.touch(resource.id.clone(), resource.resource_type.clone());
        let id = resource.id.clone();
        let of_type = resource.resource_type.to_ascii_lowercase();
        let slot = self.slots.insert(resource);
        self.by_type.entry(of_type).or_default().insert(id.clone(), slot);
        self.ordered.insert(id.clone(), slot);
        self.by_id.insert(id, slot);
    }

    /// Takes one away.
    pub fn remove(&mut self, id: &ResourceId) -> Option<Resource> {
        let gone = self.take(id)?;
        self.touch(gone.id.clone(), gone.resource_type.clone());
        Some(gone)
    }

    fn take(&mut self, id: &ResourceId) -> Option<Resource> {
        let slot = self.by_id.remove(id)?;
        self.ordered.remove(id);
        let gone = self.slots.remove(slot);
        if let Some(of_type) = self.by_type.get_mut(&gone.resource_type.to_ascii_lowercase()) {
            of_type.remove(id);
        }
        Some(gone)
    }

    fn touch(&mut self, id: ResourceId, resource_type: String) {
        let namespace = resource_type.split('/').next().unwrap_or_default();
        match self.revisions.get_mut(namespace) {
            Some(revision) => *revision += 1,
            None => {
                self.revisions.insert(namespace.to_owned(), 1);
            }
        }
        self.touched.insert(id, resource_type);
    }

    /// A number that grows whenever a resource of this namespace (`Microsoft.Network`) is created, changed or removed:
    /// for whoever keeps something that follows from them.
    pub fn revision(&self, namespace: &str) -> u64 {
        self.revisions.get(namespace).copied().unwrap_or(0)
    }

    /// Those that were touched since the last call, with their types, whether they still exist or not.
    pub(crate) fn take_touched(&mut self) -> BTreeMap<ResourceId, String> {
        std::mem::take(&mut self.touched)
    }

    /// All, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.ordered.values().map(|slot| &self.slots[*slot])
    }

    /// All of a type, by id.
    pub fn of_type(&self, resource_type: &str) -> impl Iterator<Item = &Resource> {
        let of_type = self.by_type.get(&resource_type.to_ascii_lowercase());
        of_type.into_iter().flat_map(BTreeMap::values).map(|slot| &self.slots[*slot])
    }

    /// All of a type below a scope (a group, a subscription, another resource), by id.
    pub fn within(&self, scope: &ResourceId, resource_type: &str) -> impl Iterator<Item = &Resource> {
        self.of_type(resource_type).filter(move |r| r.id.is_within(scope) && r.id != *scope)
    }

    /// Ids of everything below a scope, the deepest first, so that children go before their parents.
    pub fn below(&self, scope: &ResourceId) -> Vec<ResourceId> {
        let mut ids: Vec<ResourceId> =
            self.ordered.keys().filter(|id| id.is_within(scope) && *id != scope).cloned().collect();
        ids.sort_by_key(|id| std::cmp::Reverse(id.as_str().matches('/').count()));
        ids
    }
}

/// `ResourceNotFound` as Azure Resource Manager words it; `ResourceGroupNotFound` for a group.
pub(crate) fn not_found(id: &ResourceId) -> ArmError {
    match (id.resource_group(), id.is_type("Microsoft.Resources/subscriptions/resourceGroups")) {
        (Some(group), true) => {
            ArmError::not_found("ResourceGroupNotFound", format!("Resource group '{group}' could not be found."))
        }
        (Some(group), false) => ArmError::not_found(
            "ResourceNotFound",
            format!(
                "The Resource '{}' under resource group '{group}' was not found. For more details please go to \
                 https://aka.ms/ARMResourceNotFoundFix",
                shown_path(id)
            ),
        ),
        (None, _) => ArmError::not_found(
            "ResourceNotFound",
            format!(
                "The Resource '{}' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
                shown_path(id)
            ),
        ),
    }
}

/// `Microsoft.Network/virtualNetworks/v/subnets/s`: namespace, then types and names in turn.
fn shown_path(id: &ResourceId) -> String {
    let text = id.as_str();
    match text.to_ascii_lowercase().rfind("/providers/") {
        Some(at) => text[at + "/providers/".len()..].to_owned(),
        None => text.trim_start_matches('/').to_owned(),
    }
}
