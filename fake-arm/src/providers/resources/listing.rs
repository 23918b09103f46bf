//! What is in a resource group or in the subscription.

use serde_json::{Value, json};

use super::API_VERSIONS;
use crate::provider::{Answer, Handler, Registry, Reply, Request, ResourceType};
use crate::world::World;

struct Listing;

inventory::submit! {
    ResourceType::new("Microsoft.Resources/subscriptions/resources", API_VERSIONS, &Listing).computed()
}
inventory::submit! {
    ResourceType::new("Microsoft.Resources/subscriptions/resourceGroups/resources", API_VERSIONS, &Listing).computed()
}

impl Handler for Listing {
    fn list(&self, world: &mut World, request: &Request) -> Reply {
        let tracked = |name: &str| Registry::get().find(name).is_some_and(|t| t.tracked);
        let found = world.resources().iter().filter(|r| r.id.is_within(&request.id) && tracked(&r.resource_type));
        let shown = found.map(|resource| {
            let mut item = json!({ "id": resource.id, "name": resource.name(), "type": resource.resource_type });
            for field in ["location", "tags", "sku", "kind", "managedBy", "identity", "zones"] {
                if let Some(value) = resource.body.get(field) {
                    item[field] = value.clone();
                }
            }
            item
        });
        Ok(Answer::list(shown.collect::<Vec<Value>>()))
    }
}
