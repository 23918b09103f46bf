//! What is expected of Azure resources.

use std::fmt;

use super::expectation::{Expectation, Needs};
use super::kind::Kind;
use super::selection::{Selection, Subject};
use super::state::State;
use crate::history::ResourceChange;
use crate::object::name;

/// Tag that the provisioner puts on what it makes for a node pool.
const POOL_TAG: &str = "karpenter.sh_nodepool";

/// Virtual machines that the provisioner made.
pub fn vms() -> ResourceSelection {
    ResourceSelection::of_type("virtual machines", "Microsoft.Compute/virtualMachines")
}

/// Network interfaces that the provisioner made.
pub fn nics() -> ResourceSelection {
    ResourceSelection::of_type("network interfaces", "Microsoft.Network/networkInterfaces")
}

/// Disks of the machines that the provisioner made.
pub fn disks() -> ResourceSelection {
    ResourceSelection::of_type("disks", "Microsoft.Compute/disks")
}

/// Resources of one type that the provisioner made: theirs are the names that begin with `aks-`.
#[derive(Debug, Clone)]
pub struct Resources {
    plural: &'static str,
    resource_type: &'static str,
    leaked: bool,
}

/// Resources, all of their type or those of which something was said.
pub type ResourceSelection = Selection<Resources>;

impl Subject for Resources {
    type Item = ResourceChange;

    const ONE: &'static str = "resource";

    #[allow(private_interfaces)]
    const NEEDS: Needs = Needs::RESOURCES;

    fn all<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a ResourceChange> {
        state.resources(self.resource_type).filter(|resource| owner(resource).is_some())
    }

    fn label(resource: &ResourceChange) -> String {
        last(&resource.id).to_owned()
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.leaked { "leaked " } else { "" }, self.plural)
    }
}

impl ResourceSelection {
    fn of_type(plural: &'static str, resource_type: &'static str) -> Self {
        Self::new(Resources { plural, resource_type, leaked: false })
    }

    /// Those made for this node pool (tag `karpenter.sh_nodepool`).
    pub fn of_pool(self, pool: &str) -> Self {
        let wanted = pool.to_owned();
        self.narrowed(format!("of {pool}"), move |_, resource| {
            resource.body.as_ref().is_some_and(|body| body["tags"][POOL_TAG] == wanted.as_str())
        })
    }

    /// Those whose node claim does not exist: `aks-<name of a node claim>` is what the provisioner calls its own.
    pub fn leaked(self) -> Self {
        let leaked = self.of_subject(|subject| Resources { leaked: true, ..subject });
        leaked.narrowed("", |state, resource| {
            let owner = owner(resource).unwrap_or_default();
            !state.objects(Kind::NodeClaim).any(|claim| name(claim).eq_ignore_ascii_case(owner))
        })
    }

    /// At least one exists, and each property at this JSON pointer equals `value`, letter case aside.
    pub fn all_with(self, pointer: &str, value: &str) -> Expectation {
        self.all_at(pointer, "is", value, |found, value| found.eq_ignore_ascii_case(value))
    }

    /// At least one exists, and the text at this JSON pointer holds `part` in each.
    pub fn all_holding(self, pointer: &str, part: &str) -> Expectation {
        self.all_at(pointer, "holds", part, |found, part| found.contains(part))
    }

    fn all_at(self, pointer: &str, verb: &str, value: &str, holds: fn(&str, &str) -> bool) -> Expectation {
        let (what, pointer, value) = (format!("{pointer} {verb} {value}"), pointer.to_owned(), value.to_owned());
        self.each(&what, move |_, resource| {
            let found = resource.body.as_ref().and_then(|body| body.pointer(&pointer)).and_then(|found| found.as_str());
            match found {
                Some(found) if holds(found, &value) => Ok(()),
                found => Err(format!("has {}", found.unwrap_or("nothing there"))),
            }
        })
    }
}

/// Name of the node claim that a resource was made for, where the provisioner made it.
fn owner(resource: &ResourceChange) -> Option<&str> {
    let (prefix, owner) = last(&resource.id).split_at_checked(4)?;
    prefix.eq_ignore_ascii_case("aks-").then_some(owner)
}

fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
