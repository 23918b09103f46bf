//! What only some targets can do.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;

/// Something that a scenario can ask for with [`Lab::require`](crate::lab::Lab::require).
pub trait Capability: fmt::Debug + Send + Sync + 'static {
    /// Which one it is.
    const KIND: CapabilityKind;
}

/// Which capability.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CapabilityKind {
    /// Time that can be moved.
    Clock,
    /// How machines boot.
    Machines,
    /// What the region has to give.
    Region,
    /// The directory, and what Azure decides about rights.
    Tenant,
    /// The model of the network.
    Network,
    /// The provisioner's process.
    Provisioner,
    /// The control plane's processes.
    ControlPlane,
}

impl CapabilityKind {
    /// All of them, in the order in which tables show them.
    pub const ALL: &'static [Self] = &[
        Self::Clock,
        Self::Machines,
        Self::Region,
        Self::Tenant,
        Self::Network,
        Self::Provisioner,
        Self::ControlPlane,
    ];

    /// Its name in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Machines => "machines",
            Self::Region => "region",
            Self::Tenant => "tenant",
            Self::Network => "network model",
            Self::Provisioner => "provisioner settings",
            Self::ControlPlane => "control plane",
        }
    }

    /// What it lets a scenario do, as the object of "to".
    #[must_use]
    pub fn purpose(self) -> &'static str {
        match self {
            Self::Clock => "begin at a date and wait for days",
            Self::Machines => "decide how machines boot, and see what they are given to boot with",
            Self::Region => {
                "decide about capacity, quotas, sizes and images of the region, and how long operations take"
            }
            Self::Tenant => "decide who is in the directory, how long roles take, and what is denied",
            Self::Network => "ask who reaches whom",
            Self::Provisioner => "set, kill and restart the provisioner",
            Self::ControlPlane => "give a control plane another version past Azure",
        }
    }
}

impl fmt::Display for CapabilityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The capabilities of one lab.
#[derive(Debug, Default)]
pub struct Capabilities(BTreeMap<CapabilityKind, Box<dyn AnyCapability>>);

trait AnyCapability: fmt::Debug + Send + Sync {
    fn as_any(&self) -> &dyn Any;
}

impl<C: Capability> AnyCapability for C {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Capabilities {
    /// One more.
    #[must_use]
    pub fn with<C: Capability>(mut self, capability: C) -> Self {
        self.0.insert(C::KIND, Box::new(capability));
        self
    }

    /// This one; `None` where the lab does not have it.
    #[must_use]
    pub fn get<C: Capability>(&self) -> Option<&C> {
        let found: &dyn AnyCapability = &**self.0.get(&C::KIND)?;
        found.as_any().downcast_ref()
    }

    /// Which there are.
    pub fn kinds(&self) -> impl Iterator<Item = CapabilityKind> {
        self.0.keys().copied()
    }
}

/// The lab's time can be moved: a scenario may begin at a date, and hours cost seconds. Waiting itself works everywhere
/// (see [`Lab::wait_of`](crate::lab::Lab::wait_of)).
#[derive(Debug, Clone, Copy)]
pub struct MovableClock;

impl Capability for MovableClock {
    const KIND: CapabilityKind = CapabilityKind::Clock;
}

impl Capability for crate::node::Machines {
    const KIND: CapabilityKind = CapabilityKind::Machines;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Rain(u32);

    impl Capability for Rain {
        const KIND: CapabilityKind = CapabilityKind::Region;
    }

    #[test]
    fn what_a_lab_has_is_found_by_its_type_and_nothing_else_is() {
        let capabilities = Capabilities::default().with(Rain(7));
        assert_eq!(capabilities.get::<Rain>(), Some(&Rain(7)));
        assert!(capabilities.get::<MovableClock>().is_none());
        assert!(capabilities.kinds().eq([CapabilityKind::Region]));
    }

    #[test]
    fn every_capability_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = CapabilityKind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), CapabilityKind::ALL.len());
    }
}
