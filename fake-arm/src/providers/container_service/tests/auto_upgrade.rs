//! Upgrade channels, and the schedule that says when.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Aks, path, recommended, refusal};

const HOUR: Duration = Duration::from_secs(60 * 60);
const SCHEDULE: &str = "/maintenanceConfigurations/aksManagedAutoUpgradeSchedule";

/// A cluster of 1.33 whose next window opens on Friday, 2026-01-02 at 00:00, a day after the fake's beginning.
fn scheduled() -> Aks {
    let mut body = recommended("Auto");
    body["properties"]["kubernetesVersion"] = json!("1.33");
    let mut aks = Aks::created(&body);
    let window = json!({"properties": {"maintenanceWindow": {
        "schedule": {"weekly": {"intervalWeeks": 1, "dayOfWeek": "Friday"}}, "durationHours": 8, "startTime": "00:00"}}});
    aks.fake.put(&path(SCHEDULE), window).expect(201);
    aks
}

/// Sets the channel, without letting time go by.
fn channel(aks: &mut Aks, channel: &str) {
    let mut body = aks.get();
    body["properties"]["autoUpgradeProfile"] = json!({ "upgradeChannel": channel });
    aks.fake.put(&path(""), body).expect(200);
    aks.fake.work();
}

/// Versions of the control plane and of the first pool.
fn versions(aks: &mut Aks) -> [Value; 2] {
    let shown = aks.get();
    let properties = &shown["properties"];
    [
        properties["currentKubernetesVersion"].clone(),
        properties["agentPoolProfiles"][0]["currentOrchestratorVersion"].clone(),
    ]
}

#[test]
fn a_channel_upgrades_control_plane_and_pools_when_the_window_opens() {
    let mut aks = scheduled();
    channel(&mut aks, "stable");
    aks.fake.advance(23 * HOUR);
    assert_eq!(versions(&mut aks), ["1.33.13", "1.33.13"]);
    aks.fake.advance(HOUR);
    assert_eq!(aks.get()["properties"]["provisioningState"], "Updating");
    aks.fake.work();
    assert_eq!(aks.get()["properties"]["provisioningState"], "Succeeded");
    assert_eq!(versions(&mut aks), ["1.34.4", "1.34.4"]);
    aks.fake.settle();
    assert_eq!(versions(&mut aks), ["1.34.4", "1.34.4"], "stable goes no further");
    assert_eq!(aks.engine.asked(), ["create", "update", "update"]);
}

#[test]
fn without_a_window_it_upgrades_soon_and_minor_by_minor() {
    let mut aks = scheduled();
    channel(&mut aks, "rapid");
    aks.fake.delete(&path(SCHEDULE)).expect(200);
    aks.fake.advance(HOUR);
    aks.fake.work();
    assert_eq!(versions(&mut aks), ["1.34.4", "1.34.4"]);
    aks.fake.settle();
    assert_eq!(versions(&mut aks), ["1.35.1", "1.35.1"]);
}

#[test]
fn a_channel_that_is_taken_back_upgrades_nothing() {
    for last in ["none", "patch", "node-image"] {
        let mut aks = scheduled();
        channel(&mut aks, "stable");
        channel(&mut aks, last);
        aks.fake.settle();
        assert_eq!(versions(&mut aks), ["1.33.13", "1.33.13"], "{last}");
    }
}

#[test]
fn a_cluster_on_which_something_is_under_way_is_upgraded_after_it() {
    let mut aks = scheduled();
    channel(&mut aks, "stable");
    aks.fake.advance(24 * HOUR - Duration::from_secs(60));
    let mut body = aks.get();
    body["tags"] = json!({ "a": "b" });
    aks.fake.put(&path(""), body).expect(200);
    aks.fake.advance(Duration::from_secs(120));
    assert_eq!(versions(&mut aks), ["1.33.13", "1.33.13"]);
    aks.fake.settle();
    assert_eq!(versions(&mut aks), ["1.34.4", "1.34.4"]);
}

#[test]
fn channels_that_there_are_not_are_refused() {
    for (name, value) in [("upgradeChannel", "fast"), ("nodeOSUpgradeChannel", "Weekly")] {
        let mut body = recommended("Auto");
        body["properties"]["autoUpgradeProfile"] = json!({ name: value });
        let message = refusal(Aks::new().put(&body), 400, "InvalidParameter");
        assert!(message.starts_with(&format!("The value '{value}' of {name} is not one of ")), "{message}");
    }
}
