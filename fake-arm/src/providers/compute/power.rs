//! Whether a machine's hardware runs. Azure keeps this beside the resource and shows it in the instance view only.

use std::collections::BTreeMap;

use crate::world::{KeptState, World};
use arm::ResourceId;

/// What a machine's hardware does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum PowerState {
    /// It boots or runs.
    #[default]
    Running,
    /// It is off, on its host.
    Stopped,
    /// It is off, and its host is others'.
    Deallocated,
    /// It never ran: Azure found no place for it.
    Unplaced,
}

impl PowerState {
    /// The code after `PowerState/`; `None` for a machine that never ran.
    pub(super) fn code(self) -> Option<&'static str> {
        match self {
            Self::Running => Some("running"),
            Self::Stopped => Some("stopped"),
            Self::Deallocated => Some("deallocated"),
            Self::Unplaced => None,
        }
    }

    /// It has a place on a host.
    pub(super) fn has_a_place(self) -> bool {
        matches!(self, Self::Running | Self::Stopped)
    }
}

inventory::submit! { KeptState::of::<Off>("Microsoft.Compute/power") }

/// Machines that do not run.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Off(BTreeMap<ResourceId, PowerState>);

/// What a machine's hardware does.
pub fn state(world: &World, vm: &ResourceId) -> PowerState {
    world.peek::<Off>().and_then(|off| off.0.get(vm)).copied().unwrap_or_default()
}

/// Notes what a machine's hardware does from now on.
pub(super) fn set(world: &mut World, vm: &ResourceId, state: PowerState) {
    let off = &mut world.state::<Off>().0;
    match state {
        PowerState::Running => off.remove(vm),
        _ => off.insert(vm.clone(), state),
    };
}

/// The machine is gone.
pub(super) fn forget(world: &mut World, vm: &ResourceId) {
    world.state::<Off>().0.remove(vm);
}
