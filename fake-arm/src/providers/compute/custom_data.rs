//! Custom data of machines. Azure takes it, hands it to the machine, and never shows it again; so it is kept beside
//! the store.

use std::collections::BTreeMap;

use crate::world::KeptState;
use arm::ResourceId;

inventory::submit! { KeptState::of::<CustomData>("Microsoft.Compute/customData") }

/// Base64 of each machine's custom data.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct CustomData(BTreeMap<ResourceId, String>);

impl CustomData {
    /// Of one machine.
    pub(super) fn get(&self, vm: &ResourceId) -> Option<&str> {
        self.0.get(vm).map(String::as_str)
    }

    /// Keeps what a machine was made with.
    pub(super) fn keep(&mut self, vm: &ResourceId, data: String) {
        self.0.insert(vm.clone(), data);
    }

    /// Forgets a machine.
    pub(super) fn forget(&mut self, vm: &ResourceId) {
        self.0.remove(vm);
    }
}
