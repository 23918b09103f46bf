//! `maintenanceConfigurations`: when AKS may upgrade by itself.

use serde_json::{Value, json};

use super::agent_pool::cluster_of;
use super::auto_upgrade;
use super::maintenance_window::Window;
use super::refusal::invalid;
use crate::provider::{Answer, Handler, Reply, Request};
use crate::world::{Resource, World};

/// The type of planned maintenance.
pub(super) const MAINTENANCE: &str = "Microsoft.ContainerService/managedClusters/maintenanceConfigurations";

/// The names that mean something, with whether each wants a `maintenanceWindow`.
const NAMES: [(&str, bool); 3] =
    [("default", false), (auto_upgrade::SCHEDULE, true), ("aksManagedNodeOSUpgradeSchedule", true)];

pub(super) struct MaintenanceConfigurations;

impl Handler for MaintenanceConfigurations {
    fn show(&self, _: &World, resource: &Resource) -> Value {
        json!({
            "id": resource.id,
            "name": resource.name(),
            "type": MAINTENANCE,
            "properties": resource.properties(),
        })
    }

    fn put(&self, world: &mut World, request: &Request) -> Reply {
        let cluster = cluster_of(world, &request.id)?;
        let name = request.id.name();
        let Some((_, windowed)) = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            let message = format!("The name '{name}' is not one of the allowed values: {}.", names.join(", "));
            return Err(invalid("configName", message));
        };
        let window = &request.properties()["maintenanceWindow"];
        if *windowed {
            Window::read(window)?;
        } else if !window.is_null() {
            return Err(invalid(
                "properties.maintenanceWindow",
                "The configuration 'default' has timeInWeek and notAllowedTime, no maintenanceWindow.",
            ));
        }
        let new = world.upsert(&request.id, MAINTENANCE, json!({ "properties": request.properties() }));
        auto_upgrade::plan(world, &cluster.id);
        Ok(Answer::put(new, &request.id))
    }

    fn delete(&self, world: &mut World, request: &Request) -> Reply {
        let Some(gone) = world.resources_mut().remove(&request.id) else { return Ok(Answer::no_content()) };
        if let Some(cluster) = gone.id.parent() {
            auto_upgrade::plan(world, &cluster);
        }
        Ok(Answer::ok())
    }
}
