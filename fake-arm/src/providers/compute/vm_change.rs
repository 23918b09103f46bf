//! How a stored machine and a new body of it become the next body, and what of it may not change.

use serde_json::{Map, Value};

use super::power::PowerState;
use super::refusal::change_not_allowed;
use super::spot::max_price;
use arm::{ArmError, ResourceId};

/// Paths below `properties` that are settled when the machine is made, with the names by which Azure refuses them.
const SETTLED: &[(&str, &str)] = &[
    ("/storageProfile/imageReference", "imageReference"),
    ("/storageProfile/osDisk/name", "osDisk.name"),
    ("/storageProfile/osDisk/createOption", "osDisk.createOption"),
    ("/storageProfile/osDisk/diffDiskSettings", "osDisk.diffDiskSettings"),
    ("/osProfile/computerName", "osProfile.computerName"),
    ("/osProfile/adminUsername", "osProfile.adminUsername"),
    ("/osProfile/linuxConfiguration/ssh/publicKeys", "linuxConfiguration.ssh.publicKeys"),
    ("/priority", "priority"),
    ("/evictionPolicy", "evictionPolicy"),
    ("/networkProfile", "networkProfile"),
    ("/availabilitySet", "availabilitySet"),
];

/// Refuses a body that would change what is settled. What the body leaves out stays as it is.
pub(super) fn check(vm: &ResourceId, old: &Value, new: &Value, power: PowerState) -> Result<(), ArmError> {
    let differs = |old: &Value, new: &Value| !new.is_null() && !says(old, new);
    if let (Value::Null, Some(priority)) = (&old["properties"]["priority"], new["properties"]["priority"].as_str())
        && !priority.eq_ignore_ascii_case("Regular")
    {
        return Err(ArmError::conflict(
            "VMPriorityCannotBeApplied",
            format!(
                "The specified priority value '{priority}' cannot be applied to the Virtual Machine '{}' since no \
                 priority was specified when the Virtual Machine was created.",
                vm.name()
            ),
        ));
    }
    if max_price(new).is_some() && max_price(new) != max_price(old) && power != PowerState::Deallocated {
        return Err(ArmError::conflict(
            "MaxPriceChangeNotAllowedForAllocatedVMs",
            format!(
                "Max price change is not allowed when the VM '{}' is currently allocated. Deallocate and try again.",
                vm.name()
            ),
        ));
    }
    if differs(&old["zones"], &new["zones"]) {
        return Err(change_not_allowed("zones"));
    }
    for (path, name) in SETTLED {
        let found = |body: &Value| body["properties"].pointer(path).cloned().unwrap_or_default();
        if differs(&found(old), &found(new)) {
            return Err(change_not_allowed(name));
        }
    }
    Ok(())
}

/// All that `new` says, `old` says too; `old` may say more (ids and defaults that Azure filled in).
fn says(old: &Value, new: &Value) -> bool {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            new.iter().all(|(key, new)| new.is_null() || old.get(key).is_some_and(|old| says(old, new)))
        }
        (Value::Array(old), Value::Array(new)) => {
            old.len() == new.len() && old.iter().zip(new).all(|(old, new)| says(old, new))
        }
        (Value::Null, Value::Array(new)) => new.is_empty(),
        // What was never said is Azure's default.
        (Value::Null, Value::String(new)) => new.eq_ignore_ascii_case("Regular"),
        // Resource ids and enum values are the same in any case.
        (Value::String(old), Value::String(new)) => old.eq_ignore_ascii_case(new),
        _ => old == new,
    }
}

/// Lays `new` over `old`: objects by their keys, everything else as a whole. A null takes away.
pub(super) fn merge(old: &mut Value, new: &Value) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                if value.is_null() {
                    old.remove(key);
                } else {
                    merge(old.entry(key).or_insert(Value::Null), value);
                }
            }
        }
        (old, Value::Object(new)) => {
            *old = Value::Object(Map::new());
            merge(old, &Value::Object(new.clone()));
        }
        (old, new) => *old = new.clone(),
    }
}
