//! What a scenario can do to the Azure region that it works in: what Azure itself decides, and nobody can order there.

use std::sync::Arc;
use std::time::Duration;

use fake_arm::arm::ResourceId;
use fake_arm::catalog::Catalog;
use fake_arm::providers::compute::{Capacity, PublishedVersions, Quotas, Shortage, ShortageKind};
use fake_arm::{FakeArm, Settings};

use crate::history::{Event, History};
use crate::target::{Capability, CapabilityKind};

/// The region of a lab whose Azure is fake-arm.
#[derive(Clone)]
pub struct Region {
    fake: Arc<FakeArm>,
    history: History,
    location: String,
}

impl std::fmt::Debug for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Region").field("location", &self.location).finish_non_exhaustive()
    }
}

impl Capability for Region {
    const KIND: CapabilityKind = CapabilityKind::Region;
}

impl Region {
    pub(in crate::target) fn new(fake: Arc<FakeArm>, history: History, location: &str) -> Self {
        Self { fake, history, location: location.to_owned() }
    }

    /// Everything that Azure sells: sizes with their capabilities, zones and prices, node images.
    #[must_use]
    pub fn catalog(&self) -> &'static Catalog {
        Catalog::builtin()
    }

    /// ARM name of the region, `eastus`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.location
    }

    /// Has no room from here on for machines of a size, `Standard_D4s_v5`, or of a family, `standardDSv5Family`, and
    /// says so in this way.
    pub fn exhaust_capacity(&self, size: &str, kind: ShortageKind) {
        self.step(format!("no room for {size} from here on ({kind:?})"));
        self.fake.with(|world| world.state::<Capacity>().add(Shortage::new(&self.location, kind).size(size)));
    }

    /// Has room for everything again.
    pub fn restore_capacity(&self) {
        self.step("room for everything from here on".to_owned());
        self.fake.with(|world| world.state::<Capacity>().relieve());
    }

    /// Allows this many vCPUs in the whole region; `None`: as many as the catalog says.
    pub fn set_regional_quota(&self, vcpus: Option<u32>) {
        self.step(format!("the regional quota is {vcpus:?} vCPUs from here on"));
        self.fake.with(|world| world.state::<Quotas>().region(&self.location).regional = vcpus);
    }

    /// Allows this many vCPUs of spot machines; `None`: as many as the catalog says.
    pub fn set_spot_quota(&self, vcpus: Option<u32>) {
        self.step(format!("the quota of spot machines is {vcpus:?} vCPUs from here on"));
        self.fake.with(|world| world.state::<Quotas>().region(&self.location).spot = vcpus);
    }

    /// Allows this many vCPUs of a family, `standardDSv5Family` for example; `None`: as many as the catalog says.
    pub fn set_family_quota(&self, family: &str, vcpus: Option<u32>) {
        self.step(match vcpus {
            Some(vcpus) => format!("the quota of {family} is {vcpus} vCPUs from here on"),
            None => format!("the quota of {family} is what it was"),
        });
        self.fake.with(|world| {
            let families = &mut world.state::<Quotas>().region(&self.location).families;
            match vcpus {
                Some(vcpus) => families.insert(family.to_owned(), vcpus),
                None => families.remove(family),
            };
        });
    }

    /// Keeps the subscription from a size from here on: the region's list says so, and no machine of it can be had.
    /// Machines that run stay.
    pub fn withdraw_size(&self, size: &str) {
        self.step(format!("{size} is not available for the subscription from here on"));
        self.fake.with(|world| world.state::<Capacity>().restrict(&self.location, size, &[]));
    }

    /// Publishes a version, `202601.05.0` for example, of all node images of AKS.
    pub fn publish_node_images(&self, version: &str) {
        self.step(format!("AKS publishes the node images {version}"));
        self.fake.with(|world| {
            let now = world.now();
            for gallery in Catalog::builtin().galleries() {
                world.state::<PublishedVersions>().publish(&gallery.name, version, now);
            }
        });
    }

    /// Lets an operation take this long from here on: `Microsoft.Compute/virtualMachines/write`.
    pub fn operation_takes(&self, operation: &str, duration: Duration) {
        self.step(format!("{operation} takes {} from here on", crate::duration::readable(duration)));
        self.fake.tune(|settings| settings.set_duration(operation, duration));
    }

    /// Loses a resource: it is gone although Azure would have refused to delete it, and nothing that refers to it knows.
    ///
    /// # Panics
    /// Where the id is no ARM id.
    pub fn lose(&self, id: &str) {
        self.step(format!("Azure loses {id}"));
        let id = ResourceId::parse(id).expect("what is lost is named by its ARM id");
        self.fake.with(|world| world.resources_mut().remove(&id));
    }

    /// Answers hardly any reads from here on: a caller has one in a hundred seconds and 429 for the others.
    pub fn throttle_reads(&self) {
        self.step("Azure answers hardly any reads from here on".to_owned());
        self.fake.tune(|settings| {
            settings.throttling.reads.size = 1;
            settings.throttling.reads.refill = 0.01;
        });
    }

    /// Answers as many reads as Azure documents again.
    pub fn throttle_as_documented(&self) {
        self.step("Azure answers as many reads as ever from here on".to_owned());
        self.fake.tune(|settings| settings.throttling = Settings::default().throttling);
    }

    fn step(&self, text: String) {
        self.history.record(Event::Step { text });
    }
}
