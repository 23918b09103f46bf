//! What becomes of Azure, seen by asking: the lists of virtual machines, network interfaces and disks, again and again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::azure::{ArmClient, ArmError};
use crate::history::{AzureEvent, Event, History, ResourceChange};

/// Between two looks, in real time.
const PAUSE: Duration = Duration::from_secs(1);

/// What is looked at: resource type and api-version.
const LOOKED_AT: [(&str, &str); 3] = [
    ("Microsoft.Compute/virtualMachines", "2024-07-01"),
    ("Microsoft.Network/networkInterfaces", "2024-05-01"),
    ("Microsoft.Compute/disks", "2023-10-02"),
];

/// Looks at the resources of a subscription that are in resource groups whose name holds `own`.
pub(super) struct Look {
    pub(super) azure: ArmClient,
    pub(super) subscription: String,
    pub(super) own: String,
    pub(super) history: History,
}

impl Look {
    /// Goes on for ever.
    pub(super) async fn again_and_again(self) {
        let mut known = BTreeMap::new();
        let mut unseen = None;
        loop {
            match self.once(&mut known).await {
                Ok(()) => unseen = None,
                Err(error) => {
                    tracing::debug!(%error, "the resources of Azure cannot be looked at");
                    unseen.get_or_insert_with(|| self.history.unseen("resources of Azure"));
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn once(&self, known: &mut BTreeMap<String, ResourceChange>) -> Result<(), ArmError> {
        let mut present = BTreeMap::new();
        for (resource_type, api_version) in LOOKED_AT {
            let list = format!("/subscriptions/{}/providers/{resource_type}", self.subscription);
            for resource in self.azure.list(&list, api_version).await? {
                let id = resource["id"].as_str().unwrap_or_default().to_owned();
                if is_in_group_of(&id, &self.own) {
                    let resource_type = resource_type.to_owned();
                    let change = ResourceChange { id: id.clone(), resource_type, body: Some(Arc::new(resource)) };
                    present.insert(id.to_ascii_lowercase(), change);
                }
            }
        }
        for change in differences(known, &present) {
            self.history.record(Event::Azure { what: AzureEvent::Resource(change) });
        }
        *known = present;
        Ok(())
    }
}

/// What has changed between two looks, by the ids of the resources in lower case.
fn differences(
    known: &BTreeMap<String, ResourceChange>,
    present: &BTreeMap<String, ResourceChange>,
) -> Vec<ResourceChange> {
    let gone = known.iter().filter(|(id, _)| !present.contains_key(*id));
    let gone = gone.map(|(_, before)| ResourceChange { body: None, ..before.clone() });
    let body =
        |change: Option<&ResourceChange>| -> Option<Arc<Value>> { change.and_then(|change| change.body.clone()) };
    let changed = present.iter().filter(|(id, now)| body(known.get(*id)) != now.body).map(|(_, now)| now.clone());
    gone.chain(changed).collect()
}

fn is_in_group_of(id: &str, own: &str) -> bool {
    let mut segments = id.split('/').skip_while(|segment| !segment.eq_ignore_ascii_case("resourceGroups"));
    let group = segments.nth(1).unwrap_or_default();
    group.to_ascii_lowercase().contains(&own.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_came_changed_and_went_between_two_looks_is_told() {
        let look = |resources: &[(&str, u32)]| -> BTreeMap<String, ResourceChange> {
            let change = |&(id, size): &(&str, u32)| {
                let body = Some(Arc::new(json!({ "id": id, "size": size })));
                (id.to_owned(), ResourceChange { id: id.to_owned(), resource_type: "t".into(), body })
            };
            resources.iter().map(change).collect()
        };
        let told = differences(&look(&[("a", 1), ("b", 1), ("c", 1)]), &look(&[("a", 1), ("c", 2), ("d", 1)]));
        let told: Vec<_> = told.iter().map(|change| (change.id.as_str(), change.body.is_some())).collect();
        assert_eq!(told, [("b", false), ("c", true), ("d", true)]);
    }

    #[test]
    fn resources_of_others_are_not_looked_at() {
        let id = |group: &str| format!("/subscriptions/s/resourcegroups/{group}/providers/Microsoft.Compute/disks/d");
        assert!(is_in_group_of(&id("MC_Catnap-7-ab-rg_my-aks-cluster_eastus"), "catnap-7-ab"));
        assert!(!is_in_group_of(&id("MC_other_my-aks-cluster_eastus"), "catnap-7-ab"));
        assert!(!is_in_group_of("/subscriptions/s", "catnap-7-ab"));
    }
}
