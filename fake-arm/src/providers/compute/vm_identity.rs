//! The user-assigned identities that a machine names.

use serde_json::{Value, json};

use crate::world::World;
use arm::{ArmError, ResourceId};

/// Looks the user-assigned identities of a body up and writes their ids of client and principal into it.
pub(super) fn resolve(world: &World, vm: &ResourceId, body: &mut Value) -> Result<(), ArmError> {
    let Some(assigned) = body.pointer_mut("/identity/userAssignedIdentities").and_then(Value::as_object_mut) else {
        return Ok(());
    };
    for (name, entry) in assigned.iter_mut() {
        let found = ResourceId::parse(name).ok().and_then(|id| world.resources().get(&id));
        let Some(identity) = found else {
            return Err(ArmError::bad_request(
                "FailedIdentityOperation",
                format!(
                    "Identity operation for resource '{vm}' failed with error 'Failed to perform resource identity \
                     operation. Status: 'BadRequest'. Response: '{{\"error\":{{\"code\":\"BadRequest\",\"message\":\
                     \"Resource '{name}' was not found.\"}}}}'.'."
                ),
            ));
        };
        let properties = identity.properties();
        *entry = json!({ "principalId": properties["principalId"], "clientId": properties["clientId"] });
    }
    Ok(())
}
