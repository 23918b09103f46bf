//! `maintenanceConfigurations`: when AKS may upgrade by itself.

use serde_json::{Value, json};

use super::agent_pool::cluster_of;
use super::refusal::invalid;
use crate::provider::{Answer, Handler, Reply, Request};
use crate::world::{Resource, World};

/// The type of planned maintenance.
pub(super) const MAINTENANCE: &str = "Microsoft.ContainerService/managedClusters/maintenanceConfigurations";

/// The names that mean something, with whether each wants a `maintenanceWindow`.
const NAMES: [(&str, bool); 3] =
    [("default", false), ("aksManagedAutoUpgradeSchedule", true), ("aksManagedNodeOSUpgradeSchedule", true)];

/// A window is no shorter and no longer than this.
const HOURS: std::ops::RangeInclusive<u64> = 4..=24;

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
        cluster_of(world, &request.id)?;
        let name = request.id.name();
        let Some((_, windowed)) = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) else {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            let message = format!("The name '{name}' is not one of the allowed values: {}.", names.join(", "));
            return Err(invalid("configName", message));
        };
        let window = &request.properties()["maintenanceWindow"];
        if *windowed {
            let hours = window["durationHours"].as_u64().unwrap_or_default();
            if !HOURS.contains(&hours) {
                let (least, most) = (HOURS.start(), HOURS.end());
                let message = format!("The value {hours} of durationHours must be between {least} and {most}.");
                return Err(invalid("properties.maintenanceWindow.durationHours", message));
            }
            let kinds = ["daily", "weekly", "absoluteMonthly", "relativeMonthly"];
            let given = kinds.iter().filter(|kind| window["schedule"][**kind].is_object()).count();
            if given != 1 {
                let message = format!("Exactly one of {} must be set.", kinds.join(", "));
                return Err(invalid("properties.maintenanceWindow.schedule", message));
            }
            if window["startTime"].as_str().is_none_or(str::is_empty) {
                return Err(invalid("properties.maintenanceWindow.startTime", "The start time must be set, as HH:MM."));
            }
        } else if !window.is_null() {
            return Err(invalid(
                "properties.maintenanceWindow",
                "The configuration 'default' has timeInWeek and notAllowedTime, no maintenanceWindow.",
            ));
        }
        let new = world.upsert(&request.id, MAINTENANCE, json!({ "properties": request.properties() }));
        Ok(Answer::put(new, &request.id))
    }
}
