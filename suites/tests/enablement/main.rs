//! Turning node auto-provisioning on: on a new cluster by the commands and the template of Microsoft's "Node
//! auto-provisioning", on an existing one, in a network of the user's own with or without a subnet for the API server,
//! and what becomes of requests that say it wrongly, twice, at the wrong moment, or break off.

mod api_server_subnet;
mod creation;
mod credentials;
mod custom_network;
mod existing;
mod template;

use catnap::history::Event;
use catnap::prelude::*;
use serde_json::Value;
use suites::provisions;

const CONTAINER_SERVICE: &str = "2025-05-01";
const D2: &str = "Standard_D2s_v5";

/// How often a provisioner was started so far.
fn provisioner_starts(lab: &Lab) -> usize {
    let started = |event: &Event| match event {
        Event::Process { name, message } => name.starts_with("karpenter") && message.starts_with("started"),
        _ => false,
    };
    lab.history().since(0).iter().filter(|record| started(&record.event)).count()
}

/// `nodeProvisioningProfile.mode` as Azure shows it.
fn mode_of(resource: &Value) -> Option<&str> {
    resource["properties"]["nodeProvisioningProfile"]["mode"].as_str()
}

/// It was refused at once, in words that name the property.
fn verify_refused(lab: &Lab, what: &str, answer: Option<&ArmError>, property: &str) -> Outcome {
    let told = answer.map_or_else(|| "it was taken".to_owned(), ToString::to_string);
    let refused = answer.and_then(ArmError::status).is_some_and(|status| (400..500).contains(&status));
    lab.verify(&format!("{what}: refused, naming {property} ({told})"), true, refused && told.contains(property))
}
