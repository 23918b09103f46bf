//! What is expected of Azure resources.

use std::collections::BTreeSet;

use fake_arm::events::ResourceEvent;

use super::expectation::{Expectation, Quantity, listed};
use super::kind::Kind;
use super::state::{State, name};

/// Tag that the provisioner puts on what it makes for a node pool.
const POOL_TAG: &str = "karpenter.sh_nodepool";

/// Virtual machines that the provisioner made.
#[must_use]
pub fn vms() -> ResourceSelection {
    ResourceSelection::of("virtual machines", "Microsoft.Compute/virtualMachines")
}

/// Network interfaces that the provisioner made.
#[must_use]
pub fn nics() -> ResourceSelection {
    ResourceSelection::of("network interfaces", "Microsoft.Network/networkInterfaces")
}

/// Disks of the machines that the provisioner made.
#[must_use]
pub fn disks() -> ResourceSelection {
    ResourceSelection::of("disks", "Microsoft.Compute/disks")
}

/// Resources of one type.
#[derive(Debug, Clone)]
pub struct ResourceSelection {
    label: &'static str,
    resource_type: &'static str,
    pool: Option<String>,
    leaked: bool,
}

impl ResourceSelection {
    fn of(label: &'static str, resource_type: &'static str) -> Self {
        Self { label, resource_type, pool: None, leaked: false }
    }

    /// Those made for this node pool (tag `karpenter.sh_nodepool`).
    #[must_use]
    pub fn of_pool(mut self, pool: &str) -> Self {
        self.pool = Some(pool.to_owned());
        self
    }

    /// Those whose node claim does not exist: `aks-<name of a node claim>` is what the provisioner calls its own.
    #[must_use]
    pub fn leaked(mut self) -> Self {
        self.leaked = true;
        self
    }

    /// So many exist.
    pub fn count(self, number: usize) -> Expectation {
        self.quantity(Quantity::Exactly(number))
    }

    /// At most so many exist.
    pub fn at_most(self, number: usize) -> Expectation {
        self.quantity(Quantity::AtMost(number))
    }

    /// None exists.
    pub fn none(self) -> Expectation {
        self.quantity(Quantity::Exactly(0))
    }

    /// At least one exists, and each property at this JSON pointer equals `value`, letter case aside.
    pub fn all_with(self, pointer: &str, value: &str) -> Expectation {
        self.each(pointer, "is", value, |found, value| found.eq_ignore_ascii_case(value))
    }

    /// At least one exists, and the text at this JSON pointer holds `part` in each.
    pub fn all_holding(self, pointer: &str, part: &str) -> Expectation {
        self.each(pointer, "holds", part, |found, part| found.contains(part))
    }

    fn each(self, pointer: &str, verb: &str, value: &str, holds: fn(&str, &str) -> bool) -> Expectation {
        let (pointer, value) = (pointer.to_owned(), value.to_owned());
        Expectation::new(format!("{self}: {pointer} {verb} {value}"), move |state| {
            let all: Vec<_> = self.matching(state).collect();
            let others: Vec<_> = all
                .iter()
                .filter_map(|resource| {
                    let found = resource.body.as_ref()?.pointer(&pointer).and_then(|found| found.as_str());
                    let right = found.is_some_and(|found| holds(found, &value));
                    (!right).then(|| format!("{} has {}", resource.id, found.unwrap_or("nothing there")))
                })
                .collect();
            match (all.is_empty(), others.is_empty()) {
                (true, _) => Err("there is none".to_owned()),
                (false, true) => Ok(()),
                (false, false) => Err(others.join("; ")),
            }
        })
    }

    fn quantity(self, quantity: Quantity) -> Expectation {
        Expectation::new(format!("{self}: {quantity}"), move |state| {
            let names: Vec<_> = self.matching(state).map(|resource| last(&resource.id).to_owned()).collect();
            if quantity.holds(names.len()) { Ok(()) } else { Err(format!("{}: {}", self.label, listed(&names))) }
        })
    }

    fn matching<'a>(&'a self, state: &'a State) -> impl Iterator<Item = &'a ResourceEvent> {
        let owners: BTreeSet<String> =
            state.objects(Kind::NodeClaim).map(|claim| format!("aks-{}", name(claim)).to_ascii_lowercase()).collect();
        state.resources(self.resource_type).filter(move |resource| {
            let own = last(&resource.id).to_ascii_lowercase();
            let pool = resource.body.as_ref().and_then(|body| body["tags"][POOL_TAG].as_str());
            own.starts_with("aks-")
                && self.pool.as_ref().is_none_or(|wanted| pool == Some(wanted))
                && (!self.leaked || !owners.contains(&own))
        })
    }
}

impl std::fmt::Display for ResourceSelection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", if self.leaked { "leaked " } else { "" }, self.label)?;
        match &self.pool {
            Some(pool) => write!(f, " of {pool}"),
            None => Ok(()),
        }
    }
}

fn last(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}
