//! Who uses a subnet, and what cannot be done with it meanwhile.

use ipnet::IpNet;
use serde_json::Value;

use super::addresses::AddressBook;
use super::{delegation, prefix};
use crate::world::World;
use arm::{ArmError, ResourceId};

/// Who has addresses of a subnet, the lowest address first.
pub(super) fn holders<'w>(world: &'w World, subnet: &ResourceId) -> Vec<&'w str> {
    world.peek::<AddressBook>().map_or_else(Vec::new, |book| book.of(subnet).map(|(_, holder)| holder).collect())
}

/// Everything that is in a subnet: holders of addresses and services' links.
fn users(world: &World, subnet: &ResourceId) -> Vec<String> {
    let mut users: Vec<String> = holders(world, subnet).into_iter().map(str::to_owned).collect();
    if let Some(found) = world.resources().get(subnet) {
        users.extend(delegation::links(found.properties()).map(str::to_owned));
    }
    users
}

/// Nothing is in the subnet.
///
/// # Errors
/// `InUseSubnetCannotBeDeleted`, which names everything that is.
pub(super) fn check_unused(world: &World, id: &ResourceId) -> Result<(), ArmError> {
    let users = users(world, id);
    if users.is_empty() {
        return Ok(());
    }
    Err(ArmError::bad_request(
        "InUseSubnetCannotBeDeleted",
        format!(
            "Subnet {} is in use by {} and cannot be deleted. In order to delete the subnet, delete all the resources \
             within the subnet. See aka.ms/deletesubnet.",
            id.name(),
            users.join(", ")
        ),
    ))
}

/// What may not change while the subnet has users: prefixes that addresses are taken from, and delegations. Further
/// prefixes may come, and unused ones go.
pub(super) fn check_change(
    world: &World,
    id: &ResourceId,
    properties: &Value,
    prefixes: &[IpNet],
) -> Result<(), ArmError> {
    let Some(existing) = world.resources().get(id) else { return Ok(()) };
    let users = users(world, id);
    let Some(user) = users.first() else { return Ok(()) };
    let book = world.peek::<AddressBook>();
    for old in prefix::prefixes_of(existing.properties()) {
        // Azure looks at the prefix as a whole: even a larger one that contains it is another prefix.
        let in_use = || book.is_some_and(|book| book.of(id).any(|(address, _)| old.contains(&address)));
        if !prefixes.contains(&old) && in_use() {
            return Err(ArmError::bad_request(
                "InUsePrefixCannotBeDeleted",
                format!("IpPrefix {old} on Subnet {} has active allocations and cannot be deleted.", id.name()),
            ));
        }
    }
    let (old, new) = (delegation::services(existing.properties()), delegation::services(properties));
    if old != new {
        return Err(ArmError::bad_request(
            "SubnetDelegationsCannotChangeWhenSubnetUsedByResource",
            format!(
                "Delegations of subnet {id} cannot be changed from [{}] to [{}] because it is being used by the resource \
                 {user}.",
                old.join(", "),
                new.join(", ")
            ),
        ));
    }
    Ok(())
}

/// The subnet is gone, and its addresses with it.
pub(super) fn forget(world: &mut World, subnet: &ResourceId) {
    world.state::<AddressBook>().forget(subnet);
}
