//! What became of the world, for whoever listens.

use std::sync::Arc;

use crate::events::{ArmEvent, ResourceEvent};
use crate::provider::shown;
use crate::world::World;

/// Takes out what has happened since the last time: first what was said of machines, then each resource that was
/// touched, as it is shown now.
pub(crate) fn take_events(world: &mut World) -> Vec<ArmEvent> {
    let mut events = world.take_emitted();
    for (id, resource_type) in world.resources_mut().take_touched() {
        let body = world.resources().get(&id).map(|resource| Arc::new(shown(world, resource)));
        events.push(ArmEvent::Resource(ResourceEvent { id: id.to_string(), resource_type, body }));
    }
    events
}
