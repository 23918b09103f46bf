//! What their handlers do with stored resources, whatever their type.

use serde_json::Value;

use super::Registry;
use crate::world::{Resource, World};

/// A stored resource as its type's handler shows it.
pub(crate) fn shown(world: &World, resource: &Resource) -> Value {
    match Registry::get().find(&resource.resource_type) {
        Some(resource_type) => resource_type.handler.show(world, resource),
        None => resource.json(),
    }
}

/// Takes a resource away as its type's handler does when its group goes.
pub(crate) fn remove(world: &mut World, resource: &Resource) {
    match Registry::get().find(&resource.resource_type) {
        Some(registered) => registered.handler.remove(world, resource),
        None => {
            world.resources_mut().remove(&resource.id);
        }
    }
}
