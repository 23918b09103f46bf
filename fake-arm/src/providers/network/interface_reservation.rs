//! Interfaces that a machine left behind and that stay its own for a while: nobody else gets them, and nobody deletes
//! them.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::addresses::hold_ends;
use crate::world::{KeptState, World};
use arm::{ArmError, ResourceId};

inventory::submit! { KeptState::of::<Reservations>("Microsoft.Network/reservations") }

/// Reserved interfaces, with their machines and the end of the reservation.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
struct Reservations(BTreeMap<ResourceId, (ResourceId, Timestamp)>);

/// Keeps an interface for a machine whose creation failed, or that was deleted by force, for the world's
/// [`address_hold`](crate::Settings::address_hold).
pub fn reserve(world: &mut World, nic: &ResourceId, machine: &ResourceId) {
    let (now, until) = (world.now(), hold_ends(world));
    let reservations = &mut world.state::<Reservations>().0;
    reservations.retain(|_, (_, until)| now < *until);
    if now < until {
        reservations.insert(nic.clone(), (machine.clone(), until));
    }
}

/// Refuses an interface that is reserved for another machine than `machine`; with `None`, one that is reserved at all.
pub(super) fn check(world: &World, nic: &ResourceId, machine: Option<&ResourceId>) -> Result<(), ArmError> {
    let Some((owner, until)) = world.peek::<Reservations>().and_then(|r| r.0.get(nic)) else { return Ok(()) };
    if *until <= world.now() || machine == Some(owner) {
        return Ok(());
    }
    // Azure names the whole time, not what is left of it.
    let seconds = world.settings().address_hold.as_secs();
    Err(ArmError::bad_request(
        "NicReservedForAnotherVm",
        format!(
            "Nic(s) in request is reserved for another Virtual Machine for {seconds} seconds. Please provide another \
             nic(s) or retry after {seconds} seconds. Reserved VM: {owner}"
        ),
    ))
}

/// The interface has a machine again, or is gone.
pub(super) fn forget(world: &mut World, nic: &ResourceId) {
    world.state::<Reservations>().0.remove(nic);
}
