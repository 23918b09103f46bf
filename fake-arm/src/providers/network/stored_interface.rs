//! What is read out of a stored network interface.

use serde_json::Value;

use super::reference;
use crate::world::Resource;

/// The items of an interface's `ipConfigurations`.
pub(super) fn configurations(nic: &Resource) -> &[Value] {
    reference::list(&nic.properties()["ipConfigurations"])
}
