//! Upgrade channels (`autoUpgradeProfile.upgradeChannel`): AKS upgrades a cluster, control plane and pools, to what its
//! channel wants, in the window of `aksManagedAutoUpgradeSchedule` where there is one.
//!
//! From "Automatically upgrade an AKS cluster" and "Use planned maintenance". Neither says when within a window an upgrade
//! begins, nor when without one: here it is the window's beginning, and an hour after the cluster could be upgraded.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::MANAGED_CLUSTER;
use super::cluster::Cluster;
use super::maintenance_window::Window;
use super::refusal::invalid;
use super::version::{self, Version};
use crate::provider::internal_put;
use crate::world::{KeptState, World};
use arm::{ArmError, ResourceId};

/// The name of the maintenance configuration that says when.
pub(super) const SCHEDULE: &str = "aksManagedAutoUpgradeSchedule";

const CHANNELS: [&str; 5] = ["none", "patch", "stable", "rapid", "node-image"];
const NODE_CHANNELS: [&str; 4] = ["None", "Unmanaged", "SecurityPatch", "NodeImage"];

/// Without a window an upgrade begins this long after it became possible.
const UNPLANNED: Duration = Duration::from_secs(60 * 60);
/// A cluster on which something else is under way is looked at again after this.
const BUSY: Duration = Duration::from_secs(15 * 60);
/// An upgrade that was refused is tried again after this.
const REFUSED: Duration = Duration::from_secs(24 * 60 * 60);

// What is planned follows from the clusters, as soon as one of them is put again.
inventory::submit! { KeptState::dropped::<Plans>("Microsoft.ContainerService/autoUpgrades") }

/// The plan of each cluster, by number: one that is not the latest any more comes to nothing.
#[derive(Debug, Default)]
struct Plans {
    latest: HashMap<ResourceId, u64>,
    made: u64,
}

/// Refuses channels that there are not.
///
/// # Errors
/// `InvalidParameter`, in words of ours.
pub(super) fn check(profile: &Value) -> Result<(), ArmError> {
    for (name, known) in [("upgradeChannel", &CHANNELS[..]), ("nodeOSUpgradeChannel", &NODE_CHANNELS[..])] {
        let Some(given) = profile[name].as_str() else { continue };
        if !known.iter().any(|channel| channel.eq_ignore_ascii_case(given)) {
            let message = format!("The value '{given}' of {name} is not one of {}.", known.join(", "));
            return Err(invalid(&format!("properties.autoUpgradeProfile.{name}"), message));
        }
    }
    Ok(())
}

/// Plans a cluster's next upgrade anew: its version, its channel or its schedule may have changed.
pub(super) fn plan(world: &mut World, id: &ResourceId) {
    let soon = world.now().checked_add(UNPLANNED).unwrap_or(Timestamp::MAX);
    plan_from(world, id, world.now(), soon);
}

/// The next upgrade: where there is a window when it is open from one moment on, else at the other.
fn plan_from(world: &mut World, id: &ResourceId, from: Timestamp, unplanned: Timestamp) {
    let plans = world.state::<Plans>();
    plans.made += 1;
    let number = plans.made;
    plans.latest.insert(id.clone(), number);
    let Some(cluster) = Cluster::find(world, id).filter(|cluster| target(cluster).is_some()) else { return };
    let at = match window(world, id) {
        Some(window) => match window.next(from) {
            Some((opens, _)) => opens,
            None => return,
        },
        None => unplanned,
    };
    let delay = Duration::try_from(at.duration_since(world.now())).unwrap_or_default();
    world.after(delay, move |world| {
        if world.state::<Plans>().latest.get(&cluster.id) == Some(&number) {
            upgrade(world, &cluster.id);
        }
    });
}

fn window(world: &World, cluster: &ResourceId) -> Option<Window> {
    let configuration = world.resources().get(&cluster.child("maintenanceConfigurations", SCHEDULE))?;
    Window::read(&configuration.properties()["maintenanceWindow"]).ok()
}

/// What its channel wants a cluster to become; `None` where it is that already.
fn target(cluster: &Cluster) -> Option<Version> {
    let channel = cluster.properties()["autoUpgradeProfile"]["upgradeChannel"].as_str()?;
    version::of_channel(&channel.to_ascii_lowercase(), cluster.version())
}

fn upgrade(world: &mut World, id: &ResourceId) {
    let Some(cluster) = Cluster::find(world, id) else { return };
    let Some(to) = target(&cluster) else { return };
    let again = if cluster.check_idle().is_err() || cluster.stopped() {
        BUSY
    } else {
        let mut pools = Cluster::shown_pools(&cluster.pools);
        for pool in pools.as_array_mut().into_iter().flatten() {
            pool["orchestratorVersion"] = json!(to.to_string());
        }
        let mut body = cluster.body;
        body["properties"]["kubernetesVersion"] = json!(to.to_string());
        body["properties"]["agentPoolProfiles"] = pools;
        match internal_put(world, id, MANAGED_CLUSTER, body) {
            // Whether it comes to a good end is seen when it is looked at again, and so is a channel that wants more.
            Ok(()) => BUSY,
            Err(error) => {
                tracing::warn!(%id, %to, %error, "failed to upgrade a cluster by its channel");
                REFUSED
            }
        }
    };
    let next = world.now().checked_add(again).unwrap_or(Timestamp::MAX);
    plan_from(world, id, next, next);
}
